# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP from this program to a server inside a namespace. A socket stays in the network of the thread that made it."""

import ctypes
import http.client
import os
import socket
import threading

from .privilege import NETNS_DIR, LabError

CLONE_NEWNET = 0x40000000


def connect(namespace, address, timeout):
    """A TCP connection that starts inside the namespace."""
    made = []

    def enter_and_connect():
        try:
            handle = os.open(os.path.join(NETNS_DIR, namespace.full), os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(handle, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace.full}")
            finally:
                os.close(handle)
            made.append(socket.create_connection(address, timeout))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter_and_connect)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


class Connection(http.client.HTTPConnection):
    def __init__(self, namespace, host, port, timeout):
        super().__init__(host, port, timeout=timeout)
        self._namespace = namespace

    def connect(self):
        self.sock = connect(self._namespace, (self.host, self.port), self.timeout)


def request(namespace, method, port, path, body=None, headers=None, timeout=30):
    """The body of the answer of a server at the namespace's loopback."""
    connection = Connection(namespace, "127.0.0.1", port, timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise LabError(f"{method} {path}: {answer.status} {answer.reason}: {text[:500]}")
    return text
