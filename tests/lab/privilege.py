# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may run the lab: root as it is, anybody else as root of a user namespace of their own."""

import os
import shutil
import signal
import subprocess
import sys
import threading

MARK = "VMMIG_LAB_ISOLATED"
NETNS_DIR = "/run/netns"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]


class LabError(Exception):
    """Something in the lab did not work; the text says what, and what to do."""


def enter(before_exec=None, force=False):
    """Make this program able to build networks.

    Root goes on. Anybody else (or force) executes the whole program again as root of new user, network and mount
    namespaces, which vanish with the program. Call it first thing: nothing done before survives; the process id stays.
    """
    state = os.environ.get(MARK)
    if state == str(os.getpid()):  # executed again just now
        _mount_private_run()
        os.environ[MARK] = "done"
    elif state is None and (os.geteuid() != 0 or force):
        _check_user_namespaces()
        if before_exec:
            before_exec()
        program = [sys.executable] + sys.orig_argv[1:]
        os.execvpe("unshare", [*UNSHARE, "--", *program], os.environ | {MARK: str(os.getpid())})


def _mount_private_run():
    """ip-netns keeps its names under /run, which belongs to the real root."""
    for command in (["mount", "-t", "tmpfs", "tmpfs", "/run"], ["mkdir", NETNS_DIR], ["ip", "link", "set", "lo", "up"]):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise LabError(f"{' '.join(command)} in a user namespace: {result.stderr.strip()}; run this as root instead")


def _check_user_namespaces():
    if not shutil.which("unshare"):
        raise LabError("unshare is not installed; install util-linux, or run this as root")
    probe = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    if probe.returncode:
        raise LabError(f"this user may not create namespaces ({probe.stderr.strip()}); run this as root, or allow it: "
                       "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                       "kernel.apparmor_restrict_unprivileged_userns")


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, raised where the program was, so that everything is cleaned up as after Ctrl-C."""


class Signals:
    """While it is entered, SIGTERM and SIGHUP raise Terminated; during quiet() no signal interrupts."""

    NAMES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __enter__(self):
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in self.NAMES}
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, self._terminate)
        return self

    @staticmethod
    def _terminate(number, _frame):
        raise Terminated(signal.Signals(number).name)

    def quiet(self):
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
