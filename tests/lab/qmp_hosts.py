# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts whose vmmigd follows QEMU (phase-source = qmp), and VMs that have nothing but their BIOS: for tests that read the phases
and end the holds with stock snmpget, snmpset and snmpwalk."""

import itertools
import re
import uuid

import pytest

from . import qemu, stock
from .netns import wait_until
from .topology import ADDRESSES, Lab
from .vmmig import Agent

HOLD_MS = 2500
NUMBERS = itertools.count(1)


class Host:
    """A hypervisor's host with its vmmigd."""

    def __init__(self, lab, name):
        self.lab, self.name, self.address = lab, name, ADDRESSES[name]
        lines = ("phase-source = qmp", f"qmp-socket = {qemu.socket_pattern(lab, name)}", f"hold-deadline = {HOLD_MS}")
        self.agent = Agent(lab, name, "debug", lines)
        self.agent.start()

    def machine(self, vm, **options):
        return vm.keep(qemu.Machine(self.lab, self.name, vm.name, vm.uuid, mac=vm.mac, **options).start())

    def incoming(self, vm, **options):
        """One that waits for the VM, prepared for post-copy as well."""
        machine = self.machine(vm, incoming="defer", **options)
        machine.set_capabilities(postcopy_ram=vm.postcopy)
        machine.uri = f"tcp:{self.address}:{vm.port}"
        machine.command("migrate-incoming", uri=machine.uri)
        return machine

    def get(self, vm, *columns):
        """By the names of the module, without vmMigPhase in front; None when there is no row."""
        names = [f"VM-MIGRATION-MIB::vmMigPhase{column}.{vm.index}" for column in columns]
        answer = stock.command(self.lab, "snmpget", self.name, "-OQv", *names, check=False)
        values = [re.sub(" (micro|milli)seconds$", "", line).strip('" ') for line in answer.stdout.splitlines()]
        if answer.returncode or len(values) != len(columns) or "No Such Instance" in answer.stdout:
            return [None] * len(columns)
        return values

    def set(self, vm, check=True, **columns):
        return stock.set_row(self.lab, self.name, vm.index, check=check,
                             **{f"vmMigPhase{name}": ("i", value) for name, value in columns.items()})

    def wait(self, vm, phase, hold="none", seconds=10):
        """Until the VM is in this phase, and its hold so."""
        wait_until(lambda: self.get(vm, "", "HoldStatus") == [phase, hold], seconds,
                   f"{vm.name} {phase}, {hold} on {self.name}; it is {self.get(vm, '', 'HoldStatus', 'Error')}")

    def history(self, vm):
        """Its phases here since the start, as the log has them."""
        return re.findall(rf"{vm.uuid}\): (prepared|preCopy|stopped|resumed|failed|cancelled),", self.agent.process.log())

    def checks(self):
        """{name: (health, text)} of vmMigCheckTable."""
        rows = stock.command(self.lab, "snmpwalk", self.name, "-OQv", "VM-MIGRATION-MIB::vmMigCheckHealth").stdout.split()
        texts = stock.command(self.lab, "snmpwalk", self.name, "-OQv", "VM-MIGRATION-MIB::vmMigCheckText").stdout.splitlines()
        return list(zip(rows, texts))


class Vm:
    """One for each test, so that they do not meet."""

    def __init__(self, postcopy=False):
        self.number = next(NUMBERS)
        self.uuid = str(uuid.UUID(int=0x6ba7b8109dad41d180b400c04fd40000 + self.number))
        self.index = ".".join(map(str, uuid.UUID(self.uuid).bytes))
        self.name, self.mac, self.port = f"vm-{self.number}", f"02:00:00:00:01:{self.number:02x}", 4400 + self.number
        self.postcopy = postcopy
        self.machines = []

    def keep(self, machine):
        self.machines.append(machine)
        return machine

    def end(self):
        for machine in self.machines:
            if machine.process.running():
                machine.kill()


def followed(host, machine):
    """Until vmmigd has taken it into its care."""
    def holds():
        return {"capability": "pause-before-switchover", "state": True} in machine.command("query-migrate-capabilities")
    wait_until(holds, 5, f"vmmigd follows {machine.name} on {host.name}")
    return machine


def ready(host_a, host_b, vm):
    """The VM runs on one host, and is expected on the other."""
    source, destination = host_a.machine(vm), host_b.incoming(vm)
    source.set_capabilities(return_path=True, postcopy_ram=vm.postcopy)
    followed(host_a, source)
    host_b.wait(vm, "prepared")
    return source, destination


def held(host_a, host_b, vm):
    """The same, migrated as far as it goes by itself."""
    source, destination = ready(host_a, host_b, vm)
    source.migrate(destination.uri)
    host_a.wait(vm, "stopped", "held")
    return source, destination


def assert_standing(source, destination):
    assert (source.migration(), source.status(), destination.status()) == ("pre-switchover", "finish-migrate", "inmigrate")


def assert_at_home(host, vm, source):
    """It runs at the source, whose next migration will be held as well."""
    source.wait_status("running")
    assert host.get(vm, "SourceHost") == [host.name]
    followed(host, source)


@pytest.fixture(scope="module")
def site():
    with Lab() as lab:
        lab.hosts = [Host(lab, "host-a"), Host(lab, "host-b")]
        for host in lab.hosts:
            host.agent.wait_ready()
        yield lab


@pytest.fixture
def hosts(site, request):
    request.node.lab = site
    return site.hosts


@pytest.fixture
def vms():
    made = []

    def make(**options):
        made.append(Vm(**options))
        return made[-1]
    yield make
    for vm in made:
        vm.end()
