# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM whose migration goes wrong while it is held, or after it was let go, under `require`: it runs on exactly one side
within the hold's deadline, its connections live there, and nothing is left on the other side's devices."""

import os
import signal
import sys
import time

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab import stock  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.scene import CUT, DEADLINES, TRANSFER_DEADLINE  # noqa: E402
from lab.topology import ADDRESSES, MANAGER, SITES, Lab  # noqa: E402
from lab.vmmig import VM_INDEX, Vmmig, transfer  # noqa: E402
from lab.workload import Workload  # noqa: E402

HOLD_SECONDS = 2
MANY, BULK_RATE = 4, 256 << 10  # an emulated processor serves them


class Migration:
    """The lab's VM, all of vmmig, and connections; the VM is on host a whenever a test begins."""

    def __init__(self, lab):
        self.lab = lab
        lines = {host: [*more, f"hold-deadline = {HOLD_SECONDS * 1000}"] for host, more in lab.vm.lines().items()}
        self.vmmig = Vmmig(lab, lines=lines, **DEADLINES).start()
        self.workload = Workload(lab, MANY, BULK_RATE)
        self.rows = len(lab.conntrack_rows("a"))

    def phase(self, host):
        answer = stock.command(self.lab, "snmpget", host, "-OQv", *(f"VM-MIGRATION-MIB::vmMigPhase{column}.{VM_INDEX}"
                                                                   for column in ("", "HoldStatus")), check=False)
        return answer.stdout.split()

    def cut(self, device):
        """The manager's requests do not reach a device any more."""
        self.lab.ns[device].run("nft", "-f", "-", text=CUT.format(manager=MANAGER))

    def heal(self):
        for device in self.lab.devices:
            self.lab.ns[device].run("nft", "delete", "table", "inet", "cut", check=False)

    def hold(self):
        """The VM stands, and stays so because the firewall that it goes to is out of the manager's reach."""
        self.lab.vm.machine.set_capabilities(return_path=True)  # so that QEMU at the source hears how it ended
        self.lab.vm.leave("b")
        wait_until(lambda: transfer(self.lab.nms, ADDRESSES["fw-b"])[1] == self.rows, 10, "all rows staged")
        self.cut("fw-b")
        wait_until(lambda: self.phase("host-a") == ["stopped", "held"], 10, f"VM held; it is {self.phase('host-a')}")

    def destination(self):
        """The process of the QEMU that the VM goes to."""
        return [each for each in self.lab.processes.all if each.name.startswith("qemu-")][-1]

    def assert_at_home(self, since, seconds, told="not moved"):
        """The VM runs on at the source within so many seconds, and only there, as before."""
        assert not self.lab.vm.arrive() and self.lab.vm_site == "a"
        assert time.monotonic() - since < seconds
        assert self.lab.vm.machine.status() == "running"
        wait_until(lambda: not self.destination().running(), 5, "QEMU at the destination ended")
        self.heal()
        wait_until(lambda: self.phase("host-a")[0] in ("cancelled", "failed"), 5, "the end of the migration told at the source")
        wait_until(lambda: self.phase("host-b")[0] == "failed", 5, "the end of the migration told at the destination")
        self.workload.assert_alive()
        assert len(self.lab.conntrack_rows("a")) == self.rows
        wait_until(lambda: self.lab.conntrack_rows("b") == [], TRANSFER_DEADLINE + 2, "nothing left at the destination")
        for site in SITES:
            wait_until(lambda device=f"fw-{site}": not self.is_blocked(device), TRANSFER_DEADLINE + 2, "no traffic blocked")
        wait_until(self.vmmig.idle, DEADLINES["end_deadline"] + 2, "manager at rest")
        assert self.vmmig.latest().state == told, self.vmmig.latest().text

    def is_blocked(self, device):
        return "elements" in self.lab.ns[device].run("nft", "list", "table", "inet", "vmmig", check=False).stdout


@pytest.fixture(scope="module")
def scene():
    with Lab(vm="qemu") as lab:
        yield Migration(lab)


@pytest.fixture
def migration(scene, request):
    request.node.lab = scene.lab
    yield scene
    scene.heal()


def test_cancelled_while_held(migration):
    migration.hold()
    since = time.monotonic()
    stock.set_row(migration.lab, "host-a", VM_INDEX, vmMigPhaseAction=("i", "cancel"))
    migration.assert_at_home(since, 1)


def test_the_destination_ends_while_the_vm_is_held(migration):
    migration.hold()
    since = time.monotonic()
    migration.destination().kill()
    migration.assert_at_home(since, HOLD_SECONDS + 1)


def test_the_destination_ends_after_the_vm_was_let_go(migration):
    migration.hold()
    migration.destination().send_signal(signal.SIGSTOP)
    migration.heal()
    wait_until(lambda: migration.phase("host-a") == ["stopped", "released"], HOLD_SECONDS, "VM let go")
    since = time.monotonic()
    migration.destination().kill()
    migration.assert_at_home(since, HOLD_SECONDS)


def test_the_manager_ends_while_the_vm_is_held(migration):
    migration.hold()
    since = time.monotonic()
    migration.vmmig.manager.kill()
    wait_until(lambda: not migration.lab.vm.is_leaving(), HOLD_SECONDS + 1, "the hold expired")
    migration.vmmig.start_manager()
    migration.assert_at_home(since, HOLD_SECONDS + 1, told="interrupted")


@pytest.mark.parametrize("device", ["fw-a", "fw-b", "host-a"])
def test_the_managers_network_is_cut_while_the_vm_is_held(migration, device):
    migration.hold()
    since = time.monotonic()
    if device != "fw-b":
        migration.cut(device)
        migration.lab.ns["fw-b"].run("nft", "delete", "table", "inet", "cut")
    wait_until(lambda: not migration.lab.vm.is_leaving(), HOLD_SECONDS + 1, "the hold at its end")
    migration.assert_at_home(since, HOLD_SECONDS + 1)


def test_nothing_of_that_is_in_the_way_of_the_next_migration(migration):
    assert migration.lab.migrate("b")
    migration.workload.assert_alive()
    wait_until(migration.vmmig.idle, 15, "migration over")
    assert migration.vmmig.latest().state == "moved", migration.vmmig.latest().text
    assert migration.lab.conntrack_rows("a") == []
