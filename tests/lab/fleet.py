# SPDX-License-Identifier: GPL-2.0-or-later
"""Many VMs (many.py) whose migrations all run at once: what two hypervisors tell of them, many rows a SET, and what devices answer."""

from .netns import wait_until
from .topology import ADDRESSES
from .vmmig import HOLD_STATUS, OBJECTS, OPER_STATUS, PHASE

CREATE_AND_GO = 4
ROWS_PER_SET = 16  # 128 varbinds are the most that snmpset takes
VM_TABLE, TRANSFER_TABLE, PHASE_TABLE = (f"{OBJECTS}.{table}.1" for table in (2, 11, 13))
EPOCH, DEADLINE = 1, 600
TRACK, PREPARE, ABORT = 1, 4, 7
PATIENCE = 100  # seconds; nobody waits them out


def inventory(some):
    """Sections of vmmig.conf."""
    return "".join(f"[vm.{vm.name}]\nuuid = {vm.uuid}\naddresses = {vm.address}\n" for vm in some)


def configured(some):
    """Lines of a device's vmmigd.conf."""
    return [f"vm = {vm.uuid},{vm.name},{vm.address}" for vm in some]


def set_rows(lab, device, some, table, columns):
    """columns: [(sub-identifier, type as for snmpset, value)], the same for each VM; a callable value is called with the VM."""
    for first in range(0, len(some), ROWS_PER_SET):
        words = [str(word) for vm in some[first:first + ROWS_PER_SET] for column, kind, value in columns
                 for word in (f"{table}.{column}.{vm.index}", kind, value(vm) if callable(value) else value)]
        lab.manager.command("snmpset", "-Oq", "-r0", "-t30", f"tcp:{ADDRESSES[device]}", *words, timeout=40)


def column(lab, device, table, number, some):
    """{VM: the integer in this column} of those VMs that have a row."""
    root = f"{table}.{number}"
    answer = lab.nms.command("snmpbulkwalk", "-OnqUe", "-r0", "-t30", "-Cr200", f"tcp:{ADDRESSES[device]}", root, timeout=60).stdout
    pairs = (line.split(" ", 1) for line in answer.splitlines() if line.startswith(f".{root}."))
    found = {name[len(root) + 2:]: int(value) for name, value in pairs}
    return {vm: found[vm.index] for vm in some if vm.index in found}


def claim(lab, device, some, admin):
    """Begin transfers of VMs that the device knows: TRACK or PREPARE."""
    set_rows(lab, device, some, TRANSFER_TABLE, [(19, "i", CREATE_AND_GO), (1, "i", 1 if admin == TRACK else 2), (2, "u", EPOCH),
                                                 (3, "i", admin), (6, "u", DEADLINE)])


def abort(lab, device, some):
    set_rows(lab, device, some, TRANSFER_TABLE, [(2, "u", EPOCH), (3, "i", ABORT)])


def transfers(lab, device, some):
    """{VM: (vmMigTransferOperStatus, vmMigTransferRows)}."""
    states, rows = (column(lab, device, TRANSFER_TABLE, number, some) for number in (4, 7))
    return {vm: (OPER_STATUS[state - 1], rows.get(vm, 0)) for vm, state in states.items()}


def wait_transfers(lab, device, some, state, rows=None):
    """Until each of them has this state and, where that is said, so many rows."""
    def are():
        found = transfers(lab, device, some).values()
        return len(found) == len(some) and all(each[0] == state and rows in (None, each[1]) for each in found)
    wait_until(are, PATIENCE, f"{len(some)} transfers {state} at {device}", step=0.5)


class Fleet:
    """Hypervisors that carry many VMs at once, and stop them in the same moment."""

    def __init__(self, lab, each):
        """each: how many connections a VM has."""
        self.lab, self.each = lab, each
        self._told = set()  # (host, VM) that has a row

    def migrate(self, some, source, destination):
        """Carry all of them between two sites, each told as resumed when its hold has ended; how the holds have ended, by VM."""
        hosts = [(5, "s", f"host-{source}"), (6, "s", f"host-{destination}")]
        self._tell(f"host-{source}", some, "preCopy", hosts)
        wait_transfers(self.lab, f"fw-{destination}", some, "prepared", self.each)
        self._tell(f"host-{source}", some, "stopped", [*hosts, (9, "u", PATIENCE * 1000), (10, "i", 1)])
        ended = {}
        while len(ended) < len(some):
            ended |= self._resume_released(some, source, destination, hosts, ended)
        return ended

    def _resume_released(self, some, source, destination, hosts, ended):
        def newly_ended():
            holds = column(self.lab, f"host-{source}", PHASE_TABLE, 8, some)
            return {vm: HOLD_STATUS[hold - 1] for vm, hold in holds.items() if vm not in ended and HOLD_STATUS[hold - 1] != "held"}
        more = wait_until(newly_ended, PATIENCE + 10, "an end of a hold", step=0.2)
        free = [vm for vm, hold in more.items() if hold == "released"]
        self._tell(f"host-{destination}", free, "resumed", hosts)
        return more

    def _tell(self, host, some, phase, columns):
        new = [vm for vm in some if (host, vm) not in self._told]
        known = [vm for vm in some if (host, vm) in self._told]
        told = [(2, "i", PHASE.index(phase) + 1), *columns]
        set_rows(self.lab, host, new, PHASE_TABLE, [(14, "i", CREATE_AND_GO), (1, "s", lambda vm: vm.name), *told])
        set_rows(self.lab, host, known, PHASE_TABLE, told)
        self._told |= {(host, vm) for vm in new}
