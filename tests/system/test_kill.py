# SPDX-License-Identifier: GPL-2.0-or-later
"""The manager or a part of the hypervisor's host is killed, or a link cut, at any step of a migration under `require`: no
connection is lost for good. The VM ends on one side, its connections live there, and nothing stays blocked.
"""

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.scene import STEPS, Scene  # noqa: E402

VICTIMS = {  # what is killed, and whether it comes back
    "manager": ("serve", None, False),
    "manager-restarted": ("serve", None, True),
    "vmmigd": ("vmmigd", "host-a", True),
    "snmpd": ("snmpd", "host-a", True),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_killed_part_loses_no_connection(lab, victim, step):
    scene = Scene(lab)
    scene.reach(step)
    scene.kill(*VICTIMS[victim])
    scene.finish()
    scene.assert_unharmed()


@pytest.mark.parametrize("device", ["fw-a", "fw-b", "host-a"])
def test_a_management_link_that_is_cut_in_the_middle_loses_no_connection(lab, device):
    scene = Scene(lab)
    scene.reach("tracked")
    scene.cut(device)
    scene.finish()
    scene.assert_unharmed()


@pytest.mark.parametrize("victim", ["manager", "manager-restarted"])
def test_a_manager_that_is_killed_while_the_rows_are_created_loses_no_connection(lab, victim):
    scene = Scene(lab, more_rows=20000)
    scene.reach("creating")
    scene.kill(*VICTIMS[victim])
    scene.finish()
    scene.assert_unharmed()
