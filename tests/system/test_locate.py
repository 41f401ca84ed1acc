# SPDX-License-Identifier: GPL-2.0-or-later
"""An inventory that names no devices in front of its hosts: the switches' forwarding tables and LLDP tell; and where they contradict
each other, nothing is touched. The hosts tell their own side alone, as QEMU's do.
"""

import json
import sys

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.lldp import Lldpd, unable  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.stock import introduce_vm  # noqa: E402
from lab.switch import BRIDGE, CORE, VM_PORT  # noqa: E402
from lab.topology import ADDRESSES, VM_ADDRESSES, VM_MAC  # noqa: E402
from lab.vmmig import HOST, VM_NAME, VM_UUID, Vmmig, transfer  # noqa: E402
from lab.workload import Workload  # noqa: E402

BEHIND = "".join(f"[device.fw-{site}]\nbehind = sw-{site}\n" for site in "ab")
GROUP = "239.1.9.9"
BRIDGE_MIB = "1.3.6.1.2.1.17"
FDB_PORT = f"{BRIDGE_MIB}.4.3.1.2"  # dot1dTpFdbPort


def index_of(mac):
    return ".".join(str(int(octet, 16)) for octet in mac.split(":"))


def start(lab, more=BEHIND, unlisted=(), **options):
    """Switches that take part, with an inventory of hosts without devices=, and without some hosts."""
    lines = {each.name: [each.port_map, f"multicast = {BRIDGE}"] for each in lab.switches.values()}
    for each in lab.switches.values():
        each.snoop()
    vmmig = Vmmig(lab, lines=lines, names_devices=False, more=more, **options)
    for host in unlisted:
        strike(vmmig, HOST.format(site=host[-1], host=ADDRESSES[host]))
    vmmig.start()
    introduce_vm(lab, "sw-a", VM_ADDRESSES, port=VM_PORT)
    switch = lab.switches["a"]
    switch.namespace.run("bridge", "mdb", "add", "dev", BRIDGE, "port", switch.port, "grp", GROUP, "temp")
    for site in "ab":
        announce(lab, f"host-{site}", "uplink")
    return vmmig


def strike(vmmig, section):
    with open(vmmig.conf) as file:
        text = file.read()
    assert section in text
    with open(vmmig.conf, "w") as file:
        file.write(text.replace(section, ""))


SEND = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
    link.bind((sys.argv[1], 0x88b5))
    link.send(b"\\xff" * 6 + link.getsockname()[4] + b"\\x88\\xb5" + bytes(46))
