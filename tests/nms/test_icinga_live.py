# SPDX-License-Identifier: GPL-2.0-or-later
"""Icinga 2 with the pack's files, while VMs migrate: its own checks, and notifications as passive results; wrong packs are found out."""

import re
import subprocess

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from conftest import BUILD, run_nms  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import ADDRESSES, VM_NAME, VM_UUID  # noqa: E402
from watched import PATIENCE, handled_by, start_receiver  # noqa: E402

HOSTS = ("fw-a", "fw-b", "host-a", "host-b")
PASSIVE = "vmmig notifications"

CONF = """\
const PluginDir = "{build}"
const NodeName = "test"
include <itl>
include "{pack}/icinga2-commands.conf"
include "{pack}/icinga2-services.conf"
include "{pack}/wrong-icinga2-services.conf"
object CheckerComponent "checker" {{ }}
object ExternalCommandListener "command" {{ command_path = "{directory}/commands" }}
object PerfdataWriter "results" {{
  service_perfdata_path = "{directory}/results"
  service_temp_path = "{directory}/results.new"
  host_perfdata_path = "{directory}/hosts"
  host_temp_path = "{directory}/hosts.new"
  service_format_template = "$host.name$;$service.name$;$service.state$;$service.output$;$service.perfdata$"
  rotation_interval = 1s
}}
"""

HOST = """\
object Host "{name}" {{
  check_command = "passive"
  address = "{address}"
  vars.vmmig = true
  vars.vmmig_snmp_conf = "{client}"
}}
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("icinga-pack")
    for each in ("icinga", "snmptrapd"):
        run_nms(each, "--output", directory)
    return directory


class Icinga:
    """With services that are checked each second."""

    def __init__(self, site, pack, directory):
        self.directory = directory
        for name in ("data", "cache", "run", "log", "spool"):
            (directory / name).mkdir()
        text = CONF.format(build=BUILD, pack=pack, directory=directory)
        text += "".join(HOST.format(name=name, address=ADDRESSES[name], client=site.lab.nms.directory) for name in HOSTS)
        (directory / "icinga2.conf").write_text(text)
        commands = pack / "icinga2-commands.conf"
        commands.write_text(commands.read_text().replace("check_interval = 1m", "check_interval = 1s").replace(
            "retry_interval = 20s", "retry_interval = 1s"))
        # The daemon would else go on as a user of its own, who may not read the test's directory.
        user, group = (subprocess.run(["id", option], capture_output=True, text=True, check=True).stdout.strip() for option in ("-un", "-gn"))
        constants = {"RunAsUser": user, "RunAsGroup": group, "DataDir": directory / "data", "CacheDir": directory / "cache",
                     "InitRunDir": directory / "run", "LogDir": directory / "log", "SpoolDir": directory / "spool"}
        self.process = site.lab.start("nms", "icinga2", "icinga2", "daemon", "-c", str(directory / "icinga2.conf"),
                                      *(f"-D{key}={value}" for key, value in constants.items()),
                                      env={"ICINGA2_USER": user, "ICINGA2_GROUP": group})
        self.process.wait_log("Activated all objects", PATIENCE)

    def results(self, host, service):
        """[(state, output and performance data)], the oldest first."""
        files = [file for file in self.directory.glob("results.*") if file.name != "results.new"]
        found = []
        for file in sorted(files, key=lambda file: int(file.name.split(".")[1])):
            lines = [line.split(";", 3) for line in file.read_text().splitlines()]
            found += [tuple(line[2:]) for line in lines if line[:2] == [host, service]]
        return found

    def wait(self, host, service, state, output="", words=""):
        """Until the last result is so."""
        def last():
            found = self.results(host, service)[-1:]
            return found[0] if found and found[0][0] == state and output in found[0][1] and words in found[0][1] else None
        try:
            return wait_until(last, PATIENCE, f"{service} of {host} is {state}", step=0.2)
        finally:
            print(host, service, self.results(host, service)[-3:])


WRONG = {  # in a copy of a file of the pack, whose services have other names
    "icinga2-services.conf": [('"vmmig ', '"wrong '), ('vars.vmmig_mode = "holds"', 'vars.vmmig_mode = "hold"'),
                              ('vars.vmmig_critical = "120"', 'vars.vmmig_critical = "0"')],
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
    started = Icinga(site, pack, directory)
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
        icinga.wait(host, "vmmig holds", "OK", "0 holds expired within 3600 s, 1 VMs held")
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
    assert "vmMigTransferOperStatus=" not in told[1]


def test_a_migration_that_fails_is_a_warning(site, icinga):
    source = f"fw-{site.lab.vm_site}"
    site.fail()
    icinga.wait(source, "vmmig transfers", "WARNING", f"expired: VM {VM_NAME} ({VM_UUID})")
    icinga.wait(source, PASSIVE, "WARNING", f"vmMigTransferFailed vm {VM_UUID}", words="the manager did not finish in time")
    site.migrate()
    icinga.wait(source, PASSIVE, "OK", "vmMigTransferFinished")
    icinga.wait(source, "vmmig transfers", "OK", "0 failed")
