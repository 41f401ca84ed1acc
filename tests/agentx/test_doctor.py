# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmig doctor against a real snmpd: what is well, and each thing that is not, with its remedy and its exit status."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import conftest
from conftest import AUTH, BUILD, PRIV, USER
from lab.ports import free_port

WELL, ILL, USAGE, UNREACHED = range(4)


class Doctor:
    """Runs vmmig doctor with the rig's snmp.conf."""

    def __init__(self, rig):
        self.rig = rig
        self.device = f"tcp:127.0.0.1:{rig.port}"

    def run(self, *arguments, timeout=30):
        environment = {**os.environ, "SNMPCONFPATH": str(self.rig.directory / "client"),
                       "SNMP_PERSISTENT_DIR": str(self.rig.directory / "client" / "persistent")}
        result = subprocess.run([str(BUILD / "vmmig"), "doctor", *map(str, arguments)], env=environment, capture_output=True,
                                text=True, timeout=timeout, check=False)
        for secret in (AUTH, PRIV):
            assert secret not in result.stdout + result.stderr
        return result

    def __call__(self, *arguments, expect, device=None):
        """The findings of one agent: [(level, check, text, remedy)]."""
        result = self.run(device or self.device, "--json", *arguments)
        assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
        agent, = json.loads(result.stdout)["agents"]
        return [(each["level"], each["check"], each["text"], each["remedy"]) for each in agent["findings"]]

    def ill(self, *arguments, expect=ILL, device=None):
        """Only what is not well; each has a remedy."""
        found = [each for each in self(*arguments, expect=expect, device=device) if each[0] != "ok"]
        assert found and all(each[3] for each in found), found
        return found


@pytest.fixture
def doctor(agent):
    return Doctor(agent)


def with_client(rig, old, new):
    path = rig.directory / "client" / "snmp.conf"
    path.write_text(path.read_text().replace(old, new))


def text_of(found):
    return " ".join(part for each in found for part in each)


def test_a_healthy_device_has_nothing_to_do(doctor):
    found = doctor(expect=WELL)
    assert {each[0] for each in found} == {"ok"}, found
    checks = {each[1] for each in found}
    assert {"reachability", "security", "agentx", "rights", "back end", "capabilities", "capacity", "clock", "snmpd",
            "message size"} <= checks
    assert "SNMPv3 with authPriv" in text_of(found) and "memory" in text_of(found)
    clock = next(each[2] for each in found if each[1] == "clock")
    assert abs(float(re.search(r"([+-][\d.]+) s", clock)[1])) < 1
    printed = doctor.run(doctor.device)
    assert printed.returncode == WELL and "ok       rights" in printed.stdout and "->" not in printed.stdout


def test_a_wrong_authentication_passphrase_is_told_from_an_unknown_user(doctor, agent):
    with_client(agent, AUTH, "something-else")
    wrong = doctor.ill(expect=UNREACHED)
    assert "authentication passphrase" in text_of(wrong) and "defAuthPassphrase" in text_of(wrong)
    with_client(agent, f"defSecurityName {USER}", "defSecurityName nobody")
    unknown = doctor.ill(expect=UNREACHED)
    assert "does not know the user nobody" in text_of(unknown) and "createUser nobody" in text_of(unknown)


def test_a_wrong_privacy_passphrase_is_told_from_a_device_that_is_gone(doctor, agent):
    with_client(agent, PRIV, "something-else")
    found = doctor.ill("-t", "0.5", "-r", "0", expect=UNREACHED)
    assert "defPrivPassphrase" in text_of(found)
    assert all(check != "reachability" for _, check, _, _ in found)


def test_a_missing_passphrase_is_said_in_a_sentence(doctor, agent):
    with_client(agent, f"defPrivPassphrase {PRIV}\n", "")
    assert "passphrase" in text_of(doctor.ill(expect=UNREACHED))


def test_less_than_auth_priv_is_a_warning(rig):
    rig.snmpd_more = f"rwuser {USER} auth"
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    (level, check, text, remedy), = Doctor(rig).ill("-l", "authNoPriv")
    assert (level, check) == ("warning", "security") and "authNoPriv" in text and "authPriv" in remedy


def test_snmp_v2c_is_a_warning(rig):
    rig.snmpd_more = "rwcommunity open 127.0.0.1"
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    (level, check, text, remedy), = Doctor(rig).ill("-v", "2c", "-c", "open")
    assert (level, check) == ("warning", "security") and "SNMPv2c" in text and "authPriv" in remedy


def test_a_vmmigd_that_is_not_connected_is_told_from_a_view_that_hides_it(doctor, agent):
    agent.vmmigd.stop()
    (level, check, text, remedy), = doctor.ill()
    assert (level, check) == ("fault", "agentx") and "vmmigd is not connected" in text
    assert "master agentx" in remedy and "agentXSocket" in remedy


