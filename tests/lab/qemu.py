# SPDX-License-Identifier: GPL-2.0-or-later
"""Real QEMU in a lab namespace (TCG), with two QMP monitors: one for the test that orchestrates, one that is vmmigd's alone.

Migrating is QEMU's own: a Machine(..., incoming="tcp:0:4444") waits on one host, migrate("tcp:ADDRESS:4444") leaves the other.
"""

import contextlib
import json
import os
import socket

from .netns import wait_until
from .privilege import LabError

PROGRAM = "qemu-system-x86_64"


def directory(lab, where):
    """Of the sockets of a host's machines."""
    path = os.path.join(lab.directory, f"qemu-{where}")
    os.makedirs(path, exist_ok=True)
    return path


def socket_pattern(lab, where):
    """What vmmigd's qmp-socket says on this host."""
    return os.path.join(directory(lab, where), "*.qmp")


class Monitor:
    """The client's side of a QMP connection. Blocking, each answer with a deadline; events gather meanwhile."""

    def __init__(self, path, name):
        self.name, self.events = name, []
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(path)
        self._next(lambda message: "QMP" in message)
        self.command("qmp_capabilities")

    def close(self):
        self._socket.close()

    def command(self, execute, **arguments):
        """The value that the command returns. Underscores in arguments stand for the hyphens of QMP."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        self._socket.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        answer = self._next(lambda message: "return" in message or "error" in message)
        if "error" in answer:
            raise LabError(f"QEMU {self.name}: {execute}: {answer['error']['desc']}")
        return answer["return"]

    def drain(self):
        """Take in what has arrived, without waiting. The other end may be gone, and so may this one."""
        with contextlib.suppress(OSError):
            self._socket.setblocking(False)
            while received := self._socket.recv(65536):
                self._buffer += received
        with contextlib.suppress(OSError):
            self._socket.settimeout(10)
        while b"\n" in self._buffer:
            self._take()

    def _next(self, wanted):
        while True:
            while b"\n" in self._buffer:
                message = self._take()
                if wanted(message):
                    return message
            try:
                received = self._socket.recv(65536)
            except OSError as error:
                raise LabError(f"QEMU {self.name}: no answer: {error}") from None
            if not received:
                raise LabError(f"QEMU {self.name} has closed its monitor")
            self._buffer += received

    def _take(self):
        line, self._buffer = self._buffer.split(b"\n", 1)
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message


class Machine:
    """One QEMU. guest: more arguments for QEMU, such as its kernel; without, there is only the BIOS.

    tap: a tap device that exists in the namespace; with it the machine has a virtio-net card with this MAC.
    incoming: "defer", or "tcp:ADDRESS:PORT", on which it waits for the migration. memory: as -m has it.
    """

    def __init__(self, lab, where, name, uuid, *, guest=None, mac=None, tap=None, incoming=None, memory=128):
        self.lab, self.where, self.name, self.uuid = lab, where, name, uuid
        self.guest, self.mac, self.tap, self.incoming, self.memory = guest, mac, tap, incoming, memory
        self.process = self._monitor = None
        # Two with the same name may run on one host at the same time: the one that left and the one that came.
        taken = len(os.listdir(directory(lab, where)))
        self._base = os.path.join(directory(lab, where), f"{taken:02}-{name}")
        open(self._base, "w").close()
        self.socket = self._base + ".qmp"  # the monitor that is vmmigd's alone
        self.control = self._base + ".ctl"  # the monitor of command()

    def argv(self):
        command = [PROGRAM, "-accel", "tcg", "-nodefaults", "-display", "none", "-no-user-config", "-name", self.name,
                   "-uuid", self.uuid, "-m", str(self.memory)]
        for path in (self.control, self.socket):
            command += ["-qmp", f"unix:{path},server=on,wait=off"]
        if self.tap:
            command += ["-netdev", f"tap,id=net0,ifname={self.tap},script=no,downscript=no"]
        elif self.mac:
            command += ["-netdev", "hubport,id=net0,hubid=0"]
        if self.mac:
            command += ["-device", f"virtio-net-pci,netdev=net0,id=nic0,mac={self.mac},romfile="]
        if self.incoming:
            command += ["-incoming", self.incoming]
        return command + list(self.guest or ())

    def start(self):
        """Start it; its monitors answer when this returns."""
        self.process = self.lab.start(self.where, f"qemu-{os.path.basename(self._base)}", *self.argv())
        self.process.wait(self._connect, 10, "answering on its monitor")
        return self

    def _connect(self):
        try:
            self._monitor = Monitor(self.control, self.name)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def command(self, execute, **arguments):
        """A QMP command; command("migrate_set_parameters", downtime_limit=10)."""
        return self._monitor.command(execute, **arguments)

    @property
    def events(self):
        """All events until now, as QMP tells them."""
        self._monitor.drain()
        return self._monitor.events

    def status(self):
        """"running", "paused", "inmigrate", "finish-migrate", "postmigrate"..."""
        return self.command("query-status")["status"]

    def wait_status(self, *wanted, seconds=15):
        return wait_until(lambda: self.status() in wanted, seconds, f"QEMU {self.name} on {self.where} is {' or '.join(wanted)}")

    def migration(self):
        """The status of its last migration, or "none"."""
        return self.command("query-migrate").get("status", "none")

    def wait_migration(self, *wanted, seconds=15):
        return wait_until(lambda: self.migration() in wanted, seconds,
                          f"migration of QEMU {self.name} on {self.where} is {' or '.join(wanted)}")

    def migrate(self, uri):
        """Begin to migrate; returns at once."""
        self.command("migrate", uri=uri)

    def set_capabilities(self, **capabilities):
        """set_capabilities(postcopy_ram=True)."""
        wanted = [{"capability": key.replace("_", "-"), "state": state} for key, state in capabilities.items()]
        self.command("migrate-set-capabilities", capabilities=wanted)

    def kill(self):
        """As in an accident."""
        self.process.kill()
        self._monitor.close()

    def quit(self):
        """Let it end by itself, and wait until it has. It may have done so already, or just now: a migration that failed."""
        with contextlib.suppress(LabError, OSError):
            self.command("quit")
        if self.process.running():
            self.process.wait_end(10)
        self._monitor.close()
