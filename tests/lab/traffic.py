# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the traffic tool (tests/traffic) and talks to one that runs in a namespace: commands in, lines of JSON out."""

import atexit
import functools
import glob
import json
import os
import select
import shutil
import tempfile
import time

from .netns import PREFIX, run
from .privilege import LabError

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "traffic")
COMPILE = ["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror"]


@functools.cache
def program():
    """The path of the program: $VMMIG_TRAFFIC, or what make has built in $VMMIG_BUILDDIR, or one compiled for this run."""
    if "VMMIG_TRAFFIC" in os.environ:
        return os.environ["VMMIG_TRAFFIC"]
    built = os.path.join(os.environ.get("VMMIG_BUILDDIR", ""), "tests", "traffic", "traffic")
    if os.path.isabs(built) and os.path.exists(built):
        return built
    sources = glob.glob(os.path.join(SOURCE, "*.cc"))
    directory = tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = os.path.join(directory, "traffic")
    run([*COMPILE, "-o", path, *sources], timeout=120)
    return path


class Traffic:
    """A traffic server or client. It ends with the lab, or with quit()."""

    def __init__(self, processes, namespace, mode, *options):
        self.where = namespace.name
        self.process = processes.start(f"traffic-{mode}-{namespace.name}", [program(), mode, *options],
                                       namespace, pipes=True)
        self._input, self._output = self.process.popen.stdin, self.process.popen.stdout
        self._buffer = b""
        self._await("ready", 30)

    def mark(self):
        """Restart the measurement of silence."""
        self._ask("mark", "mark")

    def summary(self):
        """Totals: connections, alive, dead, verificationErrors, longestSilenceMs; in "kinds" the same for each kind."""
        return self._ask("summary", "summary")

    def status(self):
        """The summary, and in "each" every connection."""
        return self._ask("status", "status")

    def probe(self, seconds=5):
        """Ask every connection and wait for the answers: the summary with asked and answered."""
        self.start_probe(seconds)
        return self.end_probe(seconds)

    def start_probe(self, seconds=5):
        """The same in two halves, so that several ends are asked at once."""
        self._tell(f"probe {seconds}")

    def end_probe(self, seconds=5):
        return self._await("probe", seconds + 5)

    def quit(self):
        return self.process.stop()

    def _ask(self, command, event, seconds=10):
        self._tell(command)
        return self._await(event, seconds)

    def _tell(self, command):
        try:
            self._input.write(command + "\n")
            self._input.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _await(self, event, seconds):
        """The next answer. Lines of other events, such as a status after SIGUSR1, are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            answer = json.loads(self._line(deadline, event))
            if answer["event"] == "error":
                raise LabError(f"{self.process.name}: {answer['text']}")
            if answer["event"] == event:
                return answer

    def _line(self, deadline, event):
        while b"\n" not in self._buffer:
            if not select.select([self._output], [], [], max(0, deadline - time.monotonic()))[0]:
                raise LabError(f"{self.process.name}: no answer '{event}' in time")
            data = os.read(self._output.fileno(), 1 << 20)
            if not data:
                raise self._ended()
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _ended(self):
        status = self.process.stop()
        return LabError(f"{self.process.name} ended with status {status}: {self.process.log().strip()}")
