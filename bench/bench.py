# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows a second through SNMPv3, row by row and by chunks, read and write, as ratios to raw ctnetlink on the same machine in the
same run. The last line with --json is one JSON object."""

import argparse
import json
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from lab import privilege  # noqa: E402

MEASURES = {  # what throughput prints: (what a person reads, the part of the raw limit that it stands against)
    "rowWriteMs": ("row by row, write", "insertMs"),
    "rowReadMs": ("row by row, read", "dumpMs"),
    "chunkReadMs": ("chunks, read", "dumpMs"),
    "chunkWriteMs": ("chunks, write", "insertMs"),
}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=10000, help="connections (default 10000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, raw and SNMP in turn (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return parser.parse_args()


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def one_round(build, rows):
    """One measurement of everything, in fresh namespaces: {name: milliseconds}."""
    from lab.topology import DEVICES, Lab
    from lab.vmmig import FIREWALLS, Vmmig

    with Lab() as lab:
        raw = lab.ns["client"].run(str(build / "bench/raw_ctnetlink"), str(rows), timeout=120)
        vmmig = Vmmig(lab, log_level="warning")
        for name in FIREWALLS:
            vmmig.agents[name].start().wait_ready()
        peers = [f"tcp:{DEVICES[name]}" for name in FIREWALLS]
        through = lab.manager.command(str(build / "bench/throughput"), *peers, str(rows), timeout=300)
    return {**last_json(raw.stdout), **last_json(through.stdout)}


def main():
    arguments = parse_arguments()
    privilege.enter()
    build = pathlib.Path(os.environ["VMMIG_BUILDDIR"])
    rounds = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}: {arguments.rows} rows ...", file=sys.stderr, flush=True)
        rounds.append(one_round(build, arguments.rows))

    human = sys.stderr if arguments.json else sys.stdout
    print(f"\n{arguments.rows} connections, median of {arguments.rounds} rounds; SNMPv3 authPriv over TCP", file=human)
    print(f"{'':24}{'rows/s':>10}{'ms':>10}{'x raw':>8}   (spread)", file=human)
    result = {"rows": arguments.rows, "rounds": arguments.rounds}
    for key, label in (("dumpMs", "raw ctnetlink, dump"), ("insertMs", "raw ctnetlink, insert")):
        median = statistics.median(r[key] for r in rounds)
        result[key] = round(median, 1)
        print(f"{label:24}{arguments.rows / median * 1000:10.0f}{median:10.1f}", file=human)
    for key, (label, limit) in MEASURES.items():
        median = statistics.median(r[key] for r in rounds)
        ratios = sorted(r[key] / r[limit] for r in rounds)
        result[key] = round(median, 1)
        result[key.removesuffix("Ms") + "OverRaw"] = round(statistics.median(ratios), 2)
        print(f"{label:24}{arguments.rows / median * 1000:10.0f}{median:10.1f}{statistics.median(ratios):8.1f}   "
              f"({ratios[0]:.1f} to {ratios[-1]:.1f})", file=human)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
