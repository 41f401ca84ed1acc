# SPDX-License-Identifier: GPL-2.0-or-later
"""SNMPv3 by pysnmp: who may what, who is nobody, wrong keys, unknown contexts, and what was recorded earlier."""

import socket

from pysnmp.proto import rfc1902

from conftest import AUTH, PRIV, USER, instance
from lab.netns import wait_until
from lab.procs import Processes
from lab.pysnmp_peer import Peer
from pysnmp_agent import GET, HERE, SET, Agent, shared, state_of  # noqa: F401 - a fixture among them

# RFC 3414
UNSUPPORTED_LEVELS, NOT_IN_TIME, UNKNOWN_USERS, UNKNOWN_ENGINES, WRONG_DIGESTS = (f".1.3.6.1.6.3.15.1.1.{number}.0" for number in range(1, 6))
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
    # What cannot be decrypted is no message: snmpd is silent, and counts nothing in usmStatsDecryptionErrors.
    wrong = Peer(USER, AUTH, "wrong-privacy")
    assert host.ask(SET, (name, rfc1902.OctetString("x")), peer=wrong, seconds=2).failed == "RequestTimedOut"
    assert state_of(host, vm) == before


def test_a_user_is_asked_for_the_level_that_he_has(host, vm):
    """Less than the agent wants of him is no right, more than he has keys for is reported, and his own is enough."""
    name = instance("vmMigVmName", vm)
    for level in ("noAuthNoPriv", "authNoPriv"):
        assert host.ask(GET, name, peer=Peer("reader", "reader-authentication", "reader-privacy", level)).status == "authorizationError"
    assert host.ask(GET, name, peer=Peer("signer", "signer-authentication", "signer-privacy", "noAuthNoPriv")).status == "authorizationError"
    levels = stat(host, UNSUPPORTED_LEVELS)
    assert host.ask(GET, name, peer=Peer("signer", "signer-authentication", "signer-privacy")).failed == "UnsupportedSecurityLevel"
    assert stat(host, UNSUPPORTED_LEVELS) == levels + 1
    assert host.ask(GET, name, peer=Peer("signer", "signer-authentication", "signer-privacy", "authNoPriv")).values == host.ask(GET, name).values


def test_who_does_not_know_the_engine_yet_is_told_it(host, vm):
    engines = stat(host, UNKNOWN_ENGINES)
    assert host.ask(GET, instance("vmMigVmName", vm), peer=Peer(USER, AUTH, PRIV)).values
    assert stat(host, UNKNOWN_ENGINES) == engines + 1


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
