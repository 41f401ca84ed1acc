# SPDX-License-Identifier: GPL-2.0-or-later
"""Icinga 2 with the pack's files, while VMs migrate: its own checks, and notifications as passive results; wrong packs are found out."""

import functools
import re

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from conftest import run_nms  # noqa: E402
from icinga_daemon import Icinga  # noqa: E402
from lab.topology import ADDRESSES, VM_NAME, VM_UUID  # noqa: E402
from watched import handled_by, start_receiver  # noqa: E402

HOSTS = ("fw-a", "fw-b", "host-a", "host-b")
PASSIVE = "vmmig notifications"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("icinga-pack")
    for each in ("icinga", "snmptrapd"):
        run_nms(each, "--output", directory)
    return directory


WRONG = {  # in a copy of a file of the pack, whose services have other names
    "icinga2-services.conf": [('"vmmig ', '"wrong '), ('vars.vmmig_mode = "holds"', 'vars.vmmig_mode = "hold"'),
                              ('|| "120"', '|| "0"')],
    "vmmig-passive": [("vmmig notifications", "wrong notifications"), ('name[".<vmMigTransferOperStatus>"]', 'name[".<vmMigTransferChunks>"]'),
                      ('label[".<vmMigPhase>", "3"] = "stopped"', 'label[".<vmMigPhase>", "3"] = "resumed"')],
}


def mutated(text, module, name):
    for old, new in WRONG[name]:
        old, new = (re.sub(r"<(\w+)>", lambda found: module.objects[found[1]][0], part) for part in (old, new))
        assert old in text, (name, old)
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def icinga(site, pack, module, tmp_path_factory):
    """With the pack's services and handler, and wrong ones beside them."""
    directory = tmp_path_factory.mktemp("icinga")
    (directory / "hosts.map").write_text("".join(f"{ADDRESSES[name]} {name}\n" for name in HOSTS))
    for name in WRONG:
        (pack / f"wrong-{name}").write_text(mutated((pack / name).read_text(), module, name))
    (pack / "wrong-vmmig-passive").chmod(0o755)
    start = functools.partial(site.lab.processes.start, namespace=site.lab.ns["nms"])
    started = Icinga(start, directory, pack, {name: ADDRESSES[name] for name in HOSTS}, site.lab.nms.directory)
    conf = handled_by((pack / "snmptrapd-vmmig.conf").read_text(), pack / "vmmig-enqueue", pack / "vmmig-passive", pack / "wrong-vmmig-passive")
    start_receiver(site.lab, str(directory / "trapd"), conf, VMMIG_COMMAND_FILE=str(directory / "commands"),
                   VMMIG_HOSTS=str(directory / "hosts.map"))
    return started


def test_a_migration_is_seen_by_checks_and_by_notifications(site, icinga):
    source = site.lab.vm_site
    firewall, host = f"fw-{source}", f"host-{source}"
    for name in (firewall, host):
        icinga.wait(name, "vmmig clock", "OK", "VMMIG OK - its clock is")
    site.begin()
    icinga.wait(firewall, "vmmig transfers", "OK", "0 failed within 3600 s, 1 under way")
    icinga.wait(host, PASSIVE, "OK", f"vmMigPhaseChanged vm {VM_UUID}", words="vmMigPhase=preCopy")
    with site.held():
        icinga.wait(host, PASSIVE, "OK", "vmMigPhase=stopped", words="vmMigPhaseHoldStatus=held")
        icinga.wait(host, "vmmig holds", "OK", "0 holds expired within 3600 s, 1 VM held")
        icinga.wait(firewall, "vmmig blocked VMs", "OK", f"the traffic of VM {VM_NAME} ({VM_UUID}) is stopped for")
        # The negative controls: the same checks and notifications by wrong files.
        icinga.wait(host, "wrong holds", "UNKNOWN", 'there is no mode "hold"')
        icinga.wait(firewall, "wrong blocked VMs", "CRITICAL")
        icinga.wait(host, "wrong notifications", "OK", "vmMigPhaseHoldStatus=held")
        assert "vmMigPhase=resumed" in icinga.results(host, "wrong notifications")[-1][1]
    site.finish()
    icinga.wait(host, "vmmig holds", "OK", "0 VMs held")
    icinga.wait(firewall, "vmmig blocked VMs", "OK", "no VM's traffic is stopped")
    icinga.wait(f"host-{site.destination}", PASSIVE, "OK", "vmMigPhase=resumed")
    icinga.wait(firewall, PASSIVE, "OK", "vmMigTransferOperStatus=released")
    told = icinga.wait(firewall, "wrong notifications", "OK", "vmMigTransferFinished")
    assert "vmMigTransferOperStatus=" not in told


def test_a_migration_that_fails_is_a_warning(site, icinga):
    source = f"fw-{site.lab.vm_site}"
    site.fail()
    icinga.wait(source, "vmmig transfers", "WARNING", f"expired: VM {VM_NAME} ({VM_UUID})")
    icinga.wait(source, PASSIVE, "WARNING", f"vmMigTransferFailed vm {VM_UUID}", words="the manager did not finish in time")
    site.migrate()
    icinga.wait(source, PASSIVE, "OK", "vmMigTransferFinished")
    icinga.wait(source, "vmmig transfers", "OK", "0 failed")
