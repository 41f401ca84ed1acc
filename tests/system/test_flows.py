# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP, ICMP and SCTP flows and an FTP session behind a NAT go on when `vmmig migrate` has moved the VM; without it they do not."""

import contextlib
import ctypes
import ftplib
import io
import os
import random
import socket
import struct
import sys

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import ctnetlink  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.privilege import NETNS_DIR  # noqa: E402
from lab.topology import CLIENT4, CLIENT6, PUBLIC4, SITES, SNAT_PORT, VM4, VM6  # noqa: E402
from lab.vmmig import VM_NAME, Vmmig  # noqa: E402

CLONE_NEWNET = 0x40000000
IDENTIFIER = 4711
SCTP = 132
VM_TAG, CLIENT_TAG = 0x01020304, 0x0a0b0c0d
SCTP_PORTS = {"vm": 7777, "client": 9999}

# Beside the lab's own rules, on both firewalls: a source translation that chooses ports at random, and FTP's helper.
RULES = f"""\
add rule inet firewall forward iifname "vms" ct state new meta l4proto sctp accept
table inet more {{
    ct helper ftp {{ type "ftp" protocol tcp; }}
    chain nat {{
        type nat hook postrouting priority srcnat - 1; policy accept;
        oifname "clients" ip saddr {VM4} udp dport {SNAT_PORT} snat ip to {PUBLIC4}:40000-50000
    }}
    chain help {{
        type filter hook prerouting priority filter - 10; policy accept;
        tcp dport {SNAT_PORT} ct helper set "ftp"
    }}
}}
"""

LOSS = f"""\
table inet loss {{
    chain output {{
        type filter hook output priority filter; policy accept;
        ip daddr {PUBLIC4} tcp flags & (syn | ack) == syn drop
    }}
}}
"""


