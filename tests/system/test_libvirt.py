# SPDX-License-Identifier: GPL-2.0-or-later
"""The phase source libvirt between two real libvirtd: VMs without a network, this test as the manager. However a migration goes,
exactly one VM runs in the end, and the next migration works again. test_libvirt_migration.py has their connections."""

import contextlib
import os

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.libvirt import Libvirtd  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import DEVICES, Lab  # noqa: E402
from lab.vmmig import OBJECTS, VM_INDEX, VM_UUID, Vmmig  # noqa: E402

NAME = "web-1"
HOSTS = ("host-a", "host-b")
HOLD = 3  # seconds: hold-deadline
PHASE_ACTION = f"{OBJECTS}.13.1.11.{VM_INDEX}"
RELEASE, CANCEL = "2", "3"


class Pair:
    """Two hosts with libvirtd, vmmigd and the hook. The VM begins on host-a."""

    def __init__(self, lab):
        self.lab = lab
        self.libvirtd = {host: Libvirtd(lab, host, DEVICES[host]) for host in HOSTS}
        self.bus = {host: os.path.join(lab.directory, f"{host}.bus") for host in HOSTS}
        self.vmmig = Vmmig(lab, lines={host: ["phase-source = libvirt", f"libvirt-uri = {self.libvirtd[host].uri}",
                                              f"vmstate-bus = {self.bus[host]}", f"hold-deadline = {HOLD * 1000}"]
                                       for host in HOSTS})
        self.agents = {host: self.vmmig.agents[host] for host in HOSTS}
        for host in HOSTS:
            self.libvirtd[host].install_hook(self.agents[host].conf)

    def start(self):
        for host in HOSTS:
            self.libvirtd[host].start()
            self.agents[host].start()
        for host in HOSTS:
            self.libvirtd[host].wait_ready()
            self.agents[host].wait_ready()

    def begin(self):
        """Where each test starts: everything runs, and the VM, new, on host-a."""
        for host in HOSTS:
            self.libvirtd[host].remove(NAME)
            if not self.agents[host].process.running():
                self.agents[host].start().wait_ready()
        for host in HOSTS:
            wait_until(lambda host=host: self.check(host, "libvirt") == self.check(host, "vmstateBus") == "up", 10, f"{host} ready")
        self.libvirtd["host-a"].create(NAME, VM_UUID)
        self.wait_gate("host-a")

    def restart_agent(self, host, replace=("", "")):
        """With another text in its configuration."""
        agent = self.agents[host]
        agent.process.stop()
        with open(agent.conf) as file:
            text = file.read()
        with open(agent.conf, "w") as file:
            file.write(text.replace(*replace))
        agent.start().wait_ready()

    # What vmmigd tells

    def row(self, host):
        """vmMigPhaseTable's row of the VM."""
        rows = [row for row in self.vmmig.show(host, "phase") if row["vmMigVmUuid"] == VM_UUID]
        return rows[0] if rows else {"vmMigPhase": None, "vmMigPhaseHoldStatus": None, "vmMigPhaseSequence": 0}

    def wait_phase(self, host, phase, hold="none", seconds=20):
        """Until the VM is in a phase, with the hold so; returns the row."""
        def reached():
            row = self.row(host)
            return row if (row["vmMigPhase"], row["vmMigPhaseHoldStatus"]) == (phase, hold) else None
        return wait_until(reached, seconds, f"{phase} ({hold}) on {host}")

    def checks(self, host):
        return {row["vmMigCheckName"]: row for row in self.vmmig.show(host, "check")}

    def check(self, host, name):
        return self.checks(host)[name]["vmMigCheckHealth"]

    def wait_gate(self, host):
        wait_until(lambda: self.check(host, "vmstateGate") == "up" and "dbus-vmstate" in self.objects(host), 15, f"gate on {host}")

    def objects(self, host):
        """What QEMU has been given."""
        return self.libvirtd[host].monitor(NAME, '{"execute": "qom-list", "arguments": {"path": "/objects"}}')

    # What a manager and an operator do

    def migrate(self, source="host-a", destination="host-b"):
        return self.libvirtd[source].migrate(NAME, self.libvirtd[destination])

    def migrate_held(self):
        """A migration that stands in its hold."""
        migration = self.migrate()
        self.wait_phase("host-a", "stopped", "held")
        return migration

    def act(self, action, host="host-a"):
        self.lab.manager.command("snmpset", "-Oqv", f"tcp:{DEVICES[host]}", PHASE_ACTION, "i", action)

    def assert_runs_on(self, host):
        """There and nowhere else. (libvirt forgets a domain some time after it has left.)"""
        other, = set(HOSTS) - {host}
        wait_until(lambda: (self.libvirtd[host].state(NAME), self.libvirtd[other].state(NAME)) == ("running", ""), 10,
                   f"the VM on {host} alone")

    def assert_goes_back(self, migration):
        """It failed, and the VM runs on as if nothing had been."""
        assert migration.wait_end(20) != 0, migration.log()
        self.assert_runs_on("host-a")
        row = self.wait_phase("host-b", "failed")
        assert (row["vmMigPhaseSourceHost"], row["vmMigPhaseDestinationHost"]) == ("", "host-b")

    def assert_migrates(self):
        """The next migration is as good as any."""
        migration = self.migrate_held()
        self.act(RELEASE)
        assert migration.wait_end(20) == 0, migration.log()
        self.assert_runs_on("host-b")


