# SPDX-License-Identifier: GPL-2.0-or-later
"""Icinga 2 with the pack's files: check_vmmig against a real vmmigd, and a notification as a passive result."""

import os
import subprocess
import uuid

import pytest

from conftest import UUID, run_nms
from agentx_rig import Rig, instance
from icinga_daemon import Icinga

VM = uuid.UUID(UUID)
CHECKS = {"vmmig health", "vmmig transfers", "vmmig blocked VMs", "vmmig holds", "vmmig clock"}


@pytest.fixture
def pack(tmp_path):
    run_nms("icinga", "--output", tmp_path / "pack")
    return tmp_path / "pack"


def start_icinga(processes, directory, pack, port, **more):
    """The host's address has a port, which the pack's command passes on."""
    return Icinga(processes.start, directory, pack, {"fw-a": f"127.0.0.1:{port}"}, directory / "client", **more)


def test_icinga_runs_the_plugin_and_takes_notifications(pack, processes, tmp_path):
    rig = Rig(tmp_path, processes)
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    rig.make_vm(VM, "10.0.0.5")
    icinga = start_icinga(processes, tmp_path, pack, rig.port, quiet=20)
    for service in CHECKS:
        icinga.wait("fw-a", service, "OK")
    output = icinga.wait("fw-a", "vmmig health", "OK", "VMMIG OK - up, 1 VM,")
    assert "vms=1" in output
    (tmp_path / "hosts.map").write_text("192.0.2.7 fw-a\n")
    values = "\n".join(["host", "UDP: [192.0.2.7]:1->[192.0.2.1]:162", f".1.3.6.1.6.3.1.1.4.1.0 {instance('vmMigTransferFailed')}",
                        f"{instance('vmMigTransferOperStatus', VM)} 12"])
    subprocess.run([pack / "vmmig-passive"], input=values + "\n", text=True, check=True, timeout=30,
                   env={**os.environ, "VMMIG_COMMAND_FILE": str(tmp_path / "commands"), "VMMIG_HOSTS": str(tmp_path / "hosts.map")})
    icinga.wait("fw-a", "vmmig notifications", "WARNING", f"vmMigTransferFailed vm {VM}")
    icinga.wait("fw-a", "vmmig notifications", "OK", "no notification for an hour")


def test_a_host_has_thresholds_of_its_own_in_icinga(pack, processes, tmp_path):
    """The pack's are what holds without them, as the first test shows."""
    rig = Rig(tmp_path, processes)
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    icinga = start_icinga(processes, tmp_path, pack, rig.port,
                          host='  vars.vmmig_blocked_critical = "@0:9"\n  vars.vmmig_holds_warning = "@0:5"\n')
    assert "longest=0s;30;@0:9" in icinga.wait("fw-a", "vmmig blocked VMs", "CRITICAL", "no VM's traffic is stopped")
    assert "expired=0;@0:5;0" in icinga.wait("fw-a", "vmmig holds", "WARNING", "0 holds expired")


def test_icinga_shows_a_device_that_is_gone_as_critical(pack, processes, tmp_path):
    rig = Rig(tmp_path, processes)
    rig.start_snmpd()
    icinga = start_icinga(processes, tmp_path, pack, rig.port)
    icinga.wait("fw-a", "vmmig health", "CRITICAL", "does vmmigd run there")
