# SPDX-License-Identifier: GPL-2.0-or-later
"""A page in headless Chromium: its DOM after scripts ran, what it wrote to the console, and pictures; without any network."""

import html
import json
import os
import pathlib
import re
import subprocess
import tempfile

from .privilege import LabError

# Waits for nothing on the network, asks nobody for updates, and keeps nothing.
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
           "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--proxy-server=127.0.0.1:9", "--enable-logging=stderr")
CONSOLE = re.compile(r":CONSOLE[:(].*")

# In a frame, since a window has a least width. It tells its findings when it has been laid out.
FRAME = """<!DOCTYPE html><html><body style="margin:0"><pre id="told"></pre>
<iframe src="{page}" style="border:0;width:{width}px;height:20000px"></iframe>
<script>addEventListener("message", event => document.getElementById("told").textContent = event.data)</script></body></html>"""

# What overflows: text beyond the page's edge or that of its own section. What overlaps: texts of one drawing.
MEASURE = """<script>addEventListener("load", () => {
  const told = {width: innerWidth, overflowing: [], overlapping: [], outside: [], texts: 0, charts: 0};
  const short = text => text.trim().slice(0, 60);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("script, style, svg")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const edge = (parent.closest("section") || document.body).getBoundingClientRect();
    for (const box of range.getClientRects()) {
      told.texts += 1;
      const fits = box.left >= edge.left - 1 && box.right <= edge.right + 1 && box.right <= innerWidth;
      if (!fits) told.overflowing.push(short(node.data));
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) told.overflowing.push("the page itself");
  for (const chart of document.querySelectorAll("svg")) {
    if (!chart.getClientRects().length) continue;
    told.charts += 1;
    const {width, height} = chart.viewBox.baseVal;
    const texts = [...chart.querySelectorAll("text")].map(text => [text, text.getBBox()]);
    texts.forEach(([text, box], at) => {
      const fits = box.x >= -1 && box.y >= -1 && box.x + box.width <= width + 1 && box.y + box.height <= height + 1;
      if (!fits) told.outside.push(short(text.textContent));
      for (const [other, there] of texts.slice(at + 1)) {
        const across = Math.min(box.x + box.width, there.x + there.width) - Math.max(box.x, there.x);
        const down = Math.min(box.y + box.height, there.y + there.height) - Math.max(box.y, there.y);
        if (across > 0.5 && down > 2) told.overlapping.push(short(text.textContent) + " | " + short(other.textContent));
      }
    });
  }
  parent.postMessage(JSON.stringify(told), "*");
})</script>"""


class Browser:
    """namespace is where it runs, without a way out; directory is for copies of pages and the browser's own files."""

    def __init__(self, namespace, directory):
        self.namespace = namespace
        self.directory = pathlib.Path(directory)

    def _run(self, page, *options):
        with tempfile.TemporaryDirectory(dir=self.directory) as profile:
            words = ["chromium", *OPTIONS, f"--user-data-dir={profile}", *options, pathlib.Path(page).as_uri()]
            argv = self.namespace.argv(words)
            result = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False,
                                    env={**os.environ, "HOME": profile, "LC_ALL": "C.UTF-8"})
        if result.returncode:
            raise LabError(f"chromium: exit status {result.returncode}: {result.stderr[-2000:]}")
        return result

    def dom(self, page, *options):
        """(the DOM as text, the lines of the console)"""
        result = self._run(page, "--virtual-time-budget=10000", "--dump-dom", *options)
        return result.stdout, CONSOLE.findall(result.stderr)

    def measure(self, page, width):
        """What overflows or overlaps at this width, and the console's lines."""
        measured = self.directory / f"measured-{width}.html"
        text = pathlib.Path(page).read_text(encoding="utf-8")
        measured.write_text(text.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
        frame = self.directory / f"frame-{width}.html"
        frame.write_text(FRAME.format(page=measured.name, width=width))
        dom, console = self.dom(frame, f"--window-size={max(width, 600)},1000")
        told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)[1]))
        assert told["width"] == width and told["texts"] > 0, told
        return told, console

    def picture(self, page, file, width, height, dark=False):
        """A PNG of the page's upper part."""
        self._run(page, f"--screenshot={file}", f"--window-size={width},{height}",
                  f"--blink-settings=preferredColorScheme={0 if dark else 1}")
