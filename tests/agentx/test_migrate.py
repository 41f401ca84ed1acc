# SPDX-License-Identifier: GPL-2.0-or-later
"""vmmig migrate and vmmig serve between two devices and two hosts, each a stock snmpd with vmmigd; the manager killed on the way."""

import json
import os
import signal
import subprocess

import pytest

from conftest import AUTH, BUILD, CREATE_AND_GO, PRIV, Rig, instance
from lab.netns import wait_until
from lab.ports import free_port
from lab.procs import Processes

INFORM_USER = "vmmig-inform"
ENGINE_ID = "0x80007ed904766d6d69672d6d6772"
ROWS = 30

CONFIG = """\
listen = {listen}
listen-users = {users}
journal = {journal}
poll = {poll}
transfer-deadline = 20
resume-deadline = 20

[host.host-a]
agent = tcp:127.0.0.1:{host_a}
devices = fw-a
[host.host-b]
agent = tcp:127.0.0.1:{host_b}
devices = fw-b
[device.fw-a]
agent = tcp:127.0.0.1:{fw_a}
[device.fw-b]
agent = tcp:127.0.0.1:{fw_b}
"""


class Site:
    """Two firewalls, two hosts, and the manager's configuration."""

    def __init__(self, directory, processes, vm):
        self.directory, self.processes, self.vm = directory, processes, vm
        self.trap_port = free_port()
        self.rigs = {}
        for name in ("fw-a", "fw-b", "host-a", "host-b"):
            (directory / name).mkdir()
            rig = self.rigs[name] = Rig(directory / name, processes)
            is_host = name.startswith("host")
            if is_host:
                rig.snmpd_more = (f"trapsess -Ci -v3 -e {ENGINE_ID} -u {INFORM_USER} -l authPriv -a SHA-256 -A {AUTH} -x AES "
                                  f"-X {PRIV} -r 3 -t 1 127.0.0.1:{self.trap_port}")
            rig.start_snmpd()
            rig.start_vmmigd(*(("--role", "hypervisor", "--host-name", name) if is_host else ("--role", "device")))
        for rig in self.rigs.values():
            rig.wait_answer()
        self.source, self.destination = self.rigs["fw-a"], self.rigs["fw-b"]
        self.journal = directory / "journal.db"
        self.users = directory / "users.conf"
        self.users.write_text(f"createUser {INFORM_USER} SHA-256 {AUTH} AES {PRIV}\nauthUser log {INFORM_USER} priv\n")
        self.users.chmod(0o600)
        self.config = directory / "vmmig.conf"
        self.write_config()
        self.environment = {"SNMPCONFPATH": str(self.source.directory / "client"),
                            "SNMP_PERSISTENT_DIR": str(self.source.directory / "client" / "persistent"), "MIBS": ""}

    def write_config(self, listen="", poll=0.05):
        ports = {name.replace("-", "_"): rig.port for name, rig in self.rigs.items()}
        self.config.write_text(CONFIG.format(listen=listen, users=self.users, journal=self.journal, poll=poll, **ports))

    def make_vm(self, count=ROWS):
        self.source.make_vm(self.vm, "10.0.0.5")
        for first in range(1, count + 1, 10):
            self.source.set(*(assignment for port in range(first, min(first + 10, count + 1)) for assignment in (
                (self.row("RowStatus", port), "i", CREATE_AND_GO), (self.row("State", port), "i", 5),
                (self.row("Timeout", port), "u", 3000), (self.row("Mark", port), "u", port))))

    def row(self, column, port):
        return instance("vmMigTcpConn" + column, self.vm, 0, "10.0.0.5", 22, "192.0.2.7", port)

    def rows(self, name):
        """{index: mark}: rows and something that only a copy has."""
        walked = self.rigs[name].walk(instance("vmMigTcpConnMark"))
        return {index: mark for index, mark in walked if not mark.startswith("No Such")}

    def blocked(self, name):
        return self.rigs[name].get(instance("vmMigVmBlocked", self.vm)) == ["1"]

    def vmmig(self, *arguments, check=True, timeout=60):
        result = subprocess.run([BUILD / "vmmig", *map(str, arguments)], env={**os.environ, **self.environment}, timeout=timeout,
                                capture_output=True, text=True, check=False)
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def start(self, *arguments):
        name = f"vmmig-{arguments[0]}"
        return self.processes.start(name, [str(BUILD / "vmmig"), *map(str, arguments)], env=self.environment)

    def migrate(self, *arguments):
        return self.start("migrate", self.vm, "--config", self.config, "--source-host", "host-a", "--destination-host", "host-b",
                          *arguments)

    def serve(self):
        served = self.start("serve", "--config", self.config)
        served.wait_log("ready")
        return served

    def phase(self, host, phase, *arguments):
        self.vmmig("phase", f"tcp:127.0.0.1:{self.rigs[host].port}", phase, "--vm", self.vm, "--name", "web1",
                   "--source-host", "host-a", "--destination-host", "host-b", *arguments)

    def hold_status(self):
        """1 none, 2 held, 3 released, 4 cancelled, 5 expired"""
        return int(self.rigs["host-a"].get(instance("vmMigPhaseHoldStatus", self.vm))[0])

    def wait_hold(self, status, seconds=15):
        wait_until(lambda: self.hold_status() == status, seconds, f"the hold to be {status}")

    def last_migration(self):
        entries = json.loads(self.vmmig("journal", "--config", self.config, "--json").stdout)
        return json.loads(self.vmmig("journal", entries[0]["id"], "--config", self.config, "--json").stdout)

    def expect_moved(self, before):
        assert self.rows("fw-b") == before
        assert self.rows("fw-a") == {}
        assert not self.blocked("fw-b")

    def expect_taken_back(self, before):
        assert self.rows("fw-a") == before
        assert self.rows("fw-b") == {}
        assert not self.blocked("fw-a")


