# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmmig top` at a terminal, while a VM migrates: what a person sees there, and that the terminal is whole afterwards."""

import json
import os
import re
import signal

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.scene import Scene  # noqa: E402
from lab.terminal import Terminal  # noqa: E402
from lab.topology import ADDRESSES, VM_NAME  # noqa: E402
from lab.vmmig import Vmmig, program, transfer  # noqa: E402
from lab.workload import Workload  # noqa: E402


DEADLINE = 30  # transfer-deadline where vmmig.conf says nothing


@pytest.fixture
def vmmig(lab):
    return Vmmig(lab).start()


def top(lab, vmmig, *options, columns=120, rows=30, **env):
    """The command at a terminal of its own, in the manager's namespace and as its user."""
    argv = lab.ns["mgr"].argv([program("vmmig"), "top", "--config", vmmig.conf, "-d", "0.2", *options])
    return Terminal(argv, {"PATH": os.environ["PATH"], **lab.manager.env, **env}, columns, rows)


def line_of(text, *words):
    """The first line with all these words; empty without one."""
    return next((line for line in text.splitlines() if all(word in line for word in words)), "")


def answered(text, agents):
    return f"{agents} agents, 0 unreachable" in text and "asking" not in text


def is_up(text, name):
    """A switch without a firewall's settings is degraded."""
    return any(f" {state} " in line_of(text[text.index("DEVICES AND HOSTS"):], name) for state in ("up", "degraded"))


def frame(vmmig, *options):
    answer = vmmig.command("top", "--json", "-n", "1", "--config", vmmig.conf, *options, check=False)
    return json.loads(answer.stdout), answer.returncode


def test_a_migration_is_seen_from_its_begin_to_its_end(switched_lab):
    lab = switched_lab
    scene = Scene(lab, more_rows=500)
    with top(lab, scene.vmmig) as terminal:
        terminal.wait(lambda text: answered(text, 6), 10, "everybody has answered")
        assert terminal.is_full_screen()
        for name in ("fw-a", "fw-b", "sw-a", "sw-b", "host-a", "host-b"):
            assert is_up(terminal.text(), name), terminal.text()
        scene.reach("frozen")  # the destination does not answer any more
        held = terminal.wait(lambda text: line_of(text, VM_NAME, "stopped, held"), 5, "the hold")
        assert "host-a" in held and "goes back" in held and " s " in held, held
        assert terminal.wait(lambda text: line_of(text, VM_NAME, "fw-a", "source", "frozen"), 5, "the source frozen")
        assert str(scene.rows) in line_of(terminal.text(), VM_NAME, "fw-a"), terminal.text()
        terminal.wait(lambda text: line_of(text, "fw-b", "unreachable", "no answer"), 10, "the device that is cut off")
        assert is_up(terminal.text(), "sw-b"), "nobody waits for it"
        scene.heal()
        scene.finish()
        terminal.wait(lambda text: line_of(text, "6 agents, 0 unreachable", "0 transfers under way, 0 VMs held"), 20, "the end")
        terminal.type("q")
        assert terminal.wait_end() == 0
        assert terminal.is_restored()


def test_progress_and_figures_are_those_of_the_devices(lab, vmmig):
    workload = Workload(lab, many=6)
    hypervisor = Hypervisor(lab, vmmig)
    hypervisor.begin("b")
    wait_until(lambda: transfer(lab.nms, ADDRESSES["fw-b"])[1] >= workload.connections, 10, "rows staged")
    told, status = frame(vmmig)
    assert status == 0
    by_device = {each["device"]: each for each in told["transfers"]}
    for device, oper in (("fw-a", "tracking"), ("fw-b", "prepared")):
        (row,) = vmmig.show(device, "transfer")
        assert by_device[device]["vmMigTransferOperStatus"] == oper
        for key in ("vmMigVmUuid", "vmMigTransferEpoch", "vmMigTransferRows", "vmMigTransferRole"):
            assert by_device[device][key] == row[key]
        assert by_device[device]["vmName"] == VM_NAME and 0 < by_device[device]["secondsLeft"] <= DEADLINE
        shown = vmmig.show(device, "device")
        (agent,) = [each["device"] for each in told["agents"] if each["name"] == device]
        assert {key: agent[key] for key in ("vmMigMaxRows", "vmMigTransfers", "vmMigBackEnd", "vmMigCapabilities")} == {
            key: shown[key] for key in ("vmMigMaxRows", "vmMigTransfers", "vmMigBackEnd", "vmMigCapabilities")}
    assert by_device["fw-b"]["rowsAtSource"] == by_device["fw-a"]["vmMigTransferRows"]
    text = vmmig.command("top", "-b", "-n", "2", "-d", "0.2", "--config", vmmig.conf).stdout
    assert text.count("vmmig top  ") == 2 and "\033" not in text
    assert "[##########] 100 %" in line_of(text, VM_NAME, "fw-b", "prepared"), text
    assert hypervisor.stop()
    hypervisor.go_on()


