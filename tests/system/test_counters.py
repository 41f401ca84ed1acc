# SPDX-License-Identifier: GPL-2.0-or-later
"""What a firewall has counted of a VM goes on at the destination: its half-open connections, its counters, its quota."""

import json
import os
import sys
import time

import pytest

pytest_plugins = ["lab.pytest_plugin"]

import lab as lab_package  # noqa: E402
from lab import stock  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import CLIENT4, VM4, VM6, VM_ADDRESSES  # noqa: E402
from lab.vmmig import VM_INDEX, VM_NAME, Vmmig  # noqa: E402

PROBE = os.path.join(os.path.dirname(lab_package.__file__), "probe.py")
HALF_OPEN, LIMITED, FREE = 7200, 7201, 7202  # ports of the client
THRESHOLD, OPEN = 5, 3
QUOTA = 300
CONF = ["counter = half-open,halfOpen,inet account half_{vm}", "counter = hits,counter,inet account hits_{vm}",
        "counter = quota,quota,inet account quota_{vm}", "counter = talkers,element,inet account talkers"]
OWN_CHAIN = "policy = filter,acl,inet account vm_{vm},dispatch dispatch6"

# Ahead of the lab's own rules (priority filter), which decide about what passes here.
SHARED = """\
table inet account {
    set talkers { type ipv4_addr; counter; }
    map dispatch { type ipv4_addr : verdict; }
    map dispatch6 { type ipv6_addr : verdict; }
    chain forward {
        type filter hook forward priority filter - 10; policy accept;
        iifname "vms" ip saddr @talkers
        iifname "vms" ip saddr vmap @dispatch
        iifname "vms" ip6 saddr vmap @dispatch6
    }
}
"""
OBJECTS = f"""\
table inet account {{
    counter hits_{VM_NAME} {{ }}
    quota quota_{VM_NAME} {{ over {QUOTA} bytes }}
    set half_{VM_NAME} {{
        type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic,timeout; size {THRESHOLD}; timeout 5m;
    }}
}}
"""
RULES = f"""\
table inet account {{
    chain vm_{VM_NAME} {{
        tcp dport {HALF_OPEN} tcp flags & (syn | ack) == syn add @half_{VM_NAME} {{ ip saddr . tcp sport . ip daddr . tcp dport }} accept
        tcp dport {HALF_OPEN} drop
        udp dport {LIMITED} quota name "quota_{VM_NAME}" drop
        counter name "hits_{VM_NAME}"
    }}
}}
add element inet account dispatch {{ {VM4} : goto vm_{VM_NAME} }}
add element inet account dispatch6 {{ {VM6} : goto vm_{VM_NAME} }}
"""
TALKER = f"add element inet account talkers {{ {VM4} }}\n"
SINK = f"""\
table inet sink {{
    set opened {{ type inet_service; flags dynamic; size 1024; }}
    chain input {{
        type filter hook input priority filter;
        tcp dport {HALF_OPEN} add @opened {{ tcp sport }} drop
    }}
}}
"""


