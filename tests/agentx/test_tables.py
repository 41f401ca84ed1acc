# SPDX-License-Identifier: GPL-2.0-or-later
"""Every table that moves, by stock commands: rows made, read, changed and destroyed; what is refused, and with which error."""

import dataclasses
import hashlib
import ipaddress
import time
import uuid

import pytest

from conftest import (ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY, NOT_READY, V4, V6, Rig, SnmpError, instance, oid)
from lab.netns import wait_until
from lab.procs import Processes

PEER4, PEER6 = "192.0.2.1", "2001:db8::1"
FOR_EVER = 4294967295
UDP, TCP, ICMP, SCTP = 17, 6, 1, 132
NO_INSTANCE = "No Such Instance currently exists at this OID"


class Sub:
    """Sub-identifiers of an index as they are."""

    def __init__(self, *numbers):
        self.text = ".".join(map(str, numbers))

    def __str__(self):
        return self.text


def text(value):
    return Sub(len(value), *value.encode())


MAC = Sub(2, 0, 0, 0, 0, 5)
UNSET = Sub(0, 0)


@dataclasses.dataclass
class Row:
    """A row of a table: its index behind the VM's UUID, its columns when made, and a change."""
    table: str
    index: tuple
    columns: dict  # {column without prefix: (type, value)}
    change: tuple  # (column, type, value)

    def name(self, column, vm):
        return instance(self.table + column, vm, *self.index)

    def assignments(self, vm, **changed):
        columns = {**self.columns, **changed}
        return [(self.name(column, vm), *typed) for column, typed in columns.items()]

    def create(self, vm, status=CREATE_AND_GO, **changed):
        return [*self.assignments(vm, **changed), (self.name("RowStatus", vm), "i", status)]


def flow(local=V4, peer=PEER4, protocol=UDP, local_port=5000, peer_port=53):
    return Row("vmMigFlow", (0, protocol, local, local_port, peer, peer_port),
               {"Opener": ("i", 2), "Timeout": ("u", 300), "Mark": ("u", FOR_EVER), "Helper": ("s", "sip")}, ("Mark", "u", 7))


def acl(match=V4):
    return Row("vmMigAcl", (text("authenticated"), text(match)),
               {"Match": ("s", match), "Action": ("i", 2), "Timeout": ("u", 100), "Lifetime": ("u", 300),
                "Identity": ("s", "alice@example.com"), "Packets": ("u", 5), "OctetsHigh": ("u", 1)}, ("Identity", "s", "bob"))


def counter(member="", kind=1, name="syn", **columns):
    return Row("vmMigCounter", (text(name), text(member)), {"Kind": ("i", kind), **columns}, ("Packets", "u", 12))


def head(threshold=5):
    return counter(Threshold=("u", threshold))


def member(local=V4, port=40000):
    return counter(f"{local} . {port}", Timeout=("u", 60))


def binding(address=V4, mac=MAC, vlan=7):
    columns = {"LeaseTime": ("u", 3600), "Port": ("s", "vnet0")}
    return Row("vmMigDhcpBinding", (vlan, mac, address), columns, ("Port", "s", "vnet1"))


def membership(group="239.1.2.3", source=UNSET):
    columns = {"Port": ("s", "vnet0"), "FilterMode": ("i", 1), "Permanent": ("i", 1)}
    return Row("vmMigMulticast", (7, group, source), columns, ("FilterMode", "i", 2))


def policy(piece=1, pieces=1, words="accept"):
    columns = {"Kind": ("i", 1), "Pieces": ("u", pieces), "Text": ("s", words)}
    return Row("vmMigPolicy", (text("web"), piece), columns, ("Text", "s", "drop"))


def expectation(local=V4, peer=PEER4):
    kind = 2 if ":" in local else 1
    octets = [hex_of(address) for address in (peer, local)]
    return Row("vmMigExpect", (0, TCP, peer, 0, local, 50000),
               {"MasterSourceAddressType": ("i", kind), "MasterSourceAddress": ("x", octets[0]), "MasterSourcePort": ("u", 40000),
                "MasterDestAddressType": ("i", kind), "MasterDestAddress": ("x", octets[1]), "MasterDestPort": ("u", 21),
                "Timeout": ("u", 300), "Helper": ("s", "ftp")}, ("Class", "u", 2))


def hex_of(address):
    return ipaddress.ip_address(address).packed.hex()


