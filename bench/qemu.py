# SPDX-License-Identifier: GPL-2.0-or-later
"""What vmmig adds to the stop of a real VM: QEMU's own downtime, with connections at the firewall that vmmig carries, and without vmmig."""

import statistics

from place import PATIENCE, wait_until
from lab.topology import Lab, VM4
from lab.vmmig import Vmmig

ROWS, PERCENT, TRIPS = 10000, 1, 6
OTHER = {"a": "b", "b": "a"}
BANDWIDTH = 24 << 20  # octets/s: its memory takes seconds, as real VMs' does
PEER, PORT, PORT_OF_CHANGED, FIRST_PORT = "192.0.2.100", 443, 8443, 1024


def _fill(lab, site):
    """No packet will ever come of these connections."""
    changed = ROWS * PERCENT // 100
    lines = [f"-A -p tcp -s {VM4} -d {PEER} --sport {FIRST_PORT + number} --dport {PORT_OF_CHANGED if number < changed else PORT} "
             "--state ESTABLISHED -u ASSURED,SEEN_REPLY -t 3600\n" for number in range(ROWS)]
    lab.ns[f"fw-{site}"].run("conntrack", "--load-file", "-", text="".join(lines), timeout=PATIENCE)


def _trip(lab, mark):
    """There; while its memory is copied, some of the connections change."""
    source, destination = lab.vm_site, OTHER[lab.vm_site]
    lab.vm.bandwidth = BANDWIDTH
    lab.vm.leave(destination)
    if mark:
        lab.ns[f"fw-{source}"].run("conntrack", "-U", "-p", "tcp", "-s", VM4, "--dport", str(PORT_OF_CHANGED), "--mark", str(mark),
                                     check=False)  # one that changes at the same moment is refused
    lab.vm.arrive()
    return lab.vm.downtime_ms


def _without():
    with Lab(vm="qemu") as lab:
        return [_trip(lab, 0) for _ in range(TRIPS)]


def _with():
    downtimes = []
    with Lab(vm="qemu") as lab:
        vmmig = Vmmig(lab, lines=lab.vm.lines()).start()
        _fill(lab, "a")
        for trip in range(1, TRIPS + 1):
            downtimes.append(_trip(lab, trip))
            wait_until(lambda: len(vmmig.journal()) >= trip and vmmig.idle(), PATIENCE, f"migration {trip} over")
            migration = vmmig.latest()
            if migration.state != "moved" or migration.rows < ROWS:
                raise SystemExit(f"bench: not all was moved: {migration.text}")
    return downtimes


def measure():
    without, added = statistics.median(_without()), statistics.median(_with())
    return {"qemuStopMs": added, "qemuStopWithoutMs": without, "qemuStopGrowthPercent": (added / without - 1) * 100}
