# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM whose migration goes wrong while it is held, or after it was let go, under `require`: it runs on exactly one side
within the hold's deadline, its connections live there, and nothing is left on the other side's devices."""

import os
import signal
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab import stock  # noqa: E402
from lab.held_vm import HOLD_SECONDS, HeldVm  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import Lab  # noqa: E402

# What the manager does not reach is what the VM waits for: its state stands in firewall a, or has been committed in firewall b.
FROZEN, COMMITTED = "fw-b", "host-a"


@pytest.fixture(scope="module")
def scene():
    with Lab(vm="qemu") as lab:
        yield HeldVm(lab)


@pytest.fixture
def vm(scene, request):
    request.node.lab = scene.lab
    scene.assert_whole()
    yield scene
    scene.recover()


def test_cancelled(vm):
    vm.hold(FROZEN)
    stock.set_row(vm.lab, "host-a", vm.index, vmMigPhaseAction=("i", "cancel"))
    vm.assert_at_home()


@pytest.mark.parametrize("where", [FROZEN, COMMITTED])
def test_the_destination_ends(vm, where):
    vm.hold(where)
    vm.destination.process.kill()
    vm.assert_at_home()


def test_the_destination_ends_after_the_vm_was_let_go(vm):
    vm.hold()
    vm.destination.process.send_signal(signal.SIGSTOP)
    vm.wake_manager()
    wait_until(lambda: vm.phase("host-a") == ["stopped", "released"], HOLD_SECONDS, "VM let go")
    vm.destination.process.kill()
    vm.assert_at_home()


@pytest.mark.parametrize("where", [FROZEN, COMMITTED])
def test_the_manager_ends_and_never_comes_back(vm, where):
    vm.hold(where)
    vm.vmmig.manager.kill()
    vm.assert_silent()
    vm.assert_at_home(has_manager=False)
    vm.vmmig.start_manager()
    vm.assert_told("not moved")


def test_the_manager_ends_and_another_comes(vm):
    vm.hold(FROZEN)
    vm.vmmig.manager.kill()
    vm.vmmig.start_manager()
    vm.assert_at_home()


@pytest.mark.parametrize("device", ["fw-a", FROZEN, COMMITTED])
def test_the_managers_network_is_cut_at_what_it_needs_next(vm, device):
    vm.hold(device)
    vm.cut(device)
    vm.assert_at_home()


def test_the_managers_network_is_cut_at_the_destination(vm):
    """Nothing there is needed to let the VM go; only nobody knows that it runs before the cable is whole again."""
    vm.hold()
    vm.cut("host-b")
    vm.wake_manager()
    assert vm.lab.vm.arrive() and vm.lab.vm_site == "b"
    vm.workload.assert_alive()
    vm.wait_given_up()
    vm.workload.assert_alive()
    vm.heal()
    wait_until(lambda: vm.lab.conntrack_rows("a") == [], 15, "nothing left at the source")
    vm.assert_told("moved")
    assert len(vm.lab.conntrack_rows("b")) == vm.rows


def test_nothing_of_that_is_in_the_way_of_a_migration(vm):
    assert vm.lab.migrate("a")
    vm.workload.assert_alive()
    vm.assert_told("moved")
    assert vm.lab.conntrack_rows("b") == []


def test_a_vm_that_goes_on_without_its_state_loses_its_connections(vm):
    """What `require` is for, and nobody copied anything. It is the last test: those connections do not come back."""
    vm.vmmig.manager.kill()
    vm.lab.vm.leave("b")
    wait_until(lambda: vm.phase("host-a") == ["stopped", "held"], 15, "VM held")
    stock.set_row(vm.lab, "host-a", vm.index, vmMigPhaseHoldPolicy=("i", "bestEffort"))
    assert vm.lab.vm.arrive() and vm.lab.vm_site == "b"
    assert vm.workload.probe(2)["answered"] == 0
