# SPDX-License-Identifier: GPL-2.0-or-later
"""What two hypervisors' hook scripts do in a live migration: tell each phase with `vmmig phase`, and wait where held."""

from .topology import VM_MAC


class Hypervisor:
    """Carries the lab's VM between the hosts. told(host, phase) hears of each phase, for people."""

    def __init__(self, lab, vmmig, hold="5s", policy="require", told=lambda host, phase: None):
        self.lab, self.vmmig, self.hold, self.policy, self.told = lab, vmmig, hold, policy, told
        self.source = self.destination = None

    def begin(self, destination):
        """The memory is being copied, and the VM runs."""
        self.source, self.destination = self.lab.vm_site, destination
        self._tell(self.source, "preCopy")

    def stop(self):
        """The VM stands still, and stays so until the network is ready: whether the migration may go on."""
        return self.is_free(self.begin_stop())

    def begin_stop(self):
        """The first half of stop(): the process that waits for the network."""
        self.lab.vm_stop()
        self.told(f"host-{self.source}", "stopped")
        words = self.vmmig.phase_command(f"host-{self.source}", "stopped", *self._hosts(), "--hold", self.hold,
                                         "--policy", self.policy, "--wait")
        return self.lab.start(f"host-{self.source}", "vmmig-phase", *words, env=self.lab.manager.env)

    def is_free(self, waiting, seconds=30):
        """The second half: its answer."""
        return waiting.wait_end(seconds) == 0

    def go_on(self):
        """The VM runs at the destination."""
        self.lab.vm_move(self.destination)
        self.lab.move_path(self.destination)
        self.lab.vm_resume()
        self._tell(self.destination, "resumed")

    def go_back(self):
        """The migration is cancelled, and the VM runs on where it was."""
        self.lab.vm_resume()
        self._tell(self.source, "cancelled")

    def migrate(self, destination, meanwhile=lambda: None):
        """A whole migration; whether the VM has moved. meanwhile() runs during the pre-copy."""
        self.begin(destination)
        meanwhile()
        if self.stop():
            self.go_on()
        else:
            self.go_back()
        return self.lab.vm_site == destination

    def _hosts(self):
        return "--source-host", f"host-{self.source}", "--destination-host", f"host-{self.destination}", "--mac", VM_MAC

    def _tell(self, site, phase):
        self.told(f"host-{site}", phase)
        self.vmmig.phase(f"host-{site}", phase, *self._hosts())
