# SPDX-License-Identifier: GPL-2.0-or-later
"""phase-source = qmp: what vmmigd(8) says of migrations that are not as they ought to be."""

import os
import signal
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.qmp_hosts import assert_at_home, followed, held, hosts, ready, site, vms  # noqa: E402,F401


def test_without_a_return_path_the_source_believes_what_it_has_sent(hosts, vms):
    """test_qmp.py: test_a_destination_that_ends_after_the_vm_was_let_go has one."""
    a, b = hosts
    vm = vms()
    source, destination = ready(a, b, vm)
    source.set_capabilities(return_path=False)
    source.migrate(destination.uri)
    a.wait(vm, "stopped", "held")
    destination.process.send_signal(signal.SIGSTOP)
    a.set(vm, Action="release")
    source.wait_migration("completed")
    destination.kill()
    b.wait(vm, "failed")
    source.wait_status("postmigrate")
    source.command("cont")
    a.wait(vm, "failed")
    assert "continued at the source" in a.get(vm, "Error")[0]
    assert_at_home(a, vm, source)


def test_a_vm_that_stood_before_stands_when_it_is_back(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = ready(a, b, vm)
    source.command("stop")
    source.migrate(destination.uri)
    a.wait(vm, "stopped", "held")
    a.set(vm, Action="cancel")
    a.wait(vm, "cancelled")
    assert source.status() not in ("running", "finish-migrate")


def test_a_migration_into_a_file_is_held_too(hosts, vms):
    a, _ = hosts
    vm = vms()
    machine = followed(a, a.machine(vm))
    machine.migrate("exec:cat > /dev/null")
    a.wait(vm, "stopped", "held")
    a.wait(vm, "cancelled")
    assert_at_home(a, vm, machine)


def test_a_vmmigd_that_is_stopped_in_the_pre_copy_says_who_will_stand(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = ready(a, b, vm)
    source.command("migrate-set-parameters", max_bandwidth=100000)
    source.migrate(destination.uri)
    a.wait(vm, "preCopy")
    a.agent.process.stop()
    assert f"({vm.uuid}) is being migrated while vmmigd ends, and will stand still" in a.agent.process.log()
    source.command("migrate-set-parameters", max_bandwidth=10**9)
    source.wait_migration("pre-switchover")
    a.agent.start().wait_ready()
    a.wait(vm, "stopped", "held")
    a.set(vm, Action="release")
    b.wait(vm, "resumed")


def test_the_last_of_several_migrations_is_as_good_as_the_first(hosts, vms):
    a, b = hosts
    vm = vms()
    source, _ = held(a, b, vm)
    for again in range(3):
        a.set(vm, Action="cancel")
        a.wait(vm, "cancelled")
        assert_at_home(a, vm, source)
        vm.port += 20
        destination = b.incoming(vm)
        b.wait(vm, "prepared")
        source.migrate(destination.uri)
        a.wait(vm, "stopped", "held")
    a.set(vm, Action="release")
    wait_until(lambda: destination.status() == "running", 5, "running")
    source.wait_status("postmigrate")
