# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM gets its address from a real DHCP server through an access switch that snoops; what the switch learned follows the VM.

The gateways of both sites give the same leases (for another time, which tells them apart), as anycast gateways do.
"""

import contextlib
import os

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import stock  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import Namespaces, run, veth, wait_until  # noqa: E402
from lab.switch import BRIDGE, CORE, VM_PORT, server_port  # noqa: E402
from lab.topology import GATEWAY4, SITES, VM4, VM_MAC  # noqa: E402
from lab.vmmig import VM_INDEX, VM_NAME, Vmmig  # noqa: E402

PROBE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab", "probe.py")
LEASE_SECONDS = {"a": 600, "b": 3600}
SPOOFED4 = "10.1.0.77"
ROGUE4, ROGUE_LEASED4 = "10.1.0.66", "10.1.0.166"
# What udhcpc runs at each step.
CLIENT_SCRIPT = f"""\
#!/bin/sh
case $1 in
  bound|renew) ip address replace $ip/24 dev $interface; ip route replace default via {GATEWAY4} ;;
esac
echo "$1 $ip for $lease s"
"""
# A gratuitous ARP from eth0 of a VM: the address, and its MAC.
GRATUITOUS_ARP = """
import socket, sys
ip, mac = socket.inet_aton(sys.argv[1]), bytes.fromhex(sys.argv[2].replace(":", ""))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0x0806))
raw.send(b"\\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + ip + bytes(6) + ip)
"""


class Dhcp:
    """The VM's client, and the servers."""

    def __init__(self, lab):
        self.lab = lab
        self.script = os.path.join(lab.directory, "udhcpc-script")
        with open(self.script, "w") as file:
            file.write(CLIENT_SCRIPT)
        os.chmod(self.script, 0o755)
        # The lab's VM has its address from the start; here it has to ask.
        lab.ns["vm"].ip(f"address del {VM4}/24 dev eth0")
        self.client = None

    def serve(self, namespace, interface, first, seconds, host=""):
        """dnsmasq in a namespace, ready when this returns."""
        hosts = [f"--dhcp-host={host}"] if host else []
        leases = os.path.join(self.lab.directory, f"leases-{namespace.name}")
        server = self.lab.processes.start(
            f"dnsmasq-{namespace.name}",
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--log-facility=-",
             "--no-ping", "--dhcp-authoritative", f"--interface={interface}", "--bind-interfaces", f"--dhcp-leasefile={leases}",
             f"--dhcp-range={first},{first},255.255.255.0,{seconds}", *hosts], namespace)
        server.wait_log(r"DHCP, sockets bound")
        return server

    def serve_site(self, site):
        return self.serve(self.lab.ns[f"fw-{site}"], "vms", VM4, LEASE_SECONDS[site], f"{VM_MAC},{VM4}")

    def command(self, *options):
        return ["udhcpc", "-f", "-i", "eth0", "-s", self.script, "-t", "3", "-T", "1", *options]

    def request(self):
        """udhcpc, which stays; ready when it has its lease."""
        self.client = self.lab.start("vm", "udhcpc", *self.command())
        self.client.wait_log(rf"bound {VM4}")

    def renew(self):
        """Ask for the same address once more, without waiting."""
        self.client.send_signal(10)  # SIGUSR1


