# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run says: as text for a person, as JSON, and as docs/performance.md with its curves."""

import bulk
import measurements
from measurements import PERCENT, over_rounds, ratios_of, spread
from svg import chart, short

HEADINGS = {  # a ratio's name without its sizes: what a person reads
    "dumpRestoreOverBlackout": "`conntrack` dump and restore, over vmmig's added blackout",
    "conntrackdOverBlackout": "conntrackd's commit, over vmmig's added blackout",
    "rowByRowOverBlackout": "SNMP row by row, over vmmig's added blackout",
    "rawAllOverBlackout": "raw ctnetlink of all rows, over vmmig's added blackout",
    "blackoutOverRawChanged": "vmmig's added blackout, over raw ctnetlink of the changed rows",
    "coldOverRaw": "cold (nothing pre-copied), over raw ctnetlink of all rows",
}
UNITS = {"idleCpuPercent": "% of a core", "followCpuPercent": "% of a core", "followedPerSecond": "connections/s",
         **{f"qemuStop{vm}{what}": unit for vm in ("AtWork", "Idle") for what, unit in
            (("Ms", "ms"), ("WithoutMs", "ms"), ("GrowthPercent", "% of QEMU's own stop"))},
         "bytesPerConnection": "octets", "bytesPerConnectionDestination": "octets"}

PAGE = """\
# How fast

Written by `{command}`. Ratios of one run on one machine: median over {rounds} round(s), and (least to greatest). In each round everything
worked on the same connections, one after the other.

The **added blackout** is the time from "stopped" until the hold is released, as the journal of each migration has it. While the VM runs, its
connections go ahead; then {percent:g} % of them carry data, which the kernel tells by no event, and the VM stops. What others do is what
they do in the stop: `conntrack --dump --output save` and `--load-file` (as Proxmox VE does, without its limit of 1 MiB; the way of the text
from host to host is not counted), conntrackd's commit of its external cache (FTFW), reading and making each row by SNMP, and one process
that does nothing but ctnetlink's dump and batched creation. After each migration every connection carried data on: {refused} of the
packets were refused.

## Ratios
{ratios}

## Added blackout over the number of connections
At the same change everywhere ({equal} connections).

![added blackout over rows](performance-rows.svg)

## Added blackout over the change
{largest} connections.

![added blackout over change](performance-change.svg)

## Everything inside the stop
Rows a second of the whole way, from one firewall to the other.

![rows a second](performance-bulk.svg)

## Memory
Of vmmigd, by what its resident memory grew from before a migration until all was pre-copied, by the number of rows.

![memory](performance-memory.svg)

## Where the added blackout goes
Median milliseconds on the machine of that run.

{steps}

## What is out of reach, and why
- **Cold** within 1.5 times raw ctnetlink. `perf` of both agents in such a stop (100,000 connections, two cores for agents, snmpds and
  manager): the destination is at it for three quarters of the time. 33 % of its work are reading back what it made, one dump and its
  comparison; 19 % the windows of the connections, 17 % making the entries, 8 % the image and its way through SNMP. The source spends half of
  its time in the kernel's dump. Raw ctnetlink reads once, writes once, sets no windows and reads nothing back: two dumps, one insertion and the
  segments for the windows alone are 2.5 times as much.
- **QEMU's own stop** of a VM that does nothing is so short that 20 % of it are two or three SNMP exchanges; a stop has about eight, one behind
  the other: with 10 changed connections of 1,000 they are nearly all of the added blackout. Of a VM at work (24 MiB are written again and
  again, the network has 1 Gbit/s, QEMU's downtime-limit is its default) it is within the 20 %.
- **100 and 40 times** ahead at 1 % of 100,000 connections: each changed connection costs the source some 6 us and the destination 12, of
  which a third are the kernel's look-up and window tracking.
"""
STEPS = {"blocked": "stop to traffic blocked", "lastRead": "to the last read", "commit": "to the commit", "release": "to the release"}


def _number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


