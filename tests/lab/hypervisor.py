# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hook scripts of two hypervisors do during a live migration: tell each phase with `vmmig phase`, and wait where held."""

from .topology import VM_MAC


class Hypervisor:
    """Carries the lab's VM between the hosts. told(host, phase) hears of each phase, for people."""

    def __init__(self, lab, vmmig, hold_ms=5000, policy="require", told=lambda host, phase: None):
        self.lab, self.vmmig, self.hold_ms, self.policy, self.told = lab, vmmig, hold_ms, policy, told
        self.destination = None

    def begin(self, destination):
        """The memory is being copied, and the VM runs."""
        self.destination = destination
        self._tell(self.lab.vm_site, "preCopy")

    def stop(self):
        """The VM stands still, and stays so until the network is ready: whether the migration may go on."""
        self.lab.vm_stop()
        answer = self._tell(self.lab.vm_site, "stopped", "--hold", str(self.hold_ms), "--policy", self.policy, "--wait",
                            check=False)
        return answer.returncode == 0

    def go_on(self):
        """The VM runs at the destination."""
        self.lab.vm_move(self.destination)
        self.lab.move_path(self.destination)
        self.lab.vm_resume()
        self._tell(self.destination, "resumed")

    def go_back(self, check=True):
        """The migration is cancelled, and the VM runs on where it was."""
        self.lab.vm_resume()
        self._tell(self.lab.vm_site, "cancelled", check=check)

    def migrate(self, destination, meanwhile=lambda: None):
        """A whole migration; whether the VM has moved. meanwhile() runs during the pre-copy."""
        self.begin(destination)
        meanwhile()
        if self.stop():
            self.go_on()
        else:
            self.go_back()
        return self.lab.vm_site == destination

    def _tell(self, site, phase, *options, check=True):
        host = f"host-{site}"
        self.told(host, phase)
        return self.vmmig.phase(host, phase, *options, "--source", f"host-{self.lab.vm_site}",
                                "--destination", f"host-{self.destination}", "--mac", VM_MAC, check=check)