class Scene:
    """Both switches snoop; the VM is known at the first, and has nothing yet."""

    def __init__(self, lab, rest):
        self.lab = lab
        lines = {switch.name: [switch.port_map, f"dhcp-snooping = {BRIDGE},{CORE}"] for switch in lab.switches.values()}
        self.vmmig = Vmmig(lab, lines=lines)
        self.dhcp = Dhcp(lab)
        self.rest = rest

    def start(self):
        self.vmmig.start()
        stock.introduce_vm(self.lab, "sw-a", [VM4], VM_NAME, VM_PORT, VM_MAC)
        return self

    def switch(self, site):
        return self.lab.ns[f"sw-{site}"]

    def bindings(self, site):
        return {(row["vmMigDhcpBindingAddress"], row["vmMigDhcpBindingMac"], row["vmMigDhcpBindingPort"])
                for row in self.vmmig.show(f"sw-{site}", "dhcpbinding")}

    def remaining(self, site):
        rows = self.vmmig.show(f"sw-{site}", "dhcpbinding")
        return rows[0]["vmMigDhcpBindingLeaseTime"] if rows else 0

    def in_kernel(self, site):
        return VM4 in self.switch(site).run("nft", "list", "set", "bridge", "vmmig", "bindings4").stdout

    def dropped(self, site):
        """Packets that the source guard has dropped."""
        text = self.switch(site).run("nft", "list", "chain", "bridge", "vmmig", "guard").stdout.split()
        return sum(int(text[at + 1]) for at, word in enumerate(text) if word == "packets")

    def is_heard(self, source=VM4):
        """Does what the VM sends from this address reach the gateway, and the answer the VM?"""
        return run(self.lab.ns["vm"].argv(["/usr/bin/python3", PROBE, "ask", GATEWAY4, "9", source]), check=False).returncode == 0

    def spoofs(self):
        """What of the VM's frauds succeeds at its gateway: an IP address, an ARP announcement."""
        vm, gateway = self.lab.ns["vm"], self.lab.ns[f"fw-{self.lab.vm_site}"]
        vm.ip(f"address add {SPOOFED4}/24 dev eth0")
        succeeded = {"ip"} if self.is_heard(SPOOFED4) else set()
        vm.ip(f"address del {SPOOFED4}/24 dev eth0")
        gateway.run("ip", "neigh", "flush", "to", SPOOFED4)
        vm.run("/usr/bin/python3", "-c", GRATUITOUS_ARP, SPOOFED4, VM_MAC)
        assert self.is_heard(), "the VM itself; and what it sent before is through"
        return succeeded | ({"arp"} if gateway.ip_json("neigh", "show", "to", SPOOFED4) else set())


@pytest.fixture
def scene(switched_lab):
    with Namespaces() as rest:
        yield Scene(switched_lab, rest)


OF_VM = (VM4, VM_MAC.replace(":", ""), VM_PORT)


def test_a_lease_is_learned_and_the_vm_keeps_to_it(scene):
    scene.start()
    scene.dhcp.serve_site("a")
    scene.lab.ns["vm"].ip(f"address add {VM4}/24 dev eth0")
    assert not scene.is_heard(), "before it has asked for the address"
    scene.lab.ns["vm"].ip(f"address del {VM4}/24 dev eth0")
    scene.dhcp.request()
    wait_until(lambda: scene.bindings("a") == {OF_VM}, 5, "the binding")
    assert LEASE_SECONDS["a"] - 10 < scene.remaining("a") <= LEASE_SECONDS["a"]
    assert scene.is_heard()
    walked = stock.command(scene.lab, "snmpwalk", "sw-a", "VM-MIGRATION-MIB::vmMigDhcpBindingTable").stdout
    index = f"{VM_INDEX}.0.{'.'.join(str(int(octet, 16)) for octet in VM_MAC.split(':'))}.{stock.inet_index(VM4)}"
    port = stock.command(scene.lab, "snmpget", "sw-a", f"VM-MIGRATION-MIB::vmMigDhcpBindingPort.{index}").stdout
    assert "vmMigDhcpBindingLeaseTime" in walked and VM_PORT in walked and VM_PORT in port, walked
    assert scene.spoofs() == set()
    # The controls: without the guard both frauds succeed.
    scene.switch("a").run("nft", "delete", "table", "bridge", "vmmig")
    assert scene.spoofs() == {"ip", "arp"}


