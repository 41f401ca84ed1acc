# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vmmig export` reads of a device, `vmmig import` makes in an empty one, and `vmmig diff` finds no difference: every table."""

import json
import os
import sys
from dataclasses import dataclass, field

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab import stock  # noqa: E402
from lab.switch import VM_PORT  # noqa: E402
from lab.topology import ADDRESSES, CLIENT4, CLIENT6, PUBLIC4, VM4, VM6, VM_ADDRESSES, VM_MAC, Lab  # noqa: E402
from lab.vmmig import VM_INDEX, VM_NAME, VM_UUID, Vmmig  # noqa: E402

A, B = "sw-a", "sw-b"


def kind(address):
    return "ipv6" if ":" in address else "ipv4"


def row(prefix, **columns):
    """A row as JSON; an address makes two columns."""
    result = {"vmMigVmUuid": VM_UUID}
    for name, value in columns.items():
        result[prefix + name] = value
        if name in ADDRESS_COLUMNS:
            result[f"{prefix}{name}Type"] = kind(value) if value else "unknown"
    return result


ADDRESS_COLUMNS = {"LocalAddress", "RemAddress", "NatLocalAddress", "SourceAddress", "DestAddress", "MasterSourceAddress",
                   "MasterDestAddress", "Address", "Group", "Source"}


def tcp(local, rem, port, **more):
    return row("vmMigTcpConn", Zone=0, LocalAddress=local, LocalPort=port, RemAddress=rem, RemPort=443,
               **{"State": "established", "Timeout": 3000, "Status": ["assured", "seenReply"], "LocalWindowScale": 7,
                  "RemWindowScale": 9, "LocalFlags": ["windowScale"], "RemFlags": ["windowScale"], **more})


def flow(local, rem, protocol, local_port, rem_port, **more):
    return row("vmMigFlow", Zone=0, Protocol=protocol, LocalAddress=local, LocalPort=local_port, RemAddress=rem, RemPort=rem_port,
               **{"Timeout": 300, **more})


def acl(name, match, **more):
    return row("vmMigAcl", List=name, EntryName=match, Match=match, Action="permit", **more)


def counter(name, what, member="", **more):
    return row("vmMigCounter", Name=name, Member=member, Kind=what, **more)


def binding(address, **more):
    return row("vmMigDhcpBinding", Vlan=0, Mac=VM_MAC.replace(":", ""), Address=address, Port=VM_PORT, **more)


def membership(group, source="", **more):
    return row("vmMigMulticast", Vlan=0, Group=group, Source=source, Port=VM_PORT, **more)


def expectation(source, dest, port):
    """Of an FTP connection that the client has to the VM: the client opens the data connection to `port`."""
    return row("vmMigExpect", Zone=0, Protocol=6, SourceAddress=source, SourcePort=0, DestAddress=dest, DestPort=port,
               MasterProtocol=6, MasterSourceAddress=dest, MasterSourcePort=40021, MasterDestAddress=source, MasterDestPort=443,
               Timeout=300, Helper="ftp")


@dataclass
class Case:
    """Rows of one table (and those that they need), IPv4 and IPv6, and what the back end linux needs for them."""

    table: str
    rows: list
    lines: list = field(default_factory=list)    # of vmmigd.conf
    ruleset: str = ""                            # inside a table inet guard
    needs: dict = field(default_factory=dict)    # rows of other tables


CASES = [
    Case("vmMigTcpConnTable", [
        tcp(VM4, CLIENT4, 40001), tcp(VM6, CLIENT6, 40001, Opener="remote"),
        tcp(VM4, CLIENT4, 40002, State="closeWait", Mark=0xdeadbeef, Labels="81" + 15 * "00"),
        tcp(VM4, CLIENT4, 40003, NatLocalAddress=PUBLIC4, NatLocalPort=50001)]),
    Case("vmMigFlowTable", [
        flow(VM4, CLIENT4, 17, 5000, 53), flow(VM6, CLIENT6, 17, 5000, 53), flow(VM4, CLIENT4, 17, 53, 5001, Opener="remote"),
        flow(VM4, CLIENT4, 1, 77, 8 * 256), flow(VM6, CLIENT6, 58, 77, 128 * 256, Mark=7),
        flow(VM4, CLIENT4, 132, 5000, 3868, SctpState="established", LocalVtag=0xfffffff0, RemVtag=7)]),
    Case("vmMigAclTable", [
        acl("auth4", VM4, Timeout=1000, Lifetime=3000, Identity="alice@example.com", Packets=5, Octets=7),
        acl("auth6", VM6)],
         lines=["acl = auth4,inet guard auth4,permit", "acl = auth6,inet guard auth6,permit"],
         ruleset="""set auth4 { type ipv4_addr; flags dynamic, timeout; counter; }
                    set auth6 { type ipv6_addr; flags dynamic, timeout; counter; }"""),
    Case("vmMigCounterTable", [
        counter("traffic", "counter", Packets=12, Octets=1, OctetsHigh=2),
        counter("volume", "quota", Match="over", Octets=1000, ThresholdHigh=1),
        counter("syn", "halfOpen", Match="ipv4_addr . inet_service . ipv4_addr . inet_service", Threshold=5, Lifetime=60),
        *(counter("syn", "halfOpen", f"{VM4} . {port} . {CLIENT4} . 80", Timeout=60, Lifetime=60) for port in (40000, 40001))],
         lines=["counter = traffic,counter,inet guard traffic_{vm}", "counter = volume,quota,inet guard volume_{vm}",
                "counter = syn,halfOpen,inet guard syn_{vm}"]),
    Case("vmMigDhcpBindingTable", [binding(VM4, LeaseTime=3600), binding(VM6)], lines=["dhcp-snooping = br0,core"]),
    Case("vmMigMulticastTable", [
        membership("239.1.2.3"), membership("239.1.2.4", Permanent=True), membership("ff15::1"),
        membership("239.1.2.5"), membership("239.1.2.5", "192.0.2.8"), membership("ff15::5"), membership("ff15::5", "2001:db8::8"),
        membership("232.1.2.6", "192.0.2.8", FilterMode="include"), membership("232.1.2.6", "192.0.2.9", FilterMode="include"),
        membership("ff35::6", "2001:db8::8", FilterMode="include")],
         lines=["multicast = br0"]),
    Case("vmMigPolicyTable", [
        row("vmMigPolicy", Name="filter", Piece=1, Kind="acl", Text=f"ip saddr {CLIENT4} accept\nip6 saddr {CLIENT6} accept\ndrop\n"),
        row("vmMigPolicy", Name="shaping", Piece=1, Kind="qos",
            Text="qdisc root handle 1: htb r2q 10 default 0x20 direct_qlen 1000\n"
                 "class parent 1: classid 1:1 htb rate 100Mbit burst 1600 ceil 1Gbit cburst 1500\n")],
         lines=["policy = filter,acl,inet guard vm_{vm},to4 to6", "policy = shaping,qos"],
         ruleset="map to4 { type ipv4_addr : verdict; }\n map to6 { type ipv6_addr : verdict; }"),
    Case("vmMigExpectTable", [expectation(CLIENT4, VM4, 50000), expectation(CLIENT6, VM6, 50000)],
         ruleset='ct helper ftp { type "ftp" protocol tcp; }',  # has the kernel load its module
         needs={"vmMigTcpConnTable": [tcp(VM4, CLIENT4, 40021, Helper="ftp"), tcp(VM6, CLIENT6, 40021, Helper="ftp")]}),
]


