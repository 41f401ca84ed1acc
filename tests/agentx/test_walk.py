# SPDX-License-Identifier: GPL-2.0-or-later
"""GET, GETNEXT and GETBULK of stock commands over all tables."""

import uuid

import pytest

from conftest import CREATE_AND_GO, CREATE_AND_WAIT, NOT_READY, SnmpError, instance, oid
from lab.netns import wait_until

ESTABLISHED = 5
OTHER = uuid.UUID("00000000-0000-0000-0000-0000000000ff")


def tcp(name, vm, local, local_port, peer, peer_port):
    return instance(name, vm, 0, local, local_port, peer, peer_port)


def fill(agent, vm, rows=20):
    agent.make_vm(vm, "10.0.0.5", "fd00::5")
    agent.make_vm(OTHER, "10.0.0.6", name="other")
    for first in range(0, rows, 10):
        agent.set(*(pair for n in range(first, first + 10) for pair in (
            (tcp("vmMigTcpConnState", vm, "10.0.0.5", 80, "192.0.2.1", 1024 + n), "i", ESTABLISHED),
            (tcp("vmMigTcpConnRowStatus", vm, "10.0.0.5", 80, "192.0.2.1", 1024 + n), "i", CREATE_AND_GO))))
    agent.set((tcp("vmMigTcpConnState", vm, "fd00::5", 80, "2001:db8::1", 9), "i", ESTABLISHED),
              (tcp("vmMigTcpConnRowStatus", vm, "fd00::5", 80, "2001:db8::1", 9), "i", CREATE_AND_GO))
    agent.set((tcp("vmMigTcpConnState", OTHER, "10.0.0.6", 80, "192.0.2.1", 9), "i", ESTABLISHED),
              (tcp("vmMigTcpConnRowStatus", OTHER, "10.0.0.6", 80, "192.0.2.1", 9), "i", CREATE_AND_GO))


def numbers(name):
    return tuple(map(int, name.strip(".").split(".")))


def test_walk_is_sorted_and_equals_getbulk_and_every_get(agent, vm):
    fill(agent, vm)
    walked = agent.walk(oid("vmMigObjects"))
    names = [name for name, _ in walked]
    assert len(names) > 22 * 30
    assert names == sorted(set(names), key=numbers)
    bulk = agent.walk(oid("vmMigObjects"), "snmpbulkwalk", "-Cr25")
    assert [name for name, _ in bulk] == names
    moving = ("vmMigTcpConnIdleTime", "vmMigTcpConnTimeout", "vmMigAgentXReconnects", "vmMigClock")
    clocks = tuple(oid(each) + "." for each in moving)
    still = [pair for pair in walked if not pair[0].startswith(clocks)]
    assert [pair for pair in bulk if not pair[0].startswith(clocks)] == still
    for first in range(0, len(still), 60):
        part = still[first:first + 60]
        lines = agent.run("snmpget", "-OnqtexU", *(name for name, _ in part)).stdout.splitlines()
        assert [tuple(line.split(" ", 1)) for line in lines] == part


def test_walk_goes_on_beyond_our_objects(agent):
    answer = agent.run("snmpgetnext", "-Onq", oid("vmMigConformance")).stdout
    assert not answer.startswith(oid("vmMigMIB"))


def test_a_missing_object_and_a_missing_instance_are_told_apart(agent, vm):
    agent.make_vm(vm)
    answers = agent.get(instance("vmMigVmName", vm), instance("vmMigVmName", OTHER), oid("vmMigVmName"),
                        oid("vmMigVmEntry") + ".99.1", oid("vmMigVmTable") + ".2.3.1", instance("vmMigDescr", 1),
                        oid("vmMigObjects") + ".99.1.1.0", instance("vmMigVmUuid", vm), instance("vmMigVmName", vm, 0))
    object_, instance_ = "No Such Object available on this agent at this OID", "No Such Instance currently exists at this OID"
    assert answers == ["web1", instance_, instance_, object_, object_, instance_, object_, object_, instance_]


def test_snmptable_prints_a_table(agent, vm):
    fill(agent, vm, 10)
    table = agent.run("snmptable", "-Ci", "-Cb", oid("vmMigVmTable")).stdout
    assert "web1" in table and "other" in table
    header = next(line for line in table.splitlines() if "Name" in line)
    row = next(line for line in table.splitlines() if "web1" in line)
    # index, and each column but the one that is not accessible
    assert header.split()[:3] == ["index", "Name", "Port"]
    assert "11" in row.split()  # vmMigVmTcpConns


def test_a_row_in_the_making_shows_only_the_columns_that_it_has(agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    status = tcp("vmMigTcpConnRowStatus", vm, "10.0.0.5", 80, "192.0.2.1", 1)
    agent.set((status, "i", CREATE_AND_WAIT))
    walked = dict(agent.walk(oid("vmMigTcpConnTable")))
    assert walked[status] == str(NOT_READY)
    assert tcp("vmMigTcpConnState", vm, "10.0.0.5", 80, "192.0.2.1", 1) not in walked
    assert "No Such Instance" in agent.get(tcp("vmMigTcpConnState", vm, "10.0.0.5", 80, "192.0.2.1", 1))[0]


def test_more_than_an_agentx_pdu_holds_is_too_big_and_harms_nobody(agent, vm):
    """Two chunks of an image are more than 65,536 octets."""
    agent.make_vm(vm, "10.0.0.5")
    for first in range(0, 2560, 64):
        agent.set(*(pair for n in range(first, first + 64) for pair in (
            (tcp("vmMigTcpConnState", vm, "10.0.0.5", 80, "192.0.2.1", 1024 + n), "i", ESTABLISHED),
            (tcp("vmMigTcpConnRowStatus", vm, "10.0.0.5", 80, "192.0.2.1", 1024 + n), "i", CREATE_AND_GO))))
    agent.set((instance("vmMigTransferRole", vm), "i", 1), (instance("vmMigTransferEpoch", vm), "u", 7),
              (instance("vmMigTransferAdminStatus", vm), "i", 1), (instance("vmMigTransferRowStatus", vm), "i", CREATE_AND_GO))
    chunks = [instance("vmMigImageData", vm, 7, number) for number in (1, 2)]
    wait_until(lambda: "No Such" not in agent.get(chunks[1])[0], 10, "the second chunk")
    with pytest.raises(SnmpError) as caught:
        agent.run("snmpget", "-Cf", *chunks)
    assert caught.value.status == "tooBig"
    for chunk in chunks:
        assert len(agent.run("snmpget", "-Oqvx", chunk).stdout) > 90_000  # "1F " and the like for each of some 32,000 octets
    assert agent.vmmigd.running()
    assert "closed" not in agent.vmmigd.log()
