# SPDX-License-Identifier: GPL-2.0-or-later
"""What firewalls and switches know of the VM besides its TCP connections, each with something that breaks without it:

    dynamic ACL      the VM has authenticated; who has not is dropped
    half-open        5 connections may be half-open; 3 are
    static policy    the VM's own chain permits what is denied by default
    UDP flow         its peer goes on sending to the public address that it was translated to, the VM is silent
    DHCP binding     the switch drops what comes from an address that was not leased to that MAC at that port
    multicast        the switch forwards a stream only to members
    QoS              the VM's port at the switch is shaped

Needs Lab(switches=True). The lines are what each device's vmmigd.conf needs.
"""

import json
import os
import sys
import threading
import time

from .switch import BRIDGE, CORE, VM_PORT
from .topology import CLIENT4, GATEWAY4, PUBLIC4, SITES, VM4, VM6, VM_MAC
from . import stock, streams
from .netns import wait_until
from .vmmig import VM_NAME

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")
AUTHENTICATED, POLICED, HALF_OPEN, TICKER = 7100, 7300, 7200, 7400  # ports of the client
GROUP = "239.9.9.9"
RATE = "500Mbit"
THRESHOLD, OPEN = 5, 3
SPOOFED4 = "10.1.0.77"
# A member answers a query within this time, and the next comes after two minutes. Only then is it silent.
ANSWER_SECONDS = 1

# Ahead of the firewall's own chain (priority filter), which permits what passes here.
FIREWALL = f"""\
table inet services {{
    set authenticated {{ type ipv4_addr; flags timeout; counter; }}
    set half_open_{VM_NAME} {{
        type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic,timeout; size {THRESHOLD};
    }}
    map dispatch4 {{ type ipv4_addr : verdict; }}
    map dispatch6 {{ type ipv6_addr : verdict; }}
    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        iifname "vms" udp dport {AUTHENTICATED} ip saddr @authenticated accept
        iifname "vms" udp dport {AUTHENTICATED} drop
        iifname "vms" tcp dport {HALF_OPEN} tcp flags & (syn | ack) == syn jump half_open
        iifname "vms" udp dport {POLICED} jump policies
    }}
    chain half_open {{
        add @half_open_{VM_NAME} {{ ip saddr . tcp sport . ip daddr . tcp dport timeout 5m }} accept
        drop
    }}
    chain policies {{
        ip saddr vmap @dispatch4
        ip6 saddr vmap @dispatch6
        drop
    }}
    chain nat {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "clients" ip saddr {VM4} udp dport {TICKER} snat ip to {PUBLIC4}
    }}
}}
"""

# What the source learned and was given; with vmmig all of it follows.
LEARNED = f"""\
add element inet services authenticated {{ {VM4} timeout 1h comment "alice" }}
add chain inet services vm_{VM_NAME}
add rule inet services vm_{VM_NAME} udp dport {POLICED} counter accept comment "acl 101"
add element inet services dispatch4 {{ {VM4} : jump vm_{VM_NAME} }}
add element inet services dispatch6 {{ {VM6} : jump vm_{VM_NAME} }}
"""

SHAPING = f"""\
qdisc add dev {{port}} root handle 1: htb default 0x10
class add dev {{port}} parent 1: classid 1:10 htb rate {RATE}
"""

CLIENT = f"""\
table inet sink {{
    set opened {{ type inet_service; flags dynamic; size 1024; }}
    chain input {{
        type filter hook input priority filter;
        tcp dport {HALF_OPEN} add @opened {{ tcp sport }} drop
    }}
}}
"""


class Meter:
    """How long a stream is silent in the VM: of a program that writes for each datagram, by the clock out here. (That of a VM may
    stand when the VM does.)"""

    def __init__(self, process):
        self._last, self._longest = time.monotonic(), 0
        output = os.dup(process.popen.stdout.fileno())  # the process closes its own when it is stopped
        threading.Thread(target=self._read, args=(output,), daemon=True).start()

    def _read(self, output):
        while os.read(output, 4096):
            now = time.monotonic()
            self._longest, self._last = max(self._longest, now - self._last), now
        os.close(output)

    def silence_ms(self):
        """The longest since this was asked last, the one that lasts still included."""
        silence, self._longest = max(self._longest, time.monotonic() - self._last), 0
        return round(1000 * silence)


def lines(lab):
    """Of vmmigd.conf, by device."""
    firewall = ["acl = authenticated,inet services authenticated,permit",
                "counter = half-open,halfOpen,inet services half_open_{vm}",
                "policy = filter,acl,inet services vm_{vm},dispatch4 dispatch6"]
    switch = [f"dhcp-snooping = {BRIDGE},{CORE}", f"multicast = {BRIDGE}", "policy = shaping,qos"]
    return {**{f"fw-{site}": firewall for site in SITES},
            **{each.name: [each.port_map, *switch] for each in lab.switches.values()}}


