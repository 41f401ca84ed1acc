# SPDX-License-Identifier: GPL-2.0-or-later
"""phase-source = qmp: real QEMUs (their BIOS only) migrate between two hosts; vmmigd follows them over their monitors, and holds
and ends the holds as it is told."""

import os
import signal
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.qmp_hosts import (HOLD_MS, assert_at_home, assert_standing, followed, held, hosts, ready, site,  # noqa: E402,F401
                           vms)
from lab.topology import ADDRESSES  # noqa: E402


def test_a_released_vm_goes_on_at_the_destination(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    mac = ":".join(f"{int(octet, 16):x}" for octet in vm.mac.split(":"))  # as the module's DISPLAY-HINT has it
    columns = ("VmName", "SourceHost", "DestinationHost", "MacAddresses", "HoldPolicy")
    assert b.get(vm, *columns) == [vm.name, "", "host-b", mac, "require"]
    assert a.get(vm, *columns) == [vm.name, "host-a", "", mac, "require"]
    assert_standing(source, destination)
    stop = next(event["timestamp"] for event in source.events if event["event"] == "STOP")
    assert a.get(vm, "Time") == [str(stop["seconds"] * 1000000 + stop["microseconds"])]
    assert 0 < int(a.get(vm, "HoldDeadline")[0]) <= HOLD_MS
    assert a.set(vm, check=False, **{"": "failed"}).returncode, "nobody else tells the phases of a VM that is followed"
    assert_standing(source, destination)
    a.set(vm, Action="release")
    destination.wait_status("running")
    b.wait(vm, "resumed")
    a.wait(vm, "stopped", "released")
    source.wait_status("postmigrate")
    assert a.history(vm) == ["preCopy", "stopped"] and b.history(vm) == ["prepared", "resumed"]
    resume = next(event["timestamp"] for event in destination.events if event["event"] == "RESUME")
    assert b.get(vm, "Time") == [str(resume["seconds"] * 1000000 + resume["microseconds"])]


def test_a_cancelled_vm_goes_on_at_the_source(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    a.set(vm, Action="cancel")
    a.wait(vm, "cancelled")
    assert a.get(vm, "Error") == ["cancelled by a manager"]
    assert_at_home(a, vm, source)
    destination.process.wait_end(5)
    b.wait(vm, "failed")
    assert b.get(vm, "DestinationHost") == ["host-b"]


def test_a_hold_that_nobody_ends_does_what_its_policy_says(hosts, vms):
    a, b = hosts
    required, best = vms(), vms()
    home, _ = held(a, b, required)
    source, destination = held(a, b, best)
    a.set(best, HoldPolicy="bestEffort")
    a.wait(required, "cancelled")
    assert a.get(required, "Error")[0].startswith("no manager released the hold before its deadline")
    assert_at_home(a, required, home)
    a.wait(best, "stopped", "expired")
    b.wait(best, "resumed")
    assert (source.status(), destination.status()) == ("postmigrate", "running")


def test_a_destination_that_ends_while_the_vm_is_held(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    destination.kill()
    b.wait(vm, "failed")
    assert a.get(vm, "", "HoldStatus") == ["stopped", "held"], "QEMU notices nothing"
    a.set(vm, Action="release")
    a.wait(vm, "failed")
    assert_at_home(a, vm, source)


def test_a_destination_that_ends_after_the_vm_was_let_go(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    destination.process.send_signal(signal.SIGSTOP)
    a.set(vm, Action="release")
    source.wait_migration("device")
    destination.kill()
    b.wait(vm, "failed")
    a.wait(vm, "failed")
    assert_at_home(a, vm, source)


def test_a_source_that_ends_while_the_vm_is_held(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    source.kill()
    a.wait(vm, "failed")
    assert "does not run at the source" in a.get(vm, "Error")[0]
    assert a.set(vm, check=False, Action="release").returncode, "there is nothing to release"
    destination.process.wait_end(5)
    b.wait(vm, "failed")


def test_a_migration_that_somebody_else_continues_is_told(hosts, vms):
    a, b = hosts
    vm = vms()
    source, destination = held(a, b, vm)
    source.command("migrate-continue", state="pre-switchover")
    a.wait(vm, "stopped", "released")
    b.wait(vm, "resumed")
    assert f"({vm.uuid}) was held, and somebody else had QEMU continue" in a.agent.process.log()


def test_a_migration_that_somebody_else_cancels_is_told(hosts, vms):
    a, b = hosts
    vm = vms()
    source, _ = held(a, b, vm)
    source.command("migrate_cancel")
    a.wait(vm, "cancelled")
    assert a.get(vm, "Error") == ["it was cancelled at QEMU"]
    assert_at_home(a, vm, source)


def test_what_is_no_migration_is_no_phase(hosts, vms):
    a, _ = hosts
    vm = vms()
    machine = followed(a, a.machine(vm))
    machine.command("stop")
    machine.command("cont")

    def is_told():
        """Not of a failure that comes while vmmigd still asks who this is."""
        machine.migrate(f"tcp:{ADDRESSES['host-b']}:1")
        machine.wait_migration("failed")
        return f"{vm.uuid}) is not migrated" in a.agent.process.log()
    wait_until(is_told, 5, "the log tells of it")
    assert a.get(vm, "") == [None] and a.history(vm) == []


def test_a_vm_there_and_back_while_what_it_left_still_stands(hosts, vms):
    a, b = hosts
    vm = vms()
    first, second = held(a, b, vm)
    a.set(vm, Action="release")
    b.wait(vm, "resumed")
    a.set(vm, HoldPolicy="bestEffort")
    third = a.incoming(vm)
    a.wait(vm, "prepared")
    second.set_capabilities(return_path=True)
    followed(b, second).migrate(third.uri)
    b.wait(vm, "stopped", "held")
    assert a.get(vm, "HoldPolicy") == ["require"], "that was another migration's"
    assert_standing(second, third)
    b.set(vm, Action="release")
    a.wait(vm, "resumed")
    assert [machine.status() for machine in (first, second, third)] == ["postmigrate", "postmigrate", "running"]
    first.quit()
    assert a.history(vm) == ["preCopy", "stopped", "prepared", "resumed"]


def test_a_migration_within_a_host(hosts, vms):
    a, _ = hosts
    vm = vms()
    source, destination = ready(a, a, vm)
    source.migrate(destination.uri)
    a.wait(vm, "stopped", "held")
    destination.kill()
    wait_until(lambda: "failed, which is not told, because the VM leaves another QEMU" in a.agent.process.log(), 5, "told in the log")
    assert a.get(vm, "", "HoldStatus") == ["stopped", "held"]
    a.set(vm, Action="cancel")
    a.wait(vm, "cancelled")
    assert_at_home(a, vm, source)
    second = a.incoming(vm)
    a.wait(vm, "prepared")
    source.migrate(second.uri)
    a.wait(vm, "stopped", "held")
    assert a.get(vm, "SourceHost", "DestinationHost") == ["host-a", "host-a"]
    a.set(vm, Action="release")
    a.wait(vm, "resumed")
    assert (source.status(), second.status()) == ("postmigrate", "running")


def test_several_vms_at_once(hosts, vms):
    a, b = hosts
    pairs = {vm: ready(a, b, vm) for vm in (vms(), vms(), vms())}
    for source, destination in pairs.values():
        source.migrate(destination.uri)
    for vm in pairs:
        a.wait(vm, "stopped", "held")
    back, *forth = pairs
    for vm in forth:
        a.set(vm, Action="release")
    for vm in forth:
        b.wait(vm, "resumed")
    assert a.get(back, "", "HoldStatus") == ["stopped", "held"]
    a.set(back, Action="cancel")
    a.wait(back, "cancelled")
    assert_at_home(a, back, pairs[back][0])


def begin_postcopy(a, b, vm):
    """Held between pre-copy and post-copy."""
    source, destination = ready(a, b, vm)
    source.command("migrate-set-parameters", max_bandwidth=100000, max_postcopy_bandwidth=10000)
    source.migrate(destination.uri)
    a.wait(vm, "preCopy")
    source.command("migrate-start-postcopy")
    a.wait(vm, "stopped", "held")
    assert_standing(source, destination)
    return source, destination


def test_post_copy_is_held_before_the_vm_runs_at_the_destination(hosts, vms):
    a, b = hosts
    vm = vms(postcopy=True)
    source, destination = begin_postcopy(a, b, vm)
    a.set(vm, Action="release")
    b.wait(vm, "resumed")
    a.wait(vm, "stopped", "released")
    source.wait_migration("postcopy-active")
    source.command("migrate-set-parameters", max_postcopy_bandwidth=10**9)
    destination.wait_migration("completed")
    assert (a.history(vm), b.history(vm)) == (["preCopy", "stopped"], ["prepared", "resumed"])


def test_post_copy_that_is_cancelled_while_held_leaves_the_vm_running_at_the_source(hosts, vms):
    a, b = hosts
    vm = vms(postcopy=True)
    source, _ = begin_postcopy(a, b, vm)
    a.set(vm, Action="cancel")
    a.wait(vm, "cancelled")
    assert_at_home(a, vm, source)


def test_post_copy_that_breaks_is_not_told_as_the_vms_return(hosts, vms):
    a, b = hosts
    vm = vms(postcopy=True)
    source, destination = begin_postcopy(a, b, vm)
    a.set(vm, Action="release")
    b.wait(vm, "resumed")
    source.command("migrate_cancel")
    source.wait_migration("cancelled")
    wait_until(lambda: f"{vm.uuid}) runs at its destination since post-copy began" in a.agent.process.log(), 5, "the log tells of it")
    assert a.get(vm, "", "HoldStatus") == ["stopped", "released"]
