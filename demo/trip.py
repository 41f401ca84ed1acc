# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration of the demo, with vmmig or without, and what was measured of it."""

import time
from dataclasses import dataclass, field

from lab.privilege import LabError

OTHER = {"a": "b", "b": "a"}


@dataclass
class Trip:
    """What a person and a script want to know of one migration. Times in ms."""

    source: str
    destination: str
    connections: int
    alive: int = 0
    errors: int = 0        # wrong bytes in any connection
    invalid: int = 0       # packets that the destination dropped
    silence: int = 0       # the longest of an application
    rows: int = 0          # what the journal says was moved
    blackout: float = 0    # stop until release, as the manager saw it
    left: int = 0          # rows that stayed at the source
    marks: dict = field(default_factory=dict)  # moment of the journal: ms since the stop

    @property
    def survived(self):
        return self.alive == self.connections and self.errors == 0

    def before(self, one, other):
        """Whether the journal shows both moments in this order."""
        return one in self.marks and other in self.marks and self.marks[one] <= self.marks[other]


def without_vmmig(lab, workload, settle_seconds):
    """The control: the VM goes to b, and nothing of its state does."""
    trip = Trip("a", "b", workload.connections)
    before = lab.invalid_packets("b")
    lab.migrate("b")
    answer = workload.probe(settle_seconds)
    trip.alive, trip.invalid = answer["alive"], lab.invalid_packets("b") - before
    return trip


def floor_ms(lab, workload, seconds=0.5):
    """The longest silence that the lab itself causes: the VM stops, is carried there and back, and goes on."""
    workload.mark()
    lab.vm_stop()
    lab.vm_move(OTHER[lab.vm_site])
    lab.vm_move(OTHER[lab.vm_site])
    lab.move_path(lab.vm_site)
    lab.vm_resume()
    time.sleep(seconds)  # how long to watch, not to wait for something
    return workload.longest_silence_ms()


def with_vmmig(lab, vmmig, hypervisor, workload, watch, watch_seconds):
    """The VM goes to the other site, its state by vmmig serve; watch(seconds, until) shows the devices meanwhile."""
    source, destination = lab.vm_site, OTHER[lab.vm_site]
    trip = Trip(source, destination, workload.connections)
    before = lab.invalid_packets(destination)
    number = len(vmmig.journal())
    workload.mark()
    hypervisor.begin(destination)
    watch(watch_seconds)
    if hypervisor.stop():
        hypervisor.go_on()
    else:
        hypervisor.go_back()
    watch(watch_seconds, lambda: len(vmmig.journal()) > number and vmmig.idle())
    answer = workload.probe(5)
    trip.alive, trip.errors = answer["alive"], answer["verificationErrors"]
    trip.silence = workload.longest_silence_ms()
    trip.invalid = lab.invalid_packets(destination) - before
    trip.left = len(lab.conntrack_rows(source))
    migration = vmmig.latest()
    if migration is None or migration.state != "moved":
        says = f"says '{migration.state}': {migration.reason}" if migration else "noticed no migration"
        raise LabError(f"vmmig serve {says}")
    trip.rows, trip.marks, trip.blackout = migration.rows, migration.marks_ms, migration.blackout_ms
    return trip
