# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmig against a real vmmigd under a stock snmpd: what it prints, what it changes, and its exit codes."""

import json
import os
import subprocess

import pytest

from conftest import BUILD, CREATE_AND_GO, instance
from lab.netns import wait_until

ESTABLISHED, CLOSE_WAIT = 5, 8
OK, NEGATIVE, USAGE, DEVICE = range(4)


class Manager:
    """Runs vmmig with the rig's snmp.conf; {device} in an argument is the agent's address."""

    def __init__(self, rig):
        self.rig = rig
        self.device = f"tcp:127.0.0.1:{rig.port}"

    def __call__(self, *arguments, expect=OK, timeout=60):
        environment = {**os.environ, "SNMPCONFPATH": str(self.rig.directory / "client"),
                       "SNMP_PERSISTENT_DIR": str(self.rig.directory / "client" / "persistent")}
        words = [str(each).format(device=self.device) for each in arguments]
        result = subprocess.run([str(BUILD / "vmmig"), *words], env=environment, capture_output=True, text=True, timeout=timeout,
                                check=False)
        assert result.returncode == expect, (words, result.returncode, result.stdout, result.stderr)
        return result

    def json(self, *arguments):
        return json.loads(self("show", "{device}", *arguments, "--json").stdout)


@pytest.fixture
def vmmig(agent):
    return Manager(agent)


def connection(vm, number):
    return lambda name: instance(name, vm, 0, "10.0.0.5", 80, "192.0.2.1", number)


@pytest.fixture
def web(agent, vm):
    """A VM with 40 connections."""
    agent.make_vm(vm, "10.0.0.5", "fd00::5")
    for first in range(1024, 1064, 10):
        agent.set(*(pair for number in range(first, first + 10) for pair in (
            (connection(vm, number)("vmMigTcpConnState"), "i", ESTABLISHED),
            (connection(vm, number)("vmMigTcpConnWindowKnown"), "i", 1),
            (connection(vm, number)("vmMigTcpConnSeqNumber"), "u", number * 1000),
            (connection(vm, number)("vmMigTcpConnTimeout"), "u", 3000),
            (connection(vm, number)("vmMigTcpConnRowStatus"), "i", CREATE_AND_GO))))
    return vm


def destroy(agent, vm):
    agent.set((instance("vmMigVmRowStatus", vm), "i", 6))


def test_show_overview_names_the_device_and_its_vms(vmmig, web):
    shown = vmmig("show", "{device}").stdout
    assert "vmMigBackEnd" in shown and "memory" in shown
    assert "web1" in shown and str(web) in shown


def test_show_prints_each_table_aligned_and_as_json(vmmig, web):
    lines = vmmig("show", "{device}", "tcpconn", "--vm", "web1").stdout.splitlines()
    assert len(lines) == 41
    assert "LocalAddress" in lines[0] and "established" in lines[1]
    column = lines[0].index("State")
    assert all(line[column:].startswith("established") for line in lines[1:])
    rows = vmmig.json("vmMigTcpConnTable", "--vm", web)
    assert {row["vmMigTcpConnSeqNumber"] for row in rows} == {number * 1000 for number in range(1024, 1064)}
    for table in ("device", "vm", "vmaddress", "transfer", "image", "phase"):
        vmmig("show", "{device}", table)
    assert vmmig.json("device")["vmMigBackEnd"] == "memory"
    assert "vmMigTcpConnLocalMaxEnd" in vmmig("show", "{device}", "tcpconn", "--all").stdout


