#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs programs inside a VM, as ip-netns runs them inside a namespace. Standard library only, for it runs at both ends:

    remote.py serve PORT                   in the VM: a program for each connection
    remote.py run ADDRESS PORT COMMAND...  outside: standard input, output, error and exit status are the program's

The connection survives the VM's migrations. When it ends, so does the program's standard input, and the program with it.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import threading

OUTPUT, ERROR, STATUS = 1, 2, 3  # what a frame brings
HEAD = struct.Struct("!BI")
CANNOT_RUN = 127


def serve(port):
    """Forever, also as the VM's first process, which inherits and reaps what others leave behind."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.create_server(("", int(port)), backlog=64)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # so that the moment in which a program writes is seen
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _serve_one(peer)
        peer.close()


def _serve_one(peer):
    received = b""
    while b"\n" not in received:
        more = peer.recv(65536)
        if not more:
            return
        received += more
    line, _, begun = received.partition(b"\n")
    try:
        pid, stdin, stdout, stderr = _spawn(json.loads(line))
    except OSError as error:
        _send(peer, ERROR, f"{error}\n".encode())
        return _send(peer, STATUS, struct.pack("!i", CANNOT_RUN))
    threading.Thread(target=_feed, args=(peer, stdin, begun), daemon=True).start()
    _forward(peer, stdout, stderr)
    _send(peer, STATUS, struct.pack("!i", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def _spawn(command):
    """Its process id, and our ends of its standard input, output and error. (Those are closed in it: Python's pipes are.)"""
    ends = [os.pipe() for _ in range(3)]
    theirs = [ends[0][0], ends[1][1], ends[2][1]]
    pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGCHLD],
                          file_actions=[(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(theirs)])
    for end in theirs:
        os.close(end)
    return pid, ends[0][1], ends[1][0], ends[2][0]


def _feed(peer, stdin, begun):
    """In a thread, for a program may want to be rid of its output before it takes more input."""
    data = begun
    try:
        while data or (data := peer.recv(65536)):
            _write(stdin, data)
            data = b""
    except OSError:
        pass  # the one outside was killed
    os.close(stdin)


def _forward(peer, stdout, stderr):
    """Until the program has closed both."""
    kinds = {stdout: OUTPUT, stderr: ERROR}
    while kinds:
        for each in select.select(list(kinds), [], [])[0]:
            data = os.read(each, 65536)
            if data:
                _send(peer, kinds[each], data)
            else:
                del kinds[each]


def _write(descriptor, data):
    try:
        while data:
            data = data[os.write(descriptor, data):]
    except BrokenPipeError:
        pass  # the program has read enough


def _send(peer, kind, data):
    try:
        peer.sendall(HEAD.pack(kind, len(data)) + data)
    except OSError:
        pass  # nobody listens any more; the end of the program's input ends the program


def run(address, port, *command):
    peer = socket.create_connection((address, int(port)), timeout=1)
    peer.settimeout(None)
    peer.sendall(json.dumps(command).encode() + b"\n")
    threading.Thread(target=_pass_input, args=(peer,), daemon=True).start()
    buffer = b""
    while data := peer.recv(1 << 20):
        buffer += data
        while len(buffer) >= HEAD.size and len(buffer) >= HEAD.size + HEAD.unpack_from(buffer)[1]:
            kind, length = HEAD.unpack_from(buffer)
            data, buffer = buffer[HEAD.size:HEAD.size + length], buffer[HEAD.size + length:]
            if kind == STATUS:
                return abs(struct.unpack("!i", data)[0])
            _write(kind, data)
    raise OSError(f"the VM has closed the connection of {command[0]}")


def _pass_input(peer):
    try:
        while data := os.read(0, 65536):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the program has ended


if __name__ == "__main__":
    try:
        sys.exit({"serve": serve, "run": run}[sys.argv[1]](*sys.argv[2:]))
    except OSError as fault:
        sys.exit(f"{' '.join(sys.argv[1:5])}: {fault}")
