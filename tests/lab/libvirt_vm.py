# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's VM as a domain of libvirt: Lab(vm="libvirt"), once this is imported. A libvirtd on each host migrates it as it always
does; vmmigd and the hook libvirt-gate are beside it as on any host.

QEMU has a second monitor, which only looks: the path has to move in the moment in which the VM runs at the destination.
"""

import os
import threading

from . import guest
from .addresses import DEVICES, SITES, VM_MAC, VM_NAME, VM_UUID
from .libvirt import Libvirtd
from .netns import wait_until
from .privilege import LabError
from .qemu import Monitor
from .vm import KINDS, MANAGEMENT_MAC, QemuVm

CARD = """\
<interface type='ethernet'>
  <mac address='{mac}'/><target dev='{tap}' managed='no'/><model type='virtio'/><rom enabled='no'/>
</interface>
"""
CONSOLE = "<serial type='file'><source path='/var/log/libvirt/console'/></serial>\n"
# libvirt rounds memory up to whole MiB, with which this QEMU may lose pages (guest.py says why); what it is told last counts.
COMMAND_LINE = ["-qmp", "unix:/run/lab.qmp,server=on,wait=off", "-m", f"{guest.MEMORY_KIB}k",
                "-object", f"memory-backend-ram,id=lab.ram,size={guest.MEMORY_KIB}k", "-machine", "memory-backend=lab.ram"]


def host_of(site):
    return f"host-{site}"


class LibvirtVm(QemuVm):
    """machine: the monitor that looks, of the QEMU in which the VM runs."""

    def build(self, namespaces):
        self.libvirtd = {host_of(site): Libvirtd(self.lab, host_of(site), DEVICES[host_of(site)]) for site in SITES}
        self.bus = {host: os.path.join(self.lab.directory, f"{host}.bus") for host in self.libvirtd}
        self.migration = None      # the process of `virsh migrate`
        self.bandwidth = 48 << 20  # so that the state is copied before the memory is
        for host, libvirtd in self.libvirtd.items():
            libvirtd.install_hook(os.path.join(self.lab.directory, f"vmmigd-{host}", "vmmigd.conf"))
        super().build(namespaces)

    def _start(self, site):
        for host, libvirtd in self.libvirtd.items():
            self.lab.ns[host].ip("link set vm0 up", "link set vm1 up")
            libvirtd.start()
        for libvirtd in self.libvirtd.values():
            libvirtd.wait_ready()
        words = guest.boot()
        boot = [words[words.index(option) + 1] for option in ("-kernel", "-initrd", "-append")]
        cards = CARD.format(mac=VM_MAC, tap="vm0") + CARD.format(mac=MANAGEMENT_MAC, tap="vm1")
        arguments = "".join(f"<qemu:arg value='{word}'/>" for word in COMMAND_LINE)
        self.libvirtd[host_of(site)].create(VM_NAME, VM_UUID, guest.MEMORY, boot, cards + CONSOLE,
                                            f"<qemu:commandline>{arguments}</qemu:commandline>")
        return self._look(site)

    def _look(self, site):
        """A monitor of the QEMU on this site, or None."""
        try:
            return Monitor(os.path.join(self.libvirtd[host_of(site)].directory, "run", "lab.qmp"), VM_NAME)
        except (OSError, LabError):
            return None

    def wait_ready(self):
        self.libvirtd[host_of(self.site)].process.wait(lambda: self.run("true", check=False).returncode == 0, 120,
                                                       "with a domain that runs the guest's programs")

    def lines(self):
        return {host: ["phase-source = libvirt", f"libvirt-uri = {libvirtd.uri}", f"vmstate-bus = {self.bus[host]}"]
                for host, libvirtd in self.libvirtd.items()}

    def states(self):
        """What each libvirtd says of the VM, by host."""
        return {host: libvirtd.state(VM_NAME) for host, libvirtd in self.libvirtd.items()}

    def leave(self, site):
        source, destination = self.libvirtd[host_of(self.site)], self.libvirtd[host_of(site)]
        self._moved = None
        self.migration = source.migrate(VM_NAME, destination, "--bandwidth", str(self.bandwidth >> 20))
        self._following = threading.Thread(target=self._see_to_its_end, args=(site,), daemon=True)
        self._following.start()

    def _see_to_its_end(self, site):
        try:
            arriving = wait_until(lambda: self._look(site) or not self.migration.running(), 30, "QEMU at the destination")
            self._moved = arriving is not True and self._runs_there(arriving)
            if self._moved:
                self.lab.move_path(site)
                self.machine.close()
                self.machine, self.site = arriving, site
            elif arriving is not True:
                arriving.close()
            if (self.migration.popen.wait(30) == 0) != self._moved:
                raise LabError(f"the VM runs on host {self.site}, and virsh says:\n{self.migration.log()}")
        except Exception as error:
            self._moved = error

    def _runs_there(self, arriving):
        """Whether the VM has gone on at the destination, once that is certain."""
        def resumed():
            arriving.drain()
            return any(event["event"] == "RESUME" for event in arriving.events)
        wait_until(lambda: resumed() or not self.migration.running(), 30, "end of libvirt's migration", step=0.005)
        return resumed()


KINDS["libvirt"] = LibvirtVm