@pytest.fixture(scope="module")
def both():
    with Lab() as lab:
        pair = Pair(lab)
        try:
            pair.start()
            yield pair
        finally:
            for libvirtd in pair.libvirtd.values():
                with contextlib.suppress(Exception):
                    libvirtd.remove(NAME)


@pytest.fixture
def pair(both, request):
    request.node.lab = both.lab
    both.begin()
    return both


def test_a_vm_that_is_released_moves_and_both_hosts_tell_it(pair):
    migration = pair.migrate_held()
    row = pair.row("host-a")
    assert row["vmMigPhaseVmName"] == NAME
    assert (row["vmMigPhaseSourceHost"], row["vmMigPhaseDestinationHost"]) == ("host-a", "")
    prepared = pair.wait_phase("host-b", "prepared")
    assert (prepared["vmMigPhaseSourceHost"], prepared["vmMigPhaseDestinationHost"]) == ("", "host-b")
    pair.act(RELEASE)
    resumed = pair.wait_phase("host-b", "resumed")
    assert migration.wait_end(20) == 0, migration.log()
    pair.assert_runs_on("host-b")
    assert resumed["vmMigPhaseTime"] > row["vmMigPhaseTime"]
    assert pair.row("host-a")["vmMigPhaseHoldStatus"] == "released"
    # The way back: the gate on the command line is still the same one, and each host is now the other.
    back = pair.migrate("host-b", "host-a")
    pair.wait_phase("host-b", "stopped", "held")
    pair.act(RELEASE, "host-b")
    pair.wait_phase("host-a", "resumed")
    assert back.wait_end(20) == 0, back.log()
    pair.assert_runs_on("host-a")
    xml = pair.libvirtd["host-a"].virsh("dumpxml", NAME).stdout
    assert xml.count("dbus-vmstate,") == 1, xml


def test_a_vm_that_is_cancelled_stays(pair):
    migration = pair.migrate_held()
    pair.act(CANCEL)
    row = pair.wait_phase("host-a", "cancelled")
    assert "hold was cancelled" in row["vmMigPhaseError"]
    pair.assert_goes_back(migration)
    pair.assert_migrates()


def test_a_hold_that_nobody_ends_ends_by_itself(pair):
    migration = pair.migrate_held()
    held = pair.row("host-a")["vmMigPhaseTime"]
    assert pair.wait_phase("host-a", "cancelled")["vmMigPhaseTime"] - held < (HOLD + 2) * 1e6
    pair.assert_goes_back(migration)


def test_vmmigd_killed_while_it_holds(pair):
    migration = pair.migrate_held()
    pair.agents["host-a"].kill()
    pair.assert_goes_back(migration)
    assert not pair.agents["host-a"].process.running()
    # Its QEMU has a gate without a bus now. The next vmmigd puts another in its place.
    pair.agents["host-a"].start().wait_ready()
    pair.wait_gate("host-a")
    pair.assert_migrates()


