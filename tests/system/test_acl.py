# SPDX-License-Identifier: GPL-2.0-or-later
"""What a VM was permitted because it has authenticated follows it: the entry, who it is, its hits and what remains of its life."""

import json
import os
import sys

import pytest

pytest_plugins = ["lab.pytest_plugin"]

import lab as lab_package  # noqa: E402
from lab import stock  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import CLIENT4, CLIENT6, VM4, VM6, VM_ADDRESSES  # noqa: E402
from lab.vmmig import VM_INDEX, VM_NAME, Vmmig  # noqa: E402

PROBE = os.path.join(os.path.dirname(lab_package.__file__), "probe.py")
PORT, STREAM = 7100, 7001
CONF = ["acl = authenticated,inet access authenticated,permit", "acl = authenticated6,inet access authenticated6,permit",
        "acl = services,inet access services,permit", "acl = classes,inet access classes,other"]

# Ahead of the lab's own rules (priority filter), which decide about what passes here.
RULES = """\
table inet access {
    set authenticated { type ipv4_addr; flags timeout; counter; }
    set authenticated6 { type ipv6_addr; flags timeout; }
    set services { type ipv4_addr . inet_service; }
    map classes { type ipv4_addr : mark; }
    chain forward {
        type filter hook forward priority filter - 10; policy accept;
        iifname "vms" ip saddr @authenticated accept
        iifname "vms" ip6 saddr @authenticated6 accept
        iifname "vms" meta nfproto { ipv4, ipv6 } drop
    }
}
"""
LIFETIME, REMAINS = 3600, 1800
LEARNED = f"""\
add element inet access authenticated {{ {VM4} timeout {LIFETIME}s expires {REMAINS}s comment "alice@example" }}
add element inet access authenticated6 {{ {VM6} timeout {LIFETIME}s comment "alice@example" }}
add element inet access authenticated {{ 10.1.0.99 timeout 1h comment "of another VM" }}
add element inet access services {{ {VM4} . 443, {CLIENT4} . 443 }}
add element inet access classes {{ {VM4} : 0x2a }}
"""


@pytest.fixture
def vmmig(lab):
    """Both firewalls drop who has not authenticated; the VM has, at a."""
    for device in ("fw-a", "fw-b"):
        lab.ns[device].run("nft", "-f", "-", text=RULES)
    lab.ns["fw-a"].run("nft", "-f", "-", text=LEARNED)
    vmmig = Vmmig(lab, lines={"fw-a": CONF, "fw-b": CONF}).start()
    lab.start("client", "probe-echo", sys.executable, PROBE, "echo", str(PORT))
    return vmmig


def asks(lab):
    """Whether a question of the VM is answered."""
    return lab.ns["vm"].run(sys.executable, PROBE, "ask", CLIENT4, str(PORT), VM4, check=False).returncode == 0


def access(lab, device):
    return lab.ns[device].run("nft", "list", "table", "inet", "access").stdout


def element(lab, device, name="authenticated", match=VM4):
    """An element as nft(8) tells it, or None."""
    listed = json.loads(lab.ns[device].run("nft", "-j", "list", "set", "inet", "access", name).stdout)["nftables"]
    elements = [each["elem"] for each in listed[1]["set"].get("elem", ()) if isinstance(each, dict) and "elem" in each]
    return next((each for each in elements if each["val"] == match), None)


def test_an_authenticated_vm_goes_on_at_the_destination(lab, vmmig):
    lab.traffic("client", "server", "--listen", f"{CLIENT4}:{STREAM}", "--listen", f"[{CLIENT6}]:{STREAM}")
    streams = lab.traffic("vm", "client", "--slow", f"{CLIENT4}:{STREAM}", "--slow", f"[{CLIENT6}]:{STREAM}")
    wait_until(lambda: asks(lab), 5, "the VM's question answered at a")
    before = element(lab, "fw-a")
    assert before["counter"]["packets"] > 0

    assert Hypervisor(lab, vmmig).migrate("b"), vmmig.latest()
    assert asks(lab)
    answer = streams.probe(5)
    assert answer["answered"] == 2 and answer["verificationErrors"] == 0, answer
    after = element(lab, "fw-b")
    assert after["comment"] == "alice@example" and after["timeout"] == LIFETIME
    assert REMAINS - 60 < after["expires"] <= before["expires"]
    assert after["counter"]["packets"] > before["counter"]["packets"]
    assert after["counter"]["bytes"] > before["counter"]["bytes"]
    assert element(lab, "fw-b", "authenticated6", VM6)["comment"] == "alice@example"
    assert f"{VM4} . 443" in access(lab, "fw-b") and f"{CLIENT4} . 443" not in access(lab, "fw-b")
    assert f"{VM4} : 0x0000002a" in access(lab, "fw-b")

    wait_until(lambda: vmmig.journal() and vmmig.idle(), 10, "migration over")
    assert vmmig.latest().state == "moved", vmmig.latest().text
    assert VM4 not in access(lab, "fw-a") and VM6 not in access(lab, "fw-a")
    assert element(lab, "fw-a", match="10.1.0.99") and element(lab, "fw-b", match="10.1.0.99") is None


