# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration adds to the stop of a VM, against what others do in it and the kernel's own limit: on the same connections in
the same run, one after the other, as ratios. The last line with --json is one JSON object."""

import argparse
import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests"))

from lab import privilege  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=100000, help="connections at the largest size; a tenth and a hundredth of it are "
                        "measured as well (default 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, everything in turn (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round, 10000 rows")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--write", nargs="?", const=str(TOP / "docs"), metavar="DIRECTORY", help="write performance.md and its curves, "
                        "in docs/ unless it is said where")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.rows = 1, min(arguments.rows, 10000)
    if arguments.rows < 1000 or arguments.rounds < 1:
        parser.error("at least 1000 rows and one round")
    return arguments


def main():
    arguments = parse_arguments()
    privilege.enter()
    import bulk
    import cpu
    import measurements
    import page
    import qemu

    sizes = sorted({max(100, arguments.rows // part) for part in (1, 10, 100)})
    told = lambda text: print(text, "...", file=sys.stderr, flush=True)
    rounds, bulks, cpus = [], [], []
    for number in range(arguments.rounds):
        told(f"round {number + 1} of {arguments.rounds}")
        rounds.append(measurements.one_round(sizes, told))
        told("rows through SNMP")
        bulks.append(bulk.measure(min(arguments.rows, measurements.ROW_BY_ROW_LIMIT)))
        told("following")
        cpus.append(cpu.measure())
        told("a VM in QEMU")
        cpus[-1] |= qemu.measure()

    report = page.Report(sizes, rounds, bulks, cpus)
    print(report.text(), file=sys.stderr if arguments.json else sys.stdout)
    if arguments.write:
        report.write(pathlib.Path(arguments.write), " ".join(["./dev bench", *sys.argv[1:]]))
    if arguments.json:
        print(json.dumps(report.json()))


if __name__ == "__main__":
    main()
