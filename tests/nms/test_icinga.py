# SPDX-License-Identifier: GPL-2.0-or-later
"""Icinga 2 with the pack's files: check_vmmig against a real vmmigd, and a notification as a passive result. Nagios takes its file."""

import os
import re
import subprocess
import uuid

import pytest

from conftest import BUILD, UUID, run_nms
from lab.netns import wait_until
from lab.procs import Processes
from agentx_rig import Rig, instance

VM = uuid.UUID(UUID)

ICINGA = """\
const PluginDir = "{build}"
const NodeName = "test"
include <itl>
include "{pack}/icinga2-commands.conf"
include "{pack}/icinga2-services.conf"
object CheckerComponent "checker" {{ }}
object ExternalCommandListener "command" {{ command_path = "{directory}/commands" }}
object PerfdataWriter "results" {{
  service_perfdata_path = "{directory}/results"
  service_temp_path = "{directory}/results.new"
  host_perfdata_path = "{directory}/hosts"
  host_temp_path = "{directory}/hosts.new"
  service_format_template = "$service.name$;$service.state$;$service.output$;$service.perfdata$"
  rotation_interval = 1s
}}
object Host "fw-a" {{
  check_command = "passive"
  address = "127.0.0.1"
  vars.vmmig = true
  vars.vmmig_agent = "tcp:127.0.0.1:{port}"
  vars.vmmig_snmp_conf = "{directory}/client"
}}
"""

NAGIOS = """\
nagios_user={user}
nagios_group={group}
object_cache_file={directory}/objects.cache
log_file={directory}/nagios.log
temp_path={directory}
check_result_path={directory}
command_file={directory}/nagios.cmd
resource_file={directory}/resource.cfg
cfg_file={pack}/nagios-vmmig.cfg
cfg_file={directory}/host.cfg
illegal_macro_output_chars=`~$&|'"<>
"""

NAGIOS_HOST = """\
define timeperiod {
  timeperiod_name  24x7
  alias            always
  monday           00:00-24:00
}
define contact {
  contact_name                    operator
  host_notifications_enabled      0
  service_notifications_enabled   0
  host_notification_period        24x7
  service_notification_period     24x7
  host_notification_commands      vmmig_no_news
  service_notification_commands   vmmig_no_news
}
define host {
  host_name           fw-a
  contacts            operator
  alias               fw-a
  address             127.0.0.1
  hostgroups          vmmig
  max_check_attempts  1
  check_period        24x7
}
"""


@pytest.fixture
def pack(tmp_path):
    run_nms("icinga", "--output", tmp_path / "pack")
    return tmp_path / "pack"


@pytest.fixture
def processes(tmp_path):
    with Processes(str(tmp_path)) as started:
        yield started
        print(started.logs())


def ourselves():
    """The daemons would else go on as users of their own, who may not read a test's directory."""
    return (subprocess.run(["id", option], capture_output=True, text=True, check=True).stdout.strip() for option in ("-un", "-gn"))


def results_of(directory):
    """{service: [(state, output, performance data)]}"""
    found = {}
    for file in sorted(directory.glob("results.*")):
        if file.name == "results.new":
            continue
        for line in file.read_text().splitlines():
            name, state, output, measures = line.split(";", 3)
            found.setdefault(name, []).append((state, output, measures))
    return found


def start_icinga(processes, directory, pack, port):
    (directory / "icinga2.conf").write_text(ICINGA.format(build=BUILD, pack=pack, directory=directory, port=port))
    # It spreads the first checks over a service's interval.
    commands = pack / "icinga2-commands.conf"
    commands.write_text(commands.read_text().replace("check_interval = 1m", "check_interval = 2s"))
    user, group = ourselves()
    for name in ("data", "cache", "run", "log", "spool"):
        (directory / name).mkdir()
    constants = {"RunAsUser": user, "RunAsGroup": group, "DataDir": directory / "data", "CacheDir": directory / "cache",
                 "InitRunDir": directory / "run", "LogDir": directory / "log", "SpoolDir": directory / "spool"}
    icinga = processes.start("icinga2", ["icinga2", "daemon", "-c", str(directory / "icinga2.conf"),
                                         *(f"-D{key}={value}" for key, value in constants.items())],
                             env={"ICINGA2_USER": user, "ICINGA2_GROUP": group})
    icinga.wait_log("Activated all objects", 60)
    return icinga


def test_icinga_runs_the_plugin_and_takes_notifications(pack, processes, tmp_path):
    rig = Rig(tmp_path, processes)
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    rig.make_vm(VM, "10.0.0.5")
    start_icinga(processes, tmp_path, pack, rig.port)
    wanted = {"vmmig health", "vmmig transfers", "vmmig blocked VMs", "vmmig holds", "vmmig clock"}
    found = wait_until(lambda: wanted <= results_of(tmp_path).keys() and results_of(tmp_path), 90, "a result of each service")
    assert {name: found[name][0][0] for name in wanted} == dict.fromkeys(wanted, "OK"), found
    state, output, measures = found["vmmig health"][0]
    assert output.startswith("VMMIG OK - up, 1 VMs") and "vms=1" in measures
    (tmp_path / "hosts.map").write_text("192.0.2.7 fw-a\n")
    values = "\n".join(["host", "UDP: [192.0.2.7]:1->[192.0.2.1]:162", f".1.3.6.1.6.3.1.1.4.1.0 {instance('vmMigTransferFailed')}",
                        f"{instance('vmMigTransferOperStatus', VM)} 12"])
    subprocess.run([pack / "vmmig-passive"], input=values + "\n", text=True, check=True, timeout=30,
                   env={**os.environ, "VMMIG_COMMAND_FILE": str(tmp_path / "commands"), "VMMIG_HOSTS": str(tmp_path / "hosts.map")})
    passive = wait_until(lambda: [each for each in results_of(tmp_path).get("vmmig notifications", []) if each[0] == "WARNING"], 60,
                         "the passive result")
    assert f"vmMigTransferFailed vm {VM}" in passive[0][1]


def test_icinga_shows_a_device_that_is_gone_as_critical(pack, processes, tmp_path):
    rig = Rig(tmp_path, processes)
    rig.start_snmpd()
    start_icinga(processes, tmp_path, pack, rig.port)
    found = wait_until(lambda: results_of(tmp_path).get("vmmig health"), 90, "a result")
    assert found[0][0] == "CRITICAL" and "does vmmigd run there" in found[0][1]


def test_nagios_takes_its_file(pack, tmp_path):
    user, group = ourselves()
    (tmp_path / "nagios.cfg").write_text(NAGIOS.format(directory=tmp_path, pack=pack, user=user, group=group))
    (tmp_path / "resource.cfg").write_text(f"$USER1$={BUILD}\n")
    (tmp_path / "host.cfg").write_text(NAGIOS_HOST)

    def verify():
        result = subprocess.run(["nagios4", "-v", tmp_path / "nagios.cfg"], capture_output=True, text=True, check=False)
        return result.stdout

    shown = verify()
    assert "Checked 6 services." in shown and re.search(r"Total Errors: +0", shown), shown
    # The negative control: a command that is not there.
    text = (pack / "nagios-vmmig.cfg").read_text()
    (pack / "nagios-vmmig.cfg").write_text(text.replace("check_vmmig!health", "check_nothing!health"))
    assert "check_nothing" in verify()