ROWS = {"flow": flow(), "flow6": flow(V6, PEER6), "acl": acl(), "acl6": acl(f"{V6} . 443"), "counter": head(), "member": member(),
        "member6": member(V6), "binding": binding(), "binding6": binding(V6), "membership": membership(),
        "membership6": membership("ff0e::1", PEER6), "policy": policy(), "expectation": expectation(),
        "expectation6": expectation(V6, PEER6)}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One snmpd and one vmmigd for all tests of this file: each has a VM of its own."""
    directory = tmp_path_factory.mktemp("tables")
    with Processes(str(directory)) as processes:
        rig = Rig(directory, processes)
        rig.start_snmpd()
        rig.start_vmmigd()
        rig.wait_answer()
        yield rig
        print(processes.logs())


@pytest.fixture(params=ROWS.values(), ids=ROWS.keys())
def row(request):
    return request.param


def rows_in(host, table):
    """What a walk finds: stock snmpwalk asks for the table itself where it has no row, and shows that there is nothing."""
    return [pair for pair in host.walk(oid(table + "Table")) if not pair[1].startswith("No Such")]


def test_a_row_is_made_read_changed_and_destroyed(host, vm, row):
    status = row.name("RowStatus", vm)
    host.set(*row.create(vm))
    names = [name for name, _, _ in row.assignments(vm)]
    values = host.get(*names, status)
    assert values[-1] == str(ACTIVE)
    for (column, (kind, value)), answer in zip(row.columns.items(), values):
        if column in ("Timeout", "LeaseTime"):
            assert value - 10 <= int(answer) <= value
        elif kind == "x":
            assert answer.replace('"', "").replace(" ", "").lower() == value
        else:
            assert answer == str(value), column
    column, kind, value = row.change
    host.set((row.name(column, vm), kind, value))
    assert host.get(row.name(column, vm)) == [str(value)]
    host.set((status, "i", DESTROY))
    assert host.get(status) == [NO_INSTANCE]
    assert rows_in(host, row.table) == []


def test_a_row_waits_until_it_is_complete(host, vm, row):
    status = row.name("RowStatus", vm)
    host.set((status, "i", CREATE_AND_WAIT))
    needed = {"vmMigCounter": "Kind", "vmMigDhcpBinding": "Port", "vmMigMulticast": "Port", "vmMigPolicy": "Kind"}.get(row.table)
    assert (host.get(status) == [str(NOT_READY)]) == bool(needed)
    if needed:
        assert host.set_fails((status, "i", ACTIVE)) == ("inconsistentValue", 1)
    host.set(*row.assignments(vm))
    host.set((status, "i", ACTIVE))
    assert host.get(status) == [str(ACTIVE)]


def test_walk_and_bulkwalk_show_every_row_of_every_table(host, vm):
    for row in ROWS.values():
        host.set(*row.create(vm))
    for table in {row.table for row in ROWS.values()}:
        walked = [name for name, _ in host.walk(oid(table + "Table"))]
        rows = [row for row in ROWS.values() if row.table == table]
        for row in rows:
            assert row.name("RowStatus", vm) in walked
            assert all(name in walked for name, _, _ in row.assignments(vm))
        assert len(walked) % len(rows) == 0
        bulk = [name for name, _ in host.walk(oid(table + "Table"), "snmpbulkwalk", "-Cr7")]
        assert bulk == walked
        assert host.run("snmpgetnext", "-Onq", oid(table + "Table")).stdout.split(" ", 1)[0] == walked[0]


SHA = "#" + hashlib.sha256(f"{V4} . {'x' * 80}".encode()).hexdigest()[:40]
LONG = f"{V4} . {'x' * 80}"


def changed(row, **columns):
    """The same with other columns."""
    return dataclasses.replace(row, columns={**row.columns, **columns})


def renamed(row, *index):
    return dataclasses.replace(row, index=index)


REFUSED = {
    "flow of TCP": (flow(protocol=TCP), "inconsistentName"),
    "flow of another VM": (flow(local="10.0.0.6"), "inconsistentName"),
    "flow of two families": (flow(peer=PEER6), "inconsistentName"),
    "flow of no port": (flow(local_port=65536), "noCreation"),
    "ping that is none": (flow(protocol=ICMP, peer_port=2048), "inconsistentValue"),
    "sctp without a state": (flow(protocol=SCTP), "inconsistentValue"),
    "state without sctp": (changed(flow(), SctpState=("i", 5)), "inconsistentValue"),
    "flow of no state": (changed(flow(), SctpState=("i", 10)), "wrongValue"),
    "flow with a signed mark": (changed(flow(), Mark=("i", 1)), "wrongType"),
    "flow with 15 labels": (changed(flow(), Labels=("x", "00" * 15)), "wrongLength"),
    "flow that stays": (changed(flow(), StorageType=("i", 3)), "wrongValue"),
    "acl of another VM": (acl("10.0.0.6"), "inconsistentName"),
    "acl of others, too": (acl("10.0.0.0/24"), "inconsistentName"),
    "acl of another match": (changed(acl(), Match=("s", V6)), "inconsistentName"),
    "acl of a wrong digest": (renamed(acl(LONG), text("a"), text("#" + "0" * 40)), "inconsistentName"),
    "acl of a digest alone": (changed(renamed(acl(), text("a"), text(SHA)), Match=("s", "")), "inconsistentValue"),
    "acl of a long list": (renamed(acl(), text("a" * 33), text(V4)), "noCreation"),
    "acl of no list": (renamed(acl(), text(""), text(V4)), "noCreation"),
    "acl of no action": (changed(acl(), Action=("i", 4)), "wrongValue"),
    "acl that says nothing": (changed(acl(), Action=("i", 3)), "inconsistentValue"),
    "acl that outlives its life": (changed(acl(), Timeout=("u", 301)), "inconsistentValue"),
    "acl of a long identity": (changed(acl(), Identity=("s", "a" * 129)), "wrongLength"),
    "acl of no text": (changed(acl(), Identity=("x", "ff")), "wrongValue"),
    "acl with a signed count": (changed(acl(), Packets=("i", 1)), "wrongType"),
    "counter with members": (changed(head(), Members=("u", 1)), "notWritable"),
    "counter of no kind": (changed(head(), Kind=("i", 5)), "wrongValue"),
    "counter with a threshold": (changed(head(), Kind=("i", 2)), "inconsistentValue"),
    "member of a quota": (changed(member(), Kind=("i", 3)), "inconsistentName"),
    "member of another VM": (member("10.0.0.6"), "inconsistentName"),
    "binding of another VM": (binding("10.0.0.6"), "inconsistentName"),
    "binding of a group": (binding(mac=Sub(1, 0, 94, 0, 0, 1)), "inconsistentName"),
    "binding of a long MAC": (binding(mac=Sub(2, 0, 0, 0, 0, 0, 5)), "noCreation"),
    "binding of no VLAN": (binding(vlan=4095), "noCreation"),
    "binding of no port": (changed(binding(), Port=("s", "")), "inconsistentValue"),
    "binding of a long port": (changed(binding(), Port=("s", "a" * 256)), "wrongLength"),
    "membership of no group": (membership("192.0.2.3"), "inconsistentName"),
    "membership of two families": (membership(source=PEER6), "inconsistentName"),
    "membership of a time": (changed(membership(), Timeout=("u", 5)), "notWritable"),
    "policy of an order": (changed(policy(), Order=("u", 5)), "notWritable"),
    "policy of no piece": (policy(piece=0), "noCreation"),
    "policy beyond its pieces": (policy(piece=2), "inconsistentName"),
    "policy of too many pieces": (policy(pieces=1025), "wrongValue"),
    "policy of a long text": (policy(words="a" * 513), "wrongLength"),
    "expectation of another VM": (expectation("10.0.0.6"), "inconsistentName"),
    "expectation without a master": (changed(expectation(), MasterDestAddressType=("i", 0), MasterDestAddress=("x", "")),
                                     "inconsistentValue"),
    "expectation of half a translation": (changed(expectation(), NatPort=("u", 5)), "inconsistentValue"),
    "expectation of a long helper": (changed(expectation(), Helper=("s", "a" * 16)), "wrongLength"),
}


def test_what_is_wrong_is_refused_with_its_error(host, vm):
    for name, (row, error) in REFUSED.items():
        with pytest.raises(SnmpError) as caught:
            host.set(*row.create(vm))
            pytest.fail(f"{name} is taken")
        assert caught.value.status == error, name
    for table in {row.table for row in ROWS.values()}:
        assert rows_in(host, table) == []


def test_a_row_of_an_unknown_vm_is_refused(host, row):
    assert host.set_fails(*row.create(uuid.UUID(int=9)))[0] == "inconsistentName"


def test_a_long_match_has_its_digest_as_name(host, vm):
    row = dataclasses.replace(acl(LONG), index=(text("authenticated"), text(SHA)))
    host.set(*row.create(vm))
    assert host.get(row.name("Match", vm)) == [LONG]


def test_a_match_that_is_left_out_is_the_name(host, vm):
    row = acl("10.0.0.5/32 . 443")
    host.set((row.name("Timeout", vm), "u", 100), (row.name("RowStatus", vm), "i", CREATE_AND_GO))
    assert host.get(row.name("Match", vm), row.name("Lifetime", vm)) == ["10.0.0.5/32 . 443", "100"]


def test_an_entry_ends_when_its_time_is_over(host, vm):
    row = changed(acl(), Timeout=("u", 1))
    host.set(*row.create(vm))
    wait_until(lambda: host.get(row.name("RowStatus", vm)) == [NO_INSTANCE], 10, "the end of the entry", step=0.1)


def test_a_number_of_64_bits_is_written_in_halves(host, vm):
    row = counter(kind=2, name="traffic", Octets=("u", 7), OctetsHigh=("u", 0x80000000))
    host.set(*row.create(vm))
    assert host.get(row.name("Octets", vm), row.name("OctetsHigh", vm)) == ["7", str(0x80000000)]
    host.set((row.name("Octets", vm), "u", FOR_EVER))
    assert host.get(row.name("Octets", vm), row.name("OctetsHigh", vm)) == [str(FOR_EVER), str(0x80000000)]


def test_a_policy_comes_in_pieces(host, vm):
    pieces = [policy(n, 3, words) for n, words in enumerate(["a" * 512, "b" * 512, "c"], start=1)]
    for piece in pieces:
        host.set(*piece.create(vm))
    texts = host.get(*(piece.name("Text", vm) for piece in pieces))
    assert "".join(texts) == "a" * 512 + "b" * 512 + "c"


def test_a_threshold_counts_what_is_open(host, vm):
    """draft-gu-dc-management-problem-statement-00 section 4.2: a threshold of 5, and 3 are open: 2 more."""
    host.set(*head().create(vm))
    for port in range(5):
        host.set(*member(port=40000 + port).create(vm))
    assert host.get(head().name("Members", vm)) == ["5"]
    assert host.set_fails(*member(port=40005).create(vm))[0] == "commitFailed"
    assert "vmMigCounterThreshold" in host.vmmigd.log()
    host.set((member(port=40000).name("RowStatus", vm), "i", DESTROY))
    host.set(*member(port=40005).create(vm))


def test_a_pdu_over_tables_is_all_or_nothing(host, vm):
    rows = [flow(), acl(), head(), binding(), membership(), policy(), expectation()]
    wrong = [assignment for row in rows for assignment in row.create(vm)] + member("10.0.0.6").create(vm)
    assert host.set_fails(*wrong)[0] == "inconsistentName"
    for row in rows:
        assert rows_in(host, row.table) == []
    host.set(*(assignment for row in rows for assignment in row.create(vm)))
    assert host.get(*(row.name("RowStatus", vm) for row in rows)) == [str(ACTIVE)] * len(rows)


def test_the_capabilities_name_every_table(host):
    octets = host.get(instance("vmMigCapabilities", 0))[0].replace('"', "").split()
    # tcpConn(0) to policy(6), image(7), block(8), windowRead(9), windowWrite(10), expect(13)
    assert octets == ["FF", "E4"]


def test_the_check_table_says_how_the_device_is_and_is_read_only(host):
    walked = dict(host.walk(oid("vmMigCheckTable")))
    rows = {column: instance("vmMigCheck" + column, text("rows")) for column in ("Health", "Text", "Remedy")}
    assert walked[rows["Health"]] == "1"
    assert "rows are in use" in host.get(rows["Text"])[0]
    assert host.get(rows["Remedy"]) == [""]
    assert dict(host.walk(oid("vmMigCheckTable"), "snmpbulkwalk")).keys() == walked.keys()
    assert host.get(instance("vmMigHealth", 0)) == ["1"]
    for column, kind, value in (("Health", "i", 1), ("Text", "s", "fine"), ("Remedy", "s", "none")):
        assert host.set_fails((rows[column], kind, value)) == ("notWritable", 1)
        assert host.set_fails((instance("vmMigCheck" + column, text("mine")), kind, value))[0] == "notWritable"


def test_the_clock_is_this_hosts(host):
    def clock():
        return int(host.get(instance("vmMigClock", 0))[0])

    before = time.time() * 1e6
    told = clock()
    assert before <= told <= time.time() * 1e6
    assert clock() > told
    assert host.set_fails((instance("vmMigClock", 0), "u", 5)) == ("notWritable", 1)
