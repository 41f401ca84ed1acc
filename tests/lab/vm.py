# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM of the lab: a network namespace that plays one, or a real one in QEMU. Both are a place where programs run, as a
netns.Namespace is, and can migrate."""

import contextlib
import os
import sys
import threading

from . import guest
from .addresses import ADDRESSES, GATEWAY4, GATEWAY6, SITES, VM4, VM6, VM_MAC, VM_NAME, VM_UUID
from .netns import bridge, run, veth, wait_until
from .privilege import LabError
from .qemu import Machine, socket_pattern

REMOTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "remote.py")
MANAGEMENT_MAC = "02:00:00:00:09:05"
MIGRATION_PORT = 4444
TUN = "/dev/net/tun"


class NamespaceVm:
    """Its link is carried from host to host. Its kernel is this machine's, and goes on, like the peers, to retransmit."""

    clock_stops = False  # while the VM stands
    downtime_ms = 0

    def __init__(self, lab):
        self.lab, self.site = lab, "a"

    def build(self, namespaces):
        self.place, = namespaces.add("vm")
        vm, host = self.place, self.lab.ns["host-a"]
        veth(host, "vm0", vm, "eth0")
        vm.ip(f"link set eth0 address {VM_MAC} up", f"address add {VM4}/24 dev eth0",
              f"address add {VM6}/64 dev eth0 nodad")
        host.ip("link set vm0 master br0 up")
        vm.ip(f"route add default via {GATEWAY4}", f"route add default via {GATEWAY6} dev eth0")
        # resume() sets the MAC anew, upon which these have the kernel send a gratuitous ARP and an unsolicited NA
        vm.sysctl(net__ipv4__conf__eth0__arp_notify=1, net__ipv6__conf__eth0__ndisc_notify=1)

    def wait_ready(self):
        self.place.wait_addresses()

    def lines(self):
        """Of vmmigd.conf, for the hosts: none, for hook scripts tell the phases (hypervisor.py)."""
        return {}

    def stop(self):
        """Nothing reaches or leaves the VM any more."""
        self.lab.ns[f"host-{self.site}"].ip("link set vm0 down")

    def move(self, site):
        """Carry the stopped VM to a host."""
        if site == self.site:
            return
        destination = self.lab.ns[f"host-{site}"]
        self.lab.ns[f"host-{self.site}"].ip("link set vm0 down", f"link set vm0 netns {destination.full}")
        destination.ip("link set vm0 master br0")
        self.site = site

    def resume(self):
        """The VM goes on where it is, and announces itself (gratuitous ARP, unsolicited NA) so that bridges learn."""
        self.lab.ns[f"host-{self.site}"].ip("link set vm0 up")
        self.place.ip(f"link set eth0 address {VM_MAC}")

    def migrate(self, site):
        """Stop, move and resume the VM and its path."""
        self.stop()
        self.move(site)
        self.lab.move_path(site)
        self.resume()


