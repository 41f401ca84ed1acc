# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person sees of the demo: lines, and on a terminal a few of them that are redrawn in place. Colours only there."""

import os
import re
import shutil

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
CODES = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    def __init__(self, stream):
        self._stream = stream
        self.live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colours = self.live and "NO_COLOR" not in os.environ
        self._drawn = 0  # lines that the next draw() replaces

    def paint(self, text, *codes):
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._colours else text

    def say(self, text=""):
        """A line that stays."""
        self._write(self._erase() + text + "\n")

    def draw(self, lines):
        """Lines that the next call of draw() or say() replaces; nothing where that is impossible."""
        if not self.live:
            return
        columns = shutil.get_terminal_size().columns
        lines = [_cut(line, columns) for line in lines]
        self._write(self._erase() + "".join(line + "\n" for line in lines))
        self._drawn = len(lines)

    def keep(self):
        """What is drawn stays."""
        self._drawn = 0

    def _erase(self):
        drawn, self._drawn = self._drawn, 0
        return f"\x1b[{drawn}A\x1b[J" if drawn else ""

    def _write(self, text):
        self._stream.write(text)
        self._stream.flush()


def width(text):
    """Columns that a text takes."""
    return len(CODES.sub("", text))


def pad(text, columns):
    return text + " " * max(0, columns - width(text))


def _cut(line, columns):
    """A redrawn line must not wrap."""
    if width(line) < columns:
        return line
    return CODES.sub("", line)[:columns - 1]


def table(heads, rows):
    """Lines of a table whose first column is text and whose others stand right."""
    widths = [max(width(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    def line(row):
        first, *others = row
        return "  " + pad(first, widths[0]) + "".join(f"{' ' * (w - width(cell) + 3)}{cell}"
                                                      for cell, w in zip(others, widths[1:]))
    return [line(row) for row in [heads, *rows]]