def test_a_view_that_hides_the_module_is_said(rig, monkeypatch):
    hidden = f"view some included .1\nview some excluded {conftest.oid('vmMigMIB')}\nrwuser {USER} priv -V some"
    monkeypatch.setattr(conftest, "SNMPD_CONF", conftest.SNMPD_CONF.replace(f"rwuser {USER} priv", hidden))
    rig.start_snmpd()
    rig.start_vmmigd()
    (level, check, text, remedy), = Doctor(rig).ill()
    assert (level, check) == ("fault", "rights") and "hides" in text and f"rwuser {USER} priv" in remedy


def test_a_user_that_may_only_read_is_said_and_nothing_is_changed(rig, monkeypatch):
    monkeypatch.setattr(conftest, "SNMPD_CONF", conftest.SNMPD_CONF.replace("rwuser", "rouser"))
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    (level, check, text, remedy), = Doctor(rig).ill()
    assert (level, check) == ("fault", "rights") and "may read and not write" in text and f"rwuser {USER}" in remedy


def test_writing_what_is_there_changes_nothing(doctor, agent):
    enabled = conftest.instance("vmMigNotificationsEnable", 0)
    agent.set((enabled, "i", 2))
    doctor(expect=WELL)
    assert agent.get(enabled) == ["2"]


def test_a_closed_port_a_silent_one_and_an_unknown_host_are_told_apart(doctor):
    closed = text_of(doctor.ill(expect=UNREACHED, device=f"tcp:127.0.0.1:{free_port()}"))
    assert "refused" in closed and "agentaddress tcp:" in closed
    closed = text_of(doctor.ill(expect=UNREACHED, device=f"udp:127.0.0.1:{free_port()}"))
    assert "refused" in closed and "agentaddress udp:" in closed
    unknown = text_of(doctor.ill(expect=UNREACHED, device="tcp:no-such-host.invalid"))
    assert "not known" in unknown


def test_a_vmmigd_that_hangs_is_said_within_the_deadline(doctor, agent):
    agent.vmmigd.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        found = doctor.ill("--deadline", "2", expect=UNREACHED)
        assert time.monotonic() - begun < 8
    finally:
        agent.vmmigd.send_signal(signal.SIGCONT)
    assert any(each[1] == "time" for each in found) or "answer" in text_of(found)


def test_what_snmpd_waits_for_is_named_because_no_object_shows_it(doctor):
    snmpd = next(each for each in doctor(expect=WELL) if each[1] == "snmpd")
    assert "agentXTimeout 30" in snmpd[2] and "agentXRetries 0" in snmpd[2]


def test_a_snmpd_that_gives_vmmigd_up_too_soon_is_seen_by_its_error(rig, monkeypatch):
    """agentXTimeout 1: the request is given up while vmmigd has no time for it."""
    monkeypatch.setattr(conftest, "SNMPD_CONF", conftest.SNMPD_CONF.replace("agentXTimeout 30", "agentXTimeout 1"))
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    rig.vmmigd.send_signal(signal.SIGSTOP)
    try:
        found = Doctor(rig).ill("-t", "4", "-r", "0")
    finally:
        rig.vmmigd.send_signal(signal.SIGCONT)
    assert [each[:2] for each in found] == [("fault", "agentx")] and "vmmigd does not answer" in text_of(found)


INVENTORY = """\
listen = udp:127.0.0.1:{trap_port}
[device.fw-a]
agent = tcp:127.0.0.1:{port}
[host.host-a]
agent = tcp:127.0.0.1:{host_port}
devices = fw-a
"""


def test_without_arguments_the_inventory_is_examined(rig, agent, tmp_path):
    directory = tmp_path / "host"
    directory.mkdir()
    host = conftest.Rig(directory, agent.processes)
    trap_port = free_port()
    inform = (f"trapsess -Ci -v3 -e 0x80007ed904766d6d69672d6d6772 -u {USER} -l authPriv -a SHA-256 -A {AUTH} -x AES -X {PRIV} "
              "-r 0 -t 1 127.0.0.1:{}")
    host.snmpd_more = inform.format(trap_port)
    host.start_snmpd()
    host.start_vmmigd("--role", "hypervisor", "--host-name", "host-a")
    host.wait_answer()
    config = tmp_path / "vmmig.conf"
    config.write_text(INVENTORY.format(port=agent.port, host_port=host.port, trap_port=trap_port))
    result = Doctor(agent).run("--config", config, "--json")
    assert result.returncode == WELL, result.stdout
    agents = {each["name"]: each["findings"] for each in json.loads(result.stdout)["agents"]}
    assert set(agents) == {"fw-a", "host-a"}
    assert any("go to this manager" in each["text"] for each in agents["host-a"])
    # The negative control: another port than where its INFORMs go.
    config.write_text(INVENTORY.format(port=agent.port, host_port=host.port, trap_port=free_port()))
    informs = json.loads(Doctor(agent).run("host-a", "--config", config, "--json").stdout)["agents"][0]["findings"]
    assert [each["level"] for each in informs if each["check"] == "informs"] == ["warning"]


def test_usage(doctor, tmp_path):
    assert doctor.run("--config", "/dev/null").returncode == USAGE
    assert doctor.run("--config", tmp_path / "none").returncode == USAGE
    assert doctor.run(doctor.device, "--deadline", "0").returncode == USAGE
