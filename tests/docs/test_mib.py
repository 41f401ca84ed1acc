# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/mib.md against the module's text, and its worked examples against a reader and a digest that share no code with ours."""

import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab import documents, image_reader, module_text  # noqa: E402

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def read(name):
    with open(os.path.join(TOP, name)) as file:
        return file.read()


MODULE, DOCUMENT = read("mibs/VM-MIGRATION-MIB.txt.in"), read("docs/mib.md")


def rows_below(title):
    """The lines of the list in the section of this title."""
    section = re.split(r"^#+ ", DOCUMENT.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    return re.findall(r"^\| \d+ \|.*\|$", section, re.M)


def hex_blocks():
    """Octets in pairs from the beginning of each line; what follows two spaces is said of them."""
    return [bytes.fromhex("".join(re.split(r"\s{2,}", line, maxsplit=1)[0] for line in block.splitlines()))
            for block in documents.blocks(DOCUMENT, "hex")]


def test_every_table_and_column_is_there_as_the_module_has_it():
    tables = module_text.tables(MODULE)
    assert len(tables) == 14 and sum(len(columns) for _, _, columns in tables.values()) > 150
    for name, (number, entry, columns) in tables.items():
        assert rows_below(f"{name} ({number})") == module_text.described(name, entry, columns), name
        assert "*At least:*" in DOCUMENT.split(f"### {name} ")[1].split("###")[0], name
    assert len(re.findall(r"^### vmMig\w+Table", DOCUMENT, re.M)) == len(tables)


def test_every_scalar_group_and_notification_is_there():
    scalars = [each for each in module_text.objects(MODULE).values() if each.parent == "vmMigDevice"]
    told = rows_below("What a device says of itself")
    assert told == [f"| {each.number} | {each.name} | {each.access} | {each.default} |" for each in scalars] and len(told) >= 16
    for kind in ("OBJECT-GROUP", "NOTIFICATION-GROUP", "NOTIFICATION-TYPE"):
        names = re.findall(rf"^(vmMig\w+) {kind}", MODULE, re.M)
        assert names
        for name in names:
            assert f"| {name} |" in DOCUMENT, name


def test_no_name_is_invented():
    known = set(re.findall(r"\bvmMig\w*", MODULE))
    for name in ("mib.md", "protocol.md", "operator-guide.md", "tutorial.md"):
        assert set(re.findall(r"\bvmMig\w*", read(f"docs/{name}"))) <= known, name


def test_what_the_digest_leaves_out_is_what_our_code_leaves_out():
    """Carry in the tables' headers against the words of the module's text."""
    headers = "".join(read(f"mibs/{name}") for name in os.listdir(os.path.join(TOP, "mibs")) if name.endswith("_table.h"))
    means = {"exact": "digest", "clock": "moves", "traffic": "moves", "local": "stays"}
    carried = {name: means[carry] for name, carry in re.findall(r'"(vmMig\w+)",[^"]*?Carry::(\w+)', headers)}
    seen = 0
    for table, (_, entry, columns) in module_text.tables(MODULE).items():
        for column in columns if module_text.row_type(entry) else ():
            told = module_text.carry(table, column, entry)
            if told != "INDEX" and column.name in carried:
                assert told == carried[column.name], column.name
                seen += 1
    assert seen > 80


def test_the_chunk_is_what_is_said_of_it():
    chunk, _ = hex_blocks()
    (put, table, row), (end, rows, digest) = image_reader.read_chunk(MODULE, chunk)
    assert (put, table, end, rows) == (image_reader.PUT, 4, image_reader.END, 1)
    assert row["localAddress"] == bytes([4, 10, 1, 0, 5]) and row["localPort"] == (7000).to_bytes(2, "big")
    assert row["remAddress"] == bytes([4, 192, 0, 2, 10]) and row["remPort"] == (40000).to_bytes(2, "big")
    assert int.from_bytes(row["timeout"], "big") == 3600 and row["opener"] == b"\x02" and row["status"] == b"\xc0"
    assert "state" not in row and "windowKnown" not in row
    assert image_reader.digest(MODULE, [(table, row)]) == digest
    assert image_reader.digest(MODULE, [(table, row | {"timeout": bytes(4)})]) == digest
    assert image_reader.digest(MODULE, [(table, row | {"opener": b"\x01"})]) != digest
    assert image_reader.digest(MODULE, []) == bytes(32)


def test_the_chunk_that_is_written_is_the_one_that_is_explained():
    written = "".join(re.findall(r"^chunk=(?:\$\{chunk\})?([0-9a-f]+)$", DOCUMENT, re.M))
    assert bytes.fromhex(written) == hex_blocks()[0]


def test_the_octets_of_the_digest_are_what_is_said_of_them():
    chunk, hashed = hex_blocks()
    assert hashlib.sha256(hashed).digest() == image_reader.read_chunk(MODULE, chunk)[1][2]
