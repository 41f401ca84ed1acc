# SPDX-License-Identifier: GPL-2.0-or-later
r"""The network of the demo and of the system tests, and what the fabric and the hypervisors do in it.

    client ---- clients [fw-a] vms ---- br0 [host-a] vm0 ----+
      |                                                      +-- eth0 [vm]   (here or there)
      +-------- clients [fw-b] vms ---- br0 [host-b] vm0 ----+

Both firewalls have the same gateway addresses and MAC towards the VM (anycast gateway), so the VM notices nothing when it
moves; the client reaches the VM, and the public address that its connections outwards are translated to, through one of
them. mgr has a link (mgmt) to both firewalls and both hosts, each of which runs an snmpd there.

With Lab(switches=True) an access switch stands between each host and its firewall, and runs an snmpd as well:

    [fw-a] vms ---- core [sw-a: br0] srv-a ---- uplink [host-a]

With Lab(watched=True) a network management system has a namespace of its own, nms, on the management network: it may read, and is
told every notification, as the manager is.
"""

import contextlib

from .addresses import *  # noqa: F403 - they are looked for here as well
from .firewall import Firewall
from .netns import Namespaces, bridge, veth
from .privilege import Signals
from .procs import Processes
from .snmpd import Client, Snmpd
from .switch import Switch
from .traffic import Traffic
from .vm import KINDS


class Lab:
    """The whole lab. Use it in a with statement; then .ns["fw-a"], .firewalls["a"], .switches["b"], .snmpd["host-b"], .manager,
    .nms."""

    def __init__(self, agents=True, switches=False, vm="namespace", watched=False):
        """vm: "namespace", or "qemu" for a real one; see vm.py."""
        self._agents = agents
        self.vm = KINDS[vm](self)
        self.devices = ADDRESSES if switches else DEVICES  # name: management address
        self.watched = watched
        self.switches = {}
        self._stack = contextlib.ExitStack()
        self.path = "a"
        self.snmpd = {}

    def __enter__(self):
        signals = self._stack.enter_context(Signals())
        try:
            namespaces = self._stack.enter_context(Namespaces())
            self.directory = namespaces.directory
            self.processes = self._stack.enter_context(Processes(self.directory))
            self._stack.callback(signals.quiet)  # first of all: cleaning up is not interrupted
            self._build(namespaces)
            if self._agents:
                self._start_agents()
            self.vm.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    # Building it

    def _build(self, namespaces):
        namespaces.add("client", "mgr", *self._managed())
        self.ns = dict(namespaces.all)
        self.firewalls = {site: Firewall(self.ns[f"fw-{site}"]) for site in SITES}
        self.switches = {site: Switch(self.ns[f"sw-{site}"], site) for site in SITES if f"sw-{site}" in self.ns}
        self._build_management()
        self._build_client()
        for site in SITES:
            self._build_site(site)
        for namespace in self.ns.values():
            namespace.wait_addresses()
        self.vm.build(namespaces)
        self.ns["vm"] = self.vm.place
        self.move_path("a")

    def _managed(self):
        """Who is on the management network beside the manager: name: address."""
        return {**self.devices, **({"nms": NMS} if self.watched else {})}

    def _build_management(self):
        manager = self.ns["mgr"]
        bridge(manager, "mgmt")
        manager.ip(f"address add {MANAGER}/24 dev mgmt")
        for name, address in self._managed().items():
            veth(manager, name, self.ns[name], "mgmt")
            manager.ip(f"link set {name} master mgmt up")
            self.ns[name].ip(f"address add {address}/24 dev mgmt", "link set mgmt up")

    def _build_client(self):
        client = self.ns["client"]
        bridge(client, "lan")
        client.ip(f"address add {CLIENT4}/24 dev lan", f"address add {CLIENT6}/64 dev lan nodad")

    def _build_site(self, site):
        client, firewall, host = self.ns["client"], self.ns[f"fw-{site}"], self.ns[f"host-{site}"]
        veth(client, f"fw-{site}", firewall, "clients")
        client.ip(f"link set fw-{site} master lan up")
        bridge(host, "br0")
        if self.switches:
            self.switches[site].cable(host, firewall)
        else:
            veth(host, "uplink", firewall, "vms")
        host.ip("link set uplink master br0 up")
        firewall.ip(f"link set vms address {GATEWAY_MAC}", "link set vms up", "link set clients up",
                    f"address add {GATEWAY4}/24 dev vms", f"address add {GATEWAY6}/64 dev vms nodad",
                    f"address add {FIREWALL4[site]}/24 dev clients", f"address add {FIREWALL6[site]}/64 dev clients nodad",
                    f"route add blackhole {PUBLIC4}")
        firewall.sysctl(net__ipv4__conf__vms__arp_accept=1)  # learn the VM from its announcement, as a fabric's gateway does
        self.firewalls[site].configure(VM_NET4, SNAT_PORT, PUBLIC4)

    def _start_agents(self):
        self.manager = Client(self.ns["mgr"], "vmmig", self.directory)
        self.nms = Client(self.ns["mgr"], "nms", self.directory)
        for name, address in self.devices.items():
            self.snmpd[name] = Snmpd(self.processes, self.ns[name], address, self.directory, MANAGER, NMS if self.watched else None).start()
        for snmpd in self.snmpd.values():
            snmpd.wait_ready()

    # Programs

    def start(self, where, name, *command, env=None, pipes=False):
        """Start a program in a namespace; returns a procs.Process. The lab ends it. For vmmigd and vmmig."""
        return self.processes.start(name, command, self.ns[where], env, pipes)

    def traffic(self, where, mode, *options):
        """Start a traffic server or client in a namespace, ready when this returns."""
        return Traffic(self.processes, self.ns[where], mode, *options)

    # What the fabric and the hypervisors do

    def move_path(self, site):
        """Lead the client's packets to the VM through this site's firewall, as the fabric's routing does."""
        self.ns["client"].ip(f"route replace {VM_NET4} via {FIREWALL4[site]}",
                             f"route replace {PUBLIC4} via {FIREWALL4[site]}",
                             f"route replace {VM_NET6} via {FIREWALL6[site]}")
        self.path = site

    @property
    def vm_site(self):
        return self.vm.site

    def vm_stop(self):
        self.vm.stop()

    def vm_move(self, site):
        self.vm.move(site)

    def vm_resume(self):
        self.vm.resume()

    def migrate(self, site):
        """Move the VM and its path, and no state: what happens without vmmig."""
        return self.vm.migrate(site)

    # What a test looks at

    def invalid_packets(self, site):
        """Packets that the site's firewall dropped because they belong to no connection or do not fit its window."""
        return self.firewalls[site].counter("invalid")

    def conntrack_rows(self, site, addresses=VM_ADDRESSES):
        """The connections of these addresses in the site's firewall; see Firewall.conntrack_rows."""
        return self.firewalls[site].conntrack_rows(set(addresses))
