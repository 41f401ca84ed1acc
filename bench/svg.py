# SPDX-License-Identifier: GPL-2.0-or-later
"""Curves as SVG: two logarithmic axes, a line a series, the range of each point. Works in light and dark pages."""

import math
from html import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 72, 216, 44, 52  # margins; the legend is on the right
# The same thing has the same colour in all of them; what is not named here takes one of the others.
NAMED = {"conntrack dump+restore": "#d62728", "raw ctnetlink": "#1f77b4", "raw ctnetlink, all": "#1f77b4", "conntrackd commit": "#2ca02c",
         "vmmig, cold": "#ff7f0e", "vmmig": "#9467bd"}
COLOURS = ("#8c564b", "#17a2a2", "#7f7f7f", "#bcbd22")
STYLE = """\
<style>
  text { font: 13px sans-serif; fill: #333 }
  .title { font-size: 15px; font-weight: bold }
  .grid { stroke: #ccc; stroke-width: 1 }
  .paper { fill: #fff }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #555 } .paper { fill: #1b1b1b } }
</style>"""


def short(value):
    """1000 -> 1k."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Axis:
    """From the decade below the least value to the one above the greatest, over these pixels."""

    def __init__(self, values, begin, end):
        self.first = math.floor(math.log10(min(values)) + 1e-9)
        self.last = max(self.first + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self.begin, self.end = begin, end

    def at(self, value):
        part = (math.log10(value) - self.first) / (self.last - self.first)
        return round(self.begin + part * (self.end - self.begin), 1)

    def decades(self):
        return [10.0 ** power for power in range(self.first, self.last + 1)]


def chart(title, x_label, y_label, series):
    """series: {name: {x: (median, least, greatest)}}; everything above 0. Returns the SVG's text."""
    series = {name: points for name, points in series.items() if points}
    x = Axis([each for points in series.values() for each in points], LEFT, WIDTH - RIGHT)
    y = Axis([value for points in series.values() for ranges in points.values() for value in ranges], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
             "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->", STYLE,
             f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
             f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>', *_grid(x, y),
             f'<text x="{(x.begin + x.end) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>',
             f'<text transform="translate(18 {(y.begin + y.end) / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>']
    for number, (name, points) in enumerate(series.items()):
        colour = NAMED.get(name, COLOURS[number % len(COLOURS)])
        parts += _line(x, y, points, colour)
        parts += _legend(number, name, colour)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(x, y):
    for value in x.decades():
        at = x.at(value)
        yield f'<line class="grid" x1="{at}" x2="{at}" y1="{y.begin}" y2="{y.end}"/>'
        yield f'<text x="{at}" y="{y.begin + 18}" text-anchor="middle">{short(value)}</text>'
    for value in y.decades():
        at = y.at(value)
        yield f'<line class="grid" x1="{x.begin}" x2="{x.end}" y1="{at}" y2="{at}"/>'
        yield f'<text x="{x.begin - 8}" y="{at + 4}" text-anchor="end">{short(value)}</text>'


def _line(x, y, points, colour):
    places = [(x.at(at), y.at(median), y.at(least), y.at(greatest)) for at, (median, least, greatest) in sorted(points.items())]
    path = " ".join(f"{across},{middle}" for across, middle, _, _ in places)
    yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'
    for across, middle, low, high in places:
        yield f'<line stroke="{colour}" stroke-width="2" x1="{across}" x2="{across}" y1="{low}" y2="{high}"/>'
        yield f'<circle cx="{across}" cy="{middle}" r="3.5" fill="{colour}"/>'


def _legend(number, name, colour):
    left, top = WIDTH - RIGHT + 14, TOP + 12 + number * 22
    yield f'<line stroke="{colour}" stroke-width="3" x1="{left}" x2="{left + 18}" y1="{top}" y2="{top}"/>'
    yield f'<text x="{left + 24}" y="{top + 4}">{escape(name)}</text>'
