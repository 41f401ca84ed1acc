# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads and writes VM-MIGRATION-MIB with stock Net-SNMP commands, by the names of the module, as any user may."""

import ipaddress
import os

from .privilege import LabError
from .topology import ADDRESSES
from .vmmig import VM_INDEX

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def mib_directories():
    """Where the module that configure made and the IETF modules that it imports lie."""
    built = os.path.join(os.environ.get("VMMIG_BUILDDIR", os.path.join(TOP, "build")), "mibs")
    if not os.path.exists(os.path.join(built, "VM-MIGRATION-MIB.txt")):
        raise LabError(f"{built} has no VM-MIGRATION-MIB.txt; build it (./dev build), or say where with VMMIG_BUILDDIR")
    return f"{built}:{os.path.join(TOP, 'mibs', 'ietf')}"


def inet_index(address):
    """InetAddressType and InetAddress as sub-identifiers of an index."""
    packed = ipaddress.ip_address(address).packed
    return f"{1 if len(packed) == 4 else 2}.{len(packed)}.{'.'.join(map(str, packed))}"


def address_index(address):
    """Of a row of vmMigVmAddressTable of the lab's VM."""
    return f"{VM_INDEX}.{inet_index(address)}"


def connection_index(local, rem, zone=0):
    """Of a row of vmMigTcpConnTable of the lab's VM; the ends are (address, port)."""
    ends = ".".join(f"{inet_index(address)}.{port}" for address, port in (local, rem))
    return f"{VM_INDEX}.{zone}.{ends}"


def command(lab, program, device, *words, check=True):
    """snmpget, snmpset, snmpwalk... as the manager's user."""
    return lab.manager.command(program, "-m", "VM-MIGRATION-MIB", "-M", mib_directories(), f"tcp:{ADDRESSES[device]}", *words,
                               check=check)


def set_row(lab, device, index, check=True, **columns):
    """One snmpset: set_row(lab, "fw-b", index, vmMigVmRowStatus=("i", "createAndGo"))."""
    words = [word for name, (kind, value) in columns.items()
             for word in (f"VM-MIGRATION-MIB::{name}.{index}", kind, str(value))]
    return command(lab, "snmpset", device, *words, check=check)


def introduce_vm(lab, device, addresses, name=None, port=None, mac=None):
    """Make the lab's VM known on a device. On a switch, port (as the MIB's rows call it) and mac say where it is."""
    given = {"vmMigVmName": ("s", name), "vmMigVmPort": ("s", port)}
    columns = {column: value for column, value in given.items() if value[1]}
    set_row(lab, device, VM_INDEX, vmMigVmRowStatus=("i", "createAndGo"), **columns)
    whose = {"vmMigVmAddressMac": ("x", mac.replace(":", ""))} if mac else {}
    for address in addresses:
        set_row(lab, device, address_index(address), vmMigVmAddressRowStatus=("i", "createAndGo"), **whose)
