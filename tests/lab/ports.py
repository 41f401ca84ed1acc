# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports for daemons of a test that share the machine's own network with other tests."""

import random
import socket

# Below the kernel's ip_local_port_range, or any connection could be given the port before the daemon binds it.
FIRST, LAST = 20000, 31999

_held = []  # sockets whose names in the abstract namespace keep other test programs away until this one ends


def _hold(port):
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0vmmig-test-port-{port}")
    except OSError:
        name.close()
        return False
    _held.append(name)
    return True


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_port():
    """A port of 127.0.0.1 that is free for TCP and UDP, and that no other caller is given while this program runs."""
    for port in random.sample(range(FIRST, LAST + 1), 1000):
        if _hold(port):
            if _is_free(port):
                return port
            _held.pop().close()
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
