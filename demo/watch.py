# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows a migration while it happens: the phase that the hypervisor tells, and the transfer's state on every device."""

import time

from lab.topology import ADDRESSES
from lab.vmmig import transfer

from screen import CYAN, DIM, pad

UNDER_WAY = ("tracking", "freezing", "frozen", "prepared", "committing", "committed")
PHASES = {"preCopy": "the VM runs, its memory is being copied",
          "stopped": "the VM stands still, held until its state has moved",
          "resumed": "the VM runs"}
MOMENTS = {"stop": "stop", "blocked": "block", "lastRead": "read", "commit": "commit", "release": "release",
           "resume": "resume"}


class Watch:
    """Asks the devices by SNMP, as any network management system could."""

    def __init__(self, screen, lab, head, source, destination):
        self._screen, self._lab, self._head = screen, lab, head
        self._started = time.monotonic()
        self._places = [f"{kind}-{site}" for site in (source, destination) for kind in ("host", "sw", "fw")]
        self._states = {}
        self._begun = set()  # devices that take part already: before, they show the end of an earlier migration

    def told(self, host, phase):
        """The hypervisor tells a phase."""
        other = next(place for place in self._places if place.startswith("host") and place != host)
        self._note({other: "", host: f"{pad(phase, 12)}{PHASES.get(phase, '')}"})

    def __call__(self, seconds, until=lambda: True):
        """Look for so long, and on until something is true, for 15 s at most."""
        started = time.monotonic()
        while True:
            self._note({device: self._transfer(device) for device in self._places if not device.startswith("host")})
            waited = time.monotonic() - started
            if waited >= seconds and (until() or waited > 15):
                return
            time.sleep(0.05)  # between two looks

    def _transfer(self, device):
        state, rows = transfer(self._lab.nms, ADDRESSES[device])
        if state in UNDER_WAY:
            self._begun.add(device)
        if device not in self._begun:
            return ""
        return f"{pad(state, 12)}{rows} rows" if state else ""

    def _note(self, states):
        changed = {place: text for place, text in states.items() if text != self._states.get(place, "")}
        self._states |= states
        if not changed:
            return
        if self._screen.live:
            lines = [f"     {pad(place, 8)}{self._screen.paint(self._states.get(place, ''), CYAN)}" for place in self._places]
            self._screen.draw([self._head + self._screen.paint("...", DIM), *lines])
        else:
            for place, text in changed.items():
                if text:
                    self._screen.say(f"     {time.monotonic() - self._started:6.2f} s  {pad(place, 8)}{text}")


def timeline(marks_ms):
    """"stop 0 | read 4 | commit 9 | release 11 | resume 52 ms" of a journal's moments."""
    moments = [f"{name} {marks_ms[mark]:.0f}" for mark, name in MOMENTS.items() if mark in marks_ms]
    return " | ".join(moments) + " ms"
