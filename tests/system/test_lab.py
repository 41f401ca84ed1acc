# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves the lab without vmmig: what these tests expect must hold, or no other system test means anything."""

import os
import signal
import subprocess
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
pytest_plugins = ["lab.pytest_plugin"]

from lab import netns, traffic as traffic_tool  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.privilege import LabError  # noqa: E402
from lab.snmpd import MIB_ROOT  # noqa: E402
from lab.topology import CLIENT4, DEVICES, PUBLIC4, SNAT_PORT, SWITCHES, VM4, VM6, VM_MAC, Lab  # noqa: E402

SYS_CONTACT, SYS_NAME = "1.3.6.1.2.1.1.4.0", "1.3.6.1.2.1.1.5.0"


@pytest.fixture
def traffic(lab):
    """Connections of every kind, IPv4 and IPv6, opened by the client, and by the VM through the SNAT."""
    lab.traffic("vm", "server", "--listen", f"{VM4}:7001", "--listen", f"[{VM6}]:7001")
    lab.traffic("client", "server", "--listen", f"{CLIENT4}:{SNAT_PORT}")
    inwards = []
    for address in (f"{VM4}:7001", f"[{VM6}]:7001"):
        inwards += ["--bulk", address, "--slow", address, "--idle", address, "--many", "20", address]
    outwards = [word for kind in ("--bulk", "--slow", "--idle") for word in (kind, f"{CLIENT4}:{SNAT_PORT}")]
    return [lab.traffic("client", "client", *inwards), lab.traffic("vm", "client", *outwards)]


def assert_all_live(ends, seconds=5):
    for end in ends:
        answer = end.probe(seconds)
        assert answer["dead"] == 0 and answer["verificationErrors"] == 0, answer
        assert answer["answered"] == answer["asked"] == answer["connections"]


def test_connections_run_through_the_first_firewall(lab, traffic):
    assert_all_live(traffic)
    rows = lab.conntrack_rows("a")
    assert len(rows) == 46 + 3
    assert {row["state"] for row in rows} == {"ESTABLISHED"}
    translated = [row for row in rows if row["original"]["dport"] == SNAT_PORT]
    assert [row["reply"]["dst"] for row in translated] == [PUBLIC4] * 3
    assert lab.invalid_packets("a") == 0
    assert lab.conntrack_rows("b") == []


def test_moving_the_vm_without_its_state_kills_every_connection(lab, traffic):
    lab.migrate("b")
    for end in traffic:
        answer = end.probe(4)
        assert answer["alive"] == answer["answered"] == 0, answer
    assert lab.invalid_packets("b") > 0
    assert lab.conntrack_rows("b") == []


def test_a_new_connection_opens_where_the_vm_has_moved(lab, traffic):
    lab.migrate("b")
    assert_all_live([lab.traffic("client", "client", "--slow", f"{VM4}:7001", "--slow", f"[{VM6}]:7001")])
    assert_all_live([lab.traffic("vm", "client", "--slow", f"{CLIENT4}:{SNAT_PORT}")])
    assert len(lab.conntrack_rows("b")) == 3


def test_moving_back_soon_keeps_every_connection(lab, traffic):
    lab.migrate("b")
    lab.migrate("a")
    assert_all_live(traffic)


def test_a_stopped_vm_hears_and_says_nothing(lab, traffic):
    lab.vm_stop()
    assert traffic[0].probe(1)["answered"] == 0
    lab.vm_resume()
    assert_all_live(traffic)


def test_one_wrong_byte_is_noticed(lab):
    server = lab.traffic("vm", "server", "--listen", f"{VM4}:7001")
    hello = b"".join(n.to_bytes(size, "little") for n, size in ((0x766d7431, 4), (2, 4), (1, 8), (64, 4), (0, 4)))
    script = f"import socket; s = socket.create_connection(('{VM4}', 7001)); s.sendall({hello + b'x' * 64}); s.recv(64)"
    lab.ns["client"].run(sys.executable, "-c", script)
    assert server.summary()["verificationErrors"] == 1


