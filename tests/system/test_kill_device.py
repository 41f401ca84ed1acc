# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmigd or snmpd of a firewall is killed at any step of a migration under `require`, and comes back as systemd would have it: no
connection is lost for good. The VM ends on one side, its connections live there, and nothing stays blocked.
"""

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.scene import STEPS, Scene  # noqa: E402


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("device", ["fw-a", "fw-b"])
@pytest.mark.parametrize("program", ["vmmigd", "snmpd"])
def test_a_killed_part_of_a_device_loses_no_connection(lab, program, device, step):
    scene = Scene(lab)
    scene.reach(step)
    scene.kill(program, device)
    scene.finish()
    scene.assert_unharmed()


@pytest.mark.parametrize("program, device", [("vmmigd", "fw-a"), ("vmmigd", "fw-b"), ("snmpd", "fw-b")])
def test_a_part_of_a_device_that_is_killed_while_the_rows_are_created_loses_no_connection(lab, program, device):
    scene = Scene(lab, more_rows=20000)
    scene.reach("creating")
    scene.kill(program, device)
    scene.finish()
    scene.assert_unharmed()
