# SPDX-License-Identifier: GPL-2.0-or-later
"""SNMPv3 by pysnmp: who may what, who is nobody, wrong keys, unknown contexts, and what was recorded earlier."""

import socket

from pysnmp.proto import rfc1902

from conftest import AUTH, PRIV, USER, instance
from lab.netns import wait_until
from lab.procs import Processes
from lab.pysnmp_peer import Peer
from pysnmp_agent import GET, HERE, SET, Agent, host, shared, state_of, vm  # noqa: F401 - fixtures among them

WRONG_DIGESTS, NOT_IN_TIME, UNKNOWN_USERS = (f".1.3.6.1.6.3.15.1.1.{number}.0" for number in (5, 2, 3))
UNKNOWN_CONTEXTS = ".1.3.6.1.6.3.12.1.5.0"


def stat(host, name):
    value, = host.values(name)
    return value


def test_who_may_only_read_or_write_a_part_is_told_so(host, vm):
    reader = Peer("reader", "reader-authentication", "reader-privacy")
    partial = Peer("partial", "partial-authentication", "partial-privacy")
    stranger = Peer("stranger", "stranger-authentication", "stranger-privacy")
    change = (instance("vmMigVmName", vm), "s", "changed")
    before = state_of(host, vm)
    assert host.ask(GET, change[0], peer=reader).values == host.ask(GET, change[0]).values
    assert host.change(change, peer=reader) == ("noAccess", 1)
    assert host.change((instance("vmMigTransferEpoch", vm), "u", 1), change, peer=partial) == ("noAccess", 2)
    assert host.change(change, peer=stranger)[0] == "authorizationError"
    assert host.ask(GET, change[0], peer=stranger).status == "authorizationError"
    assert state_of(host, vm) == before


def test_who_is_nobody_or_has_a_wrong_key_is_reported(host, vm):
    name = instance("vmMigVmName", vm)
    users, digests = stat(host, UNKNOWN_USERS), stat(host, WRONG_DIGESTS)
    assert host.ask(GET, name, peer=Peer("nobody", AUTH, PRIV)).failed == "UnknownUserName"
    assert host.ask(GET, name, peer=Peer(USER, "wrong-authentication", PRIV)).failed == "WrongDigest"
    assert (stat(host, UNKNOWN_USERS), stat(host, WRONG_DIGESTS)) == (users + 1, digests + 1)
    before = state_of(host, vm)
    # What cannot be decrypted is no message: snmpd is silent.
    wrong = Peer(USER, AUTH, "wrong-privacy")
    assert host.ask(SET, (name, rfc1902.OctetString("x")), peer=wrong, seconds=2).failed == "RequestTimedOut"
    assert state_of(host, vm) == before


def test_an_unknown_context_is_counted_and_not_answered(host, vm):
    contexts, before = stat(host, UNKNOWN_CONTEXTS), state_of(host, vm)
    assert host.ask(SET, (instance("vmMigVmName", vm), rfc1902.OctetString("x")), context="elsewhere", seconds=2).failed == "RequestTimedOut"
    assert stat(host, UNKNOWN_CONTEXTS) == contexts + 1
    assert state_of(host, vm) == before


def test_what_was_recorded_is_not_done_again_outside_of_its_time_window(tmp_path, vm):
    """A datagram for the snmpd that was there before it started again."""
    name = instance("vmMigVmName", vm)
    with Processes(str(tmp_path)) as processes, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anybody:
        agent = Agent(tmp_path, processes).begin()
        agent.make_vm(vm)
        assert agent.change((name, "s", "recorded")) == ("", 0)
        recorded = agent.peer.sent
        assert agent.change((name, "s", "changed")) == ("", 0)
        # The negative control: within the window it is as good as at first.
        anybody.sendto(recorded, (HERE, agent.udp))
        wait_until(lambda: agent.values(name) == [b"recorded"], 10, "the recorded SET", step=0.1)
        agent.snmpd.stop()
        agent.start_snmpd()
        agent.wait_answer()
        assert agent.change((name, "s", "changed")) == ("", 0)  # pysnmp learns the new time by a report
        before, = agent.values(NOT_IN_TIME)
        anybody.sendto(recorded, (HERE, agent.udp))
        wait_until(lambda: agent.values(NOT_IN_TIME) == [before + 1], 10, "the report", step=0.1)
        assert agent.values(name) == [b"changed"]