@pytest.fixture
def site(tmp_path, vm):
    with Processes(str(tmp_path)) as processes:
        made = Site(tmp_path, processes, vm)
        made.make_vm()
        yield made
        print(processes.logs())


def direct(site, *more):
    """--from and --to as peers, without an inventory's hosts."""
    return ("migrate", site.vm, "--from", f"tcp:127.0.0.1:{site.source.port}", "--to", f"tcp:127.0.0.1:{site.destination.port}",
            "--now", "--config", site.config, *more)


def test_migrate_now_moves_every_row_and_proves_it(site):
    before = site.rows("fw-a")
    assert len(before) == ROWS
    result = json.loads(site.vmmig(*direct(site, "--json")).stdout)
    site.expect_moved(before)
    assert result["state"] == "moved" and result["rows"] == ROWS and result["missing"] == 0
    assert result["stopBeforeRead"] and result["readBeforeCommit"] and result["commitBeforeResume"]
    assert result["addedBlackoutMs"] > 0 and len(result["digest"]) == 64


def test_row_by_row_gives_the_digest_of_chunks(site):
    before = site.rows("fw-a")
    by_chunks = json.loads(site.vmmig(*direct(site, "--json")).stdout)
    back = ("migrate", site.vm, "--from", f"tcp:127.0.0.1:{site.destination.port}", "--to", f"tcp:127.0.0.1:{site.source.port}",
            "--now", "--config", site.config, "--row-by-row", "--json")
    by_rows = json.loads(site.vmmig(*back).stdout)
    assert site.rows("fw-a") == before and site.rows("fw-b") == {}
    assert by_rows["digest"] == by_chunks["digest"] and by_rows["rowByRow"] and by_rows["rows"] == ROWS


def test_exit_codes_for_scripts(site):
    before = site.rows("fw-a")
    assert site.vmmig("migrate", "web1", check=False).returncode == 2
    unknown = site.vmmig("migrate", "6ba7b810-9dad-11d1-80b4-00c04fd430ff", *direct(site)[2:], check=False)
    assert unknown.returncode == 1 and "inventory" in unknown.stderr
    dead = site.vmmig("-t", "0.3", "-r", "0", "migrate", site.vm, "--from", f"tcp:127.0.0.1:{site.source.port}", "--to",
                      f"tcp:127.0.0.1:{free_port()}", "--now", "--config", site.config, check=False)
    assert dead.returncode == 3
    # The reason once in the log, and once in the report.
    assert dead.stderr.count("refused") == dead.stdout.count("refused") == 1, dead.stderr + dead.stdout
    site.expect_taken_back(before)


def test_migrate_waits_for_the_phases(site):
    before = site.rows("fw-a")
    waiting = site.migrate("--json")
    site.phase("host-a", "preCopy")
    wait_until(lambda: site.destination.get(instance("vmMigTransferOperStatus", site.vm)) == ["6"], 10, "fw-b prepared")
    site.phase("host-a", "stopped", "--hold", "10s", "--wait")
    assert site.rows("fw-a") == before, "the source keeps its rows until the VM has resumed"
    assert site.rows("fw-b") == before
    site.phase("host-b", "resumed")
    assert waiting.wait_end(20) == 0
    site.expect_moved(before)


def test_interrupting_takes_everything_back(site):
    before = site.rows("fw-a")
    waiting = site.migrate()
    site.phase("host-a", "preCopy")
    wait_until(lambda: site.destination.get(instance("vmMigTransferOperStatus", site.vm)) == ["6"], 10, "fw-b prepared")
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait_end(20) == 1
    site.expect_taken_back(before)


