# SPDX-License-Identifier: GPL-2.0-or-later
"""Child processes of a lab: started in a namespace, logged to a file, waited for with a deadline, always ended and reaped."""

import os
import re
import select
import signal
import subprocess

from .netns import wait_until
from .privilege import LabError


class Process:
    """A running child. Its standard output and error go to its log, unless stdout was asked for as a pipe."""

    def __init__(self, name, popen, log_path):
        self.name, self.popen, self.log_path = name, popen, log_path

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait(self, condition, seconds=10, what="ready"):
        """Until condition() is true. A child that ends first is an error at once."""
        def check():
            result = condition()
            if not result and not self.running():
                raise LabError(f"{self.name} ended with status {self.popen.returncode} before it was {what}:\n{self.log()}")
            return result
        try:
            return wait_until(check, seconds, f"{self.name} {what}")
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log())}") from None

    def wait_log(self, pattern, seconds=10):
        """Until the log contains the regular expression; returns the match."""
        return self.wait(lambda: re.search(pattern, self.log()), seconds, f"ready (its log has no '{pattern}')")

    def wait_end(self, seconds):
        """Until it has ended, which is noticed at once; returns its exit status."""
        watch = os.pidfd_open(self.pid)
        try:
            if not select.select([watch], [], [], seconds)[0]:
                raise LabError(f"{self.name} did not end within {seconds} s:\n{tail(self.log())}")
        finally:
            os.close(watch)
        return self.popen.wait()

    def send_signal(self, number):
        if self.running():
            os.kill(self.pid, number)

    def kill(self):
        """End it at once, as in an accident."""
        self.stop(signal.SIGKILL)

    def stop(self, number=signal.SIGTERM, seconds=5):
        """Ask it to end, insist after the deadline, reap it; returns its exit status."""
        self.send_signal(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass
        return self.popen.returncode


class Processes:
    """All children of one lab. Use it in a with statement: no child survives it, nor a kill -9 of this program."""

    def __init__(self, directory):
        self.directory = directory
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.all:
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.all):
            process.stop()

    def start(self, name, command, namespace=None, env=None, pipes=False):
        """Start a program that stays in the foreground. With pipes, its stdin and stdout are text pipes to this one.

        Call it from the main thread: the kernel ends the child when the thread that started it ends.
        """
        log_path = os.path.join(self.directory, f"{len(self.all):02}-{name}.log")
        # the kernel ends it should this program die unexpectedly
        argv = ["setpriv", "--pdeathsig", "KILL", *(namespace.argv(command) if namespace else command)]
        with open(log_path, "wb") as log:
            popen = subprocess.Popen(argv, stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                                     stdout=subprocess.PIPE if pipes else log, stderr=log,
                                     text=pipes or None, env={**os.environ, **(env or {})}, start_new_session=True)
        process = Process(name, popen, log_path)
        self.all.append(process)
        return process

    def logs(self, lines=40):
        """The end of every log, for a failure's report."""
        return "\n".join(f"--- {process.name} ({'runs' if process.running() else process.popen.returncode})\n"
                         f"{tail(process.log(), lines)}" for process in self.all)


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])
