# SPDX-License-Identifier: GPL-2.0-or-later
"""phase-source = qmp: vmmigd is killed, stopped, or comes late; sockets come and go; what is not well is told as a check."""

import os
import socket
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.qmp_hosts import assert_at_home, assert_standing, followed, held, hosts, site, vms  # noqa: E402,F401


def test_a_vmmigd_that_is_killed_while_it_holds_holds_again(hosts, vms):
    a, b = hosts
    released, expired = vms(), vms()
    source, destination = held(a, b, released)
    home, _ = held(a, b, expired)
    before = int(a.get(released, "Sequence")[0])
    a.agent.kill()
    assert_standing(source, destination)
    a.agent.start().wait_ready()
    for vm in (released, expired):
        a.wait(vm, "stopped", "held")
    assert int(a.get(released, "Sequence")[0]) > before, "it is news to a manager"
    a.set(released, Action="release")
    b.wait(released, "resumed")
    a.wait(expired, "cancelled")
    assert_at_home(a, expired, home)


def test_a_vmmigd_that_comes_late_tells_what_has_happened(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    b.agent.kill()
    a.set(vm, Action="release")
    destination.wait_status("running")
    b.agent.start().wait_ready()
    b.wait(vm, "resumed")
    followed(b, destination)


def test_a_vmmigd_that_is_stopped_leaves_no_vm_standing(hosts, vms):
    a, b = hosts
    vm, other = vms(), vms()
    source, _ = held(a, b, vm)
    a.agent.process.stop()
    source.wait_status("running")
    source.wait_migration("cancelled")
    capabilities = source.command("query-migrate-capabilities")
    assert {"capability": "pause-before-switchover", "state": False} in capabilities
    # The negative control: without vmmigd, nothing is held.
    source, destination = a.machine(other), b.incoming(other)
    source.migrate(destination.uri)
    destination.wait_status("running")
    source.wait_migration("completed")
    a.agent.start().wait_ready()
    b.wait(other, "resumed")
    assert a.get(other, "") == [None], "it had left before"


def test_a_migration_that_began_before_vmmigd_is_told_and_not_held(hosts, vms):
    a, b = hosts
    vm = vms()
    a.agent.process.stop()
    source, destination = a.machine(vm), b.incoming(vm)
    source.command("migrate-set-parameters", max_bandwidth=100000)
    source.migrate(destination.uri)
    source.wait_migration("active")
    a.agent.start().wait_ready()
    a.wait(vm, "preCopy")
    unheld = [text for health, text in a.checks() if health == "degraded"]
    assert any(vm.uuid in text and "cannot be held: There's a migration process in progress" in text for text in unheld), unheld
    source.command("migrate-set-parameters", max_bandwidth=10**9)
    b.wait(vm, "resumed")
    a.wait(vm, "stopped")
    assert a.history(vm)[-2:] == ["preCopy", "stopped"]


def test_sockets_come_and_go(hosts, vms):
    a, _ = hosts
    first, second = vms(), vms()
    machine = followed(a, a.machine(first))
    machine.kill()
    assert os.path.exists(machine.socket), "QEMU had no time to remove it"
    os.unlink(machine.socket)
    blocker = socket.socket(socket.AF_UNIX)
    blocker.bind(machine.socket)
    blocker.listen(0)
    again = followed(a, a.machine(second))
    again.quit()
    assert not os.path.exists(again.socket)
    # What accepts and says nothing, as QEMU does whose monitor another client has.
    wait_until(lambda: ("degraded", f"{machine.socket}: QEMU does not greet") in a.checks(), 5, "told as a check")
    blocker.close()
    os.unlink(machine.socket)
    wait_until(lambda: all(health == "up" for health, _ in a.checks()), 5, f"all is well again: {a.checks()}")


def test_a_vm_that_cannot_be_known_is_told_as_a_check(hosts, vms):
    a, _ = hosts
    vm = vms()
    vm.uuid = "00000000-0000-0000-0000-000000000000"
    machine = a.machine(vm)
    wait_until(lambda: ("degraded", f"{machine.socket}: its VM has no UUID, and is not followed") in a.checks(), 5, "told as a check")
    assert {"capability": "pause-before-switchover", "state": False} in machine.command("query-migrate-capabilities")
