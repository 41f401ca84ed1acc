# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader of packed images that knows nothing but the module's text: COER (X.696) as vmMigImageData describes it."""

import hashlib
import re

from . import module_text

PUT, REMOVE, END = 128, 129, 130


class Octets:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at:self.at + count]
        assert len(piece) == count, "it ends in the middle"
        self.at += count
        return piece

    def number(self, octets):
        return int.from_bytes(self.take(octets), "big")

    def length(self):
        first = self.number(1)
        return first if first < 128 else self.number(first - 128)


def width(kind):
    """The octets of a type of fixed size; None: a length comes first."""
    if kind in ("U32", "I32"):
        return 4
    if kind in ("InetAddressType", "TruthValue", "VmMigTcpState", "VmMigTcpFlags") or kind.startswith("ENUMERATED"):
        return 1
    if kind.startswith("INTEGER"):
        highest = int(re.search(r"\.\.(\d+)", kind).group(1))
        return 1 if highest <= 255 else 2 if highest <= 65535 else 4
    if kind.startswith("BIT STRING"):
        return (int(re.search(r"SIZE \((\d+)\)", kind).group(1)) + 7) // 8
    fixed = re.fullmatch(r"OCTET STRING \(SIZE \((\d+)\)\)", kind)
    if fixed:
        return int(fixed.group(1))
    assert kind == "InetAddress" or kind.startswith(("OCTET STRING", "UTF8String")), f"unknown type {kind}"
    return None


def read_row(components, octets):
    """{component: its octets, with the length where it has one}, of those that are there."""
    data = Octets(octets)
    optional = [each for each in components if each.default is not None]
    bits = data.take((len(optional) + 7) // 8)
    there = {each.name for i, each in enumerate(optional) if bits[i // 8] & 0x80 >> i % 8}
    row = {}
    for each in components:
        if each.default is None or each.name in there:
            begin, size = data.at, width(each.type)
            data.take(data.length() if size is None else size)
            row[each.name] = octets[begin:data.at]
    assert data.at == len(octets), "octets behind the row"
    return row


def canonical(components, row):
    """The row without what the digest leaves out."""
    optional = [each for each in components if each.default is not None]
    kept = {name: value for name, value in row.items() if name not in module_text.NOT_DIGESTED}
    bits = bytearray((len(optional) + 7) // 8)
    for i, each in enumerate(optional):
        if each.name in kept:
            bits[i // 8] |= 0x80 >> i % 8
    return bytes(bits) + b"".join(kept[each.name] for each in components if each.name in kept)


def read_chunk(text, octets):
    """The records: (PUT or REMOVE, table's number, row), (END, rows, digest)."""
    types = {number: module_text.row_type(entry) for number, entry, _ in module_text.tables(text).values()}
    data = Octets(octets)
    assert data.number(1) == 1, "version"
    records = []
    for _ in range(data.number(data.number(1))):
        tag = data.number(1)
        if tag == END:
            records.append((tag, data.number(4), data.take(32)))
        else:
            number = data.number(2)
            records.append((tag, number, read_row(types[number], data.take(data.length()))))
    assert data.at == len(octets), "octets behind the last record"
    return records


def digest(text, rows):
    """Of (table's number, row): the sum of the SHA-256 of each, modulo 2^256."""
    types = {number: module_text.row_type(entry) for number, entry, _ in module_text.tables(text).values()}
    total = sum(int.from_bytes(hashlib.sha256(number.to_bytes(2, "big") + canonical(types[number], row)).digest(), "big")
                for number, row in rows)
    return (total % 2**256).to_bytes(32, "big")