class Services:
    """Everything of it, running. Start it when the agents run: they have the switches' source guard."""

    def __init__(self, lab):
        self.lab = lab
        for site in SITES:
            lab.ns[f"fw-{site}"].run("nft", "-f", "-", text=FIREWALL)
            lab.switches[site].namespace.ip(f"link set {BRIDGE} type bridge mcast_query_response_interval {100 * ANSWER_SECONDS}")
            lab.switches[site].snoop()
            streams.sender(lab, f"fw-{site}", "vms", f"multicast={GROUP}")
        lab.ns["fw-a"].run("nft", "-f", "-", text=LEARNED)
        lab.ns["sw-a"].run("tc", "-batch", "-", text=SHAPING.format(port=lab.switches["a"].port))
        lab.ns["client"].run("nft", "-f", "-", text=CLIENT)
        for device in ("fw-a", "sw-a"):
            stock.introduce_vm(lab, device, (VM4, VM6), VM_NAME, VM_PORT if device == "sw-a" else None, VM_MAC)
        self.lease("sw-a")
        self._start("client", "echo", str(AUTHENTICATED), str(POLICED))
        self._start("client", "ticker", str(TICKER))
        wait_until(lambda: self.asks(AUTHENTICATED) and self.asks(POLICED), 5, "services answer the VM")
        self._flow = Meter(self._start("vm", "subscribe", CLIENT4, str(TICKER)))
        self._group = Meter(self._start("vm", "hear", GROUP, str(streams.PORT), VM4))
        wait_until(lambda: self.flow_silence_ms() < 200 and self.group_silence_ms() < 200, 5, "streams heard", step=0.1)
        assert self.open_half(OPEN) == OPEN
        time.sleep(ANSWER_SECONDS)

    def _start(self, where, *words):
        """A probe; its pipes are ours."""
        return self.lab.start(where, f"probe-{words[0]}-{where}", sys.executable, PROGRAM, *words, pipes=True)

    def lease(self, device):
        """A binding, by stock snmpset."""
        mac = ".".join(str(int(octet, 16)) for octet in VM_MAC.split(":"))
        stock.set_row(self.lab, device, f"{stock.VM_INDEX}.0.{mac}.{stock.inet_index(VM4)}",
                      vmMigDhcpBindingPort=("s", VM_PORT), vmMigDhcpBindingLeaseTime=("u", 3600),
                      vmMigDhcpBindingRowStatus=("i", "createAndGo"))

    # What works

    def asks(self, port, address=CLIENT4, source=VM4):
        """Is the VM's question answered?"""
        words = (sys.executable, PROGRAM, "ask", address, str(port), source)
        return self.lab.ns["vm"].run(*words, check=False).returncode == 0

    def reaches_gateway(self, source=VM4):
        """The nearest that a switch lets the VM reach. Nobody listens at that port, and the gateway says so."""
        return self.asks(9, GATEWAY4, source)

    def spoofs(self):
        """Does it answer when the VM uses an address that is not its own?"""
        vm = self.lab.ns["vm"]
        vm.ip(f"address add {SPOOFED4}/24 dev eth0")
        try:
            return self.reaches_gateway(SPOOFED4)
        finally:
            vm.ip(f"address delete {SPOOFED4}/24 dev eth0")

    def open_half(self, wanted):
        """Tries to open so many connections that nobody answers; how many of them passed the firewall."""
        probe = self._start("vm", "syn", CLIENT4, str(HALF_OPEN), str(wanted))
        ports = set(map(int, probe.popen.stdout.readline().split()))
        settled = time.monotonic() + 0.5  # SYNs that do not arrive cannot be waited for
        while time.monotonic() < settled and len(ports & self._opened()) < wanted:
            time.sleep(0.05)
        probe.stop()
        return len(ports & self._opened())

    def _opened(self):
        listed = self.lab.ns["client"].run("nft", "-j", "list", "set", "inet", "sink", "opened").stdout
        sets = [each["set"] for each in json.loads(listed)["nftables"] if "set" in each]
        return set(sets[0].get("elem", ()))

    def is_shaped(self, site):
        """Does the VM's port at this site's switch have its class?"""
        listed = self.lab.ns[f"sw-{site}"].run("tc", "class", "show", "dev", self.lab.switches[site].port).stdout
        return f"rate {RATE}" in listed

    # The longest silence of a stream since it was last asked for

    def flow_silence_ms(self):
        return self._flow.silence_ms()

    def group_silence_ms(self):
        return self._group.silence_ms()
