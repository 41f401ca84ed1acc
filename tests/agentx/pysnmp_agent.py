# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmigd under a stock snmpd, asked by pysnmp: that we understand Net-SNMP's commands and they us does not mean that both are right."""

import pytest
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v2c

from conftest import AUTH, PRIV, USER, Rig, oid
from lab.ports import free_port
from lab.procs import Processes
from lab.pysnmp_peer import EXCEPTIONS, Peer

GET, NEXT, BULK, SET = v2c.GetRequestPDU, v2c.GetNextRequestPDU, v2c.GetBulkRequestPDU, v2c.SetRequestPDU
HERE = "127.0.0.1"
# What a clock or a transfer changes between two walks.
MOVING = ("IdleTime", "Timeout", "LeaseTime", "Lifetime", "vmMigClock", "vmMigAgentXReconnects", "HoldDeadline", "TransferDeadline")
MORE = """\
agentaddress udp:127.0.0.1:{port}
exactEngineID 0x80007ed90476656e646f72
createUser reader SHA-256 reader-authentication AES reader-privacy
rouser reader priv
createUser partial SHA-256 partial-authentication AES partial-privacy
view everything included .1
view transfers included {transfers}
group partial usm partial
access partial "" usm authPriv exact everything transfers none
createUser signer SHA-256 signer-authentication
rouser signer auth
createUser stranger SHA-256 stranger-authentication AES stranger-privacy
"""


class Agent(Rig):
    """Also by UDP, which is all that pysnmp speaks; and with users that may do less."""
    counts_boots = True

    def __init__(self, directory, processes):
        super().__init__(directory, processes)
        self.udp = free_port()
        self.snmpd_more = MORE.format(port=self.udp, transfers=oid("vmMigTransferTable"))
        self.peer = Peer(USER, AUTH, PRIV)

    def begin(self):
        self.start_snmpd()
        self.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
        self.wait_answer()
        return self

    def ask(self, pdu, *variables, peer=None, **more):
        return (peer or self.peer).ask(pdu, HERE, *variables, port=self.udp, **more)

    def change(self, *assignments, peer=None):
        """(error-status, error-index) of a SET of (OID, type, value), as the other tests have them."""
        answer = self.ask(SET, *((name, typed(kind, value)) for name, kind, value in assignments), peer=peer)
        assert not answer.failed, answer
        return answer.status, answer.index

    def values(self, *names):
        """Numbers, octets, or the name of an exception."""
        answer = self.ask(GET, *names)
        assert not answer.failed and not answer.status, answer
        assert [name for name, _ in answer.values] == list(names)
        return [decoded(value) for _, value in answer.values]

    def walk_by(self, pdu, root, bulk=()):
        """[(OID, value)] of a subtree: requests until one leads out of it."""
        found, at = [], root
        while True:
            answer = self.ask(pdu, at, bulk=bulk)
            assert not answer.failed and not answer.status and answer.values, answer
            for name, value in answer.values:
                if not name.startswith(root + ".") or type(value) in EXCEPTIONS:
                    return found
                assert numbers(name) > numbers(at), (at, name)
                found.append((name, value))
                at = name


def numbers(name):
    return tuple(map(int, name.strip(".").split(".")))


def typed(kind, value):
    if kind == "i":
        return rfc1902.Integer32(value)
    if kind == "u":
        return rfc1902.Unsigned32(value)
    if kind == "c64":
        return rfc1902.Counter64(value)
    return rfc1902.OctetString(bytes.fromhex(value) if kind == "x" else value.encode())


def decoded(value):
    if type(value) in EXCEPTIONS:
        return EXCEPTIONS[type(value)]
    return bytes(value) if isinstance(value, rfc1902.OctetString) else int(value)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One agent for all tests of this file that leave it running; each has a VM of its own."""
    directory = tmp_path_factory.mktemp("pysnmp")
    with Processes(str(directory)) as processes:
        yield Agent(directory, processes).begin()
        print(processes.logs())


def state_of(host, vm):
    """Every row of the VM."""
    suffix = "." + ".".join(map(str, vm.bytes))
    return [(name, decoded(value)) for name, value in host.walk_by(BULK, oid("vmMigObjects"), (0, 50)) if suffix in name]