"""


def announce(lab, name, interface):
    """A frame from there, of an EtherType for experiments (IEEE 802)."""
    lab.ns[name].run(sys.executable, "-c", SEND, interface)


def locate(vmmig, vm, *options, check=True):
    return vmmig.command("locate", vm, "--config", vmmig.conf, *options, check=check)


class Halves:
    """A migration from a to b in which neither host names the other."""

    def __init__(self, lab, vmmig, hold="8s"):
        self.lab, self.vmmig, self.hold = lab, vmmig, hold

    def begin(self):
        self.vmmig.phase("host-b", "prepared", "--destination-host", "host-b", "--mac", VM_MAC)
        self.vmmig.phase("host-a", "preCopy", "--mac", VM_MAC)

    def stop(self):
        """Whether it may go on."""
        self.lab.vm_stop()
        words = self.vmmig.phase_command("host-a", "stopped", "--hold", self.hold, "--wait")
        return self.lab.start("host-a", "vmmig-phase", *words, env=self.lab.manager.env).wait_end(20) == 0

    def go_on(self):
        self.lab.vm_move("b")
        self.lab.move_path("b")
        self.lab.vm_resume()
        self.vmmig.phase("host-b", "resumed")

    def go_back(self):
        self.lab.vm_resume()
        self.vmmig.phase("host-a", "cancelled")
        self.vmmig.phase("host-b", "failed", "--destination-host", "host-b")


def test_a_migration_finds_its_devices_by_the_switches_forwarding_tables(switched_lab):
    lab = switched_lab
    vmmig = start(lab)
    workload = Workload(lab, many=6, bulk_rate=1 << 20)
    halves = Halves(lab, vmmig)
    halves.begin()
    wait_until(lambda: transfer(lab.nms, ADDRESSES["sw-b"])[0] == "prepared", 10, "switch prepared")
    assert halves.stop(), vmmig.manager.log()
    halves.go_on()
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 10, "end of the migration")
    told = vmmig.latest()
    assert told.state == "moved", told.text
    legs = json.loads(told.text)["legs"]
    assert {(leg["source"], leg["destination"]) for leg in legs} == {("fw-a", "fw-b"), ("sw-a", "sw-b")}
    workload.assert_alive()
    assert lab.conntrack_rows("a") == [] and GROUP in lab.switches["b"].members()


def test_an_ambiguity_stops_it_before_anything_is_touched(switched_lab):
    """The negative control: the same, but switch b has the VM's address at the port of its host as well."""
    lab = switched_lab
    vmmig = start(lab)
    workload = Workload(lab, many=6, bulk_rate=1 << 20)
    switch = lab.switches["b"]
    switch.namespace.run("bridge", "fdb", "replace", VM_MAC, "dev", switch.port, "master", "dynamic")
    halves = Halves(lab, vmmig)
    halves.begin()
    vmmig.manager.wait_log(r"is at device sw-a, port srv-a and device sw-b, port srv-b, so it is not clear where")
    assert not halves.stop(), "its policy is require"
    halves.go_back()
    for device in lab.devices:
        assert device.startswith("host-") or transfer(lab.nms, ADDRESSES[device]) == ("", 0), device
    assert vmmig.journal() == []
    workload.assert_alive()
    answer = locate(vmmig, VM_NAME, check=False)
    assert answer.returncode == 1 and "not clear where" in answer.stderr, answer


@pytest.mark.parametrize("unlisted", [("host-b",), ("host-a", "host-b")], ids=["destination", "both"])
def test_hosts_that_the_inventory_does_not_have_are_asked_where_they_notify_from(switched_lab, unlisted):
    lab = switched_lab
    vmmig = start(lab, unlisted=unlisted)
    workload = Workload(lab, many=6, bulk_rate=1 << 20)
    halves = Halves(lab, vmmig)
    halves.begin()
    wait_until(lambda: transfer(lab.nms, ADDRESSES["sw-b"])[0] == "prepared", 10, "switch prepared")
    assert halves.stop(), vmmig.manager.log()
    halves.go_on()
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 10, "end of the migration")
    told = vmmig.latest()
    assert told.state == "moved", told.text
    legs = json.loads(told.text)["legs"]
    assert {(leg["source"], leg["destination"]) for leg in legs} == {("fw-a", "fw-b"), ("sw-a", "sw-b")}
    workload.assert_alive()
    for host in unlisted:
        vmmig.manager.wait_log(rf"host {host} is not in the inventory; .* asked at udp:{ADDRESSES[host]}:161")


def test_a_host_that_the_inventory_does_not_have_takes_no_part_where_the_operator_says_so(switched_lab):
    """The negative control: unlisted-hosts = none."""
    lab = switched_lab
    vmmig = start(lab, unlisted=("host-b",), unlisted_hosts="none")
    halves = Halves(lab, vmmig, hold="2s")
    halves.begin()
    assert not halves.stop(), "its policy is require"
    halves.go_back()
    vmmig.manager.wait_log("no host says that it is prepared for it")
    for device in lab.devices:
        assert device.startswith("host-") or transfer(lab.nms, ADDRESSES[device]) == ("", 0), device
    assert vmmig.journal() == []


