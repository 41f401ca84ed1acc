# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's snmptrapd with the pack's lines and handlers, and SNMPTT, told by a real vmmigd through a stock snmpd (SNMPv3 INFORMs)."""

import os
import re
import uuid

import pytest

from conftest import UUID, run_nms, snmptt
from lab.netns import wait_until
from lab.ports import free_port
from lab.snmpd import USERS
from agentx_rig import CREATE_AND_GO, Rig, instance
from watched import handled_by, receiver

NMS_AUTH, NMS_PRIV = USERS["nms"]
VM = uuid.UUID(UUID)


@pytest.fixture
def packs(tmp_path):
    for pack in ("snmptrapd", "snmptt", "zabbix", "icinga"):
        run_nms(pack, "--output", tmp_path / pack)
    return tmp_path


def start_receiver(processes, directory, port, handlers):
    """snmptrapd with the pack's file, each notification for all handlers."""
    conf = handled_by((directory / "snmptrapd" / "snmptrapd-vmmig.conf").read_text(), directory / "snmptrapd" / "vmmig-enqueue", *handlers)
    return receiver(processes.start, str(directory / "trapd"), conf, f"udp:127.0.0.1:{port}", VMMIG_TRAP_LOG=str(directory / "words.log"),
                    VMMIG_TRAP_QUEUE=str(directory / "queue"), VMMIG_ZABBIX_TRAPS=str(directory / "zabbix.log"),
                    VMMIG_COMMAND_FILE=str(directory / "commands"))


def start_device(processes, directory, port):
    rig = Rig(directory, processes)
    rig.snmpd_more = f"trapsess -Ci -v3 -u nms -l authPriv -a SHA-256 -A {NMS_AUTH} -x AES -X {NMS_PRIV} -r 0 -t 30 127.0.0.1:{port}"
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    rig.make_vm(VM, "10.0.0.5")
    return rig


def lines(file):
    return file.read_text().splitlines() if file.exists() else []


def tell_failure(rig):
    """A claim whose deadline passes: vmMigTransferFailed, expired."""
    rig.set((instance("vmMigTransferRole", VM), "i", 1), (instance("vmMigTransferEpoch", VM), "u", 1),
            (instance("vmMigTransferAdminStatus", VM), "i", 1), (instance("vmMigTransferDeadline", VM), "u", 1),
            (instance("vmMigTransferRowStatus", VM), "i", CREATE_AND_GO))


def tell_phase(rig, phase):
    rig.set((instance("vmMigPhaseVmName", VM), "s", "web1"), (instance("vmMigPhase", VM), "i", phase),
            *([] if rig.get(instance("vmMigPhase", VM))[0].isdigit() else [(instance("vmMigPhaseRowStatus", VM), "i", CREATE_AND_GO)]))


def test_each_handler_tells_a_real_notification_in_its_own_words(packs, processes):
    port = free_port()
    (packs / "commands").touch()
    start_receiver(processes, packs, port, [packs / "snmptrapd" / "vmmig-trap", packs / "zabbix" / "vmmig-zabbix-trap",
                                            packs / "icinga" / "vmmig-passive", snmptt(packs, "snmptt", packs / "snmptt" / "snmptt-vmmig.conf")])
    device = start_device(processes, packs, port)
    tell_phase(device, 2)
    tell_phase(device, 5)
    tell_failure(device)

    def everything():
        return min(len(lines(packs / log)) for log in ("words.log", "snmptt.log", "commands")) >= 3 and len(lines(packs / "zabbix.log")) >= 6

    wait_until(everything, 60, "three notifications")
    words = [line.split(" ", 1)[1] for line in lines(packs / "words.log")]
    assert [line.split()[:2] for line in words] == [["notice", "vmMigPhaseChanged"], ["warning", "vmMigPhaseChanged"],
                                                    ["warning", "vmMigTransferFailed"]]
    assert all(f" from 127.0.0.1 vm {VM}: " in line for line in words)
    assert "vmMigPhase=preCopy; " in words[0] and "vmMigPhaseVmName=web1; " in words[0] and "vmMigPhase=failed; " in words[1]
    error = device.get(instance("vmMigTransferError", VM))[0].strip('"')
    assert "vmMigTransferOperStatus=expired; " in words[2] and f"vmMigTransferError={error}" in words[2]
    passive = [line.split(";", 4) for line in lines(packs / "commands")]
    assert [each[1:4] for each in passive] == [["127.0.0.1", "vmmig notifications", state] for state in "011"]
    assert [re.search(r"severity=(\w+) vm=(\S+)", line).groups() for line in lines(packs / "zabbix.log") if line.startswith(".")] == [
        ("information", str(VM)), ("warning", str(VM)), ("warning", str(VM))]
    # Each notification is one event of SNMPTT, and none is unknown to it.
    decided = [re.search(r" (\w+) \"VM migration\" ", line)[1] for line in lines(packs / "snmptt.log")]
    assert decided == ["INFORMATIONAL", "WARNING", "WARNING"]
    # It takes semicolons out of values.
    assert error.replace(";", "") in lines(packs / "snmptt.log")[2] and not lines(packs / "snmptt-unknown.log")


def test_a_receiver_that_starts_again_takes_what_comes_then(packs, processes):
    """With the fixed engine ID of the pack's file; without it all further informs are lost silently."""
    port = free_port()
    handler = [packs / "snmptrapd" / "vmmig-trap"]
    receiver = start_receiver(processes, packs, port, handler)
    device = start_device(processes, packs, port)
    tell_phase(device, 1)
    wait_until(lambda: len(lines(packs / "words.log")) == 1, 60, "the first notification")
    receiver.stop()
    start_receiver(processes, packs, port, handler)
    tell_phase(device, 2)
    wait_until(lambda: len(lines(packs / "words.log")) == 2, 60, "the notification after the restart")


def test_a_handler_with_another_oid_says_nothing(packs, processes):
    """The negative control: the notifications of a module that stands elsewhere."""
    port = free_port()
    script = packs / "snmptrapd" / "vmmig-trap"
    moved = packs / "moved"
    moved.write_text(script.read_text().replace(".1.3.6.1.4.1.32473.", ".1.3.6.1.4.1.32474.").replace("VMMIG_TRAP_LOG", "MOVED_LOG"))
    os.chmod(moved, 0o755)
    os.environ["MOVED_LOG"] = str(packs / "moved.log")
    try:
        start_receiver(processes, packs, port, [moved, script])
    finally:
        del os.environ["MOVED_LOG"]
    device = start_device(processes, packs, port)
    tell_phase(device, 2)
    wait_until(lambda: lines(packs / "words.log"), 60, "the notification")
    wait_until(lambda: not list((packs / "queue").glob("*/[0-9]*")), 60, "empty queues")
    assert not lines(packs / "moved.log")