def test_rows_of_ipv6_are_read_and_written_like_others(agent, vmmig, vm, tmp_path):
    """Their OIDs are long: what fits into an AgentX PDU is less."""
    agent.make_vm(vm, "10.0.0.5", "fd00::5")
    file = tmp_path / "web1.json"
    state = json.loads(vmmig("export", "{device}", "--vm", vm).stdout)
    state["tables"]["vmMigTcpConnTable"] = [
        {"vmMigVmUuid": str(vm), "vmMigTcpConnZone": 0, "vmMigTcpConnLocalAddressType": "ipv6", "vmMigTcpConnLocalPort": 80,
         "vmMigTcpConnLocalAddress": "fd00::5", "vmMigTcpConnRemAddressType": "ipv6", "vmMigTcpConnRemPort": number,
         "vmMigTcpConnRemAddress": "2001:db8::1", "vmMigTcpConnTimeout": 3000, "vmMigTcpConnHelper": "",
         "vmMigTcpConnMark": number} for number in range(1, 201)]
    file.write_text(json.dumps(state))
    assert "200 rows created" in vmmig("import", "{device}", file).stdout
    vmmig("diff", file, "{device}", "--tolerance", 30)


def test_a_vm_or_table_that_is_not_there_is_said(vmmig, web):
    assert "nobody" in vmmig("show", "{device}", "vm", "--vm", "nobody", expect=NEGATIVE).stderr
    assert "TcpConn" in vmmig("show", "{device}", "tables", expect=USAGE).stderr


def test_an_unknown_uuid_is_an_error_and_no_empty_table(vmmig, web):
    unknown = "6ba7b810-9dad-11d1-80b4-00c04fd430ff"
    for arguments in (("tcpconn",), ()):
        said = vmmig("show", "{device}", *arguments, "--vm", unknown, expect=NEGATIVE)
        assert "does not know the VM " + unknown in said.stderr and said.stdout == ""


def test_show_of_a_vm_has_a_section_for_each_table_that_has_rows(agent, vmmig, web):
    mac = (instance("vmMigVmAddressMac", web, "10.0.0.5"), "x", "525400123456")
    agent.set(mac)
    shown = vmmig("show", "{device}", "--vm", "web1").stdout
    headings = [line for line in shown.splitlines() if line.startswith("vmMig")]
    assert headings == ["vmMigVmTable", "vmMigVmAddressTable", "vmMigTcpConnTable"]
    assert "52:54:00:12:34:56" in shown
    assert vmmig("show", "{device}", "--table", "vmaddress").stdout == vmmig("show", "{device}", "vmaddress").stdout
    assert "Check" in vmmig("show", "{device}", "tables", expect=USAGE).stderr


def test_names_of_the_inventory_are_known_to_every_command(vmmig, web, tmp_path):
    config = tmp_path / "vmmig.conf"
    config.write_text(f"[device.fw-a]\nagent = {vmmig.device}\n")
    file = tmp_path / "web1.json"
    named = ("--config", config)
    assert vmmig("show", "fw-a", "vm", *named).stdout == vmmig("show", "{device}", "vm").stdout
    vmmig("export", "fw-a", "--vm", "web1", "-o", file, *named)
    assert "0 rows created" in vmmig("import", "fw-a", file, *named).stdout
    vmmig("diff", file, "fw-a", "--tolerance", 30, *named)
    assert "fw-b is not in the inventory, which has fw-a" in vmmig("show", "fw-b", *named, expect=USAGE).stderr
    assert "refused" in vmmig("show", "tcp:127.0.0.1:1", *named, expect=DEVICE).stderr  # an address is as good as a name


def test_mistakes_are_told_in_sentences(vmmig, web, tmp_path):
    assert "is a directory" in vmmig("import", "{device}", tmp_path, expect=USAGE).stderr
    assert "--from and --to" in vmmig("migrate", web, "--now", expect=USAGE).stderr
    assert "--source-host" in vmmig("migrate", web, expect=USAGE).stderr