class QemuVm:
    """A real VM. Each host has two taps for it: vm0 in the host's bridge, and vm1, through which only programs are started in it
    (remote.py), in the management network, where no firewall stands. Memory migrates through the management network too."""

    clock_stops = True
    name = "vm"

    def __init__(self, lab):
        self.lab, self.site = lab, "a"
        self.place = self
        self.machine = None         # the QEMU in which it runs
        self.arriving = None        # the one to which it migrates, or migrated last
        self.bandwidth = 128 << 20  # octets/s of a migration
        self.downtime_ms = 0        # of the last one, as QEMU tells it: in it is how long the VM was held
        self._following = None      # the thread that sees the last one to its end
        self._moved = None          # and whether the VM has moved, or the error when that could not be seen

    def build(self, _):
        if not os.access(TUN, os.R_OK | os.W_OK):
            raise LabError(f"{TUN} cannot be opened, and without it QEMU has no network: run this as root, or have root load the "
                           f"kernel's module tun and let everybody use it (chmod 666 {TUN})")
        manager = self.lab.ns["mgr"]
        for site in SITES:
            host = self.lab.ns[f"host-{site}"]
            bridge(host, "br1")
            veth(manager, f"vm-{site}", host, "oob")
            manager.ip(f"link set vm-{site} master mgmt up")
            host.ip("link set oob master br1 up", "tuntap add dev vm0 mode tap", "link set vm0 master br0",
                    "tuntap add dev vm1 mode tap", "link set vm1 master br1")
        self.machine = self._start("a")

    def wait_ready(self):
        self.machine.process.wait(lambda: self.run("true", check=False).returncode == 0, 60, "running the guest's programs")

    def lines(self):
        """Of vmmigd.conf, for the hosts: follow QEMU."""
        hosts = [f"host-{site}" for site in SITES]
        return {host: ["phase-source = qmp", f"qmp-socket = {socket_pattern(self.lab, host)}"] for host in hosts}

    # A place

    def argv(self, command):
        """The command line that runs command in the VM."""
        return self.lab.ns["mgr"].argv([sys.executable, REMOTE, "run", guest.MANAGEMENT4, str(guest.PORT), *command])

    def run(self, *command, text="", **options):
        return run(self.argv(command), text=text, **options)

    def ip(self, *lines):
        for line in lines:
            self.run("ip", *line.split())

    # Migrations

    def migrate(self, site):
        """To another host, while it runs; nothing else moves but the path. Whether it has moved: who follows QEMU may cancel."""
        self.leave(site)
        return self.arrive()

    def leave(self, site):
        """The first half: the migration begins."""
        self.arriving = self._start(site, incoming=f"tcp:{ADDRESSES[f'host-{site}']}:{MIGRATION_PORT}")
        self._moved = None
        self._following = threading.Thread(target=self._follow, args=(self.machine, self.arriving, site), daemon=True)
        self.machine.command("migrate-set-parameters", max_bandwidth=self.bandwidth)
        self.machine.migrate(self.arriving.incoming)
        self._following.start()

    def is_leaving(self):
        return self._following.is_alive()

    def arrive(self, seconds=30):
        """The second half: until the VM runs on one side; whether that is the destination."""
        self._following.join(seconds)
        if self._following.is_alive():
            raise LabError(f"the migration of the VM: no end within {seconds} s")
        if isinstance(self._moved, Exception):
            raise self._moved
        return self._moved

    def _start(self, site, incoming=None):
        host = f"host-{site}"
        management = ["-netdev", "tap,id=net1,ifname=vm1,script=no,downscript=no",
                      "-device", f"virtio-net-pci,netdev=net1,id=nic1,mac={MANAGEMENT_MAC},romfile="]
        self.lab.ns[host].ip("link set vm0 up", "link set vm1 up")
        waits = ["-S"] if incoming else []  # until it is let run, as libvirt has it
        return Machine(self.lab, host, VM_NAME, VM_UUID, guest=management + guest.boot() + waits, mac=VM_MAC, tap="vm0",
                       incoming=incoming, memory=f"{guest.MEMORY_KIB}k").start()

    def _follow(self, source, destination, site):
        """In a thread: the path moves before the VM goes on. Later, peers' packets would still meet the firewall that it left."""
        try:
            self._moved = wait_until(lambda: _outcome(source, destination), 30, "end of QEMU's migration", step=0.005) == "moved"
            if self._moved:
                self.lab.move_path(site)
                destination.command("cont")
                source.wait_migration("completed")
                self.downtime_ms = source.command("query-migrate")["downtime"]
                self.machine, self.site = destination, site
            (source if self._moved else destination).quit()
        except Exception as error:
            self._moved = error


def _outcome(source, destination):
    """"moved", "stayed", or None while it is under way."""
    with contextlib.suppress(LabError, OSError):  # it may have ended
        if destination.process.running() and destination.status() == "paused":
            return "moved"
    return "stayed" if source.migration() in ("failed", "cancelled") and source.status() == "running" else None


KINDS = {"namespace": NamespaceVm, "qemu": QemuVm}
