# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel knows of its connections, straight from ctnetlink: also what the conntrack command does not show.

Run as a program in a firewall's namespace it writes one JSON list; rows(namespace) does that.
"""

import json
import socket
import struct
import sys

NETLINK_NETFILTER = 12
NLM_F_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET = 1, 1
NLMSG_ERROR, NLMSG_DONE = 2, 3

# include/uapi/linux/netfilter/nfnetlink_conntrack.h
ATTRIBUTES = {1: "original", 2: "reply", 3: "status", 4: "protoinfo", 5: "help", 7: "timeout", 8: "mark", 15: "seqAdjOriginal",
              16: "seqAdjReply", 18: "zone", 22: "labels"}
TCP = {1: "state", 2: "wscaleOriginal", 3: "wscaleReply", 4: "flagsOriginal", 5: "flagsReply"}
SEQ_ADJ = {1: "correctionPos", 2: "offsetBefore", 3: "offsetAfter"}
STATES = ("NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2")


def rows(namespace):
    """The TCP connections of a namespace of the lab, as dictionaries."""
    return json.loads(namespace.run(sys.executable, __file__).stdout)


def _attributes(data):
    """(type without its flags, payload) of each attribute."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]


def _number(data):
    return int.from_bytes(data, "big")


def _tuple(data):
    result = {}
    for kind, value in _attributes(data):
        inner = dict(_attributes(value)) if kind in (1, 2) else {}
        if kind == 1:  # CTA_TUPLE_IP: IPv4 source, destination, IPv6 source, destination
            family, first = (socket.AF_INET, 1) if 1 in inner else (socket.AF_INET6, 3)
            result |= {"src": socket.inet_ntop(family, inner[first]), "dst": socket.inet_ntop(family, inner[first + 1])}
        elif kind == 2:  # CTA_TUPLE_PROTO
            result |= {"protocol": _number(inner[1]), "sport": _number(inner.get(2, b"")), "dport": _number(inner.get(3, b""))}
    return result


def _tcp(data):
    values = {TCP[kind]: value for kind, value in _attributes(dict(_attributes(data)).get(1, b"")) if kind in TCP}
    result = {key: value[0] for key, value in values.items()}  # flags: the octet before their mask
    return result | ({"state": STATES[result["state"]]} if "state" in result else {})


def _seq_adj(data):
    values = {SEQ_ADJ[kind]: value for kind, value in _attributes(data) if kind in SEQ_ADJ}
    return {key: int.from_bytes(value, "big", signed=key != "correctionPos") for key, value in values.items()}


DECODERS = {"original": _tuple, "reply": _tuple, "protoinfo": _tcp, "seqAdjOriginal": _seq_adj, "seqAdjReply": _seq_adj,
            "labels": bytes.hex, "help": lambda data: dict(_attributes(data)).get(1, b"").rstrip(b"\0").decode()}


def _row(data):
    row = {"zone": 0, "labels": "", "help": "", "seqAdjOriginal": {}, "seqAdjReply": {}}
    for kind, value in _attributes(data[4:]):  # after struct nfgenmsg
        if kind in ATTRIBUTES:
            row[ATTRIBUTES[kind]] = DECODERS.get(ATTRIBUTES[kind], _number)(value)
    return row | row.pop("protoinfo", {})


def dump():
    """All TCP connections of the namespace that this program is in."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as link:
        link.send(struct.pack("=IHHIIBBH", 20, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, 1, 0, 0, 0, 0))
        while True:
            data = link.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return [row for row in found if row["original"]["protocol"] == socket.IPPROTO_TCP]
                if kind == NLMSG_ERROR:
                    raise OSError(f"ctnetlink: error {struct.unpack_from('=i', data, 16)[0]}")
                found.append(_row(data[16:length]))
                data = data[(length + 3) & ~3:]


if __name__ == "__main__":
    json.dump(dump(), sys.stdout)