def test_locate_tells_host_switch_and_firewall_and_how_each_was_found(switched_lab):
    lab = switched_lab
    vmmig = start(lab)
    announce(lab, "vm", "eth0")
    for word in (VM_UUID, VM_NAME, VM_MAC):
        told = json.loads(locate(vmmig, word, "--json").stdout)
        assert told["uuid"] == VM_UUID and told["macs"] == [VM_MAC]
        assert (told["switch"]["name"], told["switch"]["ports"]) == ("sw-a", ["srv-a"])
        assert (told["host"]["name"], told["host"]["how"]) == ("host-a", "is at the same port"), "no phase was told yet"
        assert [each["name"] for each in told["devices"]] == ["fw-a", "sw-a"]
    Halves(lab, vmmig).begin()
    text = locate(vmmig, VM_NAME).stdout
    assert "host-a: host host-a says preCopy" in text and "from host-a to host-b" in text and "behind = sw-a" in text, text
    assert locate(vmmig, "nobody", check=False).returncode == 1
    # Any NMS can read it.
    interface = lab.switches["a"].namespace.ip_json("link", "show", lab.switches["a"].port)[0]["ifindex"]
    assert lab.nms.get(ADDRESSES["sw-a"], f"{FDB_PORT}.{index_of(VM_MAC)}") == str(interface)
    assert "No Such" in lab.nms.get(ADDRESSES["fw-a"], f"{FDB_PORT}.{index_of(VM_MAC)}"), "it is no switch"


def test_migrate_finds_the_devices_as_well(switched_lab):
    vmmig = start(switched_lab)
    answer = vmmig.command("migrate", VM_NAME, "--source-host", "host-a", "--destination-host", "host-b", "--now", "--config",
                           vmmig.conf, "--json")
    told = json.loads(answer.stdout)
    assert told["state"] == "moved", answer
    assert {(leg["source"], leg["destination"]) for leg in told["legs"]} == {("fw-a", "fw-b"), ("sw-a", "sw-b")}


def test_any_nms_can_walk_what_a_bridge_has_learned(switched_lab):
    lab = switched_lab
    start(lab)
    announce(lab, "vm", "eth0")
    walked = {}
    for program in ("snmpwalk", "snmpbulkwalk"):  # each ends with an error where OIDs do not increase
        lines = lab.nms.command(program, "-On", f"tcp:{ADDRESSES['sw-a']}", BRIDGE_MIB).stdout.splitlines()
        walked[program] = {line.split(" = ")[0].lstrip(".") for line in lines}
        assert all(name.startswith(BRIDGE_MIB + ".") for name in walked[program]), "it stays in its subtree"
    assert f"{FDB_PORT}.{index_of(VM_MAC)}" in walked["snmpwalk"] & walked["snmpbulkwalk"]


@pytest.mark.skipif(bool(unable()), reason=unable())
@pytest.mark.parametrize("unlisted", [(), ("host-a",)], ids=["listed", "unlisted"])
def test_lldp_tells_what_no_forwarding_table_does(switched_lab, unlisted):
    """No behind= in the inventory, no frame of the hosts, and at last no host either."""
    lab = switched_lab
    vmmig = start(lab, more="", unlisted=unlisted)
    for site in "ab":
        switch = lab.switches[site]
        uplink = lab.ns[f"host-{site}"].ip_json("link", "show", "uplink")[0]["address"]
        switch.namespace.run("bridge", "fdb", "del", uplink, "dev", switch.port, "master", check=False)
    announce(lab, "vm", "eth0")
    daemons = {name: Lldpd(lab, name) for name in lab.devices}
    for site in "ab":
        wait_until(lambda site=site: daemons[f"sw-{site}"].neighbours() >= {f"host-{site}", f"fw-{site}"}, 20, "neighbours heard")
    told = None

    def is_told():
        nonlocal told
        told = json.loads(locate(vmmig, VM_UUID, "--json").stdout)
        return len(told["devices"]) == 2

    wait_until(is_told, 10, "LLDP-MIB served")
    firewall, switch = told["devices"]
    assert firewall["name"] == "fw-a" and firewall["how"] == f"LLDP, at port {CORE} of sw-a", told
    assert switch["name"] == "sw-a" and told["host"]["name"] == "host-a", told
    assert ("it is not in the inventory" in told["host"]["how"]) == bool(unlisted), told