def test_a_rogue_server_is_not_heard_and_makes_no_binding(scene):
    rogue, = scene.rest.add("rogue")
    veth(scene.switch("a"), "srv-rogue", rogue, "eth0")
    scene.switch("a").ip(f"link set srv-rogue master {BRIDGE} up")
    rogue.ip(f"address add {ROGUE4}/24 dev eth0", "link set eth0 up")
    scene.start()
    server = scene.dhcp.serve(rogue, "eth0", ROGUE_LEASED4, 600)
    once = scene.lab.ns["vm"].argv(scene.dhcp.command("-n", "-q"))
    assert run(once, check=False).returncode != 0
    assert "DHCPOFFER" in server.log(), "it has answered"
    # The control: without the guard it is believed; but by the switch even then not.
    scene.switch("a").run("nft", "flush", "chain", "bridge", "vmmig", "guard")
    assert run(once, check=False).returncode == 0
    assert ROGUE_LEASED4 in scene.lab.ns["vm"].run("ip", "-4", "address", "show", "dev", "eth0").stdout
    assert "elements" not in scene.switch("a").run("nft", "list", "set", "bridge", "vmmig", "bindings4").stdout


def test_bindings_outlive_vmmigd_and_the_switch(scene):
    scene.start()
    scene.dhcp.serve_site("a")
    scene.dhcp.request()
    agent = scene.vmmig.agents["sw-a"]

    def file_has_binding():
        with contextlib.suppress(FileNotFoundError), open(os.path.join(agent.state, "dhcp-bindings.json")) as file:
            return VM4 in file.read()

    def assert_enforced():
        assert scene.is_heard() and scene.spoofs() == set()

    wait_until(file_has_binding, 5, "the file of bindings")
    for end in ("stop", "kill"):
        getattr(agent.process, end)()
        assert_enforced()  # while no vmmigd runs
        agent.start().wait_ready()
        wait_until(lambda: scene.bindings("a") == {OF_VM}, 5, "the binding seen again")
    # The switch itself starts anew: its kernel knows nothing any more.
    agent.process.kill()
    scene.switch("a").run("nft", "flush", "ruleset")
    agent.start().wait_ready()
    wait_until(lambda: scene.bindings("a") == {OF_VM}, 5, "the binding from the file")
    assert LEASE_SECONDS["a"] - 60 < scene.remaining("a") < LEASE_SECONDS["a"]
    assert_enforced()


def test_the_binding_follows_the_vm_to_a_port_with_another_name(scene):
    scene.start()
    for site in SITES:
        scene.dhcp.serve_site(site)
    scene.dhcp.request()
    wait_until(lambda: scene.bindings("a") == {OF_VM}, 5, "the binding")
    assert Hypervisor(scene.lab, scene.vmmig).migrate("b"), scene.vmmig.latest()
    assert scene.is_heard()
    assert scene.dropped("b") == 0, "not one packet was dropped on the way"
    assert scene.bindings("b") == {OF_VM} and server_port("b") in scene.switch("b").run(
        "nft", "list", "set", "bridge", "vmmig", "bindings4").stdout
    assert 0 < scene.remaining("b") <= LEASE_SECONDS["a"]
    wait_until(lambda: not scene.in_kernel("a"), 10, "gone at the source")
    assert scene.spoofs() == set()
    scene.dhcp.renew()
    wait_until(lambda: scene.remaining("b") > LEASE_SECONDS["a"], 10, "renewed at the destination")
    assert scene.bindings("b") == {OF_VM} and scene.is_heard() and scene.spoofs() == set()
    # And back: nothing that stayed behind is in the way.
    assert Hypervisor(scene.lab, scene.vmmig).migrate("a"), scene.vmmig.latest()
    assert scene.is_heard() and scene.bindings("a") == {OF_VM}
    wait_until(lambda: not scene.in_kernel("b"), 10, "gone at the destination")


def test_without_vmmig_the_switch_drops_all_that_the_vm_sends(scene):
    scene.start()
    for site in SITES:
        scene.dhcp.serve_site(site)
    scene.dhcp.request()
    wait_until(lambda: scene.is_heard(), 5, "the VM heard")
    scene.lab.migrate("b")
    assert not scene.is_heard()
    assert scene.dropped("b") > 0
    # Only its next renewal, half a lease later, would end that.
    scene.dhcp.renew()
    wait_until(scene.is_heard, 10, "heard after a renewal")
