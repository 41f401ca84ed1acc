# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM's static policies go before it: its ACL, which the draft calls 100 and 101, and the QoS of its port."""

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import stock  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import CLIENT4, VM4, VM_ADDRESSES  # noqa: E402
from lab.vmmig import VM_INDEX, VM_NAME, VM_UUID, Vmmig  # noqa: E402

PORT = 7001
CHAIN = "vm_web-1"
CONF = ["policy = filter,acl,inet guard vm_{vm},to4 to6", "policy = shaping,qos"]

# New connections to the VM's network pass when the VM's own chain says so: by default nothing does. Ahead of the lab's own
# rules (priority filter), which decide about what is left.
DEFAULTS = """\
table inet guard {
    map to4 { type ipv4_addr : verdict; }
    map to6 { type ipv6_addr : verdict; }
    chain forward {
        type filter hook forward priority -10; policy accept;
        iifname "clients" ct state new ip daddr vmap @to4
        iifname "clients" ct state new ip6 daddr vmap @to6
        iifname "clients" ct state new drop
    }
}
"""
# draft-gu-dc-management-problem-statement-00 section 3.1, of hosts that the client's network has here: ACL 101 permits one host,
# ACL 100 denies its network.
PERMITTED, DENIED = "10.138.3.1", "10.138.3.2"
RULES = [f'ip saddr {PERMITTED} accept comment "ACL 101"', 'ip saddr 10.138.3.0/24 drop comment "ACL 100"']
QOS = ["qdisc add dev vms root handle 1: htb default 0x20",
       "class add dev vms parent 1: classid 1:1 htb rate 100mbit",
       "class add dev vms parent 1:1 classid 1:10 htb rate 8mbit ceil 20mbit burst 20k prio 1",
       "class add dev vms parent 1:1 classid 1:20 htb rate 50mbit",
       "qdisc add dev vms parent 1:10 handle 10: pfifo limit 60",
       f"filter add dev vms parent 1: protocol ip pref 1 u32 match ip dst {VM4}/32 flowid 1:10"]


@pytest.fixture
def vmmig(lab):
    """Both firewalls deny by default; a has the VM's policies. The client's host is two hosts, one of which is permitted."""
    for host in (PERMITTED, DENIED):
        lab.ns["client"].ip(f"address add {host}/32 dev lan")
    for site, address in (("a", "192.0.2.2"), ("b", "192.0.2.3")):
        firewall = lab.ns[f"fw-{site}"]
        firewall.run("nft", "-f", "-", text=DEFAULTS)
        firewall.ip(f"route add 10.138.3.0/24 via {CLIENT4} dev clients")
    source = lab.ns["fw-a"]
    elements = "\n".join(f"add element inet guard {name} {{ {address} : jump {CHAIN} }}"
                         for name, address in (("to4", VM4), ("to6", max(VM_ADDRESSES))))
    source.run("nft", "-f", "-", text="\n".join([f"add chain inet guard {CHAIN}"] +
                                                [f"add rule inet guard {CHAIN} {rule}" for rule in RULES] +
                                                [elements, ""]))
    source.run("tc", "-batch", "-", text="\n".join(QOS) + "\n")
    vmmig = Vmmig(lab, lines={"fw-a": CONF, "fw-b": CONF}).start()
    stock.introduce_vm(lab, "fw-a", VM_ADDRESSES, name=VM_NAME, port="vms")
    lab.traffic("vm", "server", "--listen", f"{VM4}:{PORT}")
    return vmmig


def migrate(vmmig):
    return vmmig.command("migrate", VM_NAME, "--from", "fw-a", "--to", "fw-b", "--now", "--config", vmmig.conf, check=False)


CONNECT = """\
import socket, sys
try:
    socket.create_connection(("{vm}", {port}), timeout=0.7, source_address=("{host}", 0)).close()
except OSError:
    sys.exit(1)
"""


def opens(lab, host):
    """Whether a new connection from a host to the VM opens."""
    answer = lab.ns["client"].run("/usr/bin/python3", "-c", CONNECT.format(vm=VM4, port=PORT, host=host), check=False)
    return answer.returncode == 0


def qos(lab, device):
    return "".join(lab.ns[device].run("tc", "-details", "-raw", what, "show", "dev", "vms").stdout
                   for what in ("qdisc", "class", "filter"))


def without_counts(text):
    return [" ".join(word for word in line.split() if not word.startswith("fh")) for line in text.splitlines()
            if "direct_packets_stat" not in line]


def state(lab, device):
    return lab.ns[device].run("nft", "list", "table", "inet", "guard").stdout + qos(lab, device)


