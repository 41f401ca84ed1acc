# SPDX-License-Identifier: GPL-2.0-or-later
"""What vmmig adds to the stop of a real VM: QEMU's own downtime, with connections at the firewall that vmmig carries, and without vmmig;
of a VM that does nothing, and of one that writes to its memory while it migrates."""

import statistics
import sys

from place import PATIENCE, wait_until
from lab.topology import Lab, VM4
from lab.vmmig import Vmmig

ROWS, PERCENT, TRIPS = 10000, 1, 6
OTHER = {"a": "b", "b": "a"}
BANDWIDTH = 24 << 20  # octets/s: its memory takes seconds, as real VMs' does
PEER, PORT, PORT_OF_CHANGED, FIRST_PORT = "192.0.2.100", 443, 8443, 1024

# What is written again and again is too much for that bandwidth, and not for the network's: QEMU stops the VM when it can copy the rest
# within its downtime-limit, of which the default is 300 ms.
WORKING_SET, NETWORK, BANDWIDTH_TO_STOP = 24 << 20, "1gbit", 125 << 20
WORK = f"""
import time
pages, number = bytearray({WORKING_SET}), 0
print("at work", flush=True)
while True:
    number = number % 255 + 1
    pages[::4096] = bytes([number]) * (len(pages) // 4096)
    time.sleep(0.05)
"""


def _fill(lab, site):
    """No packet will ever come of these connections."""
    changed = ROWS * PERCENT // 100
    lines = [f"-A -p tcp -s {VM4} -d {PEER} --sport {FIRST_PORT + number} --dport {PORT_OF_CHANGED if number < changed else PORT} "
             "--state ESTABLISHED -u ASSURED,SEEN_REPLY -t 3600\n" for number in range(ROWS)]
    lab.ns[f"fw-{site}"].run("conntrack", "--load-file", "-", text="".join(lines), timeout=PATIENCE)


def _work(lab):
    for site in OTHER:
        lab.ns[f"host-{site}"].run("tc", "qdisc", "add", "dev", "mgmt", "root", "tbf", "rate", NETWORK, "burst", "256kb", "latency", "10ms")
    process = lab.processes.start("work", lab.vm.argv([sys.executable, "-c", WORK]))
    wait_until(lambda: "at work" in process.log(), PATIENCE, "the VM at work")


def _trip(lab, mark, works):
    """There; while its memory is copied, some of the connections change."""
    source, destination = lab.vm_site, OTHER[lab.vm_site]
    lab.vm.bandwidth = BANDWIDTH
    lab.vm.leave(destination)
    if mark:
        lab.ns[f"fw-{source}"].run("conntrack", "-U", "-p", "tcp", "-s", VM4, "--dport", str(PORT_OF_CHANGED), "--mark", str(mark),
                                     check=False)  # one that changes at the same moment is refused
    if works:
        wait_until(lambda: lab.vm.machine.command("query-migrate").get("ram", {}).get("dirty-sync-count", 0) >= 3, PATIENCE, "two passes")
        lab.vm.machine.command("migrate-set-parameters", max_bandwidth=BANDWIDTH_TO_STOP)
    lab.vm.arrive()
    return lab.vm.downtime_ms


def _without(works):
    with Lab(vm="qemu") as lab:
        if works:
            _work(lab)
        return [_trip(lab, 0, works) for _ in range(TRIPS)]


def _with(works):
    downtimes = []
    with Lab(vm="qemu") as lab:
        vmmig = Vmmig(lab, lines=lab.vm.lines()).start()
        _fill(lab, "a")
        if works:
            _work(lab)
        for trip in range(1, TRIPS + 1):
            downtimes.append(_trip(lab, trip, works))
            wait_until(lambda: len(vmmig.journal()) >= trip and vmmig.idle(), PATIENCE, f"migration {trip} over")
            migration = vmmig.latest()
            if migration.state != "moved" or migration.rows < ROWS:
                raise SystemExit(f"bench: not all was moved: {migration.text}")
    return downtimes


def measure():
    figures = {}
    for name, works in (("qemuStopAtWork", True), ("qemuStopIdle", False)):
        without, added = statistics.median(_without(works)), statistics.median(_with(works))
        figures |= {f"{name}Ms": added, f"{name}WithoutMs": without, f"{name}GrowthPercent": (added / without - 1) * 100}
    return figures