def fdb_ports(switch):
    """Where a switch has seen the VM."""
    return {entry["ifname"] for entry in switch.show("fdb", "show") if entry["mac"] == VM_MAC}


def test_access_switches_carry_what_the_vm_says(switched_lab):
    lab = switched_lab
    lab.traffic("vm", "server", "--listen", f"{VM4}:7001", "--listen", f"[{VM6}]:7001")
    client = lab.traffic("client", "client", "--slow", f"{VM4}:7001", "--bulk", f"[{VM6}]:7001")
    assert_all_live([client])
    assert fdb_ports(lab.switches["a"]) == {"srv-a"}
    lab.migrate("b")
    assert client.probe(2)["answered"] == 0
    assert_all_live([lab.traffic("client", "client", "--slow", f"{VM4}:7001", "--slow", f"[{VM6}]:7001")])
    assert fdb_ports(lab.switches["b"]) == {"srv-b"}


def test_access_switches_have_agents_of_their_own(switched_lab):
    for name, address in SWITCHES.items():
        assert switched_lab.nms.get(address, SYS_NAME, "tcp") == f'"{name}"'


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_manager_and_nms_read_every_device(lab, transport):
    for name, address in DEVICES.items():
        assert lab.manager.get(address, SYS_NAME, transport) == f'"{name}"'
        assert lab.nms.get(address, SYS_NAME, transport) == f'"{name}"'


def test_only_the_manager_may_write_and_only_the_mib(lab):
    """A write is refused as noAccess outside the view; inside it snmpd looks for an object, and has none without vmmigd."""
    def set_error(user, oid):
        return user.command("snmpset", f"udp:{DEVICES['fw-a']}", oid, "s", "x", check=False).stderr
    assert "noAccess" in set_error(lab.manager, SYS_CONTACT)
    assert "noAccess" in set_error(lab.nms, MIB_ROOT + ".1.0")
    assert "notWritable" in set_error(lab.manager, MIB_ROOT + ".1.0")


def test_no_community_is_served(lab):
    answer = lab.manager.command("snmpget", "-v2c", "-cpublic", "-r0", "-t1", DEVICES["fw-a"], SYS_NAME, check=False)
    assert answer.returncode != 0 and "Timeout" in answer.stderr


def test_a_restarted_snmpd_answers_again(lab):
    lab.snmpd["fw-a"].restart()
    assert lab.manager.get(DEVICES["fw-a"], SYS_NAME, "tcp") == '"fw-a"'


def test_a_child_that_fails_is_reported_with_its_words(lab):
    process = lab.start("vm", "listing", "ls", "/nowhere")
    with pytest.raises(LabError, match="No such file"):
        process.wait_log("ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(number):
    """A lab in a program of its own, ended at work. After a SIGKILL the kernel ends the children, and a sweep the rest."""
    script = ("import signal, sys, time; sys.path.insert(0, sys.argv[1]); from lab.topology import Lab\n"
              "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
              "with Lab() as lab: lab.traffic('vm', 'server', '--listen', '10.1.0.5:7001'); print(lab.directory, "
              "*[p.pid for p in lab.processes.all], flush=True); time.sleep(60)")
    env = {**os.environ, "VMMIG_TRAFFIC": traffic_tool.program()}
    with subprocess.Popen([sys.executable, "-c", script, TESTS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, env=env) as program:
        directory, *children = program.stdout.readline().split()
        assert len(children) == 5
        program.send_signal(number)
    if number == signal.SIGKILL:
        netns.sweep()
    wait_until(lambda: not any(_runs(pid) for pid in children), 5, "end of the children")
    assert not os.path.exists(directory)
    assert f"vmmig-{program.pid}-" not in netns.run(["ip", "netns", "list"]).stdout


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_labs_at_once_do_not_meet():
    with Lab(agents=False) as one, Lab(agents=False) as other:
        one.ns["fw-a"].ip("link set clients down")
        assert "UP" in other.ns["fw-a"].ip_json("link", "show", "dev", "clients")[0]["flags"]
