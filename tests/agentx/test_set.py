# SPDX-License-Identifier: GPL-2.0-or-later
"""SET of stock snmpset through snmpd: rows, errors with the index of the varbind at fault, all or nothing."""

import uuid

import pytest

from conftest import (ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY, NOT_IN_SERVICE, NOT_READY, SnmpError, instance, oid)

ADDRESS, PEER = "10.0.0.5", "192.0.2.1"
ESTABLISHED = 5
NO_INSTANCE = "No Such Instance currently exists at this OID"


def tcp(name, vm, port=1):
    return instance(name, vm, 0, ADDRESS, 80, PEER, port)


def tcp_row(vm, port):
    return (tcp("vmMigTcpConnState", vm, port), "i", ESTABLISHED), (tcp("vmMigTcpConnRowStatus", vm, port), "i", CREATE_AND_GO)


@pytest.fixture
def host(agent, vm):
    """An agent that knows one VM with an address."""
    agent.make_vm(vm, ADDRESS)
    return agent


def test_a_vm_is_made_changed_and_destroyed(agent, vm):
    row = instance("vmMigVmRowStatus", vm)
    agent.set((instance("vmMigVmName", vm), "s", "web1"), (row, "i", CREATE_AND_GO))
    agent.set((instance("vmMigVmPort", vm), "s", "tap0"))
    assert agent.get(instance("vmMigVmName", vm), instance("vmMigVmPort", vm), row) == ["web1", "tap0", str(ACTIVE)]
    agent.set((row, "i", DESTROY))
    assert agent.get(row) == [NO_INSTANCE]
    agent.set((row, "i", DESTROY))  # what does not exist is destroyed with success


@pytest.mark.parametrize("table", ["vmMigVm", "vmMigVmAddress", "vmMigTcpConn"])
def test_a_row_goes_through_all_states(host, vm, table):
    other = uuid.UUID(int=5)
    index = {"vmMigVm": (other,), "vmMigVmAddress": (vm, "10.0.0.9"), "vmMigTcpConn": (vm, 0, ADDRESS, 80, PEER, 7)}[table]
    row = instance(table + "RowStatus", *index)
    host.set((row, "i", CREATE_AND_WAIT))
    if table == "vmMigTcpConn":
        assert host.get(row) == [str(NOT_READY)]
        assert host.set_fails((row, "i", ACTIVE)) == ("inconsistentValue", 1)
        host.set((instance("vmMigTcpConnState", *index), "i", ESTABLISHED))
    assert host.get(row) == [str(NOT_IN_SERVICE)]
    host.set((row, "i", ACTIVE))
    assert host.get(row) == [str(ACTIVE)]
    host.set((row, "i", NOT_IN_SERVICE))
    assert host.get(row) == [str(NOT_IN_SERVICE)]
    host.set((row, "i", ACTIVE))
    assert host.set_fails((row, "i", CREATE_AND_GO)) == ("inconsistentValue", 1)
    host.set((row, "i", DESTROY))
    assert host.get(row) == [NO_INSTANCE]


def test_a_connection_keeps_every_attribute(host, vm):
    host.set(*tcp_row(vm, 1), (tcp("vmMigTcpConnSeqNumber", vm), "u", 4294967295), (tcp("vmMigTcpConnMark", vm), "u", 7),
             (tcp("vmMigTcpConnWindowKnown", vm), "i", 1), (tcp("vmMigTcpConnLocalWindowScale", vm), "u", 14))
    assert host.get(tcp("vmMigTcpConnState", vm), tcp("vmMigTcpConnSeqNumber", vm), tcp("vmMigTcpConnMark", vm),
                    tcp("vmMigTcpConnLocalWindowScale", vm)) == ["5", "4294967295", "7", "14"]
    assert host.get(instance("vmMigVmTcpConns", vm)) == ["1"]


