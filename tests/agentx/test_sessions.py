# SPDX-License-Identifier: GPL-2.0-or-later
"""snmpd and vmmigd come and go; notifications; start-up refusals; both roles and back ends."""

import os
import resource
import signal
import subprocess
import uuid

from conftest import BUILD, CREATE_AND_GO, instance, mib_environment, oid
from lab.netns import wait_until


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_vmmigd_is_back_within_seconds_when_snmpd_restarts(agent, vm):
    agent.make_vm(vm)
    for restart in (1, 2):
        agent.snmpd.kill() if restart == 1 else agent.snmpd.stop()
        agent.vmmigd.wait(lambda: agent.vmmigd.log().count("has closed its AgentX session") == restart, what="aware of it")
        agent.start_snmpd()
        agent.wait_answer(5)
        assert agent.get(instance("vmMigVmName", vm), instance("vmMigAgentXReconnects", 0)) == ["web1", str(restart)]


def test_without_snmpd_vmmigd_waits_and_does_not_spin(rig):
    rig.start_vmmigd()
    rig.vmmigd.wait_log("does not answer at its AgentX socket")
    started = cpu_seconds(rig.vmmigd.pid)
    lines = len(rig.vmmigd.log().splitlines())
    # Three times that it looks for snmpd: each is a connect(2) that fails.
    deadline = []
    rig.vmmigd.wait(lambda: deadline.append(1) or len(deadline) > 30, 10, what="looked for snmpd", )
    wait_until(lambda: deadline.append(1) or len(deadline) > 60, 10, "time to pass", step=0.1)
    assert cpu_seconds(rig.vmmigd.pid) - started < 0.3
    assert len(rig.vmmigd.log().splitlines()) == lines, "it says once that snmpd is away"
    rig.start_snmpd()
    rig.wait_answer(5)
    assert rig.get(instance("vmMigAgentXReconnects", 0)) == ["0"]


def test_killed_vmmigd_leaves_snmpd_alone_and_keeps_its_vms(agent, vm):
    agent.make_vm(vm, "10.0.0.5")
    wait_until(lambda: (agent.state / "vmmigd.json").exists() and "10.0.0.5" in (agent.state / "vmmigd.json").read_text(), 5,
               "the state file")
    agent.vmmigd.kill()
    wait_until(lambda: "No Such Object" in agent.get(instance("vmMigDescr", 0))[0], 5, "snmpd aware of it")
    agent.start_vmmigd()
    agent.wait_answer()
    assert agent.get(instance("vmMigVmName", vm), instance("vmMigVmAddressRowStatus", vm, "10.0.0.5")) == ["web1", "1"]


def test_signals_end_it_cleanly(agent):
    agent.vmmigd.send_signal(signal.SIGHUP)
    agent.vmmigd.wait_log("SIGHUP: the configuration is read at the start only")
    assert agent.vmmigd.stop(signal.SIGINT) == 0
    agent.start_vmmigd()
    assert agent.vmmigd.stop(signal.SIGTERM) == 0
    assert "stopping" in agent.vmmigd.log()


def test_ready_is_told_to_systemd(rig):
    import socket
    path = str(rig.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(10)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            rig.start_vmmigd()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert listener.recv(100) == b"READY=1"


def test_a_descriptor_above_fd_setsize_is_served(rig):
    """select(2) knows descriptors below 1,024 only."""
    rig.start_snmpd()
    read, write = os.pipe()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit[1] >= 3000, "this test needs more descriptors"
    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, limit[1]))
    script = 'for n in $(seq 3 1200); do eval "exec $n</dev/null"; done; exec "$@"'
    command = ["bash", "-c", script, "-", str(BUILD / "vmmigd"), "-f", "--config", "/dev/null", "--back-end", "memory",
               "--agentx-socket", f"unix:{rig.agentx}", "--state-directory", str(rig.state)]
    try:
        rig.vmmigd = rig.processes.start("vmmigd", command)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        os.close(read)
        os.close(write)
    rig.wait_answer()
    assert any(int(fd) > 1024 for fd in os.listdir(f"/proc/{rig.vmmigd.pid}/fd"))


def test_a_phase_notification_reaches_a_trap_receiver_with_its_objects(rig, vm):
    path = rig.directory / "trapd"
    path.mkdir()
    (path / "snmptrapd.conf").write_text("disableAuthorization yes\n")
    rig.snmpd_more = f"trap2sink unix:{path / 'socket'} public"
    environment = {"SNMP_PERSISTENT_DIR": str(path), "SNMPCONFPATH": str(path), **mib_environment()}
    receiver = rig.processes.start("snmptrapd", ["snmptrapd", "-f", "-Lo", "-On", "-C", "-c", str(path / "snmptrapd.conf"),
                                                 f"unix:{path / 'socket'}"], env=environment)
    wait_until((path / "socket").exists, 10, "snmptrapd")
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "h1")
    rig.wait_answer()
    phase = instance("vmMigPhase", vm)

    def tell(number):
        rig.set((phase, "i", number))

    rig.set((phase, "i", 1), (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO))
    receiver.wait_log(f"{oid('vmMigPhaseChanged')}[\\s\\S]*{phase} = INTEGER: prepared")
    # both switches
    rig.set((instance("vmMigNotificationsEnable", 0), "i", 2))
    tell(2)
    rig.set((instance("vmMigNotificationsEnable", 0), "i", 1))
    rig.make_vm(vm)
    rig.set((instance("vmMigVmNotificationsEnable", vm), "i", 2))
    tell(3)
    rig.set((instance("vmMigVmNotificationsEnable", vm), "i", 1))
    tell(4)
    receiver.wait_log(f"{phase} = INTEGER: resumed")
    assert "preCopy" not in receiver.log() and "stopped" not in receiver.log()


def test_each_role_has_its_tables(rig, vm):
    rig.start_snmpd()
    rig.start_vmmigd("--role", "hypervisor")
    rig.wait_answer()
    assert "No Such Object" in rig.get(instance("vmMigVmName", vm))[0]
    assert "No Such Instance" in rig.get(instance("vmMigPhase", vm))[0]
    rig.vmmigd.stop()
    rig.start_vmmigd("--role", "device")
    rig.wait_answer()
    assert "No Such Instance" in rig.get(instance("vmMigVmName", vm))[0]
    assert "No Such Object" in rig.get(instance("vmMigPhase", vm))[0]
    assert rig.get(instance("vmMigBackEnd", 0)) == ["memory"]


def refusal(*options):
    """What vmmigd says when it does not start."""
    result = subprocess.run([str(BUILD / "vmmigd"), "-f", "--config", "/dev/null", *map(str, options)], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 1
    return result.stderr


def test_what_cannot_work_is_refused_with_a_reason(rig):
    file = rig.directory / "file"
    file.write_text("vm = nonsense\n")
    assert "state directory" in refusal("--back-end", "memory", "--state-directory", file / "below")
    assert "'bsd' is unknown; one of: linux, memory" in refusal("--back-end", "bsd")
    assert "unrecognised option '--nonsense'" in refusal("--nonsense")
    assert "must be UUID,NAME,ADDRESS" in refusal("--config", file)
    twice = [f"--vm={uuid.UUID(int=n)},vm{n},10.0.0.5" for n in (1, 2)]
    assert "configured for two VMs" in refusal("--back-end", "memory", "--state-directory", rig.state, *twice)


def test_version_and_help(rig):
    for option, text in (("--version", "vmmigd "), ("--help", "--agentx-socket")):
        assert text in subprocess.run([str(BUILD / "vmmigd"), option], capture_output=True, text=True, check=True).stdout