class Pair:
    """Two devices with one back end; the VM is at the first, and the other knows nothing."""

    def __init__(self, lab, back_end):
        self.lab, self.back_end = lab, back_end
        lines = {each.name: [each.port_map] + [line for case in CASES for line in case.lines] for each in lab.switches.values()}
        self.vmmig = Vmmig(lab, lines=lines if back_end == "linux" else None, back_end=back_end)
        if back_end == "linux":
            self._set_up()
        for name in (A, B):
            self.vmmig.agents[name].start()
        for name in (A, B):
            self.vmmig.agents[name].wait_ready()
        stock.introduce_vm(lab, A, VM_ADDRESSES, VM_NAME, VM_PORT, VM_MAC)
        self.base = json.loads(self.vmmig.command("export", f"tcp:{ADDRESSES[A]}", "--vm", VM_NAME).stdout)

    def _set_up(self):
        """What an operator has on both devices. Nobody else is behind the port, or would join groups meanwhile."""
        self.lab.vm_stop()
        for host in ("host-a", "host-b"):
            self.lab.ns[host].sysctl(net__ipv6__conf__all__disable_ipv6=1)
        for switch in self.lab.switches.values():
            switch.snoop()
            rules = "\n".join(case.ruleset for case in CASES)
            switch.namespace.run("nft", "-f", "-", text=f"table inet guard {{\n{rules}\n}}\n")

    def file(self, tables):
        """The VM with these rows, as an exported file."""
        path = os.path.join(self.vmmig.directory, "state.json")
        with open(path, "w") as file:
            json.dump({**self.base, "tables": {**self.base["tables"], **tables}}, file)
        return path

    def run(self, command, *words):
        """vmmig, told in full when it fails."""
        answer = self.vmmig.command(command, *words, check=False)
        logs = "".join(self.vmmig.agents[name].process.log() for name in (A, B))
        assert answer.returncode == 0, answer.stdout + answer.stderr + logs
        return answer.stdout

    def empty(self):
        """Take all rows away again."""
        self.run("import", f"tcp:{ADDRESSES[A]}", self.file({}), "--replace")
        if self.vmmig.show(B, "vm"):
            self.run("import", f"tcp:{ADDRESSES[B]}", self.file({}), "--replace")
            stock.set_row(self.lab, B, VM_INDEX, vmMigVmRowStatus=("i", "destroy"))


@pytest.fixture(scope="module", params=["memory", "linux"])
def pair(request):
    with Lab(switches=True) as lab:
        pair = Pair(lab, request.param)
        yield pair


@pytest.mark.parametrize("case", CASES, ids=[case.table for case in CASES])
def test_what_is_exported_is_imported_as_it_was(pair, case):
    device, other = f"tcp:{ADDRESSES[A]}", f"tcp:{ADDRESSES[B]}"
    try:
        pair.run("import", device, pair.file({case.table: case.rows, **case.needs}))
        exported = os.path.join(pair.vmmig.directory, "exported.json")
        pair.run("export", device, "--vm", VM_NAME, "-o", exported)
        with open(exported) as file:
            tables = json.load(file)["tables"]
        assert len(tables[case.table]) == len(case.rows), tables[case.table]
        assert pair.vmmig.show(B, "vm") == []
        pair.run("import", other, exported)
        assert pair.run("diff", exported, other, "--tolerance", "30") == ""
        assert pair.run("diff", device, other, "--vm", VM_UUID, "--tolerance", "30") == ""
    finally:
        pair.empty()


def test_every_table_that_moves_has_a_case(pair):
    assert {case.table for case in CASES} == set(pair.base["tables"])