def test_every_error_is_the_one_of_rfc_3416_with_its_index(host, vm):
    nobody = uuid.UUID(int=9)
    good = (instance("vmMigVmName", vm), "s", "changed")
    name, tracked = instance("vmMigVmName", vm), instance("vmMigVmTracked", vm)
    for bad, expected in [
            ((instance("vmMigVmBlocked", vm), "i", 1), "notWritable"),
            ((instance("vmMigVmUuid", vm), "s", "x"), "notWritable"),
            ((oid("vmMigObjects") + ".99.1", "i", 1), "notWritable"),
            ((instance("vmMigVmPort", vm), "i", 1), "wrongType"),
            ((instance("vmMigVmPort", vm), "s", "x" * 256), "wrongLength"),
            ((instance("vmMigVmAddressMac", vm, ADDRESS), "x", "0102"), "wrongLength"),
            ((tracked, "i", 3), "wrongValue"),
            ((instance("vmMigVmStorageType", vm), "i", 3), "wrongValue"),
            ((name + ".1", "s", "x"), "noCreation"),
            ((instance("vmMigVmAddressRowStatus", vm) + ".1.5.1.2.3.4.5", "i", CREATE_AND_GO), "noCreation"),
            ((instance("vmMigVmName", nobody), "s", "x"), "inconsistentName"),
            ((instance("vmMigVmAddressRowStatus", nobody, "10.0.0.8"), "i", CREATE_AND_GO), "inconsistentName"),
            ((instance("vmMigVmRowStatus", vm), "i", CREATE_AND_GO), "inconsistentValue"),
            ((name, "s", "other"), "inconsistentValue")]:
        status_, index = host.set_fails(good, bad)
        assert status_ == expected, bad
        # snmpset shows the OID at fault; of the same variable twice that is the first
        assert index == (1 if bad[0] == name else 2), bad
        assert host.get(name) == ["web1"], bad


def test_an_address_of_another_vm_is_refused(host, vm):
    other = uuid.UUID(int=2)
    host.make_vm(other)
    assert host.set_fails((instance("vmMigVmAddressRowStatus", other, ADDRESS), "i", CREATE_AND_GO)) == ("inconsistentValue", 1)
    assert "belongs to VM web1" in host.vmmigd.log()


def test_a_connection_of_a_foreign_address_is_refused(host, vm):
    foreign = (vm, 0, "10.0.0.77", 80, PEER, 1)
    assert host.set_fails((instance("vmMigTcpConnState", *foreign), "i", ESTABLISHED),
                          (instance("vmMigTcpConnRowStatus", *foreign), "i", CREATE_AND_GO))[0] == "inconsistentName"


def test_a_pdu_over_rows_and_tables_is_made_as_a_whole(host, vm):
    other = uuid.UUID(int=3)
    host.set(*tcp_row(vm, 1), *tcp_row(vm, 2), (instance("vmMigVmName", vm), "s", "new"),
             (instance("vmMigVmRowStatus", other), "i", CREATE_AND_GO),
             (instance("vmMigVmAddressRowStatus", vm, "fd00::5"), "i", CREATE_AND_GO))
    assert host.get(instance("vmMigVmTcpConns", vm), instance("vmMigVmName", vm), instance("vmMigVmRowStatus", other),
                    instance("vmMigVmAddressRowStatus", vm, "fd00::5")) == ["2", "new", "1", "1"]


def test_a_pdu_with_one_error_changes_nothing(host, vm):
    before = host.walk(oid("vmMigVmTable")) + host.walk(oid("vmMigVmAddressTable")) + host.walk(oid("vmMigTcpConnTable"))
    fails = host.set_fails(*tcp_row(vm, 1), (instance("vmMigVmName", vm), "s", "new"),
                           (instance("vmMigVmAddressRowStatus", vm, "fd00::5"), "i", CREATE_AND_GO),
                           (instance("vmMigVmAddressRowStatus", vm, ADDRESS), "i", CREATE_AND_GO))
    assert fails == ("inconsistentValue", 5)
    assert host.walk(oid("vmMigVmTable")) + host.walk(oid("vmMigVmAddressTable")) + host.walk(oid("vmMigTcpConnTable")) == before


def test_a_commit_that_fails_is_taken_back(host, vm):
    """Two VMs want one address in one PDU: each passes the test, and the second cannot be made."""
    other = uuid.UUID(int=4)
    host.make_vm(other)
    with pytest.raises(SnmpError) as caught:
        host.set((instance("vmMigVmName", vm), "s", "new"), (instance("vmMigVmAddressRowStatus", vm, "10.0.0.6"), "i", CREATE_AND_GO),
                 (instance("vmMigVmAddressRowStatus", other, "10.0.0.6"), "i", CREATE_AND_GO))
    assert caught.value.status == "commitFailed"
    assert host.get(instance("vmMigVmName", vm), instance("vmMigVmAddressRowStatus", vm, "10.0.0.6")) == ["web1", NO_INSTANCE]


def test_a_configured_vm_is_permanent(rig, vm):
    rig.start_snmpd()
    rig.start_vmmigd("--vm", f"{vm},web1,{ADDRESS},fd00::5")
    rig.wait_answer()
    assert rig.get(instance("vmMigVmName", vm), instance("vmMigVmStorageType", vm),
                   instance("vmMigVmAddressStorageType", vm, "fd00::5")) == ["web1", "4", "4"]
    rig.set((instance("vmMigVmPort", vm), "s", "tap0"))
    assert rig.set_fails((instance("vmMigVmRowStatus", vm), "i", DESTROY)) == ("wrongValue", 1)
