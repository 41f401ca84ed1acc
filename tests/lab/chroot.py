# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian of its own in a directory, to install packages in: debootstrap's, kept in $VMMIG_BUILDDIR/chroot, under an overlay that
vanishes. Everything is mounted in a mount namespace of this program, so that nothing stays mounted when it is killed."""

import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile

from .netns import run
from .privilege import LabError

SUITE = "bookworm"
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("net/tun", 10, 200))
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
CLONE_NEWNS = 0x20000
LONG = 1200  # seconds: a mirror may be slow


def private_mounts():
    """From here on this program's mounts are its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise LabError(f"a mount namespace of our own: {os.strerror(ctypes.get_errno())}; run this as root")
    run(["mount", "--make-rprivate", "/"])


def host_sources():
    """What apt of this machine asks for this suite, as lines of a sources.list."""
    found = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages"]).stdout
    return sorted({f"deb {line}" for line in found.splitlines() if line.split()[1].startswith(SUITE) and line.endswith(" main")})


def host_settings():
    """How apt of this machine gets at them: proxies and the like."""
    lines = run(["apt-config", "dump"]).stdout.splitlines()
    return [line for line in lines if line.startswith("Acquire::") and not any(
        word in line for word in ("IndexTargets", "Languages", "GzipIndexes", "cdrom"))]


class Chroot:
    """Use it in a with statement, behind private_mounts(). What is written into it is gone afterwards, unless it is the base."""

    def __init__(self, cache, is_base=False):
        self.cache, self.is_base = pathlib.Path(cache), is_base
        self.base = self.cache / "base"
        self.root = self.base
        self._work = None

    def __enter__(self):
        if not self.base.exists():
            self._bootstrap()
        if not self.is_base:
            self._work = pathlib.Path(tempfile.mkdtemp(prefix="vmmig-chroot-"))
            run(["mount", "-t", "tmpfs", "tmpfs", self._work])
            self.root = self._work / "root"
            for name in ("root", "upper", "work"):
                (self._work / name).mkdir()
            run(["mount", "-t", "overlay", "overlay", "-o",
                 f"lowerdir={self.base},upperdir={self._work}/upper,workdir={self._work}/work", self.root])
        self._mount()
        return self

    def __exit__(self, *_):
        run(["umount", "--lazy", "--recursive", self._work or self.root], check=False)
        if self._work:
            shutil.rmtree(self._work, ignore_errors=True)

    def _bootstrap(self):
        mirror = next(line.split()[1] for line in host_sources() if line.split()[2] == SUITE)
        half = self.cache / "base.new"
        shutil.rmtree(half, ignore_errors=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        run(["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, half, mirror], timeout=LONG)
        half.rename(self.base)

    def _mount(self):
        if self.is_base:
            run(["mount", "--bind", self.root, self.root])
        for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "run"), ("tmpfs", "dev")):
            run(["mount", "-t", kind, kind, self.root / place])
        for name, major, minor in DEVICES:
            device = self.root / "dev" / name
            device.parent.mkdir(exist_ok=True)
            run(["mknod", "--mode=666", device, "c", str(major), str(minor)])
        archives = self.cache / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", archives, self.root / "var/cache/apt/archives"])
        self.write("/etc/resolv.conf", pathlib.Path("/etc/resolv.conf").read_text())
        self.write("/etc/apt/sources.list", "\n".join(host_sources()) + "\n")
        self.write("/etc/apt/apt.conf.d/90vmmig-lab", "\n".join(host_settings()) + "\n")
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)

    def path(self, inside):
        return self.root / inside.lstrip("/")

    def write(self, inside, text, mode=0o644, owner=None):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        if owner:
            self.run("chown", owner, inside)

    def argv(self, *command):
        return ["chroot", self.root, *command]

    def run(self, *command, check=True, timeout=LONG, env=None):
        # With what leads to the mirror, and nothing else of ours.
        proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
        return run(self.argv(*command), check=check, timeout=timeout, env={**ENVIRONMENT, **proxies, **(env or {})},
                   stdin=subprocess.DEVNULL)

    def apt(self, *words):
        return self.run("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *words)

    def offer(self, directory):
        """A repository of the packages in a directory, beside the mirror's; instead of an earlier one."""
        place = self.path("/srv/packages")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for package in pathlib.Path(directory).glob("*.deb"):
            shutil.copy(package, place)
        (place / "Packages").write_text(run(["dpkg-scanpackages", "-m", "."], cwd=place, timeout=60).stdout)
        self.write("/etc/apt/sources.list.d/packages.list", "deb [trusted=yes] file:/srv/packages ./\n")
        self.apt("update")

    def would_install(self, *names):
        lines = self.apt("--simulate", "install", *names).stdout.splitlines()
        return [line.split()[1] for line in lines if line.startswith("Inst ")]

    def files(self):
        """Every path with its kind and mode, but what apt, dpkg and the kernel keep for themselves."""
        own = ("proc", "sys", "dev", "run", "srv", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg")
        found = set()
        for directory, names, files in os.walk(self.root):
            inside = os.path.relpath(directory, self.root)
            names[:] = [name for name in names if os.path.normpath(os.path.join(inside, name)) not in own]
            for name in names + files:
                path = os.path.join(directory, name)
                found.add((os.path.relpath(path, self.root), oct(os.lstat(path).st_mode)))
        return found
