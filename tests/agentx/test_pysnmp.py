# SPDX-License-Identifier: GPL-2.0-or-later
"""GET, GETNEXT and GETBULK of pysnmp over every column of the module."""

import os
import re
import signal
import subprocess
import uuid
import xml.etree.ElementTree as ElementTree

import pytest
from pysnmp.proto import rfc1902

from conftest import AUTH, BUILD, CREATE_AND_GO, PRIV, TESTS, USER, V4, V6, instance, oid
from lab.netns import wait_until
from lab.procs import Processes
from lab.pysnmp_peer import Peer
from pysnmp_agent import BULK, GET, MOVING, NEXT, Agent, decoded, numbers, shared  # noqa: F401 - a fixture among them
from test_tables import ROWS


def fill(agent, vm):
    """A row of every table."""
    agent.make_vm(vm, V4, V6)
    tcp = (vm, 0, V6, 80, "2001:db8::1", 9)
    for assignments in (
            *(row.create(vm) for row in ROWS.values()),
            [(instance("vmMigTcpConnState", *tcp), "i", 5), (instance("vmMigTcpConnSeqNumber", *tcp), "u", 4294967295),
             (instance("vmMigTcpConnWindowKnown", *tcp), "i", 1), (instance("vmMigTcpConnRowStatus", *tcp), "i", CREATE_AND_GO)],
            [(instance("vmMigTransferRole", vm), "i", 1), (instance("vmMigTransferEpoch", vm), "u", 1),
             (instance("vmMigTransferAdminStatus", vm), "i", 1), (instance("vmMigTransferRowStatus", vm), "i", CREATE_AND_GO)],
            [(instance("vmMigPhaseVmName", vm), "s", "web1"), (instance("vmMigPhase", vm), "i", 2),
             (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO)]):
        assert agent.change(*assignments) == ("", 0)
    chunk = instance("vmMigImageData", vm, 1, 1)
    wait_until(lambda: agent.values(chunk) != ["noSuchInstance"], 10, "the first chunk")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Another agent, for tests that only read."""
    directory = tmp_path_factory.mktemp("filled")
    with Processes(str(directory)) as processes:
        agent = Agent(directory, processes).begin()
        fill(agent, uuid.uuid4())
        yield agent
        print(processes.logs())


def columns_of_the_module():
    """{OID: name} of what may be read, as smidump tells it."""
    dumped = subprocess.run(["smidump", "-k", "-f", "xml", str(BUILD / "mibs" / "VM-MIGRATION-MIB.txt")], check=True, capture_output=True,
                            text=True, env={**os.environ, "SMIPATH": str(TESTS.parent / "mibs" / "ietf")}).stdout
    root = ElementTree.fromstring(dumped[dumped.index("<smi"):])
    return {"." + node.get("oid"): node.get("name") for kind in ("scalar", "column") for node in root.iter(kind)
            if node.findtext("access") != "noaccess"}


def as_printed(value):
    """By Net-SNMP with -Oqx and no module: octets in hexadecimal digits, numbers as they are, of 64 bits as well."""
    return bytes(value).hex().upper() if isinstance(value, rfc1902.OctetString) else str(int(value))


def test_getnext_walks_in_order_through_every_column_as_net_snmp_does(filled):
    walked = filled.walk_by(NEXT, oid("vmMigObjects"))
    names = [name for name, _ in walked]
    assert names == sorted(set(names), key=numbers)
    columns = columns_of_the_module()
    found = {column for name in names for column in columns if name.startswith(column + ".")}
    assert found == columns.keys(), [columns[each] for each in columns.keys() - found]
    told = filled.run("snmpwalk", "-Onqtx", "-Cc", oid("vmMigObjects"), mibs="").stdout
    lines = [each.partition(" ") for each in re.split(r"^(?=\.1\.)", told, flags=re.M) if each]  # octets go on on further lines
    of_net_snmp = {name: re.sub(r'[" \n]', "", value) for name, _, value in lines}
    assert list(of_net_snmp) == names
    compared = 0
    for name, value in walked:
        column = next(each for each in columns if name.startswith(each + "."))
        if columns[column].endswith(MOVING):
            continue
        assert of_net_snmp[name] == as_printed(value), columns[column]
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("repetitions", [1, 7, 50])
def test_getbulk_gives_what_getnext_does(filled, repetitions):
    root = oid("vmMigObjects")
    assert [name for name, _ in filled.walk_by(BULK, root, (0, repetitions))] == [name for name, _ in filled.walk_by(NEXT, root)]


def test_getbulk_keeps_to_its_numbers(filled):
    names = [name for name, _ in filled.walk_by(NEXT, oid("vmMigObjects"))]
    root, table = oid("vmMigObjects"), oid("vmMigVmTable")
    of_table = [name for name in names if name.startswith(table + ".")]

    def bulk(*variables, numbers):
        answer = filled.ask(BULK, *variables, bulk=numbers)
        assert not answer.failed and not answer.status
        return [name for name, _ in answer.values]

    assert bulk(root, numbers=(0, 0)) == []
    assert bulk(root, table, numbers=(1, 0)) == names[:1]
    assert bulk(root, table, numbers=(2, 50)) == [names[0], of_table[0]]
    assert bulk(root, table, numbers=(9, 50)) == [names[0], of_table[0]]
    assert bulk(root, table, numbers=(1, 3)) == [names[0], *of_table[:3]]
    assert bulk(root, table, numbers=(0, 2)) == [names[0], of_table[0], names[1], of_table[1]]
    answer = filled.ask(BULK, names[-1], bulk=(0, 50))  # out of our subtree, and not back into it
    assert answer.values and not any(name.startswith(root + ".") for name, _ in answer.values)


def test_beyond_everything_is_the_end_of_the_view(filled):
    for pdu, bulk in ((NEXT, ()), (BULK, (0, 3))):
        answer = filled.ask(pdu, ".2.99", bulk=bulk)
        assert answer.values and all(decoded(value) == "endOfMibView" and name == ".2.99" for name, value in answer.values)


def test_nothing_asked_is_nothing_answered(filled):
    for pdu, bulk in ((GET, ()), (NEXT, ()), (BULK, (0, 5))):
        answer = filled.ask(pdu, bulk=bulk)
        assert (answer.failed, answer.status, answer.values) == ("", "", [])


def test_an_answer_that_is_too_big_is_told_to_be_so(filled):
    """The first chunk alone is told: it fits."""
    chunks = [name for name, value in filled.walk_by(NEXT, oid("vmMigImageData"))]
    fitting = filled.ask(GET, *chunks[:1])
    assert fitting.status == "" and fitting.values
    size = len(bytes(fitting.values[0][1]))
    small = Peer(USER, AUTH, PRIV, largest=max(484, size))
    answer = filled.ask(GET, *chunks[:1] * 3, peer=small)
    assert (answer.failed, answer.status, answer.index) == ("", "tooBig", 0)
    few = instance("vmMigHealth", 0)
    assert [decoded(value) for _, value in filled.ask(GET, few, peer=small).values] == [1]  # the negative control


def test_an_agent_whose_subagent_hangs_answers_genErr(tmp_path):
    with Processes(str(tmp_path)) as processes:
        agent = Agent(tmp_path, processes)
        agent.snmpd_more += "agentXTimeout 2\n"
        agent.begin()
        name = instance("vmMigHealth", 0)
        agent.vmmigd.send_signal(signal.SIGSTOP)
        try:
            answer = agent.ask(GET, name, seconds=30)
            assert (answer.failed, answer.status, answer.index) == ("", "genErr", 1)
        finally:
            agent.vmmigd.send_signal(signal.SIGCONT)
        wait_until(lambda: agent.values(name) == [1], 60, "an answer again", step=0.2)


def test_a_missing_object_and_a_missing_instance_are_told_apart(host, vm):
    nobody = uuid.UUID(int=9)
    assert host.values(instance("vmMigVmPort", vm), instance("vmMigVmName", nobody), oid("vmMigVmEntry") + ".99.1", oid("vmMigVmTable"),
                       instance("vmMigDescr", 1), instance("vmMigVmUuid", vm)) == [
                           b"", "noSuchInstance", "noSuchObject", "noSuchObject", "noSuchInstance", "noSuchObject"]