def test_what_was_exported_imports_and_does_not_differ(agent, vmmig, web, tmp_path):
    file = tmp_path / "web1.json"
    vmmig("export", "{device}", "--vm", "web1", "-o", file)
    vmmig("diff", file, "{device}")
    destroy(agent, web)
    assert vmmig.json("tcpconn") == []
    assert len(vmmig("diff", file, "{device}", expect=NEGATIVE).stdout.splitlines()) == 42
    assert "40 rows created" in vmmig("import", "{device}", file, "--dry-run").stdout
    assert vmmig.json("tcpconn") == []
    assert "40 rows created" in vmmig("import", "{device}", file).stdout
    assert vmmig("diff", file, "{device}", "--tolerance", 30).stdout == ""
    vmmig("diff", "{device}", "{device}", "--vm", "web1")
    assert "0 rows created" in vmmig("import", "{device}", file).stdout


def test_import_refuses_to_overwrite_unless_told(agent, vmmig, web, tmp_path):
    file = tmp_path / "web1.json"
    file.write_text(vmmig("export", "{device}", "--vm", web).stdout)
    agent.set((connection(web, 1030)("vmMigTcpConnState"), "i", CLOSE_WAIT))
    agent.set((connection(web, 1031)("vmMigTcpConnRowStatus"), "i", 6))
    agent.set((connection(web, 2000)("vmMigTcpConnState"), "i", ESTABLISHED),
              (connection(web, 2000)("vmMigTcpConnRowStatus"), "i", CREATE_AND_GO))
    found = vmmig("diff", file, "{device}", "--tolerance", 30, expect=NEGATIVE).stdout
    assert "! TcpConn 0 10.0.0.5 80 192.0.2.1 1030: State established -> closeWait" in found
    assert "- TcpConn 0 10.0.0.5 80 192.0.2.1 1031" in found
    assert "+ TcpConn 0 10.0.0.5 80 192.0.2.1 2000" in found
    assert "2 rows" in vmmig("import", "{device}", file, expect=NEGATIVE).stderr
    assert vmmig("diff", file, "{device}", "--tolerance", 30, expect=NEGATIVE).stdout == found
    assert "1 row created, 1 row changed, 1 row removed" in vmmig("import", "{device}", file, "--replace").stdout
    vmmig("diff", file, "{device}", "--tolerance", 30)


def test_import_is_all_or_nothing(agent, vmmig, web, tmp_path):
    file = tmp_path / "web1.json"
    exported = json.loads(vmmig("export", "{device}", "--vm", web).stdout)
    destroy(agent, web)
    # The last row is of an address that is not the VM's: the device refuses it, after it has taken others.
    rows = exported["tables"]["vmMigTcpConnTable"]
    rows.append({**rows[0], "vmMigTcpConnLocalAddress": "10.0.0.99", "vmMigTcpConnZone": 9})
    file.write_text(json.dumps(exported))
    said = vmmig("import", "{device}", file, expect=DEVICE).stderr
    assert "undone" in said and str(web) in said
    assert vmmig.json("vm") == [] and vmmig.json("vmaddress") == [] and vmmig.json("tcpconn") == []


def test_a_file_that_is_none_is_a_usage_error(vmmig, tmp_path):
    file = tmp_path / "wrong.json"
    file.write_text("[]")
    assert str(file) in vmmig("import", "{device}", file, expect=USAGE).stderr
    assert "cannot read" in vmmig("import", "{device}", tmp_path / "none.json", expect=USAGE).stderr
    assert "--vm" in vmmig("diff", "{device}", "{device}", expect=USAGE).stderr


def test_errors_say_what_to_check(agent, vmmig):
    closed = vmmig("show", "tcp:127.0.0.1:1", expect=DEVICE).stderr
    assert "refused" in closed and "snmpd" in closed
    silent = vmmig("-t", "0.2", "-r", "1", "show", "udp:127.0.0.1:1", expect=DEVICE).stderr
    assert "no answer" in silent
    assert "does not know the SNMPv3 user" in vmmig("-u", "nobody", "show", "{device}", expect=DEVICE).stderr
    assert "authentication passphrase" in vmmig("-A", "wrong-passphrase", "show", "{device}", expect=DEVICE).stderr
    assert "privacy passphrase" in vmmig("-X", "wrong-passphrase", "-t", "1", "-r", "0", "show", "{device}", expect=DEVICE).stderr
    agent.vmmigd.stop()
    assert "Does vmmigd run" in vmmig("show", "{device}", expect=DEVICE).stderr


