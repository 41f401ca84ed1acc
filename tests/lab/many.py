# SPDX-License-Identifier: GPL-2.0-or-later
"""Many VMs of many connections, put straight into a firewall's kernel: no packet is needed, and no socket stands behind them.

Run as a program in the firewall's namespace it makes them, or counts what is there; fill() and census() do that.
"""

import json
import socket
import struct
import sys
import uuid
import zlib
from typing import NamedTuple

NETLINK_NETFILTER = 12
NEW, GET_DUMP = 0x100, 0x101  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_CREATE_EXCL = 0x1, 0x301, 0x601
NLMSG_ERROR, NLMSG_DONE = 2, 3
CTA_TIMEOUT = 7
ESTABLISHED, TIMEOUT = 3, 3000
CONFIRMED = 0x0e  # IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED
CLIENT, FIRST_PORT, SERVICE = "192.0.2.10", 1024, 443
BATCH = 400  # messages that fit the socket's buffer


class Vm(NamedTuple):
    uuid: str
    name: str
    address: str

    @property
    def index(self):
        """Sub-identifiers of its rows, as SNMP has them."""
        return ".".join(str(octet) for octet in uuid.UUID(self.uuid).bytes)


def vms(count, first=0):
    """So many VMs, always the same ones."""
    return [Vm(str(uuid.UUID(int=(0x6ba7b811 << 96) + number)), f"vm-{number}", _address(number))
            for number in range(first, first + count)]


def fill(namespace, some, each):
    """`each` connections from a client to each of these VMs, which follow each other as vms() has them."""
    namespace.run(sys.executable, __file__, "fill", some[0].address, str(len(some)), str(each), timeout=120)


def census(namespace):
    """{the VM's address: [connections, checksum]} of a firewall's kernel. The checksum changes when an entry is deleted, made anew or
    altered, and not as time passes."""
    return json.loads(namespace.run(sys.executable, __file__, "census", timeout=120).stdout)


def _address(number):
    return f"10.2.{number >> 8}.{number & 255}"


# In the namespace

def _attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _nested(kind, *inner):
    return _attribute(kind | 0x8000, b"".join(inner))


def _tuple(kind, source, source_port, destination, destination_port):
    return _nested(kind, _nested(1, _attribute(1, source), _attribute(2, destination)),
                   _nested(2, _attribute(1, b"\6"), _attribute(2, source_port), _attribute(3, destination_port)))


def _connection(vm, port):
    """The message that makes one."""
    client, vm, port, service = socket.inet_aton(CLIENT), vm, struct.pack(">H", port), struct.pack(">H", SERVICE)
    flags = b"\3\x0f"  # IP_CT_TCP_FLAG_WINDOW_SCALE | SACK_PERM
    tcp = _nested(1, _attribute(1, bytes([ESTABLISHED])), _attribute(2, b"\7"), _attribute(3, b"\7"), _attribute(4, flags),
                  _attribute(5, flags))
    body = b"".join((struct.pack("=BBH", socket.AF_INET, 0, 0), _tuple(1, client, port, vm, service),
                     _tuple(2, vm, service, client, port), _attribute(3, struct.pack(">I", CONFIRMED)), _nested(4, tcp),
                     _attribute(CTA_TIMEOUT, struct.pack(">I", TIMEOUT))))
    return struct.pack("=IHHII", 16 + len(body), NEW, NLM_F_REQUEST | NLM_F_CREATE_EXCL, 0, 0) + body


def _connections(first, count, each):
    """All messages. What differs between two of them is cut out once, as packing each anew takes three times as long."""
    model = _connection(b"VMVM", 0x5050)
    around_address = model.split(b"VMVM")
    around_port = [part.split(struct.pack(">H", 0x5050)) for part in around_address]
    ports = [struct.pack(">H", FIRST_PORT + number) for number in range(each)]
    number = struct.unpack(">I", socket.inet_aton(first))[0]
    for address in (struct.pack(">I", number + vm) for vm in range(count)):
        for port in ports:
            yield address.join(port.join(part) for part in around_port)


def _open():
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return link


def make(first, count, each):
    with _open() as link:
        link.setblocking(False)
        messages = list(_connections(first, count, each))
        for begin in range(0, len(messages), BATCH):
            link.send(b"".join(messages[begin:begin + BATCH]))
            try:  # the kernel has worked through them, and says only what went wrong
                code, = struct.unpack_from("=i", link.recv(1 << 16), 16)
                raise OSError(-code, "a connection was not made; is net.netfilter.nf_conntrack_max too low?")
            except BlockingIOError:
                pass


def _fingerprint(message):
    """(the original tuple's destination, a number for all but the remaining time)."""
    kept, at = bytearray(), 20
    while at < len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        end = at + (length + 3 & ~3)
        if kind & 0x3fff != CTA_TIMEOUT:
            kept += message[at:end]
        at = end
    return socket.inet_ntoa(message[40:44]), zlib.crc32(kept)


def count():
    found = {}
    with _open() as link:
        link.send(struct.pack("=IHHIIBBH", 20, GET_DUMP, NLM_F_DUMP, 1, 0, socket.AF_INET, 0, 0))
        while True:
            data, at = link.recv(1 << 20), 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    raise OSError(f"ctnetlink: error {struct.unpack_from('=i', data, at + 16)[0]}")
                address, number = _fingerprint(data[at:at + length])
                entry = found.setdefault(address, [0, 0])
                entry[0] += 1
                entry[1] += number
                at += length + 3 & ~3


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        json.dump(count(), sys.stdout)
