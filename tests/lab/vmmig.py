# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmig in the lab: one vmmigd beside each snmpd (devices on the firewalls, hypervisors on the hosts), `vmmig serve` in mgr.

Each program has a directory of its own with its configuration, and finds nothing of the machine's.
"""

import json
import os
from dataclasses import dataclass

from .privilege import LabError
from .snmpd import INFORM_PORT, MIB_ROOT
from .topology import ADDRESSES, MANAGER, SITES, VM4, VM6, VM_MAC, VM_NAME, VM_UUID

FIREWALLS = ("fw-a", "fw-b")

OBJECTS = f"{MIB_ROOT}.1.1"  # vmMigObjects
VM_INDEX = ".".join(str(octet) for octet in bytes.fromhex(VM_UUID.replace("-", "")))
TRANSFER_OPER_STATUS, TRANSFER_ROWS = (f"{OBJECTS}.11.1.{column}.{VM_INDEX}" for column in (4, 7))
PHASE_COLUMNS = [f"{OBJECTS}.13.1.{column}.{VM_INDEX}" for column in (3, 2, 8)]
PHASE = ("prepared", "preCopy", "stopped", "resumed", "failed", "cancelled")
HOLD_STATUS = ("none", "held", "released", "cancelled", "expired")
OPER_STATUS = ("tracking", "freezing", "frozen", "releasing", "released", "prepared", "committing", "committed", "done",
               "aborting", "aborted", "failed", "expired")

AGENT_CONF = """\
# Written by tests/lab/vmmig.py.
agentx-socket = unix:{agentx}
role = {role}
{back_end}host-name = {name}
state-directory = {state}
log-level = {log_level}
{lines}"""


def transfer(client, address):
    """(vmMigTransferOperStatus, vmMigTransferRows) of the lab's VM on a device, as any network management system may see them;
    ("", 0) without a transfer or an answer."""
    status, rows = _integers(client, address, TRANSFER_OPER_STATUS, TRANSFER_ROWS) or (0, 0)
    return OPER_STATUS[status - 1] if status else "", rows


def phase(client, address):
    """(vmMigPhaseSequence, vmMigPhase, vmMigPhaseHoldStatus) of the lab's VM on a host; (0, "", "") without."""
    sequence, told, hold = _integers(client, address, *PHASE_COLUMNS) or (0, 0, 0)
    return (sequence, PHASE[told - 1], HOLD_STATUS[hold - 1]) if told else (0, "", "")


def _integers(client, address, *oids):
    answer = client.command("snmpget", "-Oqve", "-r0", f"tcp:{address}", *oids, check=False)
    words = answer.stdout.split()
    if answer.returncode or len(words) != len(oids) or not all(word.isdigit() for word in words):
        return None
    return tuple(map(int, words))