def test_the_library_writes_nothing_behind_our_back(vmmig, web):
    assert vmmig("show", "{device}", "vm").stderr == ""


# --- phases

HOST_OPTIONS = ("--role", "hypervisor", "--host-name", "host-a")


@pytest.fixture
def host(rig):
    rig.start_snmpd()
    rig.start_vmmigd(*HOST_OPTIONS)
    rig.wait_answer()
    return rig


@pytest.fixture
def tell(host, vm):
    manager = Manager(host)

    def run(phase, *options, **keywords):
        return manager("phase", "{device}", phase, "--vm", vm, *options, **keywords)

    run.manager = manager
    return run


def act(host, vm, action):
    """What the manager does to a held VM, once it is held."""
    wait_until(lambda: host.get(instance("vmMigPhaseHoldStatus", vm)) == ["2"], 10, "the hold", step=0.05)
    host.set((instance("vmMigPhaseAction", vm), "i", action))


def start_waiting(tell, host, vm, *options):
    environment = {**os.environ, "SNMPCONFPATH": str(host.directory / "client"),
                   "SNMP_PERSISTENT_DIR": str(host.directory / "client" / "persistent")}
    return subprocess.Popen([str(BUILD / "vmmig"), "phase", tell.manager.device, "stopped", "--vm", str(vm), "--wait", *options],
                            env=environment, stderr=subprocess.PIPE, text=True)


def test_phases_are_told_and_counted(tell, vm):
    tell("preCopy", "--name", "web1", "--source-host", "host-a", "--destination-host", "host-b", "--mac", "52:54:00:12:34:56")
    first, = tell.manager.json("phase")
    assert (first["vmMigPhase"], first["vmMigPhaseVmName"], first["vmMigPhaseDestinationHost"]) == ("preCopy", "web1", "host-b")
    assert first["vmMigPhaseMacAddresses"] == "525400123456"
    tell("failed", "--error", "the disk is full")
    second, = tell.manager.json("phase")
    assert second["vmMigPhase"] == "failed" and second["vmMigPhaseError"] == "the disk is full"
    assert second["vmMigPhaseSequence"] > first["vmMigPhaseSequence"]
    assert second["vmMigPhaseDestinationHost"] == "host-b"


@pytest.mark.parametrize("action, code", [(2, OK), (3, NEGATIVE)], ids=["released", "cancelled"])
def test_wait_ends_with_the_managers_word(tell, host, vm, action, code):
    waiting = start_waiting(tell, host, vm, "--hold", "20s")
    act(host, vm, action)
    _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == code, said


def test_wait_survives_a_restart_of_snmpd(tell, host, vm):
    waiting = start_waiting(tell, host, vm, "--hold", "30s")
    wait_until(lambda: host.get(instance("vmMigPhaseHoldStatus", vm)) == ["2"], 10, "the hold", step=0.05)
    host.snmpd.stop()
    host.start_snmpd()
    host.wait_answer()
    act(host, vm, 2)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == OK, said


@pytest.mark.parametrize("policy, code", [("require", NEGATIVE), ("bestEffort", OK)])
def test_an_expired_hold_ends_as_its_policy_says(tell, policy, code):
    said = tell("stopped", "--hold", "300ms", "--policy", policy, "--wait", expect=code).stderr
    assert "nobody released the hold" in said


def test_wrong_phases_and_times_are_usage_errors(tell):
    assert "preCopy" in tell("halted", expect=USAGE).stderr
    assert "10s" in tell("stopped", "--hold", "soon", expect=USAGE).stderr
    assert "--hold" in tell("stopped", "--wait", expect=USAGE).stderr
    assert "stopped" in tell("resumed", "--hold", "1s", expect=USAGE).stderr
    assert "52:54:00" in tell("preCopy", "--mac", "52:54", expect=USAGE).stderr
