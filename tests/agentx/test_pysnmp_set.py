# SPDX-License-Identifier: GPL-2.0-or-later
"""SET of pysnmp: the life of a row of each table, and every error of RFC 3416 that the module can answer.

wrongEncoding is not among them: what is not encoded as it ought to be is no SNMP message to snmpd, and pysnmp cannot send it.
"""

import uuid

import pytest

from conftest import ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY, NOT_IN_SERVICE, NOT_READY, V4, instance, oid
from pysnmp_agent import MOVING, decoded, shared, state_of, typed  # noqa: F401 - a fixture among them
from test_tables import ROWS, flow


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_each_table_is_made_read_changed_and_destroyed(host, vm, name):
    row = ROWS[name]
    status = row.name("RowStatus", vm)
    assert host.change(*row.create(vm)) == ("", 0)
    assignments = row.assignments(vm)
    found = host.values(*(each for each, _, _ in assignments))
    for (column, (kind, wanted)), value in zip(row.columns.items(), found, strict=True):
        if column in MOVING:
            assert wanted - 30 <= value <= wanted
        else:
            assert value == decoded(typed(kind, wanted)), column
    column, kind, wanted = row.change
    assert host.change((row.name(column, vm), kind, wanted)) == ("", 0)
    assert host.values(row.name(column, vm), status) == [decoded(typed(kind, wanted)), ACTIVE]
    assert host.change((status, "i", CREATE_AND_GO)) == ("inconsistentValue", 1)
    for _ in range(2):  # what does not exist is destroyed with success
        assert host.change((status, "i", DESTROY)) == ("", 0)
    assert host.values(status) == ["noSuchInstance"]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_each_table_waits_until_it_is_complete(host, vm, name):
    row = ROWS[name]
    status = row.name("RowStatus", vm)
    assert host.change((status, "i", CREATE_AND_WAIT)) == ("", 0)
    waiting, = host.values(status)
    assert waiting in (NOT_READY, NOT_IN_SERVICE)
    if waiting == NOT_READY:
        assert host.change((status, "i", ACTIVE)) == ("inconsistentValue", 1)
    assert host.change(*row.assignments(vm)) == ("", 0)
    assert host.values(status) == [NOT_IN_SERVICE]
    for wanted in (ACTIVE, NOT_IN_SERVICE, ACTIVE):
        assert host.change((status, "i", wanted)) == ("", 0)
        assert host.values(status) == [wanted]
    assert host.change((status, "i", DESTROY)) == ("", 0)


REFUSED = {  # each behind two assignments that are good: (OID, type, value), the error
    "a column that is read-only": (lambda vm: (instance("vmMigVmBlocked", vm), "i", 1), "notWritable"),
    "a column that is no object": (lambda vm: (instance("vmMigVmUuid", vm), "s", "x"), "notWritable"),
    "a table that does not exist": (lambda vm: (oid("vmMigObjects") + ".99.1", "i", 1), "notWritable"),
    "a number for a text": (lambda vm: (instance("vmMigVmPort", vm), "i", 1), "wrongType"),
    "a Counter64 for a Gauge32": (lambda vm: (flow().name("Mark", vm), "c64", 1), "wrongType"),
    "a text that is too long": (lambda vm: (instance("vmMigVmPort", vm), "s", "x" * 256), "wrongLength"),
    "a MAC address of two octets": (lambda vm: (instance("vmMigVmAddressMac", vm, V4), "x", "0102"), "wrongLength"),
    "no label of an enumeration": (lambda vm: (instance("vmMigVmTracked", vm), "i", 3), "wrongValue"),
    "octets that are no UTF-8": (lambda vm: (instance("vmMigVmPort", vm), "x", "ff"), "wrongValue"),
    "an index that is too long": (lambda vm: (instance("vmMigVmName", vm) + ".1", "s", "x"), "noCreation"),
    "an address of no family": (lambda vm: (instance("vmMigVmAddressRowStatus", vm) + ".1.5.1.2.3.4.5", "i", CREATE_AND_GO), "noCreation"),
    "a VM that is not known": (lambda vm: (instance("vmMigVmName", uuid.UUID(int=9)), "s", "x"), "inconsistentName"),
    "an address of another VM": (lambda vm: (flow(local="10.0.0.6").name("RowStatus", vm), "i", CREATE_AND_GO), "inconsistentName"),
    "a row that is there": (lambda vm: (instance("vmMigVmRowStatus", vm), "i", CREATE_AND_GO), "inconsistentValue"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_has_its_error_and_index_and_changes_nothing(host, vm, name):
    make, error = REFUSED[name]
    good = [(instance("vmMigVmName", vm), "s", "changed"), (instance("vmMigVmAddressRowStatus", vm, "10.0.0.99"), "i", CREATE_AND_GO)]
    before = state_of(host, vm)
    assert len(before) > 10
    assert host.change(*good, make(vm)) == (error, 3)
    assert host.change(make(vm), *good) == (error, 1)
    assert state_of(host, vm) == before
    assert host.change(*good) == ("", 0)  # the negative control: without it the same SET is taken
    assert state_of(host, vm) != before


def test_a_commit_that_fails_is_taken_back(host, vm):
    """Two VMs want one address in one SET: each passes the test, and the second cannot be made."""
    other = uuid.uuid4()
    host.make_vm(other)
    before = state_of(host, vm), state_of(host, other)
    assert host.change((instance("vmMigVmName", vm), "s", "new"), (instance("vmMigVmAddressRowStatus", vm, "10.0.0.77"), "i", CREATE_AND_GO),
                       (instance("vmMigVmAddressRowStatus", other, "10.0.0.77"), "i", CREATE_AND_GO))[0] == "commitFailed"
    assert (state_of(host, vm), state_of(host, other)) == before
    host.set((instance("vmMigVmRowStatus", other), "i", DESTROY))


def test_rows_that_wait_have_a_limit(host, vm):
    waiting = [instance("vmMigTcpConnRowStatus", vm, 0, V4, 80, "192.0.2.1", port) for port in range(1, 1101)]
    portions = [waiting[first:first + 100] for first in range(0, len(waiting), 100)]
    answers = [host.change(*((name, "i", CREATE_AND_WAIT) for name in portion)) for portion in portions]
    refused = [answer for answer in answers if answer != ("", 0)]
    assert refused and {status for status, _ in refused} == {"resourceUnavailable"}
    for portion in portions:
        assert host.change(*((name, "i", DESTROY) for name in portion)) == ("", 0)
    assert host.change((waiting[0], "i", CREATE_AND_WAIT)) == ("", 0)
    assert host.change((waiting[0], "i", DESTROY)) == ("", 0)