class Account:
    """vmmig between firewalls that count, and what the VM does there."""

    def __init__(self, lab, own_chain):
        """own_chain: the rules are a policy of the VM, and all of it exists at a alone; else the destination has objects and
        rules of its own."""
        self.lab = lab
        lab.ns["client"].run("nft", "-f", "-", text=SINK)
        lab.ns["fw-a"].run("nft", "-f", "-", text=SHARED + OBJECTS + RULES + TALKER)
        lab.ns["fw-b"].run("nft", "-f", "-", text=SHARED if own_chain else SHARED + OBJECTS + RULES)
        conf = CONF + [OWN_CHAIN] if own_chain else CONF
        self.vmmig = Vmmig(lab, lines={"fw-a": conf, "fw-b": conf}).start()
        lab.start("client", "probe-echo", sys.executable, PROBE, "echo", str(LIMITED), str(FREE))
        stock.introduce_vm(lab, "fw-a", VM_ADDRESSES, name=VM_NAME)
        wait_until(lambda: self.asks(FREE), 5, "the VM's question answered at a")

    def asks(self, port):
        words = (sys.executable, PROBE, "ask", CLIENT4, str(port), VM4)
        return self.lab.ns["vm"].run(*words, check=False).returncode == 0

    def open_half(self, wanted):
        """Tries to open so many connections that nobody answers; how many of them passed the firewall. It does not send
        again, which would have the destination learn of them by itself; to the firewalls they stay half-open."""
        probe = self.lab.start("vm", "probe-syn", sys.executable, PROBE, "syn", CLIENT4, str(HALF_OPEN), str(wanted), pipes=True)
        ports = set(map(int, probe.popen.stdout.readline().split()))
        settled = time.monotonic() + 0.5  # SYNs that do not arrive cannot be waited for
        while time.monotonic() < settled and not ports <= self.opened():
            time.sleep(0.02)
        probe.stop()
        return len(ports & self.opened())

    def opened(self):
        return set(self._list("client", "set inet sink opened")["set"].get("elem", ()))

    def use_up_quota(self):
        for _ in range(QUOTA // 15):  # a question has at least 29 octets
            if not self.asks(LIMITED):
                return
        raise AssertionError("the quota never ends")

    def _list(self, where, what):
        return json.loads(self.lab.ns[where].run("nft", "-j", "list", *what.split()).stdout)["nftables"][1]

    def counter(self, device):
        return self._list(device, f"counter inet account hits_{VM_NAME}")["counter"]["packets"]

    def quota(self, device):
        told = self._list(device, f"quota inet account quota_{VM_NAME}")["quota"]
        return told["used"], told["bytes"], told["inv"]

    def talker(self, device):
        elements = self._list(device, "set inet account talkers")["set"].get("elem", ())
        return {each["elem"]["val"]: each["elem"]["counter"]["packets"] for each in elements}.get(VM4)

    def half_open(self, device):
        return self._list(device, f"set inet account half_{VM_NAME}")["set"]

    def rules(self, device):
        return self.lab.ns[device].run("nft", "list", "chain", "inet", "account", f"vm_{VM_NAME}").stdout

    def migrate(self):
        assert Hypervisor(self.lab, self.vmmig).migrate("b"), self.vmmig.latest()
        wait_until(lambda: self.vmmig.journal() and self.vmmig.idle(), 10, "migration over")
        told = self.vmmig.latest()
        assert told.state == "moved", told.text


both = pytest.mark.parametrize("own_chain", [pytest.param(True, id="own chain"), pytest.param(False, id="static rules")])


@both
def test_exactly_the_rest_of_the_half_open_connections_is_allowed(lab, own_chain):
    """draft-gu-dc-management-problem-statement-00 section 4.2: threshold 5, 3 open at the source."""
    account = Account(lab, own_chain)
    assert account.open_half(OPEN) == OPEN
    account.migrate()
    told = account.half_open("fw-b")
    assert told["size"] == THRESHOLD and told["timeout"] == 300 and len(told["elem"]) == OPEN
    assert account.open_half(5) == THRESHOLD - OPEN
    assert account.open_half(1) == 0
    assert len(account.opened()) == THRESHOLD


@both
def test_counters_and_the_exhausted_quota_go_on_and_leave_the_source(lab, own_chain):
    account = Account(lab, own_chain)
    account.use_up_quota()
    assert account.asks(FREE) and account.open_half(1) == 1
    before = account.counter("fw-a"), account.talker("fw-a")
    assert account.quota("fw-a") == (QUOTA, QUOTA, True)
    rules = account.rules("fw-a")

    account.migrate()
    after = account.counter("fw-b"), account.talker("fw-b")
    assert after[0] >= before[0] > 0 and after[1] >= before[1] > 0
    assert account.quota("fw-b") == (QUOTA, QUOTA, True)
    assert not account.asks(LIMITED) and account.asks(FREE)
    assert account.counter("fw-b") > after[0] and account.talker("fw-b") > after[1]

    assert account.talker("fw-a") is None and account.rules("fw-b") == rules
    if own_chain:
        assert VM_NAME not in lab.ns["fw-a"].run("nft", "list", "table", "inet", "account").stdout
        return
    # What the source's own rules need stays there, and begins anew.
    assert account.counter("fw-a") == 0 and account.quota("fw-a") == (0, QUOTA, True)
    assert "elem" not in account.half_open("fw-a") and account.rules("fw-a") == rules


def test_control_without_vmmig_all_of_it_begins_anew(lab):
    account = Account(lab, own_chain=False)
    assert account.open_half(OPEN) == OPEN
    account.use_up_quota()
    lab.migrate("b")
    assert account.asks(LIMITED)
    assert account.counter("fw-b") < account.counter("fw-a") and account.talker("fw-b") is None
    assert account.open_half(5) == THRESHOLD
    assert len(account.opened()) == OPEN + THRESHOLD


def test_a_counter_is_read_and_written_with_snmpset(lab):
    account = Account(lab, own_chain=False)
    name = lambda text: ".".join(str(octet) for octet in [len(text), *text.encode()])
    index = lambda counter, member="": f"{VM_INDEX}.{name(counter)}.{name(member)}"
    account.use_up_quota()
    assert not account.asks(LIMITED)
    shown = {(row["vmMigCounterName"], row["vmMigCounterMember"]): row for row in account.vmmig.show("fw-a", "counter")}
    assert shown["quota", ""]["vmMigCounterOctets"] == shown["quota", ""]["vmMigCounterThreshold"] == QUOTA
    assert shown["half-open", ""]["vmMigCounterThreshold"] == THRESHOLD
    assert shown["talkers", VM4]["vmMigCounterPackets"] > 0

    stock.set_row(lab, "fw-a", index("quota"), vmMigCounterOctets=("u", 0))
    assert account.asks(LIMITED)
    stock.set_row(lab, "fw-a", index("hits"), vmMigCounterPacketsHigh=("u", 1))
    assert account.counter("fw-a") >= 1 << 32
    member = f"{VM4} . 40000 . {CLIENT4} . {HALF_OPEN}"
    stock.set_row(lab, "fw-a", index("half-open", member), vmMigCounterKind=("i", "halfOpen"),
                  vmMigCounterTimeout=("u", 60), vmMigCounterLifetime=("u", 300), vmMigCounterRowStatus=("i", "createAndGo"))
    assert account.open_half(5) == THRESHOLD - 1
    refused = stock.set_row(lab, "fw-a", index("quota"), check=False, vmMigCounterOctets=("u", QUOTA + 1))
    assert "inconsistentValue" in refused.stderr