def test_serve_moves_a_vm_at_the_word_of_informs(site):
    before = site.rows("fw-a")
    # So slow a poll that only an INFORM can be in time.
    site.write_config(listen=f"udp:127.0.0.1:{site.trap_port}", poll=30)
    served = site.serve()
    site.phase("host-a", "preCopy")
    site.phase("host-a", "stopped", "--hold", "10s", "--wait")
    site.phase("host-b", "resumed")
    served.wait_log(r"VM web1: moved")
    site.expect_moved(before)
    served.send_signal(signal.SIGTERM)
    assert served.wait_end(10) == 0
    assert site.last_migration()["inOrder"]


def test_serve_takes_back_what_the_hypervisor_cancels(site):
    before = site.rows("fw-a")
    served = site.serve()
    site.phase("host-a", "preCopy")
    wait_until(lambda: site.destination.get(instance("vmMigTransferOperStatus", site.vm)) == ["6"], 10, "fw-b prepared")
    site.phase("host-a", "cancelled")
    served.wait_log(r"VM web1: not moved")
    site.expect_taken_back(before)


def kill_when(site, pattern, *arguments):
    """A manager that is killed as soon as its log says so."""
    manager = site.migrate(*arguments)
    site.phase("host-a", "preCopy")
    if pattern:
        wait_until(lambda: site.destination.get(instance("vmMigTransferOperStatus", site.vm)) == ["6"], 10, "fw-b prepared")
        if "frozen" in pattern:
            site.destination.vmmigd.send_signal(signal.SIGSTOP)  # so that it cannot have committed
        site.phase("host-a", "stopped", "--hold", "30s")
        manager.wait_log(pattern)
    else:
        wait_until(lambda: site.destination.get(instance("vmMigTransferOperStatus", site.vm)) == ["6"], 10, "fw-b prepared")
    manager.kill()
    site.destination.vmmigd.send_signal(signal.SIGCONT)


def test_serve_goes_on_where_a_manager_was_killed_in_the_pre_copy(site):
    before = site.rows("fw-a")
    kill_when(site, None)
    served = site.serve()
    served.wait_log("begun again")
    site.phase("host-a", "stopped", "--hold", "10s", "--wait")
    site.phase("host-b", "resumed")
    served.wait_log(r"VM \S+: moved")
    site.expect_moved(before)


def test_serve_goes_on_where_a_manager_was_killed_while_the_vm_was_held(site):
    before = site.rows("fw-a")
    kill_when(site, "is frozen")
    served = site.serve()
    site.wait_hold(3)
    site.phase("host-b", "resumed")
    served.wait_log(r"VM \S+: moved")
    site.expect_moved(before)


def test_serve_takes_back_what_was_cancelled_while_no_manager_lived(site):
    before = site.rows("fw-a")
    kill_when(site, "is frozen")
    assert site.blocked("fw-a")
    site.phase("host-a", "cancelled")
    served = site.serve()
    served.wait_log(r"VM \S+: not moved")
    site.expect_taken_back(before)


@pytest.mark.parametrize("resumed_before", [True, False])
def test_serve_brings_to_its_end_what_a_killed_manager_had_released(site, resumed_before):
    before = site.rows("fw-a")
    kill_when(site, "was told to go on")
    if resumed_before:
        site.phase("host-b", "resumed")
    served = site.serve()
    if not resumed_before:
        served.wait_log("brought to its end")
        assert site.rows("fw-a") == before, "nobody knows yet that the VM runs at the destination"
        site.phase("host-b", "resumed")
    served.wait_log(r"VM \S+: moved")
    site.expect_moved(before)
    assert site.last_migration()["state"] == "moved"


def test_another_migrate_recovers_what_a_killed_one_left(site):
    before = site.rows("fw-a")
    kill_when(site, "is frozen")
    assert site.blocked("fw-a")
    site.vmmig(*direct(site))
    site.expect_moved(before)


def test_three_trips_leave_nothing_behind(site):
    before = site.rows("fw-a")
    ports = [site.source.port, site.destination.port]
    for trip in range(3):
        origin, target = ports if trip % 2 == 0 else ports[::-1]
        site.vmmig("migrate", site.vm, "--from", f"tcp:127.0.0.1:{origin}", "--to", f"tcp:127.0.0.1:{target}", "--now",
                   "--config", site.config)
    site.expect_moved(before)
    assert len(site.vmmig("journal", "--config", site.config).stdout.splitlines()) == 4, "a heading and three migrations"
