# SPDX-License-Identifier: GPL-2.0-or-later
"""The hook scripts that we ship as examples, called as their hypervisors call them."""

import os
import subprocess

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.topology import ADDRESSES, VM_MAC  # noqa: E402
from lab.vmmig import VM_NAME, VM_UUID, Vmmig, program, transfer  # noqa: E402
from lab.workload import Workload  # noqa: E402

HOOKS = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "hooks")
XML = f"""\
<domain type='kvm' id='3'>
  <name>{VM_NAME}</name>
  <uuid>{VM_UUID}</uuid>
  <devices>
    <interface type='bridge'>
      <mac address='{VM_MAC}'/>
      <source bridge='br0'/>
    </interface>
    <interface type="ethernet">
      <mac address="02:00:00:00:00:06"/>
    </interface>
  </devices>
</domain>
"""


def call(lab, host, script, *words, text="", **environment):
    """Run a hook on a host, as its hypervisor does."""
    settings = {"VMMIG_AGENT": f"tcp:{ADDRESSES[host]}", "VMMIG_HOST": host, "VMMIG_PROGRAM": program("vmmig"),
                **{f"VMMIG_{key.upper()}": value for key, value in environment.items()}}
    return subprocess.run(lab.ns[host].argv([os.path.join(HOOKS, script), *words]), input=text, capture_output=True, text=True,
                          timeout=30, env={**os.environ, **lab.manager.env, **settings})


def phase(vmmig, host):
    rows = vmmig.show(host, "phase")
    return rows[0] if rows else None


@pytest.fixture
def vmmig(lab):
    return Vmmig(lab).start()


def generic(lab, host, moment, *words, **environment):
    return call(lab, host, "generic", moment, VM_UUID, VM_NAME, VM_MAC, *words, **environment)


def begin(lab):
    assert generic(lab, "host-b", "prepared").returncode == 0
    assert generic(lab, "host-a", "preCopy").returncode == 0
    wait_until(lambda: transfer(lab.nms, ADDRESSES["fw-b"])[0] == "prepared", 10, "devices prepared")


def test_the_generic_hook_drives_a_migration(lab, vmmig):
    workload = Workload(lab, many=6, bulk_rate=1 << 20)
    begin(lab)
    lab.vm_stop()
    answer = generic(lab, "host-a", "stopped", hold="5s")
    assert answer.returncode == 0, answer.stderr
    lab.vm_move("b")
    lab.move_path("b")
    lab.vm_resume()
    assert generic(lab, "host-b", "resumed").returncode == 0
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 10, "end of the migration")
    assert vmmig.latest().state == "moved", vmmig.latest().text
    workload.assert_alive()


def test_the_generic_hook_takes_a_vm_back_that_the_network_refuses(lab, vmmig):
    workload = Workload(lab, bulk_rate=1 << 20)
    begin(lab)
    vmmig.agents["fw-b"].kill()
    lab.vm_stop()
    answer = generic(lab, "host-a", "stopped", hold="5s")
    assert answer.returncode == 1 and "take the migration back" in answer.stderr, answer
    lab.vm_resume()
    assert generic(lab, "host-a", "cancelled").returncode == 0
    workload.assert_alive()


@pytest.mark.parametrize("policy, status", [("require", 1), ("bestEffort", 0)])
def test_the_generic_hook_without_a_vmmigd_does_what_the_policy_says(lab, policy, status):
    for host, moment in (("host-b", "prepared"), ("host-a", "preCopy"), ("host-a", "stopped")):
        answer = generic(lab, host, moment, policy=policy)
        assert answer.returncode == status and f"its policy is {policy}" in answer.stderr, answer
    assert call(lab, "host-a", "generic").returncode == 2
    assert call(lab, "host-a", "generic", "somewhen", VM_UUID).returncode == 2


def test_libvirts_hook_tells_a_vm_that_comes_and_one_that_does_not(lab, vmmig):
    answer = call(lab, "host-b", "libvirt-phase", VM_NAME, "migrate", "begin", "-", text=XML)
    assert (answer.returncode, answer.stdout) == (0, ""), "what it writes would be the domain's new XML"
    row = phase(vmmig, "host-b")
    assert (row["vmMigPhase"], row["vmMigPhaseDestinationHost"], row["vmMigPhaseSourceHost"]) == ("prepared", "host-b", "")
    assert row["vmMigVmUuid"] == VM_UUID and row["vmMigPhaseVmName"] == VM_NAME
    assert row["vmMigPhaseMacAddresses"].replace(":", "") == "020000000005020000000006"
    for operation in ("prepare", "start", "started"):
        assert call(lab, "host-b", "libvirt-phase", VM_NAME, operation, "begin", "-", text=XML).returncode == 0
    assert call(lab, "host-b", "libvirt-phase", VM_NAME, "stopped", "end", "-", text=XML).returncode == 0
    assert phase(vmmig, "host-b")["vmMigPhase"] == "prepared"
    assert call(lab, "host-b", "libvirt-phase", VM_NAME, "release", "end", "-", text=XML).returncode == 0
    assert phase(vmmig, "host-b")["vmMigPhase"] == "failed"


def test_libvirts_hook_leaves_a_vm_alone_that_ends_after_it_ran_here(lab, vmmig):
    vmmig.phase("host-b", "resumed")
    assert call(lab, "host-b", "libvirt-phase", VM_NAME, "release", "end", "-", text=XML).returncode == 0
    assert phase(vmmig, "host-b")["vmMigPhase"] == "resumed"


@pytest.mark.parametrize("policy, status", [("require", 1), ("bestEffort", 0)])
def test_libvirts_hook_refuses_a_migration_that_nobody_could_follow(lab, policy, status):
    answer = call(lab, "host-b", "libvirt-phase", VM_NAME, "migrate", "begin", "-", text=XML, policy=policy)
    assert (answer.returncode, answer.stdout) == (status, "")
    assert f"policy {policy}" in answer.stderr