def test_control_without_its_entry_the_vm_is_dropped(lab, vmmig):
    wait_until(lambda: asks(lab), 5, "the VM's question answered at a")
    lab.migrate("b")
    assert not asks(lab)


@pytest.mark.parametrize("prepare, words", [
    pytest.param("delete map inet access classes", ["ACL list classes", "inet access classes does not exist here"], id="map"),
    pytest.param("flush chain inet access forward; delete set inet access authenticated; "
                 "add set inet access authenticated { type ipv4_addr; counter; }",
                 ["ACL list authenticated", "has not the flag `timeout`"], id="timeout"),
    pytest.param("flush chain inet access forward; delete set inet access services; "
                 "add set inet access services { type ipv4_addr . inet_service; size 1; }; "
                 "add element inet access services { 192.0.2.77 . 1 }",
                 ["ACL list services", "the set is full"], id="full"),
])
def test_what_the_destination_cannot_take_is_refused_while_the_vm_runs(lab, vmmig, prepare, words):
    lab.ns["fw-b"].run("nft", prepare)
    stock.introduce_vm(lab, "fw-a", VM_ADDRESSES, name=VM_NAME)
    before = access(lab, "fw-b")
    answer = vmmig.command("migrate", VM_NAME, "--from", "fw-a", "--to", "fw-b", "--now", "--config", vmmig.conf, check=False)
    assert answer.returncode != 0
    for word in words:
        assert word in answer.stdout + answer.stderr, answer.stdout + answer.stderr
    assert access(lab, "fw-b") == before
    assert element(lab, "fw-a")["comment"] == "alice@example" and asks(lab)


def name_index(text):
    return ".".join(str(octet) for octet in [len(text), *text.encode()])


def test_an_entry_is_made_extended_and_taken_away_with_snmpset(lab, vmmig):
    stock.introduce_vm(lab, "fw-b", VM_ADDRESSES, name=VM_NAME)
    lab.migrate("b")
    entry = f"{VM_INDEX}.{name_index('authenticated')}.{name_index(VM4)}"
    assert not asks(lab)
    stock.set_row(lab, "fw-b", entry, vmMigAclTimeout=("u", 600), vmMigAclIdentity=("s", "bob; flush ruleset"),
                  vmMigAclRowStatus=("i", "createAndGo"))
    made = element(lab, "fw-b")
    assert made["comment"] == "bob; flush ruleset" and made["timeout"] == 600 and 590 < made["expires"] <= 600
    assert asks(lab)
    row, = vmmig.show("fw-b", "acl")
    assert row["vmMigAclMatch"] == VM4 and row["vmMigAclPackets"] > 0 and row["vmMigAclAction"] == "permit"

    stock.set_row(lab, "fw-b", entry, vmMigAclTimeout=("u", 5000), vmMigAclLifetime=("u", 7200))
    extended = element(lab, "fw-b")
    assert extended["timeout"] == 7200 and 4990 < extended["expires"] <= 5000 and extended["comment"] == made["comment"]
    assert extended["counter"]["packets"] >= row["vmMigAclPackets"]

    stock.set_row(lab, "fw-b", entry, vmMigAclRowStatus=("i", "destroy"))
    assert element(lab, "fw-b") is None and not asks(lab)


@pytest.mark.parametrize("match, columns", [
    pytest.param("10.1.0.99", {}, id="another VM's address"),
    pytest.param(f"{VM4}, 0.0.0.0/0", {}, id="more than one"),
    pytest.param(f"{VM4} }}\nflush ruleset\n", {}, id="a command"),
    pytest.param(VM4, {"vmMigAclIdentity": ("s", 'a" } ; flush ruleset ; add element inet access authenticated { 1.2.3.4')}, id="comment"),
    pytest.param(VM4, {"vmMigAclAction": ("i", "deny")}, id="action"),
])
def test_what_is_no_entry_of_the_vm_changes_nothing(lab, vmmig, match, columns):
    stock.introduce_vm(lab, "fw-b", VM_ADDRESSES, name=VM_NAME)
    before = lab.ns["fw-b"].run("nft", "list", "ruleset").stdout
    answer = stock.set_row(lab, "fw-b", f"{VM_INDEX}.{name_index('authenticated')}.{name_index(match)}", check=False, **columns,
                           vmMigAclRowStatus=("i", "createAndGo"))
    assert answer.returncode != 0 and "Error in packet" in answer.stderr, answer
    assert lab.ns["fw-b"].run("nft", "list", "ruleset").stdout == before
