# SPDX-License-Identifier: GPL-2.0-or-later
"""SNMPv3 with another implementation than Net-SNMP: pysnmp, which has codecs, security and message processing of its own.

A program besides, so that it can run in a namespace: each line of its input is one GET as JSON, each line of output its answer.
"""

import dataclasses
import json
import sys

from pyasn1.type import univ
from pysnmp.carrier.asyncore.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.proto.api import v2c

EXCEPTIONS = {rfc1905.NoSuchObject: "noSuchObject", rfc1905.NoSuchInstance: "noSuchInstance", rfc1905.EndOfMibView: "endOfMibView"}
PORTION = 20  # variables in a request


def plain(value):
    """A number, text, octets that are no text, or the name of an exception."""
    for kind, name in EXCEPTIONS.items():
        if isinstance(value, kind):
            return {"exception": name}
    if isinstance(value, rfc1902.OctetString):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return {"octets": bytes(value).hex()}
    return int(value) if isinstance(value, univ.Integer) else str(value)


@dataclasses.dataclass
class Answer:
    """failed: no response, but a report or nothing, by pysnmp's name for it; status, index: of the response."""
    failed: str
    status: str = ""
    index: int = 0
    values: list = dataclasses.field(default_factory=list)  # [(OID as text, value as pysnmp has it)]


class Transport(udp.UdpSocketTransport):
    """Keeps the last datagram that was sent."""
    sent = b""

    def sendMessage(self, outgoing, address):
        self.sent = bytes(outgoing)
        return super().sendMessage(outgoing, address)


class Peer:
    """A user of an agent. An engine of its own knows nothing of what another has learnt of the agent.

    level: as snmpcmd(1) names it. largest: octets of a message that it says it takes.
    """

    def __init__(self, user, authentication, privacy, level="authPriv", largest=65507):
        self._engine = engine.SnmpEngine(maxMessageSize=largest)
        config.addV3User(self._engine, user, config.usmHMAC192SHA256AuthProtocol, authentication, config.usmAesCfb128Protocol, privacy)
        config.addTargetParams(self._engine, "user", user, level)
        self._transport = Transport().openClientMode()
        config.addTransport(self._engine, udp.domainName, self._transport)

    @property
    def sent(self):
        """The last datagram."""
        return self._transport.sent

    def ask(self, pdu, address, *variables, port=161, context="", bulk=(), seconds=10):
        """pdu: v2c.GetRequestPDU or the like; variables: OIDs, or (OID, value) for a SET; bulk: non-repeaters and max-repetitions."""
        question = pdu()
        access = v2c.apiBulkPDU if bulk else v2c.apiPDU
        access.setDefaults(question)
        if bulk:
            access.setNonRepeaters(question, bulk[0])
            access.setMaxRepetitions(question, bulk[1])
        pairs = [each if isinstance(each, tuple) else (each, univ.Null("")) for each in variables]
        access.setVarBinds(question, [(univ.ObjectIdentifier(name.strip(".")), value) for name, value in pairs])
        config.addTargetAddr(self._engine, "agent", udp.domainName, (address, port), "user", timeout=seconds * 100, retryCount=0)
        answers = []
        cmdgen.CommandGenerator().sendPdu(self._engine, "agent", None, context, question, lambda *told: answers.append(told), None)
        try:
            self._engine.transportDispatcher.runDispatcher()
        finally:
            config.delTargetAddr(self._engine, "agent")
        (_, _, failed, response, _), = answers
        if failed:
            return Answer(type(failed).__name__)
        status = v2c.apiPDU.getErrorStatus(response)
        return Answer("", status.prettyPrint() if status else "", int(v2c.apiPDU.getErrorIndex(response, muteErrors=True)),
                      [("." + str(name), value) for name, value in v2c.apiPDU.getVarBinds(response)])

    def get(self, address, names, port=161):
        """{name: plain value}"""
        found = {}
        for first in range(0, len(names), PORTION):
            asked = names[first:first + PORTION]
            answer = self.ask(v2c.GetRequestPDU, address, *asked, port=port)
            if answer.failed or answer.status:
                raise RuntimeError(f"{address}: {answer.failed or answer.status} {answer.index}: {asked}")
            found |= {name: plain(value) for name, (_, value) in zip(asked, answer.values, strict=True)}
        return found


def main():
    peer = Peer(*sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(peer.get(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
