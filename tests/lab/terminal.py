# SPDX-License-Identifier: GPL-2.0-or-later
"""A program at a terminal: a pseudo-terminal, and a model of the screen that a person would see on it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

from .privilege import LabError

ALTERNATE = 1049  # xterm's alternate screen


class Screen(pyte.Screen):
    """With what a program asks of the terminal beside what is drawn: which modes are on."""

    def __init__(self, columns, rows):
        self.asked = set()
        super().__init__(columns, rows)

    def set_mode(self, *modes, **options):
        if options.get("private"):
            self.asked |= set(modes)
        super().set_mode(*modes, **options)

    def reset_mode(self, *modes, **options):
        if options.get("private"):
            self.asked -= set(modes)
        super().reset_mode(*modes, **options)


class Terminal:
    """Use it in a with statement. argv runs with the terminal as its own; env is all of its environment."""

    def __init__(self, argv, env, columns=100, rows=30):
        self.argv, self.env = argv, {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env}
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = None

    def __enter__(self):
        self.master, self.slave = pty.openpty()
        self._set_size()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(self.argv, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=self.env,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)

    def _set_size(self):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0))

    def resize(self, columns, rows):
        """As a person who drags a window's corner; the kernel tells the program."""
        self.screen.resize(rows, columns)
        self._set_size()

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds=0.05):
        """Take in what the program has written."""
        while select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            self.stream.feed(data)
            seconds = 0

    def text(self):
        """The screen's lines."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, condition, seconds, what):
        """Until condition(text of the screen) is true; its result."""
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            result = condition(self.text())
            if result:
                return result
            if time.monotonic() > deadline:
                raise LabError(f"{what}: not within {seconds} s; the screen is\n{self.text()}")

    def wait_end(self, seconds=10):
        """The exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.read()
            if time.monotonic() > deadline:
                raise LabError(f"no end within {seconds} s; the screen is\n{self.text()}")
        self.read()
        return self.process.returncode

    def is_restored(self):
        """As it was: its settings, the usual screen, a cursor, lines that wrap."""
        return (termios.tcgetattr(self.slave) == self.before and ALTERNATE not in self.screen.asked
                and {25, 7} <= self.screen.asked)

    def is_full_screen(self):
        return ALTERNATE in self.screen.asked and 25 not in self.screen.asked
