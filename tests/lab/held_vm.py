# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM (vm.py: QemuVm) whose migration from a to b is held where a test wants it, and what must be true of it afterwards.

It is held by cutting the manager off from what the next step needs before the VM stops, or by the manager's sleep.
"""

import signal

from . import stock
from .netns import wait_until
from .scene import CUT, DEADLINES, GRACE, TRANSFER_DEADLINE
from .topology import ADDRESSES, MANAGER, SITES
from .vmmig import VM_INDEX, Vmmig, transfer
from .workload import Workload

HOLD_SECONDS = 2.5  # a peer sends again what is lost 0.2, 0.6, 1.4, 3, 6.2 s after: not long after this
SLOW, FAST = 1 << 20, 1 << 30  # octets/s of a migration that does not come to its end yet, and of one that does
LIMITS = {**DEADLINES, "stop_deadline": 3, "end_deadline": 3}
MANY, BULK_RATE = 4, 256 << 10  # an emulated processor serves them

# Nothing at all between them any more, neither to nor fro.
CUT_WHOLLY = """\
table inet cut_wholly {{
    chain input {{
        type filter hook input priority 0
        iifname "mgmt" ip saddr {manager} drop
    }}
    chain output {{
        type filter hook output priority 0
        oifname "mgmt" ip daddr {manager} drop
    }}
}}
"""


class HeldVm:
    """All of vmmig with short deadlines, and the VM's connections."""

    index = VM_INDEX

    def __init__(self, lab):
        self.lab = lab
        lines = {host: [*more, f"hold-deadline = {int(HOLD_SECONDS * 1000)}"] for host, more in lab.vm.lines().items()}
        self.vmmig = Vmmig(lab, lines=lines, **LIMITS).start()
        self.workload = Workload(lab, MANY, BULK_RATE)
        self.rows = len(lab.conntrack_rows("a"))

    def phase(self, host):
        """[phase, status of the hold] as the host tells it; [] without an answer."""
        answer = stock.command(self.lab, "snmpget", host, "-OQv", *(f"VM-MIGRATION-MIB::vmMigPhase{column}.{VM_INDEX}"
                                                                   for column in ("", "HoldStatus")), check=False)
        return answer.stdout.split()

    def transfer(self, device):
        return transfer(self.lab.nms, ADDRESSES[device])

    @property
    def destination(self):
        """The QEMU that the VM goes to."""
        return self.lab.vm.arriving

    # Cables

    def cut_requests(self, device):
        """The manager's requests do not reach a device any more; what the device tells by itself reaches the manager."""
        self.lab.ns[device].run("nft", "-f", "-", text=CUT.format(manager=MANAGER))

    def cut(self, device):
        self.lab.ns[device].run("nft", "-f", "-", text=CUT_WHOLLY.format(manager=MANAGER))

    def heal(self, *devices):
        for device in devices or self.lab.devices:
            for table in ("cut", "cut_wholly"):
                self.lab.ns[device].run("nft", "delete", "table", "inet", table, check=False)

    # A migration

    def hold(self, device=None):
        """The VM stands, for the manager does not reach this device: fw-a, which would freeze; fw-b, which would commit; or
        host-a, which would let it go. Without a device, the manager sleeps."""
        self.lab.vm.bandwidth = SLOW
        self.lab.vm.machine.set_capabilities(return_path=True)  # so that QEMU at the source hears how it ended
        self.lab.vm.leave("b")
        wait_until(lambda: self.transfer("fw-b") == ("prepared", self.rows), 10, "all rows staged")
        wait_until(lambda: self.phase("host-a") == ["preCopy", "none"], 5, "copying")
        if device:
            self.cut_requests(device)
        else:
            self.vmmig.manager.send_signal(signal.SIGSTOP)
        self.lab.vm.machine.command("migrate-set-parameters", max_bandwidth=FAST)
        self.lab.vm.machine.wait_migration("pre-switchover")
        reached = {"fw-b": ("fw-a", "frozen"), "host-a": ("fw-b", "committed")}.get(device)
        if reached:
            wait_until(lambda: self.transfer(reached[0])[0] == reached[1], HOLD_SECONDS, " ".join(reached))
        self.lab.vm.bandwidth = FAST

    def wake_manager(self):
        self.vmmig.manager.send_signal(signal.SIGCONT)

    def recover(self):
        """After a test, whether it failed or not: nothing is cut, and no migration is under way."""
        self.heal()
        self.wake_manager()
        if self.destination and self.lab.vm.is_leaving():
            self.destination.process.kill()
            self.lab.vm.arrive()
        if not self.vmmig.manager.running():
            self.vmmig.start_manager()

    def stood_seconds(self):
        """How long the VM stood at last, by the clock of the QEMU in which it runs again."""
        moments = {event["event"]: event["timestamp"] for event in self.lab.vm.machine.events}
        stop, resume = moments["STOP"], moments["RESUME"]
        return resume["seconds"] - stop["seconds"] + (resume["microseconds"] - stop["microseconds"]) / 1e6

    def wait_given_up(self):
        """No manager's deadline and no device's is open any more."""
        wait_until(self.vmmig.idle, LIMITS["resume_deadline"] + LIMITS["end_deadline"] + 5, "manager at rest")
        self.wait_unblocked()

    def is_blocked(self, device):
        return "elements" in self.lab.ns[device].run("nft", "list", "table", "inet", "vmmig", check=False).stdout

    def wait_unblocked(self):
        for device in (f"fw-{site}" for site in SITES):
            wait_until(lambda device=device: not self.is_blocked(device), TRANSFER_DEADLINE + GRACE, f"{device} blocks nothing")

    # What must be true

    def assert_silent(self):
        """Of a manager that was killed the kernel sends nothing any more: its release could meet the next hold."""
        sockets = self.lab.ns["mgr"].run("ss", "-Htn", "state", "connected", "exclude", "time-wait", "dport", "=", ":161").stdout
        assert sockets == ""

    def assert_whole(self):
        """Before a test: the last one has left nothing that this one would be blamed for."""
        self.workload.assert_alive()
        assert len(self.lab.conntrack_rows(self.lab.vm_site)) == self.rows

    def assert_at_home(self, has_manager=True):
        """The VM runs on at the source, and only there, as before; also while what was cut is still cut."""
        assert not self.lab.vm.arrive() and self.lab.vm_site == "a"
        assert self.lab.vm.machine.status() == "running"
        assert self.stood_seconds() < HOLD_SECONDS + 0.5
        wait_until(lambda: not self.destination.process.running(), 5, "QEMU at the destination ended")
        assert "RESUME" not in [event["event"] for event in self.destination.events]
        wait_until(lambda: self.lab.conntrack_rows("b") == [], TRANSFER_DEADLINE + GRACE, "nothing left at the destination")
        self.wait_unblocked()
        self.workload.assert_alive(10)
        assert len(self.lab.conntrack_rows("a")) == self.rows
        assert self.lab.conntrack_rows("b") == []
        self.heal()
        wait_until(lambda: self.phase("host-a")[:1] in (["cancelled"], ["failed"]), 5, "its end told at the source")
        wait_until(lambda: self.phase("host-b")[:1] == ["failed"], 5, "its end told at the destination")
        if has_manager:
            self.assert_told("not moved")

    def assert_told(self, state):
        """By the journal, of the last migration."""
        wait_until(self.vmmig.idle, LIMITS["end_deadline"] + 5, "manager at rest")
        wait_until(lambda: self.vmmig.latest().state.startswith(state), 5, f"the journal says {state}")