def test_keys_resize_and_colours(lab, vmmig):
    with top(lab, vmmig, rows=12) as terminal:
        terminal.wait(lambda text: "4 agents, 0 unreachable" in text, 10, "the first frame")
        assert re.match(r"1-8/\d+  q quit", terminal.text().splitlines()[-1])
        terminal.type("\033[F")
        terminal.wait(lambda text: re.search(r"-(\d+)/\1  q", text) and line_of(text, "host-b", " up "), 10, "the end of it")
        assert any(b"\033[0;%dm" % colour in terminal.raw for colour in (31, 32, 33))
        terminal.type("\033[H")
        terminal.wait(lambda text: "MIGRATIONS AND HOLDS" in text, 5, "the begin again")
        terminal.type("s")
        terminal.wait(lambda text: "by VM" in text, 5, "sorted otherwise")
        terminal.type("p")
        paused = terminal.wait(lambda text: "PAUSED" in text and text, 5, "the pause")
        terminal.read(0.5)
        assert terminal.text() == paused, "it goes on while it pauses"
        terminal.type("p")
        terminal.wait(lambda text: "PAUSED" not in text, 5, "it goes on")
        for columns, rows in ((60, 20), (140, 40), (20, 4)):
            terminal.resize(columns, rows)
            terminal.wait(lambda text, rows=rows: " q" in text.splitlines()[rows - 1], 5, f"drawn on {columns} by {rows}")
        assert terminal.process.poll() is None
        terminal.type("q")
        assert terminal.wait_end() == 0 and terminal.is_restored()
    with top(lab, vmmig, rows=40, NO_COLOR="1") as terminal:
        terminal.wait(lambda text: answered(text, 4), 10, "everybody has answered")
        assert not any(b"\033[0;%dm" % colour in terminal.raw for colour in range(30, 48))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGABRT, signal.SIGSEGV])
def test_the_terminal_is_restored_however_it_ends(lab, vmmig, number):
    with top(lab, vmmig) as terminal:
        terminal.wait(lambda text: "DEVICES AND HOSTS" in text, 10, "the first frame")
        assert terminal.is_full_screen() and not terminal.is_restored()
        os.kill(program_of(terminal), number)
        status = terminal.wait_end()
        crashed = number in (signal.SIGABRT, signal.SIGSEGV)
        assert status == (-number if crashed else 0)
        assert terminal.is_restored()


def program_of(terminal):
    """ip-netns and setpriv execute the command in their own place."""
    return terminal.process.pid


def test_suspended_it_gives_the_terminal_back_and_takes_it_again(lab, vmmig):
    with top(lab, vmmig) as terminal:
        terminal.wait(lambda text: answered(text, 4), 10, "everybody has answered")
        os.kill(program_of(terminal), signal.SIGTSTP)
        terminal.wait(lambda text: terminal.is_restored(), 5, "the terminal given back")
        os.kill(program_of(terminal), signal.SIGCONT)
        terminal.wait(lambda text: terminal.is_full_screen() and answered(text, 4), 5, "drawn again")
        terminal.type("q")
        assert terminal.wait_end() == 0 and terminal.is_restored()


def test_a_device_that_is_dead_is_said_to_be(lab, vmmig):
    with top(lab, vmmig) as terminal:
        terminal.wait(lambda text: answered(text, 4), 10, "everybody has answered")
        vmmig.agents["fw-a"].kill()
        terminal.wait(lambda text: line_of(text, "fw-a", "no agent"), 10, "a vmmigd that is gone")
        lab.snmpd["fw-a"].process.kill()
        terminal.wait(lambda text: line_of(text, "fw-a", "unreachable"), 10, "an snmpd that is gone")
        assert " up " in line_of(terminal.text(), "fw-b")
        assert "1 unreachable" in terminal.text()
        lab.snmpd["fw-a"].start()
        vmmig.agents["fw-a"].start().wait_ready()
        terminal.wait(lambda text: " up " in line_of(text, "fw-a"), 10, "it is back")
    lab.snmpd["fw-a"].process.kill()
    told, status = frame(vmmig)
    assert status == 0
    states = {each["name"]: each["state"] for each in told["agents"]}
    assert states == {"fw-a": "unreachable", "fw-b": "up", "host-a": "up", "host-b": "up"}
    told, status = frame(vmmig, "fw-a")
    assert status == 3 and told["agents"][0]["error"]


def test_what_cannot_be_shown_is_refused(lab, vmmig):
    config = ("--config", vmmig.conf)
    for words, said in ((config, "--batch prints plain text"), (("-b", "-d", "0", *config), "--delay is"),
                        (("-b", "-n", "-1", *config), "--iterations is"), (("-b", "--config", "/dev/null"), "DEVICE is missing")):
        answer = vmmig.command("top", *words, check=False)
        assert answer.returncode == 2 and said in answer.stderr and answer.stdout == "", answer