class Report:
    def __init__(self, sizes, rounds, bulks, cpus):
        self.sizes, self.rounds, self.bulks = sizes, rounds, bulks
        self.ratios = over_rounds([ratios_of(each) for each in rounds]) | over_rounds([bulk.ratios(each) for each in bulks])
        self.ratios |= over_rounds(cpus)
        self.steps = {rows: {step: self._median(rows, lambda result: result["warm"][PERCENT]["steps"][step]) for step in STEPS}
                      for rows in sizes}

    def _over(self, rows, value):
        return spread(value(each[rows]) for each in self.rounds)

    def _median(self, rows, value):
        return self._over(rows, value)[0]

    # The forms

    def json(self):
        median = lambda values: {name: round(value[0], 3) for name, value in values.items()}
        return {"rows": self.sizes[-1], "rounds": len(self.rounds), **median(self.ratios),
                "spread": {name: [round(value, 3) for value in values[1:]] for name, values in self.ratios.items()},
                "milliseconds": {short(rows): median(self._milliseconds(rows)) for rows in self.sizes},
                "steps": {short(rows): {name: round(value, 3) for name, value in steps.items()} for rows, steps in self.steps.items()},
                "refusedPackets": self.refused()}

    def text(self):
        lines = [f"\n{'milliseconds in the stop':44}" + "".join(f"{short(rows):>12}" for rows in self.sizes)]
        for name in self._milliseconds(self.sizes[-1]) | self._milliseconds(self.sizes[0]):
            cells = [self._milliseconds(rows).get(name) for rows in self.sizes]
            lines.append(f"  {name:42}" + "".join(f"{cell[0]:12.1f}" if cell else f"{'-':>12}" for cell in cells))
        lines += [f"    {label:40}" + "".join(f"{self.steps[rows][step]:12.1f}" for rows in self.sizes)
                  for step, label in STEPS.items()]
        lines += [f"\n{'ratio':52}{'median':>10}   (least to greatest)"]
        lines += [f"  {name:50}{_number(middle):>10}   ({_number(low)} to {_number(high)})"
                  for name, (middle, low, high) in self.ratios.items()]
        return "\n".join([*lines, f"packets refused after the migrations: {self.refused()}"])

    def write(self, directory, command):
        for name, text in self._curves().items():
            (directory / f"performance-{name}.svg").write_text(text)
        equal = measurements.changed_at(self.sizes[-1])
        (directory / "performance.md").write_text(PAGE.format(
            command=command, rounds=len(self.rounds), percent=PERCENT, refused=self.refused(), ratios=self._ratio_tables(), equal=equal,
            largest=self.sizes[-1], steps=self._step_table()))

    # Their parts

    def refused(self):
        return sum(warm["refused"] for each in self.rounds for result in each.values()
                   for warm in [*result["warm"].values(), result["cold"], result["equal"]])

    def _milliseconds(self, rows):
        result = self.rounds[0][rows]
        values = {f"vmmig, {percent:g} % changed": lambda r, p=percent: r["warm"][p]["ms"] for percent in result["warm"]}
        values |= {"vmmig, as many changed as at the largest": lambda r: r["equal"]["ms"], "vmmig, cold": lambda r: r["cold"]["ms"],
                   "conntrack dump and restore": lambda r: r["dumpRestore"]["ms"], "conntrackd commit": lambda r: r["conntrackd"]["ms"],
                   "raw ctnetlink, all rows": lambda r: r["raw"]["allMs"],
                   "raw ctnetlink, changed rows": lambda r: r["raw"]["changedMs"]}
        if "rowByRow" in result:
            values["SNMP row by row"] = lambda r: r["rowByRow"]["ms"]
        return {name: self._over(rows, value) for name, value in values.items()}

    def _ratio_tables(self):
        sized = [["", *map(short, self.sizes)]]
        for name, heading in HEADINGS.items():
            cells = [self.ratios.get(f"{name}{short(rows)}") for rows in self.sizes]
            sized.append([heading, *(self._cell(cell) for cell in cells)])
        used = {f"{name}{short(rows)}" for name in HEADINGS for rows in self.sizes}
        others = [["by name", "", ""]] + [[f"`{name}`", self._cell(value), UNITS.get(name, "")]
                                          for name, value in self.ratios.items() if name not in used]
        return _table(sized) + "\n\n" + _table(others)

    @staticmethod
    def _cell(values):
        return f"{_number(values[0])} ({_number(values[1])} to {_number(values[2])})" if values else "not measured"

    def _step_table(self):
        return _table([["", *map(short, self.sizes)]] + [[label, *(f"{self.steps[rows][step]:.1f}" for rows in self.sizes)]
                                                         for step, label in STEPS.items()])

    def _curves(self):
        by_rows = lambda value: {rows: self._over(rows, value) for rows in self.sizes}
        largest = self.sizes[-1]
        percents = sorted(self.rounds[0][largest]["warm"])
        by_percent = lambda value: {percent: self._over(largest, lambda r: value(r, percent)) for percent in percents}
        stop = {"conntrack dump+restore": by_rows(lambda r: r["dumpRestore"]["ms"]), "raw ctnetlink, all": by_rows(lambda r: r["raw"]["allMs"]),
                "conntrackd commit": by_rows(lambda r: r["conntrackd"]["ms"]), "vmmig, cold": by_rows(lambda r: r["cold"]["ms"]),
                "vmmig": by_rows(lambda r: r["equal"]["ms"])}
        change = {"conntrack dump+restore": by_percent(lambda r, _: r["dumpRestore"]["ms"]),
                  "raw ctnetlink, all": by_percent(lambda r, _: r["raw"]["allMs"]),
                  "vmmig": by_percent(lambda r, percent: r["warm"][percent]["ms"])}
        rate = lambda value: {rows: spread(rows / value(each[rows]) * 1000 for each in self.rounds if value(each[rows]))
                              for rows in self.sizes if value(self.rounds[0][rows])}
        bulks = {"raw ctnetlink": rate(lambda r: r["raw"]["allMs"]), "conntrack dump+restore": rate(lambda r: r["dumpRestore"]["ms"]),
                 "vmmig, cold": rate(lambda r: r["cold"]["ms"]), "SNMP row by row": rate(lambda r: r.get("rowByRow", {}).get("ms"))}
        memory = {role: {rows: spread(max(1, each[rows]["warm"][PERCENT]["bytesPerRow"][role]) for each in self.rounds)
                         for rows in self.sizes} for role in ("source", "destination")}
        return {"rows": chart("Added blackout", "connections", "milliseconds", stop),
                "change": chart(f"Added blackout, {short(largest)} connections", "% of the connections changed", "milliseconds", change),
                "bulk": chart("Rows a second, all inside the stop", "connections", "rows/s", bulks),
                "memory": chart("vmmigd's memory for a connection", "connections", "octets", memory)}
