# SPDX-License-Identifier: GPL-2.0-or-later
"""An access switch between a host and its firewall: a Linux bridge with the ports srv-<site> (the host) and core (the firewall).

The host's port has another name at each site, as it has on real switches. VM_PORT is what both may call it in rows of the MIB:

    Vmmig(lab, lines={switch.name: [switch.port_map, "multicast = br0"] for switch in lab.switches.values()})
"""

import json

from .netns import bridge, run, veth

BRIDGE, CORE = "br0", "core"
VM_PORT = "vm-port"  # the common name


def server_port(site):
    return f"srv-{site}"


class Switch:
    """One access switch. It floods multicasts until snoop() is called."""

    def __init__(self, namespace, site):
        self.namespace, self.name, self.port = namespace, namespace.name, server_port(site)

    @property
    def port_map(self):
        """A line of vmmigd.conf: the host's port goes by VM_PORT in the MIB."""
        return f"map = port,{self.port},{VM_PORT}"

    def cable(self, host, firewall):
        """Stand between host (its link uplink) and firewall (its link vms)."""
        bridge(self.namespace, BRIDGE)
        # It only switches: where the kernel can track bridged connections (br_netfilter), it must not (-e: where it cannot).
        self.namespace.run("sysctl", "-e", "-q", "-w", "net.bridge.bridge-nf-call-iptables=0",
                           "net.bridge.bridge-nf-call-ip6tables=0")
        veth(host, "uplink", self.namespace, self.port)
        veth(self.namespace, CORE, firewall, "vms")
        self.namespace.ip(*(f"link set {port} master {BRIDGE} up" for port in (self.port, CORE)))

    def snoop(self):
        """Forward multicasts only where they are wanted (IGMP and MLD snooping), and ask who wants them: once now, then after two
        minutes. It takes a second (the response interval) until the bridge believes that it knows all."""
        self._bridge("mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2 mcast_query_response_interval 100 "
                     "mcast_startup_query_interval 12500")
        self.query()

    def query(self):
        """Ask at once (general queries of IGMP and MLD)."""
        self._bridge("mcast_querier 0")
        self._bridge("mcast_querier 1")

    def _bridge(self, settings):
        self.namespace.ip(f"link set {BRIDGE} type bridge {settings}")

    def sent(self, port=None):
        """Packets that have left through a port (the host's)."""
        return self.namespace.ip_json("-statistics", "link", "show", "dev", port or self.port)[0]["stats64"]["tx"]["packets"]

    def show(self, *command):
        """What bridge(8) shows, as JSON: show("mdb"), show("fdb")."""
        return json.loads(run(["bridge", "-netns", self.namespace.full, "-json", "-details", *command]).stdout or "[]")

    def members(self, port=None):
        """Groups with a member at a port (the host's), as the bridge has learned them."""
        entries = [entry for table in self.show("mdb", "show") for entry in table["mdb"]]
        return {entry["grp"] for entry in entries if entry["port"] == (port or self.port)}
