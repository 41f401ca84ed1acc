# SPDX-License-Identifier: GPL-2.0-or-later
"""Nagios with the pack's file: check_vmmig against a real vmmigd, and a notification as a passive result."""

import os
import re
import subprocess
import uuid

import pytest

from conftest import BUILD, UUID, ourselves, run_nms
from lab.netns import wait_until
from agentx_rig import Rig, instance

VM = uuid.UUID(UUID)
CHECKS = {"vmmig health", "vmmig transfers", "vmmig blocked VMs", "vmmig holds", "vmmig clock"}
PASSIVE = "vmmig notifications"
OK, WARNING, CRITICAL, UNKNOWN = map(str, range(4))

NAGIOS = """\
nagios_user={user}
nagios_group={group}
lock_file={directory}/lock
object_cache_file={directory}/objects.cache
status_file={directory}/status.dat
log_file={directory}/nagios.log
temp_file={directory}/temporary
temp_path={directory}
check_result_path={directory}
command_file={directory}/commands
query_socket={directory}/query
resource_file={directory}/resource.cfg
cfg_file={pack}/nagios-commands.cfg
cfg_file={pack}/nagios-services.cfg
cfg_file={directory}/host.cfg
illegal_macro_output_chars=`~$&|'"<>
use_syslog=0
retain_state_information=0
check_external_commands=1
execute_service_checks=1
accept_passive_service_checks=1
check_service_freshness=1
service_freshness_check_interval=1
interval_length=1
max_service_check_spread=1
status_update_interval=1
"""

# What an operator has besides.
SITE = """\
define timeperiod {{
  timeperiod_name  24x7
  alias            always
{days}
}}
define contact {{
  contact_name                    operator
  host_notifications_enabled      0
  service_notifications_enabled   0
  host_notification_period        24x7
  service_notification_period     24x7
  host_notification_commands      vmmig_no_news
  service_notification_commands   vmmig_no_news
}}
define host {{
  use                 vmmig-device
  hostgroups          vmmig
  host_name           fw-a
  contacts            operator
  alias               fw-a
  address             127.0.0.1:{port}
  max_check_attempts  1
  check_period        24x7
  _VMMIG_SNMP_CONF    {directory}/client
}}
"""
DAYS = "\n".join(f"  {day} 00:00-24:00" for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))


@pytest.fixture
def pack(tmp_path):
    run_nms("icinga", "--output", tmp_path / "pack")
    return tmp_path / "pack"


def configure(directory, pack, port):
    """Nagios's own file. With an interval_length of a second, the pack's services are checked each second."""
    user, group = ourselves()
    (directory / "resource.cfg").write_text(f"$USER1$={BUILD}\n")
    (directory / "host.cfg").write_text(SITE.format(days=DAYS, port=port, directory=directory))
    (directory / "nagios.cfg").write_text(NAGIOS.format(directory=directory, pack=pack, user=user, group=group))
    return str(directory / "nagios.cfg")


