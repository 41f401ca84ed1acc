# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams to groups that the VM has joined go on when it moves, because the access switches' memberships move with it."""

import os
import sys
import time

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab import stock, streams  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.switch import VM_PORT  # noqa: E402
from lab.topology import GATEWAY4, SITES, VM4, VM6, VM_ADDRESSES, VM_MAC  # noqa: E402
from lab.vmmig import Vmmig  # noqa: E402

GROUP4, GROUP6, SPECIFIC4, SOLICITED_NODE = "239.1.2.3", "ff15::1234", "232.1.2.3", "ff02::1:ff00:5"
STREAMS = {"unicast": VM4, "igmp": GROUP4, "mld": GROUP6, "specific": f"{GATEWAY4}@{SPECIFIC4}"}
MULTICAST = [name for name in STREAMS if name != "unicast"]
TOLERANCE_MS = 700

# A VM's kernel does not notice its migration, and reports its groups only when it is asked. The lab's "VM" sees its link go
# down and up, upon which Linux reports them anew (as changes: RFC 3376 section 4.2.12, RFC 3810 section 5.2.12).
UNAWARE = """\
table inet unaware {
    chain output {
        type filter hook output priority 0
        meta l4proto igmp @th,0,8 0x22 @th,64,8 > 2 drop
        icmpv6 type mld2-listener-report @th,64,8 > 2 drop
    }
}
"""


class Scene:
    """Streams from both sites' gateways to the VM at site a; both switches snoop."""

    def __init__(self, lab):
        self.lab = lab
        words = [f"{name}={address}" for name, address in STREAMS.items()]
        for switch in lab.switches.values():
            switch.snoop()
        for site in SITES:
            streams.sender(lab, f"fw-{site}", "vms", *words)
        self.receiver = streams.Receiver(lab, "vm", "eth0", VM4, *words)
        wait_until(lambda: {GROUP4, GROUP6, SPECIFIC4} <= lab.switches["a"].members(), 5, "groups joined at switch a")
        wait_until(lambda: all(each["seen"] for each in self.receiver.ask().values()), 5, "all streams at the VM")
        lab.ns["vm"].run("nft", "-f", "-", text=UNAWARE)
        wait_until(self.is_silent_at_b, 10, "switch b snoops")
        self.receiver.mark()

    def is_silent_at_b(self):
        """Nobody behind switch b wants the streams, and none of them goes there."""
        switch = self.lab.switches["b"]
        before, until = switch.sent(), time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > until, 1, "0.3 s")
        return switch.sent() - before < 0.3 / streams.INTERVAL / 2

    def heard(self, names, least):
        """Until each of the streams has brought `least` datagrams since the mark."""
        wait_until(lambda: all(self.receiver.ask()[name]["seen"] >= least for name in names), 10, f"datagrams of {names}")


@pytest.fixture
def scene(switched_lab):
    return Scene(switched_lab)


def start_vmmig(lab, port=VM_PORT, mac=None):
    vmmig = Vmmig(lab, lines={each.name: [each.port_map, "multicast = br0"] for each in lab.switches.values()}).start()
    stock.introduce_vm(lab, "sw-a", VM_ADDRESSES, port=port, mac=mac)
    return vmmig


def test_without_vmmig_the_streams_stop_until_the_next_query(scene):
    lab = scene.lab
    lab.migrate("b")
    scene.heard(["unicast"], 1)
    scene.receiver.mark()
    scene.heard(["unicast"], int(2.5 / streams.INTERVAL))
    told = scene.receiver.ask()
    assert {name: told[name]["seen"] for name in MULTICAST} == dict.fromkeys(MULTICAST, 0), told
    lab.switches["b"].query()
    wait_until(lambda: {GROUP4, GROUP6, SPECIFIC4} <= lab.switches["b"].members(), 5, "groups joined at switch b")
    scene.heard(MULTICAST, 1)
    told = scene.receiver.ask()
    assert min(told[name]["longestSilenceMs"] for name in MULTICAST) > 2000 > told["unicast"]["longestSilenceMs"], told


def groups_shown(vmmig, device):
    rows = vmmig.show(device, "multicast")
    assert {row["vmMigMulticastPort"] for row in rows} == {VM_PORT}, rows
    return {row["vmMigMulticastGroup"] for row in rows}


def test_with_vmmig_no_stream_stops_for_longer_than_the_vm(scene):
    lab, groups = scene.lab, {GROUP4, GROUP6, SPECIFIC4, SOLICITED_NODE}
    vmmig = start_vmmig(lab)
    assert groups <= groups_shown(vmmig, "sw-a")
    for site in ("b", "a"):  # there and back; then nobody has told the VM's port
        scene.receiver.mark()
        moved = Hypervisor(lab, vmmig).migrate(site, meanwhile=lambda: scene.heard(STREAMS, 10))
        assert moved, vmmig.latest().text
        scene.heard(MULTICAST, 20)
        told = scene.receiver.ask()
        longest = max(told[name]["longestSilenceMs"] for name in MULTICAST)
        assert longest < told["unicast"]["longestSilenceMs"] + TOLERANCE_MS, told
        wait_until(vmmig.idle, 5, "end of the migration")
        assert vmmig.latest().state == "moved", vmmig.latest().text
        assert groups <= lab.switches[site].members() and groups <= groups_shown(vmmig, f"sw-{site}")


def test_the_port_is_found_by_the_vms_mac(scene):
    vmmig = start_vmmig(scene.lab, port=None, mac=VM_MAC)
    assert GROUP4 in {row["vmMigMulticastGroup"] for row in vmmig.show("sw-a", "multicast")}


def test_a_destination_that_does_not_snoop_is_refused_while_the_vm_runs(scene):
    lab = scene.lab
    vmmig = start_vmmig(lab)
    lab.switches["b"].namespace.ip("link set br0 type bridge mcast_snooping 0")
    assert not Hypervisor(lab, vmmig).migrate("b")
    wait_until(lambda: vmmig.latest().state == "not moved", 10, "the end of the migration")
    assert vmmig.latest().reason.startswith("sw-b: "), vmmig.latest().text
    assert "bridge br0 does not snoop" in vmmig.agents["sw-b"].process.log()
    scene.receiver.mark()
    scene.heard(STREAMS, 10)
