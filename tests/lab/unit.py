# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts what a systemd unit of a chroot starts, where no systemd runs: its command line as its user, with its capabilities, directories
and environment, and waits for its READY=1. What else the unit forbids is not done here, see booted.py."""

import shlex
import socket

from .privilege import LabError

NOTIFY = "/run/notify"
# /sys tells of the network namespace that mounted it. (ip-netns has given the shell a mount namespace of its own.)
WITH_SYS = 'mount -t sysfs sysfs "$0/sys" && exec chroot "$0" "$@"'


class Unit:
    def __init__(self, chroot, name):
        self.chroot, self.name = chroot, name
        self.settings = {}  # key: all of its values, in order
        for line in chroot.path(f"/lib/systemd/system/{name}.service").read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self.settings.setdefault(key, []).append(value)

    def last(self, key, default=""):
        return self.settings.get(key, [default])[-1]

    def privileges(self, ambient=None):
        """The words that make a process of root one of the unit. ambient: other capabilities than the unit's."""
        if "User" not in self.settings:
            return []
        kept = self.last("AmbientCapabilities").split() if ambient is None else ambient
        bounding = self.last("CapabilityBoundingSet").split()

        def words(capabilities):
            return ",".join(["-all", *("+" + each.lower().removeprefix("cap_") for each in capabilities)])

        user = self.last("User")
        return ["setpriv", "--reuid", user, "--regid", self.last("Group", user), "--init-groups",
                *(["--no-new-privs"] if self.last("NoNewPrivileges") == "yes" else []), "--inh-caps", words(kept),
                "--ambient-caps", words(kept), "--bounding-set", words(bounding)]

    def make_directories(self):
        user = self.last("User", "root")
        for kind, top in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
            if kind in self.settings:
                self.chroot.run("install", "-d", "-o", user, "-g", user, "-m", self.last(kind + "Mode", "755"), f"{top}/{self.last(kind)}")

    def start(self, processes, namespace, ambient=None, ready=True):
        """Start it; with ready, wait for its word that it is."""
        self.make_directories()
        environment = dict(value.split("=", 1) for value in self.settings.get("Environment", []))
        place = self.chroot.path(NOTIFY)
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(place))
            place.chmod(0o666)
            command = ["sh", "-c", WITH_SYS, str(self.chroot.root), "env", "-i", "PATH=/usr/sbin:/usr/bin", f"NOTIFY_SOCKET={NOTIFY}",
                       *(f"{key}={value}" for key, value in environment.items()), *self.privileges(ambient),
                       *shlex.split(self.last("ExecStart"))]
            process = processes.start(self.name, command, namespace)
            if ready:
                self._wait_ready(notified, process)
        return process

    def _wait_ready(self, notified, process):
        notified.settimeout(0.1)

        def is_ready():
            try:
                return b"READY=1" in notified.recv(4096)
            except TimeoutError:
                return False
        process.wait(is_ready, 30, "READY=1 (Type=notify)")


def check(chroot, *names):
    """What systemd has to say of these units."""
    result = chroot.run("systemd-analyze", "verify", "--man=no", *(f"/lib/systemd/system/{name}.service" for name in names), check=False)
    if result.returncode or result.stderr.strip():
        raise LabError(f"systemd-analyze verify: {result.stderr}")


def exposure(chroot, name, most):
    """That systemd-analyze finds a unit no more exposed than this (10 times its number)."""
    return chroot.run("systemd-analyze", "security", "--offline=true", f"--threshold={most}",
                      f"/lib/systemd/system/{name}.service", check=False).returncode == 0


def user_of(chroot, name):
    """(user id, home, shell), or None."""
    fields = chroot.run("getent", "passwd", name, check=False).stdout.strip().split(":")
    return (int(fields[2]), fields[5], fields[6]) if len(fields) == 7 else None