def test_the_acls_and_the_qos_are_at_the_destination_when_the_vm_comes(lab, vmmig):
    assert opens(lab, PERMITTED) and not opens(lab, DENIED)
    rules = lab.ns["fw-a"].run("nft", "list", "chain", "inet", "guard", CHAIN).stdout
    before, empty = qos(lab, "fw-a"), state(lab, "fw-b")
    shown = vmmig.show("fw-a", "policy")
    assert {row["vmMigPolicyKind"] for row in shown} == {"acl", "qos"}, shown

    answer = migrate(vmmig)
    assert answer.returncode == 0, answer.stderr + answer.stdout
    lab.migrate("b")
    assert opens(lab, PERMITTED) and not opens(lab, DENIED)
    assert lab.ns["fw-b"].run("nft", "list", "chain", "inet", "guard", CHAIN).stdout == rules
    assert without_counts(qos(lab, "fw-b")) == without_counts(before)
    assert state(lab, "fw-a") == empty  # nothing stays behind
    assert [row["vmMigPolicyText"] for row in vmmig.show("fw-b", "policy")] == [row["vmMigPolicyText"] for row in shown]


def test_control_without_its_policy_the_vm_is_not_reached(lab, vmmig):
    lab.migrate("b")
    assert not opens(lab, PERMITTED) and not opens(lab, DENIED)


def lose_map(lab):
    lab.ns["fw-b"].run("nft", "-f", "-", text="delete chain inet guard forward\ndelete map inet guard to4\n")


def lose_port(lab):
    lab.ns["fw-b"].ip("link set vms down", "link set vms name other", "link set other up")


def use_set(lab):
    """A rule that refers to something that is at the source alone."""
    lab.ns["fw-a"].run("nft", "-f", "-", text="add set inet guard friends { type ipv4_addr; }\n"
                                              f"add rule inet guard {CHAIN} ip saddr @friends accept\n")


@pytest.mark.parametrize("prepare, words", [
    pytest.param(lose_map, ["policy filter of VM web-1", "map inet guard to4 does not exist here"], id="map"),
    pytest.param(lose_port, ["port vms of VM web-1", "does not exist here", "map = port,LOCAL,vms"], id="port"),
    pytest.param(use_set, ["policy filter of VM web-1", "@friends", "No such file"], id="set"),
])
def test_what_the_destination_cannot_take_is_refused_while_the_vm_runs(lab, vmmig, prepare, words):
    prepare(lab)
    before, destination = state(lab, "fw-a"), lab.ns["fw-b"].run("nft", "list", "table", "inet", "guard").stdout
    Hypervisor(lab, vmmig).begin("b")  # its memory is being copied, and nobody tells that the VM has stopped
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 10, "migration given up")
    told = vmmig.latest()
    assert told.state == "not moved" and told.marks_ms == {}, told.text
    text = vmmig.command("journal", "--config", vmmig.conf, str(told.id)).stdout
    for word in words:
        assert word in text, text
    assert without_counts(state(lab, "fw-a")) == without_counts(before)
    assert lab.ns["fw-b"].run("nft", "list", "table", "inet", "guard").stdout == destination
    assert opens(lab, PERMITTED) and not opens(lab, DENIED)
    assert vmmig.show("fw-b", "vm") == []


@pytest.mark.parametrize("prepare, words", [
    pytest.param(lose_map, ["policy filter of VM web-1", "map inet guard to4 does not exist here"], id="map"),
    pytest.param(lose_port, ["port vms of VM web-1", "does not exist here"], id="port"),
])
def test_vmmig_migrate_tells_the_name_and_the_reason(lab, vmmig, prepare, words):
    prepare(lab)
    before = state(lab, "fw-a")
    answer = migrate(vmmig)
    assert answer.returncode != 0
    for word in words:
        assert word in answer.stdout + answer.stderr, answer.stdout + answer.stderr
    assert without_counts(state(lab, "fw-a")) == without_counts(before)
    assert opens(lab, PERMITTED)


def test_a_policy_that_is_written_with_snmpset_is_in_force(lab, vmmig):
    """Stock Net-SNMP, one piece; and text that is more than rules changes nothing."""
    stock.introduce_vm(lab, "fw-b", VM_ADDRESSES, name=VM_NAME, port="vms")
    lab.migrate("b")
    index = VM_INDEX + "." + ".".join(str(octet) for octet in [6, *b"filter"]) + ".1"
    before = state(lab, "fw-b")
    evil = stock.set_row(lab, "fw-b", index, check=False, vmMigPolicyKind=("i", "acl"),
                         vmMigPolicyText=("s", "accept; add table inet evil"), vmMigPolicyRowStatus=("i", "createAndGo"))
    assert evil.returncode != 0 and state(lab, "fw-b") == before
    assert "evil" not in lab.ns["fw-b"].run("nft", "list", "tables").stdout
    text = f"ip saddr {PERMITTED} accept\nip saddr 10.138.3.0/24 drop\n"
    stock.set_row(lab, "fw-b", index, vmMigPolicyKind=("i", "acl"), vmMigPolicyText=("s", text),
                  vmMigPolicyRowStatus=("i", "createAndGo"))
    assert opens(lab, PERMITTED) and not opens(lab, DENIED)
    stock.set_row(lab, "fw-b", index, vmMigPolicyRowStatus=("i", "destroy"))
    assert not opens(lab, PERMITTED) and state(lab, "fw-b") == before
    assert vmmig.show("fw-b", "vm")[0]["vmMigVmUuid"] == VM_UUID
