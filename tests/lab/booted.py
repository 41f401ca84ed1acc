# SPDX-License-Identifier: GPL-2.0-or-later
"""A chroot booted by systemd-nspawn: its own systemd runs its services, with everything that their units ask for."""

import pathlib

from .netns import run, wait_until


# A bind mount without what is mounted below: systemd-nspawn mounts its own /proc, /dev and /run.
BOOT = 'mkdir -p "$1" && mount --bind "$0" "$1" && shift && exec "$@"'


class Booted:
    """All services of the chroot, in a network of their own. Ends with its process, in the order that systemd knows."""

    def __init__(self, chroot, processes):
        # As udev makes it on a machine.
        tun = chroot.path("/srv/tun")
        if not tun.exists():
            run(["mknod", "--mode=666", tun, "c", "10", "200"])
        # nspawn's own filter would stand before the units', and knows no bpf(2).
        environment = {"SYSTEMD_SECCOMP": "0", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"}
        place = f"{chroot.root}.booted"
        self.process = processes.start("nspawn", [
            "unshare", "--mount", "sh", "-c", BOOT, str(chroot.root), place,
            "systemd-nspawn", "--quiet", f"--directory={place}", "--private-network", "--capability=all", f"--bind={tun}:/dev/net/tun",
            "--volatile=overlay", "--register=no", "--keep-unit", "--console=pipe", "--boot"], env=environment)
        self._first = None
        self.process.wait(self._is_up, 120, "booted")

    def _is_up(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if len(children) != 1:
            return False
        self._first = children[0]
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *command, check=True, timeout=60):
        return run(["nsenter", "--target", self._first, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--wd=/", "--", *command],
                   check=check, timeout=timeout)

    def show(self, unit, *properties):
        """What systemctl says of it, as text in the order of systemd's own."""
        lines = self.run("systemctl", "show", *(f"--property={each}" for each in properties), unit).stdout.split("\n")
        return dict(line.split("=", 1) for line in lines if line)

    def wait_active(self, *units):
        for each in units:
            wait_until(lambda: self.show(each, "ActiveState")["ActiveState"] == "active", 60, f"{each} is active")

    def status_of(self, unit):
        """/proc/PID/status of its main process."""
        text = self.run("cat", f"/proc/{self.show(unit, 'MainPID')['MainPID']}/status").stdout
        return {key: value.strip() for key, value in (line.split(":", 1) for line in text.splitlines())}
