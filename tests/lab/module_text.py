# SPDX-License-Identifier: GPL-2.0-or-later
"""VM-MIGRATION-MIB as a text, read without the project's own code: its objects, and the row types of the packed image."""

import re
from dataclasses import dataclass

OBJECT = re.compile(r"^(vmMig\w+) OBJECT-TYPE\n(.*?)::= \{ (\w+) (\d+) \}", re.M | re.S)
COMPONENT = re.compile(r"^\s*(\w+) (.+?)(?: DEFAULT (.+))?$", re.S)
# What a clock or each packet changes: moves, and is not part of the digest (vmMigTransferDigest).
NOT_DIGESTED = {"idleTime", "timeout", "leaseTime", "windowKnown", "seqNumber", "ackNumber", "remSeqNumber", "remAckNumber",
                "localMaxEnd", "remMaxEnd", "localMaxWindow", "remMaxWindow"}


@dataclass
class Object:
    name: str
    number: int
    parent: str
    access: str
    default: str  # DEFVAL; empty without one
    body: str


@dataclass
class Component:
    """Of a row of the image: a name, its ASN.1 type, and its DEFAULT (None: an INDEX)."""

    name: str
    type: str
    default: str


def objects(text):
    found = {}
    for name, body, parent, number in OBJECT.findall(text):
        default = re.search(r"DEFVAL\s+\{ ?(.*?) ?\}\s*$", body)
        found[name] = Object(name, int(number), parent, re.search(r"MAX-ACCESS\s+(\S+)", body).group(1),
                             default.group(1) if default else "", body)
    return found


def tables(text):
    """{table: (its number, its entry, its columns)} in the order of their numbers."""
    every = objects(text)
    found = {}
    for each in every.values():
        if re.match(r"\s*SYNTAX\s+SEQUENCE OF", each.body):
            entry = next(o for o in every.values() if o.parent == each.name)
            found[each.name] = (each.number, entry, [o for o in every.values() if o.parent == entry.name])
    return dict(sorted(found.items(), key=lambda item: item[1][0]))


def row_type(entry):
    """The components of a table's row in an image; empty when the table does not move."""
    found = re.search(r"\w+Row ::= SEQUENCE \{(.*?)\}(?:\n\s*InetAddressType ::=|\"?\n\s+INDEX|\")", entry.body, re.S)
    if not found:
        return []
    pieces, depth, piece = [], 0, ""
    for character in found.group(1):
        depth += (character in "({") - (character in ")}")
        if character == "," and depth == 0:
            pieces.append(piece)
            piece = ""
        else:
            piece += character
    return [Component(*COMPONENT.match(" ".join(each.split())).groups()) for each in [*pieces, piece]]


def carry(table, column, entry):
    """What becomes of a column in a transfer: "INDEX", "digest" (moves, and is part of it), "moves", or "stays"."""
    if re.search(rf"\b{column.name}\b", re.search(r"INDEX\s+\{(.*?)\}", entry.body, re.S).group(1)):
        return "INDEX"
    short = column.name.removeprefix(table.removesuffix("Table"))
    name = short[:1].lower() + short[1:]
    if name not in {each.name for each in row_type(entry)}:
        return "stays"
    return "moves" if name in NOT_DIGESTED else "digest"


def described(table, entry, columns):
    """A table's columns, as docs/mib.md lists them."""
    default = {"''H": "empty", '""': "empty", "{ }": "none", "{": "none", "": ""}
    return [f"| {each.number} | {each.name} | {each.access} | {default.get(each.default, each.default)} | {carry(table, each, entry)} |"
            for each in columns]
