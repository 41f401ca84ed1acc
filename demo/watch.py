# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows a migration while it happens: the phase on either host, and the transfer's state on every device."""

import time
from concurrent.futures import ThreadPoolExecutor

from lab.topology import ADDRESSES
from lab.vmmig import phase, transfer

from screen import CYAN, DIM, pad

UNDER_WAY = ("tracking", "freezing", "frozen", "prepared", "committing", "committed")
PHASES = {"preCopy": "the VM runs, its memory is being copied",
          "stopped": "the VM stands still, held until its state has moved",
          "prepared": "a QEMU waits for the VM's memory",
          "resumed": "the VM runs",
          "failed": "the VM does not run here", "cancelled": "the VM runs"}
HELD = {"held": "held until the VM's state has moved", "released": "and released: its state has moved",
        "cancelled": "and taken back: its state could not move", "expired": "and nobody has said to go on"}
MOMENTS = {"stop": "stop", "blocked": "block", "lastRead": "read", "commit": "commit", "release": "release",
           "resume": "resume"}


class Watch:
    """Asks the devices by SNMP, as any network management system could; asks_hosts: the hosts too, for nobody calls told()."""

    def __init__(self, screen, lab, head, source, destination, asks_hosts=False):
        self._screen, self._lab, self._head = screen, lab, head
        self._started = time.monotonic()
        self._places = [f"{kind}-{site}" for site in (source, destination) for kind in ("host", "sw", "fw")]
        self._states = {}
        self._doing = "..."
        self._begun = set()  # devices that take part already: before, they show the end of an earlier migration
        self._asked = [place for place in self._places if asks_hosts or not place.startswith("host")]
        self._earlier = {host: self._phase(host) for host in self._asked if host.startswith("host")}

    def told(self, host, phase):
        """The hypervisor tells a phase."""
        other = next(place for place in self._places if place.startswith("host") and place != host)
        self._note({other: "", host: f"{pad(phase, 12)}{PHASES.get(phase, '')}"})

    def __call__(self, seconds, until=lambda: True):
        """Look for so long, and on until something is true, for 15 s at most."""
        started = time.monotonic()
        while True:
            with ThreadPoolExecutor(len(self._asked)) as at_once:
                self._note(dict(zip(self._asked, at_once.map(self._look, self._asked))))
            waited = time.monotonic() - started
            if waited >= seconds and (until() or waited > 15):
                return
            time.sleep(0.05)  # between two looks

    def note(self, text):
        """What is being done now, where the others' states stay in sight."""
        self._doing = text
        self._draw()

    def _look(self, place):
        if not place.startswith("host"):
            return self._transfer(place)
        now = self._phase(place)
        if now == self._earlier[place]:
            return ""
        self._earlier[place] = None
        _, told, hold = now
        return f"{pad(told, 12)}{HELD.get(hold, '') or PHASES.get(told, '')}"

    def _phase(self, host):
        return phase(self._lab.nms, ADDRESSES[host])

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
            self._draw()
        else:
            for place, text in changed.items():
                if text:
                    self._screen.say(f"     {time.monotonic() - self._started:6.2f} s  {pad(place, 8)}{text}")

    def _draw(self):
        lines = [f"     {pad(place, 8)}{self._screen.paint(self._states.get(place, ''), CYAN)}" for place in self._places]
        self._screen.draw([self._head + self._screen.paint(self._doing, DIM), *lines])


def timeline(marks_ms):
    """"stop 0 | read 4 | commit 9 | release 11 | resume 52 ms" of a journal's moments."""
    moments = [f"{name} {marks_ms[mark]:.0f}" for mark, name in MOMENTS.items() if mark in marks_ms]
    return " | ".join(moments) + " ms"
