# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration of the demo, with vmmig or without, and what was measured of it."""

import time
from dataclasses import dataclass, field

from lab import services, stock
from lab.privilege import LabError
from lab.topology import VM4, VM6, VM_MAC
from lab.vmmig import VM_NAME

OTHER = {"a": "b", "b": "a"}


@dataclass
class Found:
    """How the other services of the VM fared. Silences in ms; of one that lasts, until it was looked at."""

    leased: bool         # the switch lets the VM's traffic pass
    spoofed: bool        # ...and that of an address which is not its own
    authenticated: bool  # the dynamic ACL permits it
    policed: bool        # its static policy permits it
    shaped: bool         # its port has its QoS
    more_half_open: int  # connections that it may open besides those which are half-open
    flow_silence: int    # of the stream that its peer sends into its UDP flow
    multicast_silence: int


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
    downtime: int = 0      # of a real VM, as its hypervisor tells it
    marks: dict = field(default_factory=dict)  # moment of the journal: ms since the stop
    found: Found = None

    @property
    def survived(self):
        return self.alive == self.connections and self.errors == 0

    def before(self, one, other):
        """Whether the journal shows both moments in this order."""
        return one in self.marks and other in self.marks and self.marks[one] <= self.marks[other]


def look(running, leased=None):
    """What works now. `leased`: what was found of the switch before a lease was put there by hand."""
    silences = running.flow_silence_ms(), running.group_silence_ms()
    return Found(running.reaches_gateway() if leased is None else leased, running.spoofs(),
                 running.asks(services.AUTHENTICATED), running.asks(services.POLICED), running.is_shaped(running.lab.vm_site),
                 running.open_half(services.THRESHOLD + 1), *silences)


def without_vmmig(lab, workload, running, settle_seconds):
    """The control: the VM goes to b, and nothing of its state does. Without a lease it reaches nothing at all, so after it was
    found that this is so the lease is put there by hand, or nobody could tell what else is missing."""
    trip = Trip("a", "b", workload.connections)
    before = lab.invalid_packets("b")
    running.flow_silence_ms(), running.group_silence_ms()  # from here on
    lab.migrate("b")
    leased = running.reaches_gateway()
    stock.introduce_vm(lab, "sw-b", (VM4, VM6), VM_NAME, services.VM_PORT, VM_MAC)
    running.lease("sw-b")
    answer = workload.probe(settle_seconds)
    trip.downtime = lab.vm.downtime_ms
    trip.alive, trip.invalid = answer["alive"], lab.invalid_packets("b") - before
    trip.found = look(running, leased)
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


def with_vmmig(lab, vmmig, carry, workload, running, watch, watch_seconds):
    """The VM goes to the other site by carry(destination), its state by vmmig serve; watch(seconds, until) shows the end."""
    source, destination = lab.vm_site, OTHER[lab.vm_site]
    trip = Trip(source, destination, workload.connections)
    before = lab.invalid_packets(destination)
    number = len(vmmig.journal())
    workload.mark()
    running.flow_silence_ms(), running.group_silence_ms()  # from here on
    carry(destination)
    watch(watch_seconds, lambda: len(vmmig.journal()) > number and vmmig.idle())
    watch.note("moved; is every connection and every service alive there?")
    answer = workload.probe(5)
    trip.alive, trip.errors = answer["alive"], answer["verificationErrors"]
    trip.silence = workload.longest_silence_ms()
    trip.found = look(running)
    trip.invalid = lab.invalid_packets(destination) - before
    trip.left = len(lab.conntrack_rows(source))
    migration = vmmig.latest()
    if migration is None or migration.state != "moved":
        says = f"says '{migration.state}': {migration.reason}" if migration else "noticed no migration"
        raise LabError(f"vmmig serve {says}")
    trip.downtime = lab.vm.downtime_ms
    trip.rows, trip.marks, trip.blackout = migration.rows, migration.marks_ms, migration.blackout_ms
    return trip
