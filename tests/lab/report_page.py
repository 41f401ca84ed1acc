# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmmig report` held against `vmmig journal --json`, and journals that no lab would write."""

import json
import re
import sqlite3

import html5lib

from .topology import VM_UUID


NAMES = {"lastRead": "last read"}  # of moments, where the page has words


class Page:
    """A page as the browser has it, by the ids and classes of its elements."""

    def __init__(self, dom):
        self.root = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False).parse(dom)

    def find(self, path):
        return self.root.find(f".//{path}")

    def number(self, name):
        element = self.find(f"*[@id='{name}']").find(".//data")
        return None if element is None else element.get("value")

    def text(self, path):
        return "".join(self.find(path).itertext())

    def rows(self, table):
        return [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in self.find(f"table[@id='{table}']/tbody")]


def differences(dom, told):
    """What the page says otherwise than `vmmig journal ID --json`."""
    page, wrong = Page(dom), []

    def compare(what, is_, should_be):
        if is_ != should_be:
            wrong.append(f"{what}: {is_!r} and not {should_be!r}")

    blackout = told.get("addedBlackoutMs")
    compare("blackout", page.number("blackout"), None if blackout is None else f"{blackout:.3f}")
    for name in ("rows", "missing", "octets"):
        compare(name, page.number(name), str(told[name]))
    order = page.text("*[@id='order']")
    compare("order", order == "The order is proven.", told.get("inOrder", False))
    compare("uuid", page.text("header/p/code"), told["vm"])
    marks = told["timeline"]
    if marks:
        values = {row[0].text: row[1].find("data").get("value") for row in page.find("table[@id='moment-table']/tbody")}
        compare("moments", values, {NAMES.get(mark, mark): str(at - marks["stop"]) for mark, at in marks.items()})
    compare("events", [row[2] for row in page.rows("event-table")], [" ".join(event["text"].split()) for event in told["events"]])
    last = {}
    for event in told["events"]:
        data = event.get("data", {})
        if "device" in data:
            last[data["device"]] = data
    devices = {}
    for table in page.root.iterfind(".//table[@class='devices']"):
        heads = [cell.find("bdi").text for cell in table.findall("thead/tr/th")]
        for row in table.findall("tbody/tr"):
            if row[0].text == "Rows":
                devices.update(zip(heads, [cell.find("data").get("value") for cell in row[1:] if cell.find("data") is not None]))
    compare("rows by device", devices,
            {name: str(data["vmMigTransferRows"]) for name, data in last.items() if "vmMigTransferRows" in data})
    for data in last.values():
        for table, rows in data.get("tables", {}).items():
            compare(table, f'>{table}</th><td class="number"><data value="{rows}">' in re.sub(r"\s*\n", "", dom), True)
    digests = {data["vmMigTransferDigest"] for data in last.values() if data.get("vmMigTransferDigest")}
    compare("digests", {code.text for code in page.root.iterfind(".//code[@class='digest']")}, digests)
    return wrong


def broken(dom, told):
    """The page with one figure wrong, for each figure."""
    yield "octets", dom.replace(f'value="{told["octets"]}"', f'value="{told["octets"] + 1}"', 1)
    yield "blackout", dom.replace(f'value="{told["addedBlackoutMs"]:.3f}"', 'value="0.001"', 1)
    yield "moments", re.sub(r'(id="moment-table".*?commit.*?value=")\d', r"\g<1>9", dom, count=1, flags=re.DOTALL)
    yield "events", dom.replace("is stopped", "is not stopped")
    yield "rows by device", re.sub(r'(class="devices".*?Rows.*?value=")\d', r"\g<1>8", dom, count=1, flags=re.DOTALL)
    yield "digests", re.sub(r'(class="digest">)....', r"\g<1>zzzz", dom)


def write_journal(path, legs, name, missing=0, outcome=0):
    """A migration over so many pairs of devices, as a manager elsewhere may have written it down."""
    second, events = 1_000_000, []

    def tell(at, text, mark=0, **data):
        events.append((at, 1_700_000_000 * second + at, mark, text, json.dumps(data) if data else ""))

    def device(at, leg, role, step, mark=0, **figures):
        who = (f"{name}-{leg}" if role == "source" else f"to-{leg}")
        tell(at, f"{who}: {step}", mark, device=who, role=role, leg=leg, step=step, **figures)

    tell(0, "preCopy", host="host-a", vmMigPhase="preCopy", vmMigPhaseHoldStatus="none")
    for leg in range(legs):
        device(1000 + leg, leg, "source", "tracking")
        device(2000 + leg, leg, "destination", "prepared")
    tell(900 * second, "stopped", 1)
    tell(900 * second + 9, "held", host="host-a", vmMigPhase="stopped", vmMigPhaseHoldStatus="held")
    figures = {"vmMigTransferRows": 100_000, "vmMigTransferDigest": "0f" * 32, "vmMigTransferOctets": 4_000_000_000}
    for leg in range(legs):
        device(900 * second + 100 + leg, leg, "source", "freezing", 2 if leg == 0 else 0)
        device(900 * second + 400 + leg, leg, "source", "frozen", 3, **figures)
        device(900 * second + 450 + leg, leg, "destination", "committing")
        device(900 * second + 480 + leg, leg, "destination", "committed", 4, **{**figures, "vmMigTransferMissing": missing},
               vmMigTransferError=missing * f"conn 2001:db8::{name}")
    tell(900 * second + 500, "released", 5)
    tell(900 * second + 505, "resumed", 6)
    for leg in range(legs):
        device(901 * second, leg, "destination", "done", **figures, tables={f"vmMigTable{table}": 10_000 for table in range(10)})
        device(902 * second, leg, "source", "aborted" if missing else "released", **figures,
               failure=missing * f"{name}-{leg}: {name}")
    plan = {"vmName": name, "sourceHost": "host-a", "destinationHost": "host-b", "bestEffort": bool(missing),
            "legs": [{"source": f"{name}-{leg}", "destination": f"to-{leg}"} for leg in range(legs)]}
    with sqlite3.connect(path) as database:
        row = database.execute("INSERT INTO migration(owner, vm, plan, startedUtc, endedUtc, outcome, rows, missing, octets) "
                               "VALUES('1:1', ?, ?, ?, ?, ?, 4294967295, ?, 9007199254740991)",
                               (VM_UUID, json.dumps(plan), 1_700_000_000 * second, 1_700_000_902 * second, outcome, missing))
        database.executemany("INSERT INTO event(migration, monotonic, utc, mark, text, data) VALUES(?, ?, ?, ?, ?, ?)",
                             [(row.lastrowid, *event) for event in events])
    database.close()
