# SPDX-License-Identifier: GPL-2.0-or-later
"""check_vmmig against a real vmmigd under a stock snmpd: state, performance data and exit status."""

import random
import re
import signal
import subprocess
import time

import pytest

from conftest import AUTH, BUILD, CREATE_AND_GO, PRIV, USER, instance
from lab.netns import wait_until
from lab.ports import free_port

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
# The form of the guidelines: 'label'=value[unit];warning;critical
MEASURE = re.compile(r"'(\w+)'=(-?[\d.]+)(s|c|);([-@~:\d.]*);([-@~:\d.]*)")
STOPPED = 3


class Plugin:
    def __init__(self, rig):
        self.rig = rig
        self.agent = f"tcp:127.0.0.1:{rig.port}"

    def run(self, *arguments):
        return subprocess.run([str(BUILD / "check_vmmig"), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments, expect, agent=None):
        """(text, measures {label: (value, unit, warning, critical)}, further lines)."""
        result = self.run("-H", agent or self.agent, "--snmp-conf", self.rig.directory / "client", *arguments)
        assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
        assert AUTH not in result.stdout and PRIV not in result.stdout
        first, *lines = result.stdout.splitlines()
        text, _, data = first.partition(" | ")
        assert text.startswith(f"VMMIG {WORDS[expect]} - ")
        measures = {}
        for each in data.split():
            found = MEASURE.fullmatch(each)
            assert found, each
            measures[found[1]] = (float(found[2]), *found.groups()[2:])
        return text, measures, lines


@pytest.fixture
def check(agent):
    return Plugin(agent)


def test_a_healthy_device_is_ok(check, agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    text, measures, lines = check(expect=OK)
    assert "up, 1 VM, 0 transfers" in text and lines == []
    assert measures["vms"] == (1, "", "", "") and measures["failed"] == (0, "c", "", "")


def test_a_device_in_trouble_says_with_what_and_the_remedy(rig):
    rig.start_snmpd()
    # A set that the device does not have, in a network namespace of its own; the sockets are files.
    rig.start_vmmigd("--back-end", "linux", "--acl", "web,inet none web,permit",
                     before=["unshare", "--user", "--map-root-user", "--net"])
    rig.wait_answer()
    text, _, lines = Plugin(rig)(expect=WARNING)
    assert text.startswith("VMMIG WARNING - degraded: ")
    found, = [line for line in lines if "acl web" in line]
    assert found.startswith("degraded: ") and "does not exist -> " in found


def test_each_mode_is_ok_on_a_quiet_device(check):
    for mode, label in (("transfers", "failed"), ("blocked", "longest"), ("holds", "expired"), ("clock", "offset")):
        _, measures, _ = check("-m", mode, expect=OK)
        assert label in measures, mode


def test_ranges_decide_and_are_in_the_performance_data(check, agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    assert check("-m", "vmMigVms", "-w", "1", "-c", "5", expect=OK)[1]["vmMigVms"] == (1, "", "1", "5")
    check("-m", "vmMigVms", "-w", "0", "-c", "5", expect=WARNING)
    check("-m", "vmMigVms", "-w", "0", "-c", "2:", expect=CRITICAL)
    check("-m", "vmMigVms", "-c", "@1:3", expect=CRITICAL)
    check("-m", "clock", "-w", "1000:", expect=WARNING)


def claim(agent, vm, status, epoch, deadline=60):
    agent.set((instance("vmMigTransferRole", vm), "i", 1 if status == 1 else 2), (instance("vmMigTransferEpoch", vm), "u", epoch),
              (instance("vmMigTransferAdminStatus", vm), "i", status), (instance("vmMigTransferDeadline", vm), "u", deadline),
              (instance("vmMigTransferRowStatus", vm), "i", CREATE_AND_GO))


def test_a_transfer_that_expired_counts_while_it_is_recent(check, agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    claim(agent, vm, 1, 1, deadline=1)
    expired = wait_until(lambda: agent.get(instance("vmMigTransferOperStatus", vm)) == ["13"], 20, "the deadline")
    assert expired
    text, measures, lines = check("-m", "transfers", expect=WARNING)
    assert measures["failed"] == (1, "", "0", "") and str(vm) in text and "web1" in text and len(lines) == 1
    check("-m", "transfers", "-w", "1", expect=OK)
    check("-m", "transfers", "-c", "0", expect=CRITICAL)
    wait_until(lambda: check.run("-H", check.agent, "--snmp-conf", agent.directory / "client", "-m", "transfers", "--recent",
                                 "1").returncode == OK, 20, "the end of its time")


def test_a_vm_that_stays_blocked_is_named(check, agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    claim(agent, vm, 1, 1)
    agent.set((instance("vmMigTransferEpoch", vm), "u", 1), (instance("vmMigTransferAdminStatus", vm), "i", 2))
    wait_until(lambda: agent.get(instance("vmMigVmBlocked", vm)) == ["1"], 20, "the block")
    _, measures, _ = check("-m", "blocked", expect=OK)
    assert measures["blocked"][0] == 1
    wait_until(lambda: check.run("-H", check.agent, "--snmp-conf", agent.directory / "client", "-m", "blocked", "-c",
                                 "1").returncode == CRITICAL, 20, "a second of block")
    text, measures, _ = check("-m", "blocked", "-c", "1", expect=CRITICAL)
    assert "web1" in text and measures["longest"][0] > 1


def test_a_hold_that_nobody_ended_is_critical(rig, vm):
    rig.start_snmpd()
    rig.start_vmmigd("--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    check = Plugin(rig)
    check("-m", "holds", expect=OK)
    rig.set((instance("vmMigPhaseVmName", vm), "s", "web1"), (instance("vmMigPhase", vm), "i", STOPPED),
            (instance("vmMigPhaseHoldDeadline", vm), "u", 100), (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO))
    wait_until(lambda: rig.get(instance("vmMigPhaseHoldStatus", vm)) == ["5"], 20, "the end of the hold")
    text, measures, _ = check("-m", "holds", expect=CRITICAL)
    assert "web1" in text and str(vm) in text and measures["expired"][0] == 1


def test_an_agent_is_asked_by_ipv6(rig):
    port = free_port()
    rig.snmpd_more = f"agentaddress tcp6:[::1]:{port}\n"
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    Plugin(rig)(agent=f"tcp6:[::1]:{port}", expect=OK)


def test_no_vmmigd_is_critical(check, agent):
    agent.vmmigd.stop()
    assert "does vmmigd run there" in check(expect=CRITICAL)[0]


def test_no_agent_is_critical(check):
    check("-t", "4", agent=f"tcp:127.0.0.1:{free_port()}", expect=CRITICAL)


def test_an_agent_that_hangs_is_critical_within_the_timeout(check, agent):
    agent.snmpd.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        check("-t", "2", expect=CRITICAL)
        assert time.monotonic() - begun < 10
    finally:
        agent.snmpd.send_signal(signal.SIGCONT)


def test_a_wrong_passphrase_is_unknown(check, agent):
    path = agent.directory / "client" / "snmp.conf"
    path.write_text(path.read_text().replace(AUTH, "something-else"))
    assert "authentication passphrase" in check(expect=UNKNOWN)[0]
    path.write_text(path.read_text().replace(f"defSecurityName {USER}", "defSecurityName nobody"))
    check(expect=UNKNOWN)


@pytest.mark.parametrize("arguments", [
    (), ("-H",), ("-H", "tcp:127.0.0.1", "-m", "weather"), ("-H", "tcp:127.0.0.1", "-m", "vmMigDescr"),
    ("-H", "tcp:127.0.0.1", "-m", "clock", "-w", "x"), ("-H", "tcp:127.0.0.1", "-w", "1"), ("-H", "tcp:127.0.0.1", "-t", "0"),
    ("-H", "tcp:127.0.0.1", "--recent", "0"), ("--no-such-option",)])
def test_usage_is_unknown_and_says_what_to_type(rig, arguments):
    result = Plugin(rig).run(*arguments)
    assert result.returncode == UNKNOWN and result.stdout.startswith("VMMIG UNKNOWN - "), result.stdout


def test_a_configuration_that_cannot_be_read_is_named(rig):
    missing = Plugin(rig).run("-H", "tcp:127.0.0.1", "--snmp-conf", rig.directory / "nowhere")
    assert missing.returncode == UNKNOWN and f"{rig.directory}/nowhere/snmp.conf cannot be read (No such file" in missing.stdout


def test_more_words_are_taken_and_change_nothing(check):
    assert check("-v", expect=OK)[0] == check("-vvv", expect=OK)[0] == check("-v", "-v", "--verbose", expect=OK)[0] == check(expect=OK)[0]


def test_no_arguments_whatever_leave_the_form_of_a_plugin(rig):
    """The numbers of exit that monitoring systems know, and one line that they can take apart."""
    options = ["-H", "-m", "-w", "-c", "-t", "--recent", "-u", "-l", "--snmp-conf", "-v", "-h", "-V", "--hostname", "--no", "--", "-"]
    values = ["tcp:127.0.0.1:1", "", "health", "clock", "holds", "vmMigVms", "vmMigClock", "-1:1", "@", "~:", "1e3", "10:", "0", "-5", "a" * 5000,
              "%s%n", "|", "\n", "ü", "tcp:", "authPriv", "/nonexistent", "2147483647", "4294967296", "nan", "9" * 400]
    chosen = random.Random(1)
    for _ in range(200):
        arguments = ["-t", "1"] if chosen.random() < 0.7 else []
        for _ in range(chosen.randint(0, 5)):
            arguments += [chosen.choice(options), *([chosen.choice(values)] if chosen.random() < 0.8 else [])]
        result = Plugin(rig).run(*arguments)
        first = result.stdout.partition("\n")[0]
        is_help = result.returncode == OK and first.startswith("check_vmmig ")
        assert is_help or (result.returncode in (CRITICAL, UNKNOWN) and first.startswith(f"VMMIG {WORDS[result.returncode]} - ")), (arguments, result)
        assert first.count("|") == 0 and result.stdout.endswith("\n"), (arguments, result)


def test_help_and_version_are_ok(rig):
    shown = Plugin(rig).run("-h")
    assert shown.returncode == OK and "Usage: check_vmmig" in shown.stdout
    assert re.fullmatch(r"check_vmmig \d+\.\d+\.\d+\n", Plugin(rig).run("-V").stdout)
