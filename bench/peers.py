# SPDX-License-Identifier: GPL-2.0-or-later
"""What others do in the stop, and what the kernel needs at least, on the connections of a Place: each measurement leaves the
source as it was and the destination empty."""

import json
import os
import sys

from place import PATIENCE, VM4
from lab.topology import DEVICES, VM_UUID
from lab.vmmig import program

# The command alone, without the entering of a namespace and the start of this.
TIMED = """\
import subprocess, sys, time
with open(sys.argv[1], "wb") as output:
    begin = time.monotonic()
    status = subprocess.call(sys.argv[2:], stdout=output)
print((time.monotonic() - begin) * 1000)
sys.exit(status)
"""


def timed(namespace, *command, output=os.devnull):
    """Milliseconds that a command takes."""
    return float(namespace.run(sys.executable, "-c", TIMED, output, *command, timeout=PATIENCE).stdout)


def dump_and_restore(place):
    """As Proxmox VE does, but for its limit of 1 MiB: `conntrack` writes the rows as text at the source and reads it at the
    destination. The way of the text from host to host is not counted."""
    path = os.path.join(place.lab.directory, "rows.save")
    firewalls = {site: place.lab.ns[f"fw-{site}"] for site in ("a", "b")}
    result = {"dumpMs": timed(firewalls["a"], "conntrack", "--dump", "--output", "save", output=path)}
    result["restoreMs"] = timed(firewalls["b"], "conntrack", "--load-file", path)
    place.check("b")
    place.empty("b")
    return result | {"ms": result["dumpMs"] + result["restoreMs"]}


def raw(place, changed):
    """ctnetlink alone, in one process: see raw_move.cc."""
    answer = place.lab.ns["mgr"].run(program("bench/raw_move"), place.path("fw-a"), place.path("fw-b"),
                                     str(max(1, place.rows // changed)), timeout=PATIENCE)
    result = json.loads(answer.stdout)
    return result | {"allMs": result["dumpMs"] + result["insertMs"],
                     "changedMs": result["changedGetMs"] + result["changedInsertMs"]}


def row_by_row(place):
    """SNMP without the packed image: see row_by_row.cc. Needs both vmmigd."""
    source = place.lab.vm_site
    destination = "b" if source == "a" else "a"
    peers = [f"tcp:{DEVICES[f'fw-{site}']}" for site in (source, destination)]
    answer = place.lab.manager.command(program("bench/row_by_row"), *peers, VM_UUID, VM4, timeout=PATIENCE)
    result = json.loads(answer.stdout)
    if result["rows"] != place.rows:
        raise SystemExit(f"bench: {result['rows']} instead of {place.rows} rows were read one by one")
    place.empty(destination)
    return result | {"ms": result["readMs"] + result["writeMs"]}