@contextlib.contextmanager
def inside(namespace):
    """Sockets that are opened in here belong to the namespace, and stay there."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        failed = libc.setns(descriptor, CLONE_NEWNET)
        os.close(descriptor)
        if failed:
            raise OSError(ctypes.get_errno(), f"setns({path})")

    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    enter(os.path.join(NETNS_DIR, namespace.full))
    try:
        yield
    finally:
        enter(f"/proc/self/fd/{home}")
        os.close(home)


class Datagrams:
    """A socket in a namespace, bound; raw ones for protocols that have no sockets of their own here."""

    def __init__(self, namespace, address, port=0, kind=socket.SOCK_DGRAM, protocol=0):
        with inside(namespace):
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, protocol)
            self.socket.bind((address, port))

    def send(self, data, address, port=0):
        self.socket.sendto(data, (address, port))

    def hears(self, end, seconds=2.0):
        """Who sent the next datagram that ends so, or None."""
        self.socket.settimeout(seconds)
        try:
            while True:
                data, sender = self.socket.recvfrom(65536)
                if data.endswith(end):
                    return sender
        except TimeoutError:
            return None


def internet_checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def echo(kind, text):
    """An ICMP echo request (8) or reply (0); the text has an even length."""
    packet = struct.pack("!BBHHH", kind, 0, 0, IDENTIFIER, 1) + text
    return packet[:2] + struct.pack("!H", internet_checksum(packet)) + packet[4:]


def crc32c(data):
    crc = 0xffffffff
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return ~crc & 0xffffffff


def sctp(sender, tag, kind, value=b""):
    """A packet of one chunk (RFC 9260)."""
    receiver = "client" if sender == "vm" else "vm"
    header = struct.pack("!HHI", SCTP_PORTS[sender], SCTP_PORTS[receiver], tag)
    chunk = struct.pack("!BBH", kind, 0, 4 + len(value)) + value
    return header + struct.pack("<I", crc32c(header + bytes(4) + chunk)) + chunk


def opening(tag):
    return struct.pack("!IIHHI", tag, 65536, 1, 1, 7)


def sctp_data(text):
    return struct.pack("!IHHI", 1, 0, 0, 0) + text


class Flows:
    """One flow of each kind, opened by the VM, as the firewall demands."""

    def __init__(self, lab):
        vm, client = lab.ns["vm"], lab.ns["client"]
        client.sysctl(net__ipv4__icmp_echo_ignore_all=1)  # this test answers itself, when it wants to
        self.udp = {(VM4, CLIENT4, 5004): None, (VM6, CLIENT6, 5006): None, (VM4, CLIENT4, SNAT_PORT): None}
        for flow in self.udp:
            local, remote, port = flow
            self.udp[flow] = Datagrams(vm, local, 6000 + port % 1000), Datagrams(client, remote, port)
        self.icmp = [Datagrams(vm, VM4, 0, socket.SOCK_RAW, socket.IPPROTO_ICMP),
                     Datagrams(client, CLIENT4, 0, socket.SOCK_RAW, socket.IPPROTO_ICMP)]
        self.sctp = [Datagrams(vm, VM4, 0, socket.SOCK_RAW, SCTP), Datagrams(client, CLIENT4, 0, socket.SOCK_RAW, SCTP)]
        self.seen = {flow: self._ask(flow, b"question") for flow in self.udp}
        for flow in self.udp:
            assert self._answer(flow, b"answer"), flow
        self.icmp[0].send(echo(8, b"ping"), CLIENT4)
        assert self.icmp[1].hears(b"ping")
        self._associate()

    def _ask(self, flow, text):
        """The VM speaks: the address and port that the client sees."""
        vm, client = self.udp[flow]
        vm.send(text, flow[1], flow[2])
        return client.hears(text)[:2]

    def _answer(self, flow, text, seconds=2.0):
        """The client speaks to where it knows the VM: whether it arrives."""
        vm, client = self.udp[flow]
        client.send(text, *self.seen[flow])
        return vm.hears(text, seconds) is not None

    def _associate(self):
        for sender, tag, kind, value in (("vm", 0, 1, opening(VM_TAG)), ("client", VM_TAG, 2, opening(CLIENT_TAG)),
                                         ("vm", CLIENT_TAG, 10, b"cake"), ("client", VM_TAG, 11, b"")):
            assert self._sctp(sender, tag, kind, value), (sender, kind)

    def _sctp(self, sender, tag, kind, value, seconds=2.0):
        source, target = self.sctp if sender == "vm" else self.sctp[::-1]
        packet = sctp(sender, tag, kind, value)
        source.send(packet, CLIENT4 if sender == "vm" else VM4)
        return target.hears(packet, seconds) is not None

    def alive(self, seconds):
        """Of each: does what the client sends still reach the VM? And where does it see the VM now?"""
        result = {f"from {flow[1]} port {flow[2]}": self._answer(flow, b"again", seconds) for flow in self.udp}
        self.icmp[1].send(echo(0, b"late"), VM4)
        result["late echo reply"] = self.icmp[0].hears(b"late", seconds) is not None
        result["SCTP data"] = self._sctp("client", VM_TAG, 0, sctp_data(b"data"), seconds)
        translated = VM4, CLIENT4, SNAT_PORT
        result["translated port"] = self._ask(translated, b"and again") == self.seen[translated]
        return result


def prepare(lab):
    for site in SITES:
        lab.firewalls[site].namespace.run("nft", "-f", "-", text=RULES)


def migrate(lab, vmmig):
    """What an operator does by hand who has stopped the VM."""
    lab.vm_stop()
    vmmig.command("migrate", VM_NAME, "--from", f"fw-{lab.vm_site}", "--to", "fw-b", "--now", "--config", vmmig.conf)
    lab.vm_move("b")
    lab.move_path("b")
    lab.vm_resume()


def protocols(lab, site):
    return sorted({row["protocol"] for row in lab.conntrack_rows(site)})


def test_flows_of_every_protocol_go_on(lab):
    prepare(lab)
    vmmig = Vmmig(lab).start()
    flows = Flows(lab)
    before = len(lab.conntrack_rows("a"))
    migrate(lab, vmmig)
    assert lab.conntrack_rows("a") == []
    assert len(lab.conntrack_rows("b")) == before
    alive = flows.alive(2.0)
    assert alive == dict.fromkeys(alive, True)
    assert {"udp", "icmp", "sctp"} <= set(protocols(lab, "b"))
    assert lab.invalid_packets("b") == 0


def test_without_vmmig_no_flow_goes_on(lab):
    prepare(lab)
    flows = Flows(lab)
    lab.migrate("b")
    alive = flows.alive(0.3)
    assert alive == dict.fromkeys(alive, False)


def test_the_source_keeps_its_flows_when_the_destination_cannot_take_them(lab):
    """The public address's port is in use at the destination: nothing moves, and everything goes on at the source."""
    prepare(lab)
    vmmig = Vmmig(lab).start()
    flows = Flows(lab)
    address, port = flows.seen[VM4, CLIENT4, SNAT_PORT]
    lab.ns["fw-b"].run("conntrack", "-I", "-p", "udp", "-s", address, "--sport", str(port), "-d", CLIENT4, "--dport",
                       str(SNAT_PORT), "-t", "60")
    lab.vm_stop()
    answer = vmmig.command("migrate", VM_NAME, "--from", "fw-a", "--to", "fw-b", "--now", "--config", vmmig.conf, check=False)
    lab.vm_resume()
    assert answer.returncode != 0 and "UDP flow" in answer.stdout + answer.stderr, answer.stdout + answer.stderr
    wait_until(lambda: lab.conntrack_rows("b") == [], 10, "nothing left at the destination")
    alive = flows.alive(2.0)
    assert alive == dict.fromkeys(alive, True)