def program(name):
    """The path of a program that make has built: in $VMMIG_BUILDDIR, or in build/."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(os.environ.get("VMMIG_BUILDDIR", os.path.join(top, "build")), name)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is not there; build it (./dev build), or say where with VMMIG_BUILDDIR")
    return path


class Agent:
    """One vmmigd, in the device's or the hypervisor's role. lines: more of its vmmigd.conf."""

    def __init__(self, lab, name, log_level, lines=(), back_end="linux"):
        self.lab, self.name = lab, name
        self.directory = os.path.join(lab.directory, f"vmmigd-{name}")
        self.state = os.path.join(self.directory, "state")
        os.makedirs(self.state, mode=0o700)
        self.conf = os.path.join(self.directory, "vmmigd.conf")
        device = not name.startswith("host-")
        with open(self.conf, "w") as file:
            file.write(AGENT_CONF.format(agentx=lab.snmpd[name].agentx, role="device" if device else "hypervisor",
                                         back_end=f"back-end = {back_end}\n" if device else "", name=name, state=self.state,
                                         log_level=log_level, lines="".join(f"{line}\n" for line in lines)))
        self.process = None

    def start(self):
        """Start it, without waiting; see wait_ready()."""
        env = {"SNMP_PERSISTENT_DIR": self.directory, "SNMPCONFPATH": self.directory, "MIBS": ""}
        self.process = self.lab.start(self.name, f"vmmigd-{self.name}", program("vmmigd"), "-f", "--config", self.conf,
                                      env=env)
        return self

    def wait_ready(self, seconds=5):
        """Until it answers through its snmpd."""
        def answers():
            text = self.lab.nms.command("snmpget", "-Oqv", "-r0", f"tcp:{ADDRESSES[self.name]}", f"{OBJECTS}.1.1.0", check=False)
            return text.returncode == 0 and "No Such" not in text.stdout
        self.process.wait(answers, seconds, f"answering through snmpd-{self.name}")
        return self

    def kill(self):
        self.process.kill()

    def memory_kib(self):
        return resident_kib(self.process)


def resident_kib(process):
    """Memory that a program of the lab uses. (ip-netns and setpriv execute it in their own place, so the child is it.)"""
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))




MANAGER_CONF = """\
# Written by tests/lab/vmmig.py.
listen = udp:{manager}:{port}
listen-users = {users}
journal = {journal}
{options}
{sections}
"""
HOST = "[host.host-{site}]\nagent = tcp:{host}\n"
HOST_DEVICES = "devices = {devices}\n"
DEVICE = "[device.{name}]\nagent = tcp:{address}\n"
VM = f"[vm.{VM_NAME}]\nuuid = {VM_UUID}\naddresses = {VM4}, {VM6}\nmac = {VM_MAC}\n"


@dataclass
class Migration:
    """One migration as the journal tells it."""

    id: int
    state: str    # "moved", "not moved", "running", ...
    reason: str
    rows: int
    digest: str
    blackout_ms: float
    marks_ms: dict  # moment: ms since the stop
    text: str       # everything, for a failed test's report


class Vmmig:
    """All agents, and the manager. Nothing runs before start() or an agent's own start()."""

    def __init__(self, lab, log_level="info", sites=SITES, vm=VM, lines=None, back_end="linux", names_devices=True, more="",
                 **options):
        """options are keys of vmmig.conf, with underscores: transfer_deadline=3. lines: for each device's vmmigd.conf, as in
        {"sw-a": ["multicast = br0"]}. names_devices: whether the inventory says which devices are in front of a host; more: sections
        of it."""
        self.lab = lab
        self.agents = {name: Agent(lab, name, log_level, (lines or {}).get(name, ()), back_end) for name in lab.devices}
        self.directory = os.path.join(lab.directory, "vmmig")
        os.makedirs(self.directory, mode=0o700)
        self.conf = os.path.join(self.directory, "vmmig.conf")
        self._write_conf(sites, vm + more, options, names_devices)
        self.manager = None  # the process

    def _write_conf(self, sites, vm, options, names_devices):
        """With access switches, a migration has two legs: the firewall's and the switch's."""
        sections = ""
        for site in sites:
            devices = [name for name in (f"fw-{site}", f"sw-{site}") if name in self.lab.devices]
            sections += HOST.format(site=site, host=ADDRESSES[f"host-{site}"])
            sections += HOST_DEVICES.format(devices=", ".join(devices)) if names_devices else ""
            sections += "".join(DEVICE.format(name=name, address=ADDRESSES[name]) for name in devices)
        sections += vm
        keys = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in options.items())
        with open(self.conf, "w") as file:
            file.write(MANAGER_CONF.format(manager=MANAGER, port=INFORM_PORT, options=keys, sections=sections,
                                           users=os.path.join(self.lab.manager.directory, "snmptrapd.conf"),
                                           journal=os.path.join(self.directory, "journal.db")))

    def start(self):
        """Every agent, then the manager."""
        self.start_agents()
        self.start_manager()
        return self

    def start_agents(self):
        for agent in self.agents.values():
            agent.start()
        for agent in self.agents.values():
            agent.wait_ready()

    def start_manager(self, *options):
        """`vmmig serve`, ready when this returns. options: of SNMP, as in "-t", "60"."""
        self.manager = self.lab.start("mgr", "vmmig-serve", program("vmmig"), *options, "serve", "--config", self.conf,
                                      env=self.lab.manager.env)
        self.manager.wait_log(r"ready")
        return self.manager

    def memory_kib(self):
        return resident_kib(self.manager)

    # The commands

    def command(self, *words, check=True, timeout=30):
        """vmmig in the manager's namespace, as the manager's user; returns the CompletedProcess."""
        return self.lab.manager.command(program("vmmig"), *words, check=check, timeout=timeout)

    def show(self, device, table, *options):
        """Rows of a table, as dictionaries by descriptor."""
        return json.loads(self.command("show", f"tcp:{ADDRESSES[device]}", table, "--json", *options).stdout)

    def phase_command(self, host, phase, *options):
        return [program("vmmig"), "phase", f"tcp:{ADDRESSES[host]}", phase, "--vm", VM_UUID, "--name", VM_NAME, *options]

    def phase(self, host, phase, *options, check=True):
        """Tell a phase on a host, as a hook script does there."""
        return self.lab.ns[host].run(*self.phase_command(host, phase, *options), check=check,
                                     env={**os.environ, **self.lab.manager.env})

    # The journal

    def journal(self):
        """All migrations, the latest first, without their timelines."""
        return json.loads(self.command("journal", "--config", self.conf, "--json").stdout)

    def latest(self):
        """The latest migration, or None."""
        listed = self.journal()
        return self.migration(listed[0]["id"]) if listed else None

    def migration(self, number):
        text = self.command("journal", "--config", self.conf, "--json", str(number)).stdout
        told = json.loads(text)
        marks = told.get("timeline", {})
        return Migration(told["id"], told["state"], told["reason"], told["rows"], told["digest"],
                         told.get("addedBlackoutMs", 0), {mark: (at - marks["stop"]) / 1000 for mark, at in marks.items()
                                                          if "stop" in marks}, text)

    def idle(self):
        """Whether no migration is under way."""
        return all(each["state"] != "running" for each in self.journal())
