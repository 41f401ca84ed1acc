# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest for QEMU: how it is made and kept, and how programs run in it. Nothing here boots it; test_qemu_migration.py does."""

import os
import signal
import subprocess
import sys

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import guest, vm  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.privilege import LabError  # noqa: E402
from lab.topology import Lab  # noqa: E402

PORT = "7"


@pytest.fixture
def run(request):
    """run(COMMAND...) by remote.py, between two namespaces."""
    with Lab(agents=False) as lab:
        request.node.lab = lab
        lab.start("fw-a", "remote", sys.executable, vm.REMOTE, "serve", PORT)

        def start(*command, stdin=""):
            argv = lab.ns["mgr"].argv([sys.executable, vm.REMOTE, "run", "10.9.0.11", PORT, *command])
            return subprocess.Popen(argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: finish(start("true"))[2] == 0, 5, "remote.py answers")
        yield start


def finish(process, text=""):
    """(standard output, standard error, exit status)"""
    output, errors = process.communicate(text, timeout=10)
    return output, errors, process.returncode


def test_a_program_has_its_input_output_error_and_status(run):
    text = "line\n" * 100_000  # more than any buffer on the way holds
    assert finish(run("sh", "-c", "cat; echo fault >&2; exit 3"), text) == (text, "fault\n", 3)
    assert finish(run("sh", "-c", "kill -9 $$"))[2] == signal.SIGKILL
    assert finish(run("head", "-c", "4"), text)[0] == "line"
    _, errors, status = finish(run("no-such-program"))
    assert status == 127 and "no-such-program" in errors


def test_programs_run_side_by_side(run):
    waiting = run("cat")
    assert finish(run("echo", "done"))[0] == "done\n"
    assert finish(waiting, "late")[0] == "late"


def test_a_program_ends_with_the_one_outside(run, tmp_path):
    ended = tmp_path / "ended"
    process = run("sh", "-c", f"echo begun; cat; touch {ended}")
    assert process.stdout.readline() == "begun\n"
    process.kill()
    process.communicate()
    wait_until(ended.exists, 5, "end of the program")


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Stands for apt-cache and apt-get: their scripts. The cache is the test's own."""
    def stand_in(**scripts):
        for name, script in scripts.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("VMMIG_BUILDDIR", str(tmp_path / "build"))
    return stand_in


OFFER = "echo 'Depends: linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)'"


def test_a_kernel_that_cannot_be_had_says_what_to_do(apt):
    apt(apt_cache="exit 100")
    with pytest.raises(LabError, match="as root run: apt-get update"):
        guest.kernel()
    apt(apt_cache=OFFER, apt_get="echo 'Could not resolve host' >&2; exit 100")
    with pytest.raises(LabError, match="linux-image-6.1.0-1-cloud-amd64 6.1.1-1 cannot be downloaded: Could not resolve host"):
        guest.kernel()
    assert os.listdir(guest.cache()) == []  # nothing half done


def test_a_kernel_is_fetched_once_and_serves_without_a_network(apt, monkeypatch):
    fetched = []

    def fetch(package, scratch):
        fetched.append(package)
        os.mkdir(os.path.join(scratch, "result"))
        return os.path.join(scratch, "result")
    monkeypatch.setattr(guest, "fetch", fetch)
    apt(apt_cache=OFFER)
    path = guest.kernel()
    assert guest.kernel() == path and fetched == [("linux-image-6.1.0-1-cloud-amd64", "6.1.1-1")]
    apt(apt_cache="exit 100")
    assert guest.kernel() == path
    apt(apt_cache=OFFER.replace("6.1.1-1", "6.1.1-2"))
    assert guest.kernel() != path and len(fetched) == 2


def test_the_initramfs_is_kept_until_something_in_it_changes(apt, tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_text("one")
    monkeypatch.setattr(guest, "contents", lambda: {str(program): str(program), "/bin/busybox": guest.busybox()})
    monkeypatch.setattr(guest, "MODULES", ["kernel/some.ko"])
    (tmp_path / "some.ko").write_text("module")
    first = guest.image(str(tmp_path))
    made = os.stat(first).st_mtime_ns
    assert guest.image(str(tmp_path)) == first and os.stat(first).st_mtime_ns == made
    with open(first, "rb") as file:
        names = subprocess.run(["cpio", "-it", "--quiet"], stdin=file, capture_output=True, text=True, check=True).stdout.split()
    assert {"init", "bin/busybox", "modules/some.ko", str(program)[1:]} <= set(names)
    program.write_text("two")
    assert guest.image(str(tmp_path)) != first