def test_without_a_bus_the_stop_is_told_without_a_hold(pair):
    bus = pair.bus["host-a"]
    pair.restart_agent("host-a", (bus, "/dev/null/bus"))
    try:
        check = wait_until(lambda: (row := pair.checks("host-a")["vmstateBus"])["vmMigCheckHealth"] == "degraded" and row, 5,
                           "the fault told")
        assert "/dev/null" in check["vmMigCheckText"] and check["vmMigCheckRemedy"]
        wait_until(lambda: pair.check("host-a", "libvirt") == "up", 5, "connected")
        assert pair.check("host-a", "vmstateGate") == "degraded"
        migration = pair.migrate()
        row = pair.wait_phase("host-a", "stopped")
        assert "not held" in row["vmMigPhaseError"] and "/dev/null" in row["vmMigPhaseError"]
        assert row["vmMigPhaseHoldDeadline"] == 0
        assert migration.wait_end(20) == 0, migration.log()
        pair.wait_phase("host-b", "resumed")
        pair.assert_runs_on("host-b")
    finally:
        pair.restart_agent("host-a", ("/dev/null/bus", bus))


def test_a_destination_without_the_hook_is_found_out(pair):
    hook = os.path.join(pair.libvirtd["host-b"].directory, "etc/hooks/qemu.d/vmmig")
    away = os.path.join(pair.libvirtd["host-b"].directory, "hook")  # libvirt runs whatever is in qemu.d
    os.rename(hook, away)
    try:
        migration = pair.migrate_held()
        pair.act(RELEASE)
        pair.assert_goes_back(migration)
        pair.wait_phase("host-a", "failed")
        check = pair.checks("host-b")["vmstateHook"]
        assert check["vmMigCheckHealth"] == "degraded" and NAME in check["vmMigCheckText"]
        assert "qemu.d/vmmig" in check["vmMigCheckRemedy"]
    finally:
        os.rename(away, hook)
    pair.assert_migrates()
    assert pair.check("host-b", "vmstateHook") == "up"


def test_a_destination_without_vmmigd_is_refused_before_the_vm_is_touched(pair):
    before = pair.row("host-a")["vmMigPhaseSequence"]
    pair.agents["host-b"].process.stop()
    migration = pair.migrate()
    assert migration.wait_end(20) != 0
    assert "start vmmigd on this host" in migration.log()
    pair.assert_runs_on("host-a")
    assert pair.row("host-a")["vmMigPhaseSequence"] == before


def test_a_vm_that_is_saved_is_not_held_and_no_phase_is_told(pair):
    before = pair.row("host-a")["vmMigPhaseSequence"]
    saved = os.path.join(pair.lab.directory, "saved")
    pair.libvirtd["host-a"].virsh("save", NAME, saved)
    assert pair.libvirtd["host-a"].state(NAME) == ""
    pair.libvirtd["host-a"].virsh("restore", saved)
    pair.assert_runs_on("host-a")
    assert pair.row("host-a")["vmMigPhaseSequence"] == before
    pair.wait_gate("host-a")
    pair.assert_migrates()


def test_libvirtd_that_is_restarted_is_found_again(pair):
    pair.libvirtd["host-a"].kill()
    wait_until(lambda: pair.check("host-a", "libvirt") == "down", 10, "told")
    assert pair.checks("host-a")["libvirt"]["vmMigCheckRemedy"]
    pair.libvirtd["host-a"].start().wait_ready()
    wait_until(lambda: pair.check("host-a", "libvirt") == "up", 10, "connected again")
    pair.wait_gate("host-a")
    pair.assert_migrates()


def test_without_vmmigd_a_vm_moves_as_it_always_did(pair):
    """vmmigd takes its gates along when it is stopped in order."""
    pair.agents["host-a"].process.stop()
    assert "dbus-vmstate" not in pair.objects("host-a")
    migration = pair.migrate()
    assert migration.wait_end(20) == 0, migration.log()
    pair.assert_runs_on("host-b")
