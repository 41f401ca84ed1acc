# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces, links, bridges and addresses, which all vanish with the program that made them.

Names carry the owner's process id (vmmig-4711-fw-a), so runs do not meet, and what a killed run left is found and removed.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from .privilege import LabError, NETNS_DIR

PREFIX = "vmmig"
OWNED = re.compile(rf"{PREFIX}-(\d+)-")


def wait_until(condition, seconds, what, step=0.02):
    """Poll until condition() is true, and return what it returned; raise LabError after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds} s")
        time.sleep(step)


def run(argv, text=None, timeout=20, check=True, **more):
    """Run a command to its end; raise LabError with its own words when it fails."""
    try:
        result = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=timeout, **more)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: no end within {timeout} s") from None
    if check and result.returncode:
        raise LabError(f"{' '.join(argv)}: exit status {result.returncode}: "
                       f"{result.stderr.strip() or result.stdout.strip()}" + (f"\ninput was:\n{text}" if text else ""))
    return result


class Namespace:
    """One network namespace. name is the short one (fw-a), full the one that ip-netns knows."""

    def __init__(self, name, full):
        self.name, self.full = name, full

    def argv(self, command):
        """The command line that runs command in here, for Popen."""
        return ["ip", "netns", "exec", self.full, *command]

    def run(self, *command, **options):
        return run(self.argv(command), **options)

    def ip(self, *lines):
        """ip commands without the leading 'ip', all in one process."""
        run(["ip", "-netns", self.full, "-batch", "-"], text="\n".join(lines) + "\n")

    def ip_json(self, *command):
        return json.loads(run(["ip", "-netns", self.full, "-json", *command]).stdout or "[]")

    def sysctl(self, **settings):
        """sysctl(net__ipv4__ip_forward=1): two underscores stand for a dot."""
        self.run("sysctl", "-q", "-w", *(f"{key.replace('__', '.')}={value}" for key, value in settings.items()))

    def wait_addresses(self, seconds=5):
        """Until no address is tentative any more and every link that is up has its carrier."""
        def usable():
            links = [link for link in self.ip_json("address", "show") if "UP" in link["flags"]]
            return all("NO-CARRIER" not in link["flags"] and not any(a.get("tentative") for a in link["addr_info"])
                       for link in links)
        wait_until(usable, seconds, f"addresses of {self.name} usable")


class Namespaces:
    """The namespaces of one run, and a directory for its files. Use it in a with statement."""

    def __init__(self):
        self.all = {}
        self._owner = f"{PREFIX}-{os.getpid()}"
        self.directory = None

    def __enter__(self):
        sweep()
        self.directory = tempfile.mkdtemp(prefix=self._owner + "-")
        return self

    def __exit__(self, *_):
        for namespace in self.all.values():
            _delete(namespace.full)
        self.all.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def add(self, *names):
        """Create namespaces with the loopback up, and IPv6 addresses usable at once."""
        for name in names:
            namespace = Namespace(name, f"{self._owner}-{os.path.basename(self.directory)[-4:]}-{name}")
            self.all[name] = namespace
            run(["ip", "netns", "add", namespace.full])
            namespace.sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
                             net__ipv6__conf__default__accept_ra=0, net__ipv6__conf__default__router_solicitations=0,
                             net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
            namespace.ip("link set lo up")
        return [self.all[name] for name in names]


_indexes = itertools.count(1000)


def veth(one, one_name, other, other_name):
    """A cable between two namespaces; both ends are still down."""
    # Two ends that have the same index by chance look like no cable to the kernel, which then takes a second to notice a carrier.
    one.ip(f"link add name {one_name} index {next(_indexes)} type veth "
           f"peer name {other_name} index {next(_indexes)} netns {other.full}")


def bridge(namespace, name):
    """A switch that forwards at once: no spanning tree, no multicast snooping delays; its ports are still to be added."""
    namespace.ip(f"link add name {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                 f"link set {name} up")


def sweep():
    """Remove what killed runs left behind; returns the names. Processes in such a namespace belonged to that run."""
    namespaces, files = _left_in(NETNS_DIR), _left_in(tempfile.gettempdir())
    for name in namespaces:
        _delete(name)
    for name in files:
        shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)
    return namespaces + files


def _left_in(directory):
    names = os.listdir(directory) if os.path.isdir(directory) else ()
    found = [name for name in names if (match := OWNED.match(name)) and not _alive(int(match[1]))]
    return [name for name in found if directory == NETNS_DIR or _mine(os.path.join(directory, name))]


def _mine(path):
    """Another user's files are theirs to sweep. (Does not apply to namespaces: the kernel owns their inodes.)"""
    try:
        return os.lstat(path).st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _alive(pid):
    return os.path.exists(f"/proc/{pid}")


def _delete(full):
    """Delete a namespace and, by their ids, the processes that are still in it."""
    for pid in run(["ip", "netns", "pids", full], check=False).stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    run(["ip", "netns", "delete", full], check=False)


if __name__ == "__main__":
    print("\n".join(sweep()) or "nothing was left behind")
