# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations by vmmig as it is: two firewalls with snmpd and vmmigd, hosts that hold the VM in the stop, and `vmmig serve`."""

import json
import pathlib
import time

from place import PATIENCE, wait_until
from lab.hypervisor import Hypervisor
from lab.topology import DEVICES
from lab.vmmig import Vmmig, resident_kib, transfer

OTHER = {"a": "b", "b": "a"}
MARKS = ("stop", "blocked", "lastRead", "commit", "release")
HOLD = "120s"


def cpu_ms(pid):
    """Processor time that a process's threads have used (Documentation/scheduler/sched-stats.rst): exact, where /proc/PID/stat counts
    ticks of 10 ms."""
    return sum(int(file.read_text().split()[0]) for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


class Migrations:
    """Carries the VM of a Place there and back. start() first."""

    def __init__(self, place):
        self.place, self.lab = place, place.lab
        self.vmmig = Vmmig(self.lab, log_level="warning", transfer_deadline=600, stop_deadline=100)
        self.hypervisor = Hypervisor(self.lab, self.vmmig, hold=HOLD)
        self.done = 0

    def start(self):
        self.vmmig.start()
        return self

    def agent(self, site):
        return self.vmmig.agents[f"fw-{site}"]

    def resident_kib(self):
        return {site: resident_kib(self.agent(site).process) for site in OTHER}

    # The two kinds of migration

    def pre_copy(self):
        """Let the rows go ahead while the VM runs, until nothing is left to do but to follow."""
        source = self.lab.vm_site
        destination = OTHER[source]
        begin = time.monotonic()
        self.hypervisor.begin(destination)
        self.vmmig.manager.wait(lambda: self._arrived(destination), PATIENCE, "done with the pre-copy")
        seconds = time.monotonic() - begin
        self._wait_quiet()
        return seconds

    def warm(self, changed):
        """Pre-copied; then that many connections carry data, and the VM stops."""
        source = self.lab.vm_site
        sites = {"source": source, "destination": OTHER[source]}
        before = self.resident_kib()
        seconds = self.pre_copy()
        after = self.resident_kib()
        self.place.change(changed)
        memory = {role: (after[site] - before[site]) * 1024 / self.place.rows for role, site in sites.items()}
        return self._stop_and_go() | {"preCopyMs": seconds * 1000, "bytesPerRow": memory, "changed": changed}

    def cold(self):
        """The stop is the first that anybody hears of it."""
        self.hypervisor.source = self.lab.vm_site
        self.hypervisor.destination = OTHER[self.lab.vm_site]
        return self._stop_and_go()

    # Its parts

    def _arrived(self, site):
        """Whether the rows are at the destination; what the last transfer left is not meant."""
        status, rows = transfer(self.lab.nms, DEVICES[f"fw-{site}"])
        return status == "prepared" and rows >= self.place.rows

    def _wait_quiet(self):
        """Until the agents have caught up: less than a tenth of a processor over half a second."""
        agents = [self.agent(site).process.pid for site in OTHER]

        def quiet():
            before = sum(map(cpu_ms, agents))
            time.sleep(0.5)
            return sum(map(cpu_ms, agents)) - before < 50
        wait_until(quiet, PATIENCE, "vmmigd idle")

    def _stop_and_go(self):
        source, destination = self.hypervisor.source, self.hypervisor.destination
        if not self.hypervisor.is_free(self.hypervisor.begin_stop(), PATIENCE):
            raise SystemExit(f"bench: the migration was refused: {self.vmmig.latest().text}")
        self.hypervisor.go_on()
        self.done += 1
        wait_until(lambda: len(self.vmmig.journal()) >= self.done and self.vmmig.idle(), PATIENCE, "the migration over")
        migration = self.vmmig.latest()
        if migration.state != "moved" or migration.rows < self.place.rows:
            raise SystemExit(f"bench: not all was moved: {migration.text}")
        self.place.check(destination)
        wait_until(lambda: self.place.count(source) == 0, PATIENCE, "the source empty")
        return {"ms": migration.blackout_ms, "steps": _steps(migration.marks_ms), "refused": self._refused(destination),
                "octets": json.loads(migration.text)["octets"], "journal": migration.text}

    def _refused(self, site):
        """Packets that the destination calls invalid when each connection goes on: the proof that it has what it needs."""
        before = self.lab.invalid_packets(site)
        self.place.change(self.place.rows)
        return self.lab.invalid_packets(site) - before


def _steps(marks):
    """How long after the mark before it each came."""
    return {mark: marks[mark] - marks[before] for before, mark in zip(MARKS, MARKS[1:]) if mark in marks and before in marks}