class FtpSession:
    """A real server outside, and a client in the VM that the firewall translates: each PORT grows on its way."""

    def __init__(self, lab):
        self.lab = lab
        self.directory = os.path.join(lab.directory, "ftp")
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o777)
        server = lab.start("client", "ftp-server", sys.executable, "-m", "pyftpdlib", "-i", CLIENT4, "-p", str(SNAT_PORT), "-w",
                           "-d", self.directory)
        server.wait_log("starting FTP server")
        self.ftp = ftplib.FTP(timeout=10)
        with inside(lab.ns["vm"]):
            self.ftp.connect(CLIENT4, SNAT_PORT)
            self.ftp.login()
        self.ftp.set_pasv(False)

    def announce(self):
        """PORT, without waiting for its answer: the socket at which the VM waits for the server."""
        with inside(self.lab.ns["vm"]):
            waiting = socket.create_server((VM4, 0))
        waiting.settimeout(10)
        port = waiting.getsockname()[1]
        self.ftp.putcmd(f"PORT {VM4.replace('.', ',')},{port // 256},{port % 256}")
        return waiting

    def fetch(self, name, waiting=None):
        """A file by an active transfer."""
        waiting = waiting or self.announce()
        assert self.ftp.getresp().startswith("200")  # this server connects at once
        self.ftp.sendcmd(f"RETR {name}")
        connection, _ = waiting.accept()
        with waiting, connection, connection.makefile("rb") as stream:
            content = stream.read()
        self.ftp.voidresp()
        return content

    def store(self, name, content):
        with inside(self.lab.ns["vm"]):
            self.ftp.storbinary(f"STOR {name}", io.BytesIO(content))
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read()


def sequence_adjustment(lab, site):
    return next(row["seqAdjOriginal"].get("offsetAfter", 0) for row in ctnetlink.rows(lab.ns[f"fw-{site}"])
                if row["help"] == "ftp")


def test_an_ftp_session_with_rewritten_addresses_loses_not_one_byte(lab):
    prepare(lab)
    vmmig = Vmmig(lab).start()
    session = FtpSession(lab)
    first, second = (random.Random(seed).randbytes(300_000) for seed in (1, 2))
    assert session.store("first", first) == first
    assert session.fetch("first") == first
    grown = sequence_adjustment(lab, "a")
    assert grown == 2 * (len(PUBLIC4) - len(VM4))

    # The server's SYN is lost, and sent again when the VM has moved.
    lab.ns["client"].run("nft", "-f", "-", text=LOSS)
    waiting = session.announce()
    wait_until(lambda: "dport" in lab.ns["fw-a"].run("conntrack", "-L", "expect").stdout, 10, "a connection expected")
    migrate(lab, vmmig)
    lab.ns["client"].run("nft", "delete", "table", "inet", "loss")
    assert [each["vmMigExpectHelper"] for each in vmmig.show("fw-b", "expect")] == ["ftp"]
    assert session.fetch("first", waiting) == first, "by the connection that the source had expected"
    assert session.ftp.voidcmd("NOOP").startswith("200")
    assert session.ftp.mkd("directory").endswith("directory")
    assert session.store("second", second) == second
    assert session.fetch("second") == second
    assert sorted(os.listdir(session.directory)) == ["directory", "first", "second"]
    assert sequence_adjustment(lab, "b") == 5 * (len(PUBLIC4) - len(VM4)), "each PORT since has grown as well"
    assert lab.invalid_packets("b") == 0
    session.ftp.quit()


def test_without_vmmig_the_ftp_session_hangs(lab):
    prepare(lab)
    session = FtpSession(lab)
    assert session.store("first", b"content") == b"content"
    lab.migrate("b")
    session.ftp.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        session.ftp.voidcmd("NOOP")
