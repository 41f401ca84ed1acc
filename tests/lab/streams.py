# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams of datagrams, to groups and to single addresses, and how long each of them was silent.

A stream is told as NAME=ADDRESS, or NAME=SOURCE@GROUP for a source-specific membership (RFC 4607). Run as a program:

    streams.py send LINK STREAM...      sends each of them every 20 ms, until it is ended
    streams.py receive LINK STREAM...   joins the groups; answers each line of its input with a line of JSON
"""

import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time

PORT = 7020
INTERVAL = 0.02
IP_ADD_SOURCE_MEMBERSHIP = 39  # linux/in.h; the socket module has no name for it


class Stream:
    def __init__(self, text):
        self.name, _, where = text.partition("=")
        source, _, destination = where.rpartition("@")
        self.source = source or None
        self.address = ipaddress.ip_address(destination)
        self.family = socket.AF_INET if self.address.version == 4 else socket.AF_INET6
        self.socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self.seen = self.longest = 0
        self.last = time.monotonic()

    def lead(self, link):
        """Send through this link."""
        index = socket.if_nametoindex(link)
        if self.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)

    def send(self):
        try:
            self.socket.sendto(b"x" * 32, socket.MSG_DONTWAIT, (str(self.address), PORT))
        except OSError:
            pass  # nobody answers for the address at present

    def listen(self, link):
        self.socket.bind((str(self.address), PORT))
        if not self.address.is_multicast:
            return
        index = socket.if_nametoindex(link)
        group = self.address.packed
        if self.source:
            own = socket.inet_aton(os.environ["STREAMS_OWN_ADDRESS"])
            self.socket.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, group + own + socket.inet_aton(self.source))
        elif self.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", group, bytes(4), index))
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))

    def receive(self):
        self.socket.recv(64)
        self._pass_time()
        self.seen += 1

    def _pass_time(self):
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now

    def tell(self):
        """Datagrams, and the longest silence in ms, also one that lasts."""
        longest = max(self.longest, time.monotonic() - self.last)
        return {"seen": self.seen, "longestSilenceMs": round(longest * 1000)}

    def mark(self):
        self.seen = self.longest = 0
        self.last = time.monotonic()


def send(streams, link):
    for stream in streams:
        stream.lead(link)
    while True:
        for stream in streams:
            stream.send()
        time.sleep(INTERVAL)


def receive(streams, link):
    for stream in streams:
        stream.listen(link)
    ready = {stream.socket: stream for stream in streams}
    while True:
        for each in select.select([sys.stdin, *ready], [], [])[0]:
            if each is not sys.stdin:
                ready[each].receive()
                continue
            line = sys.stdin.readline()
            if not line:
                return
            print(json.dumps({stream.name: stream.tell() for stream in streams}), flush=True)
            if line.strip() == "mark":
                for stream in streams:
                    stream.mark()


class Receiver:
    """The receiving end in a namespace."""

    def __init__(self, lab, where, link, own_address, *streams):
        self._process = lab.start(where, "streams", sys.executable, __file__, "receive", link, *streams, pipes=True,
                                  env={"STREAMS_OWN_ADDRESS": own_address})

    def ask(self, word="tell"):
        """For each stream what it has been like since mark()."""
        pipes = self._process.popen
        pipes.stdin.write(word + "\n")
        pipes.stdin.flush()
        return json.loads(pipes.stdout.readline())

    def mark(self):
        self.ask("mark")


def sender(lab, where, link, *streams):
    """The sending end in a namespace."""
    return lab.start(where, f"streams-{where}", sys.executable, __file__, "send", link, *streams)


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]]([Stream(text) for text in sys.argv[3:]], sys.argv[2])
