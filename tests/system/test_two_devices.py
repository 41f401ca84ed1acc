# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM's firewall and its access switch are two devices: whichever of them fails, at whatever step, the VM runs on one side with its
connections and its multicast membership there, and nothing of it stays on the other side's devices (invariant 7).
"""

import json
import os

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.scene import GROUP, STEPS, Scene  # noqa: E402


@pytest.fixture
def scene(switched_lab):
    return Scene(switched_lab)


def test_both_devices_state_follows_the_vm(scene):
    scene.reach("released")
    scene.finish()
    assert scene.lab.vm_site == "b"
    wait_until(scene.vmmig.idle, 5, "end of the migration")
    scene.assert_unharmed()
    assert scene.vmmig.latest().state == "moved", scene.vmmig.latest().text
    assert scene.lab.conntrack_rows("a") == [] and GROUP in scene.lab.switches["b"].members()
    with open(os.path.join(scene.vmmig.agents["sw-b"].state, "multicast-claims.json")) as file:
        assert json.load(file)["claims"] == [], "the VM is here: nobody takes its memberships back"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("device", ["fw-a", "fw-b", "sw-a", "sw-b"])
def test_a_device_whose_vmmigd_is_killed_leaves_nothing_half_done(scene, device, step):
    scene.reach(step)
    scene.kill("vmmigd", device)
    scene.finish()
    scene.assert_unharmed()


@pytest.mark.parametrize("device", ["sw-a", "sw-b"])
def test_a_device_that_is_cut_off_takes_the_other_back_with_it(scene, device):
    scene.reach("tracked")
    scene.cut(device)
    scene.finish()
    assert scene.lab.vm_site == "a", "a VM whose switch cannot follow stays"
    scene.assert_unharmed()
    scene.heal()  # it tries to reach the device for a while
    wait_until(scene.vmmig.idle, 15, "end of the migration")
    told = scene.vmmig.latest()
    assert told.state.startswith("not moved") and device in told.text, told.text


def test_a_manager_that_is_killed_between_two_commits_leaves_nothing_half_done(scene):
    scene.reach("frozen")  # sw-b has committed, or is about to; fw-b is cut off
    wait_until(lambda: scene.state("sw-b") == "committed", 2, "switch committed")
    scene.kill("serve", None, returns=False)
    scene.finish()
    assert scene.lab.vm_site == "a"
    scene.assert_unharmed()


def test_a_switch_whose_vmmigd_is_killed_between_two_commits_leaves_nothing_half_done(scene):
    scene.reach("frozen")
    wait_until(lambda: scene.state("sw-b") == "committed", 2, "switch committed")
    switch = scene.vmmig.agents["sw-b"]
    switch.kill()
    switch.start().wait_ready()
    scene.finish()
    assert scene.lab.vm_site == "a", "fw-b has never committed"
    scene.heal()
    scene.assert_unharmed()