def rewrite(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def services(directory):
    """{service: (state, output, performance data)} of those that have a result."""
    path = directory / "status.dat"
    found = {}
    for block in re.findall(r"^servicestatus \{\n(.*?)\n\t\}$", path.read_text() if path.exists() else "", re.M | re.S):
        values = dict(line.strip().split("=", 1) for line in block.splitlines())
        if values["has_been_checked"] == "1":
            found[values["service_description"]] = values["current_state"], values["plugin_output"], values["performance_data"]
    return found


def wait_service(directory, service, state, words):
    def shown():
        found = services(directory).get(service)
        return found if found and found[0] == state and words in found[1] else None
    try:
        return wait_until(shown, 90, f"{service} is {state}", step=0.2)
    finally:
        print(services(directory))


def start_device(processes, directory):
    rig = Rig(directory, processes)
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    rig.make_vm(VM, "10.0.0.5")
    return rig


def tell(pack, directory, status):
    """A vmMigTransferFailed, as snmptrapd gives it to the handler."""
    (directory / "hosts.map").write_text("192.0.2.7 fw-a\n")
    lines = ["host", "UDP: [192.0.2.7]:1->[192.0.2.1]:162", f".1.3.6.1.6.3.1.1.4.1.0 {instance('vmMigTransferFailed')}",
             f"{instance('vmMigTransferOperStatus', VM)} {status}"]
    subprocess.run([pack / "vmmig-passive"], input="\n".join(lines) + "\n", text=True, check=True, timeout=30,
                   env={**os.environ, "VMMIG_COMMAND_FILE": str(directory / "commands"), "VMMIG_HOSTS": str(directory / "hosts.map")})


def test_nagios_runs_the_plugin_and_takes_notifications(pack, processes, tmp_path):
    rig = start_device(processes, tmp_path)
    rewrite(pack / "nagios-services.cfg", ("freshness_threshold     3600", "freshness_threshold     20"))
    processes.start("nagios", ["nagios4", configure(tmp_path, pack, rig.port)])
    wait_until(lambda: CHECKS <= services(tmp_path).keys(), 90, "a result of each service")
    assert {name: services(tmp_path)[name][0] for name in CHECKS} == dict.fromkeys(CHECKS, OK)
    _, _, measures = wait_service(tmp_path, "vmmig health", OK, "VMMIG OK - up, 1 VM,")
    assert "vms=1" in measures.replace("'", "")
    tell(pack, tmp_path, 12)
    wait_service(tmp_path, PASSIVE, WARNING, f"vmMigTransferFailed vm {VM}: The state of a VM did not follow it")
    wait_service(tmp_path, PASSIVE, OK, "no notification for an hour")
    rig.vmmigd.stop()
    wait_service(tmp_path, "vmmig health", CRITICAL, "does vmmigd run there")


OWN = """
define service {
  use                  vmmig-service
  host_name            fw-a
  hostgroup_name       null
  service_description  vmmig blocked VMs
  check_command        check_vmmig!blocked!-c @0:9
}
"""


def test_a_host_has_a_service_of_its_own_in_nagios(pack, processes, tmp_path):
    """What an operator writes beside the pack's file holds instead of it."""
    rig = start_device(processes, tmp_path)
    conf = configure(tmp_path, pack, rig.port)
    (tmp_path / "host.cfg").write_text((tmp_path / "host.cfg").read_text() + OWN)
    shown = subprocess.run(["nagios4", "-v", conf], capture_output=True, text=True, check=False).stdout
    assert "Checked 6 services." in shown and re.search(r"Total Errors: +0", shown), shown
    processes.start("nagios", ["nagios4", conf])
    wait_service(tmp_path, "vmmig blocked VMs", CRITICAL, "no VM")


def test_a_wrong_file_is_seen_in_nagios(pack, processes, tmp_path):
    """The negative control of the test above: a mode that is not there, a range that is another, a label that is another."""
    rig = start_device(processes, tmp_path)
    rewrite(pack / "nagios-services.cfg", ("check_vmmig!holds!", "check_vmmig!hold!"),
            ("check_vmmig!blocked!-w 30 -c 120", "check_vmmig!blocked!-c @0:9"))
    rewrite(pack / "vmmig-passive", ('"12"] = "failed"', '"12"] = "aborted"'))
    processes.start("nagios", ["nagios4", configure(tmp_path, pack, rig.port)])
    wait_service(tmp_path, "vmmig clock", OK, "its clock is")
    wait_service(tmp_path, "vmmig holds", UNKNOWN, 'there is no mode "hold"')
    wait_service(tmp_path, "vmmig blocked VMs", CRITICAL, "no VM")
    tell(pack, tmp_path, 12)
    wait_service(tmp_path, PASSIVE, OK, "was taken back on request")


def test_nagios_finds_nothing_to_complain_of(pack, tmp_path):
    conf = configure(tmp_path, pack, 161)

    def verify():
        return subprocess.run(["nagios4", "-v", conf], capture_output=True, text=True, check=False).stdout

    shown = verify()
    assert "Checked 6 services." in shown and re.search(r"Total Errors: +0", shown) and re.search(r"Total Warnings: +0", shown), shown
    # The negative control: a command that is not there.
    rewrite(pack / "nagios-services.cfg", ("check_vmmig!health", "check_nothing!health"))
    assert "check_nothing" in verify()
