# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo as a script and as a person with Ctrl-C uses it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import netns, traffic  # noqa: E402
from lab.netns import wait_until  # noqa: E402

DEMO = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "demo", "demo.py")


@pytest.fixture
def demo():
    """Starts the demo; ends it if the test did not."""
    started = []

    def start(*options, **more):
        environment = more.pop("env", None) or {**os.environ, "VMMIG_TRAFFIC": traffic.program()}
        started.append(subprocess.Popen([sys.executable, DEMO, "--quick", *options], text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment, **more))
        return started[-1]
    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_its_last_line_says_that_all_connections_lived_and_that_the_control_died(demo):
    process = demo("--json", "--connections", "11")
    output, story = process.communicate(timeout=60)
    assert process.returncode == 0, story
    facts = json.loads(output.splitlines()[-1])
    assert len(output.splitlines()) == 1 and "20 of 20 connections live" in story and "\x1b" not in story
    assert facts["survived"] is facts["controlDied"] is True
    assert facts["stopBeforeRead"] is facts["readBeforeCommit"] is facts["commitBeforeResume"] is True
    assert facts["connections"] == 20 and facts["rowsMoved"] > 40 and facts["invalidPackets"] == 0
    without, there = facts["services"]["without"], facts["services"]["there"]
    assert facts["serviceFaults"] == []
    for service in ("leased", "authenticated", "policed", "shaped"):
        assert (without[service], there[service]) == (False, True), service
    assert (without["more_half_open"], there["more_half_open"]) == (5, 2)
    assert 0 < facts["addedBlackoutMs"] < 5000 and 0 < facts["longestSilenceMs"] < 10000


def test_when_a_step_fails_it_says_which_and_keeps_the_logs(demo, tmp_path):
    """A build that has no vmmig."""
    process = demo("--json", env={**os.environ, "VMMIG_TRAFFIC": traffic.program(), "VMMIG_BUILDDIR": str(tmp_path)})
    output, story = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(output.splitlines()[-1])["survived"] is False
    assert "step 1 (without vmmig) failed" in story
    logs = re.search(r"The logs of all programs are in (\S+)\.", story)[1]
    assert any("snmpd" in name for name in os.listdir(logs))
    shutil.rmtree(logs)


def test_an_interrupt_leaves_nothing_behind(demo):
    process = demo(stdin=subprocess.DEVNULL)
    while "without vmmig" not in (line := process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    wait_until(lambda: f"vmmig-{process.pid}-" not in netns.run(["ip", "netns", "list"]).stdout, 5, "namespaces gone")
