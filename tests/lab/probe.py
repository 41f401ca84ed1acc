#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Small network programs for the lab, standard library only. Each runs in a namespace of its own.

    echo PORT...            answers UDP datagrams
    ask ADDRESS PORT [FROM] is a new UDP exchange answered? exit status 0 or 1
    syn ADDRESS PORT COUNT  opens connections that nobody answers, tells their ports, and keeps them until standard input ends
    ticker PORT             a datagram every 10 ms to whoever has sent one
    subscribe ADDRESS PORT  sends one datagram to a ticker, and never another; writes an octet for each that it hears
    hear GROUP PORT OWN     joins a multicast group through the link with that address; writes an octet for each datagram

Whoever reads those octets sees when the stream is silent: services.Meter.
"""

import os
import select
import socket
import sys

TICK = 0.01  # seconds between two datagrams of a stream


def datagrams(address="", port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def echo(*ports):
    sockets = [datagrams(port=int(port)) for port in ports]
    while True:
        for sock in select.select(sockets, [], [])[0]:
            data, peer = sock.recvfrom(2048)
            sock.sendto(data, peer)


def ask(address, port, source=""):
    """Asks for a second; the first datagram may be lost to address resolution. That nobody listens there is an answer too."""
    sock = datagrams(source)
    sock.settimeout(0.2)
    sock.connect((address, int(port)))
    for _ in range(5):
        try:
            sock.send(b"?")
            sock.recv(16)
            return 0
        except ConnectionRefusedError:
            return 0
        except OSError:  # TimeoutError, and what is said of an address that nobody resolves
            pass
    return 1


def syn(address, port, count):
    sockets = []
    for _ in range(int(count)):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((address, int(port)))
        sockets.append(sock)
    print(*(sock.getsockname()[1] for sock in sockets), flush=True)
    sys.stdin.read()


def ticker(port):
    sock, peers = datagrams(port=int(port)), set()
    while True:
        if select.select([sock], [], [], TICK)[0]:
            peers.add(sock.recvfrom(2048)[1])
        for peer in peers:
            sock.sendto(b".", peer)


def subscribe(address, port):
    sock = datagrams()
    sock.connect((address, int(port)))
    sock.send(b"!")
    forward(sock)


def hear(group, port, own):
    sock = datagrams(group, int(port))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
    forward(sock)


def forward(sock):
    """Until standard input ends."""
    while sys.stdin not in select.select([sock, sys.stdin], [], [])[0]:
        sock.recv(2048)
        os.write(1, b".")


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
