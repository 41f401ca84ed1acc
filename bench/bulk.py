# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows a second through SNMPv3, row by row and by chunks, read and write, against raw ctnetlink: see throughput.cc and
raw_ctnetlink.cc. Each device works alone here; what a migration makes of it is in blackout.py."""

import json

from place import Lab, PATIENCE, program
from lab.topology import DEVICES
from lab.vmmig import FIREWALLS, Vmmig

MEASURES = {  # what throughput prints: (what a person reads, the part of the raw limit that it stands against)
    "rowWriteMs": ("row by row, write", "insertMs"),
    "rowReadMs": ("row by row, read", "dumpMs"),
    "chunkReadMs": ("chunks, read", "dumpMs"),
    "chunkWriteMs": ("chunks, write", "insertMs"),
}
LIMITS = {"dumpMs": "raw ctnetlink, dump", "insertMs": "raw ctnetlink, insert"}


def measure(rows):
    """{name: milliseconds}, in fresh namespaces."""
    with Lab() as lab:
        raw = lab.ns["client"].run(program("bench/raw_ctnetlink"), str(rows), timeout=PATIENCE)
        vmmig = Vmmig(lab, log_level="warning")
        for name in FIREWALLS:
            vmmig.agents[name].start().wait_ready()
        peers = [f"tcp:{DEVICES[name]}" for name in FIREWALLS]
        through = lab.manager.command(program("bench/throughput"), *peers, str(rows), timeout=PATIENCE)
    return {**json.loads(raw.stdout), **json.loads(through.stdout)}


def ratios(result):
    return {key.removesuffix("Ms") + "OverRaw": result[key] / result[limit] for key, (_, limit) in MEASURES.items()}
