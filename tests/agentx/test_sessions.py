# SPDX-License-Identifier: GPL-2.0-or-later
"""snmpd and vmmigd come and go; notifications; start-up refusals; both roles and back ends."""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import time
import uuid

from conftest import BUILD, CREATE_AND_GO, instance, oid
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
    started, lines = cpu_seconds(rig.vmmigd.pid), len(rig.vmmigd.log().splitlines())
    # The time of a measurement: it looks for snmpd three times, each a connect(2) that fails.
    end = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > end, 10, "the end of the measurement", step=0.2)
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
    rig.wait_answer()
    assert any(int(fd) > 1024 for fd in os.listdir(f"/proc/{rig.vmmigd.pid}/fd"))


def ber_oid(text):
    """An OID's content octets on the wire (X.690 section 8.19)."""
    first, second, *rest = map(int, text.strip(".").split("."))
    octets = b""
    for sub in (first * 40 + second, *rest):
        septets = [sub & 0x7f]
        while sub := sub >> 7:
            septets.append(sub & 0x7f | 0x80)
        octets += bytes(reversed(septets))
    return octets


def test_notifications_carry_their_objects_and_obey_both_switches(rig, vm):
    phase = instance("vmMigPhase", vm)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        rig.snmpd_more = f"trap2sink 127.0.0.1:{receiver.getsockname()[1]} public"

        def receive(number):
            """The next vmMigPhaseChanged is of this phase."""
            while (message := receiver.recv(65536)).find(ber_oid(oid("vmMigPhaseChanged"))) < 0:
                pass  # snmpd's own coldStart
            value = message.index(ber_oid(phase)) + len(ber_oid(phase))
            assert message[value:value + 3] == bytes([2, 1, number])
            for name in ("vmMigPhaseSequence", "vmMigPhaseHoldStatus", "vmMigPhaseError"):
                assert ber_oid(instance(name, vm)) in message

        rig.start_snmpd()
        rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "h1")
        rig.wait_answer()
        rig.set((phase, "i", 1), (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO))
        receive(1)
        rig.set((instance("vmMigNotificationsEnable", 0), "i", 2))
        rig.set((phase, "i", 2))
        rig.set((instance("vmMigNotificationsEnable", 0), "i", 1))
        rig.make_vm(vm)
        rig.set((instance("vmMigVmNotificationsEnable", vm), "i", 2))
        rig.set((phase, "i", 3))
        rig.set((instance("vmMigVmNotificationsEnable", vm), "i", 1))
        rig.set((phase, "i", 4))
        receive(4)


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


def test_the_back_end_linux_shows_the_kernel(rig, vm):
    rig.start_snmpd()
    # A network namespace of its own; the sockets are files.
    rig.start_vmmigd("--back-end", "linux", before=["unshare", "--user", "--map-root-user", "--net"])
    rig.wait_answer()
    rig.make_vm(vm, "10.0.0.5")
    assert rig.get(instance("vmMigBackEnd", 0)) == ["linux"]
    assert rig.walk(oid("vmMigTcpConnTable"), "snmpwalk", "-CI") == []


def test_without_cap_net_admin_the_back_end_linux_is_refused(rig):
    """In a user namespace anybody can be root, and drop a capability."""
    drop = ["unshare", "--user", "--map-root-user", "setpriv", "--bounding-set", "-net_admin"]
    assert "needs CAP_NET_ADMIN" in refusal("--back-end", "linux", "--state-directory", rig.state, before=drop)


def test_an_agentx_socket_that_we_may_not_use_is_refused(rig):
    """Root may everything, but for root without its capabilities over files."""
    rig.agentx.touch(mode=0o000)
    drop = ["unshare", "--user", "--map-root-user", "setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    assert "no permission to connect" in refusal("--back-end", "memory", "--state-directory", rig.state, "--agentx-socket",
                                                 f"unix:{rig.agentx}", before=drop)


def test_a_second_one_on_the_same_state_is_refused(rig):
    """It would take back what the first one is doing."""
    rig.start_vmmigd()
    assert "another vmmigd uses the state directory" in refusal("--back-end", "memory", "--state-directory", rig.state)
    rig.vmmigd.kill()
    rig.start_vmmigd()


def processes_of(rig):
    """The ids of the processes that have this rig's state directory, which nobody else has, as an argument."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(rig.state) in path.read_text().split("\0"):
                found.append(int(path.parent.name))
        except OSError:
            pass  # it has ended meanwhile
    return found


def test_it_goes_to_the_background(rig):
    rig.start_snmpd()
    log = rig.directory / "daemon.log"
    with log.open("w") as stderr:
        subprocess.run([str(BUILD / "vmmigd"), "--config", "/dev/null", "--back-end", "memory", "--agentx-socket",
                        f"unix:{rig.agentx}", "--state-directory", str(rig.state)], stderr=stderr, check=True, timeout=10)
    try:
        rig.wait_answer()
        assert "ready" in log.read_text()
    finally:
        for pid in processes_of(rig):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not processes_of(rig), 5, "its end")


def refusal(*options, before=()):
    """What vmmigd says when it does not start."""
    default = [] if "--config" in options else ["--config", "/dev/null"]
    result = subprocess.run([*before, str(BUILD / "vmmigd"), "-f", *default, *map(str, options)], capture_output=True,
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
