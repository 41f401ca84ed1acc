# SPDX-License-Identifier: GPL-2.0-or-later
"""The handlers of notifications: what snmptrapd gives them, in the words that each NMS takes."""

import os
import re
import subprocess
import time

import pytest

from conftest import UUID, UUID_INDEX, load_yaml
from lab.netns import wait_until


def zabbix(packs):
    return load_yaml(packs["zabbix"] / "vmmig.yaml")["zabbix_export"]


def handler_input(module, name, values, address="192.0.2.7", instance=UUID_INDEX):
    oid, objects = module.notifications[name]
    lines = ["host.example", f"UDP: [{address}]:40000->[192.0.2.1]:162", ".1.3.6.1.2.1.1.3.0 0:0:00:01.00",
             f".1.3.6.1.6.3.1.1.4.1.0 .{oid}"]
    lines += [f".{module.objects[each][0]}.{instance} {values[each]}" for each in objects if each in values]
    return "\n".join(lines) + "\n"


def run_handler(script, text, **environment):
    result = subprocess.run([str(script)], input=text, capture_output=True, text=True, timeout=30, check=False,
                            env={"PATH": "/usr/bin:/bin", **{key: str(value) for key, value in environment.items()}})
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return result


FAILED = {"vmMigTransferRole": "2", "vmMigTransferEpoch": "7", "vmMigTransferOperStatus": "12", "vmMigTransferRows": "3",
          "vmMigTransferError": '"the set web; does | not $(touch /tmp/x) `id` exist\'"'}


def test_the_handler_of_snmptrapd_tells_a_notification_in_words(packs, module, tmp_path):
    script, log = packs["snmptrapd"] / "vmmig-trap", tmp_path / "log"
    run_handler(script, handler_input(module, "vmMigTransferFailed", FAILED), VMMIG_TRAP_LOG=log)
    run_handler(script, handler_input(module, "vmMigTransferFailed", FAILED | {"vmMigTransferOperStatus": "11"}), VMMIG_TRAP_LOG=log)
    run_handler(script, handler_input(module, "vmMigPhaseChanged", {"vmMigPhase": "5", "vmMigPhaseHoldStatus": "1"}),
                VMMIG_TRAP_LOG=log)
    run_handler(script, handler_input(module, "vmMigPhaseChanged", {"vmMigPhase": "3", "vmMigPhaseHoldStatus": "5"}),
                VMMIG_TRAP_LOG=log)
    run_handler(script, handler_input(module, "vmMigCapacityExceeded", {"vmMigHealth": "2", "vmMigMaxRows": "9"}, instance="0"),
                VMMIG_TRAP_LOG=log)
    lines = [line.split(" ", 2)[1:] for line in log.read_text().splitlines()]
    assert [level for level, _ in lines] == ["warning", "notice", "warning", "crit", "crit"]
    assert lines[0][1].startswith(f"vmMigTransferFailed from 192.0.2.7 vm {UUID}: ")
    assert [re.search(r": (.*?); vmMig", line)[1] for _, line in lines] == [
        "The state of a VM did not follow it", "The transfer of a VM was taken back on request", "The hypervisor gave the migration of a VM up",
        "No manager ended the hold of a VM in time", "The device is full and refused rows of a VM"]
    assert "vmMigTransferOperStatus=failed" in lines[0][1] and "$(touch /tmp/x) `id` exist'" in lines[0][1]
    assert "vmMigPhase=failed" in lines[2][1] and "vmMigHealth=degraded; " not in lines[3][1] and " vm -: " in lines[4][1]


def test_a_notification_of_another_module_is_nothing_to_the_handlers(packs, module, tmp_path):
    text = handler_input(module, "vmMigTransferFailed", {}).replace(module.notifications["vmMigTransferFailed"][0], "1.3.6.1.6.3.1.1.5.3")
    run_handler(packs["snmptrapd"] / "vmmig-trap", text, VMMIG_TRAP_LOG=tmp_path / "log")
    run_handler(packs["icinga"] / "vmmig-passive", text, VMMIG_COMMAND_FILE=tmp_path / "commands")
    run_handler(packs["zabbix"] / "vmmig-zabbix-trap", text, VMMIG_ZABBIX_TRAPS=tmp_path / "traps")
    assert not any(path.exists() and path.read_text() for path in (tmp_path / "log", tmp_path / "commands", tmp_path / "traps"))


def test_text_over_several_lines_stays_one_line(packs, module, tmp_path):
    (tmp_path / "commands").touch()
    values = FAILED | {"vmMigTransferError": '"one\n[0] PROCESS_SERVICE_CHECK_RESULT;x;y;0;fine\n.1 two\x1b[2J"'}
    run_handler(packs["icinga"] / "vmmig-passive", handler_input(module, "vmMigTransferFailed", values),
                VMMIG_COMMAND_FILE=tmp_path / "commands")
    line, = (tmp_path / "commands").read_text().splitlines()
    assert "\x1b" not in line and line.count(";") == 4


def test_the_handler_of_icinga_makes_passive_results(packs, module, tmp_path):
    (tmp_path / "hosts").write_text("192.0.2.7 fw-a\n")
    script, commands = packs["icinga"] / "vmmig-passive", tmp_path / "commands"
    commands.touch()
    for values in (FAILED, FAILED | {"vmMigTransferOperStatus": "failed"}):
        run_handler(script, handler_input(module, "vmMigTransferFailed", values), VMMIG_COMMAND_FILE=commands, VMMIG_HOSTS=tmp_path / "hosts")
    run_handler(script, handler_input(module, "vmMigTransferFinished", {"vmMigTransferOperStatus": "9"}, address="2001:db8::7"),
                VMMIG_COMMAND_FILE=commands, VMMIG_HOSTS=tmp_path / "hosts")
    lines = [line.split(" ", 1)[1].split(";", 4) for line in commands.read_text().splitlines()]
    assert [line[:4] for line in lines] == [["PROCESS_SERVICE_CHECK_RESULT", "fw-a", "vmmig notifications", "1"]] * 2 + [
        ["PROCESS_SERVICE_CHECK_RESULT", "2001:db8::7", "vmmig notifications", "0"]]
    assert UUID in lines[0][4] and "vmMigTransferOperStatus=failed" in lines[0][4] and "|" not in lines[0][4]


def test_without_a_daemon_the_handler_of_icinga_makes_no_file_and_fails(packs, module, tmp_path):
    """A file in the place of its FIFO would keep the daemon from starting; the queue keeps what a handler fails at."""
    result = subprocess.run([packs["icinga"] / "vmmig-passive"], input=handler_input(module, "vmMigTransferFailed", FAILED), text=True,
                            env={"PATH": "/usr/bin:/bin", "VMMIG_COMMAND_FILE": str(tmp_path / "commands")}, check=False, timeout=30)
    assert result.returncode != 0 and not (tmp_path / "commands").exists()


def test_the_handler_of_icinga_waits_for_no_reader(packs, module, tmp_path):
    os.mkfifo(tmp_path / "commands")
    begun = time.monotonic()
    result = subprocess.run([packs["icinga"] / "vmmig-passive"], input=handler_input(module, "vmMigTransferFailed", FAILED), text=True,
                            env={"PATH": "/usr/bin:/bin", "VMMIG_COMMAND_FILE": str(tmp_path / "commands")}, check=False, timeout=60)
    assert result.returncode != 0 and time.monotonic() - begun < 30


def test_the_handler_of_zabbix_writes_what_its_items_look_for(packs, module, tmp_path):
    script, traps = packs["zabbix"] / "vmmig-zabbix-trap", tmp_path / "traps"
    run_handler(script, handler_input(module, "vmMigTransferFailed", FAILED), VMMIG_ZABBIX_TRAPS=traps)
    run_handler(script, handler_input(module, "vmMigTransferFinished", {"vmMigTransferOperStatus": "9"}), VMMIG_ZABBIX_TRAPS=traps)
    run_handler(script, handler_input(module, "vmMigPhaseChanged", {"vmMigPhase": "2"}), VMMIG_ZABBIX_TRAPS=traps)
    written = re.split(r"^\d{8}\.\d{6} ZBXTRAP 192\.0\.2\.7\n", traps.read_text(), flags=re.M)[1:]
    items = {each["name"]: each for each in zabbix(packs)["templates"][0]["items"] if each["type"] == "SNMP_TRAP"}
    assert len(written) == 3

    def taken(text):
        return {name for name, item in items.items() if re.search(re.fullmatch(r'snmptrap\["(.*)"\]', item["key"])[1], text)}

    failed = "Notification vmMigTransferFailed"
    assert [taken(text) for text in written] == [{failed}, {failed}, {"Notification vmMigPhaseChanged"}]
    trigger, = items[failed]["triggers"]
    problem, recovery = (re.search(r'"regexp","(.*)"\)=1', trigger[key])[1] for key in ("expression", "recovery_expression"))
    assert re.search(problem, written[0]) and not re.search(problem, written[1])
    assert re.search(recovery, written[1]) and not re.search(recovery, written[0])
    assert re.search(r'regsub\("(.*?)"', trigger["tags"][1]["value"])[1] == "vm=([0-9a-f-]+)"
    assert all(re.search("vm=([0-9a-f-]+)", text)[1] == UUID for text in written)


def handler_script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def enqueue(packs, handler, text, queue, *arguments):
    """vmmig-enqueue ends at once; what it leaves behind works on."""
    subprocess.run([packs["snmptrapd"] / "vmmig-enqueue", handler, *arguments], input=text, text=True, timeout=30, check=True,
                   env={"PATH": "/usr/bin:/bin", "VMMIG_TRAP_QUEUE": str(queue)})


def test_the_queue_keeps_the_order_and_loses_nothing(packs, tmp_path):
    """Some come while the handler is at work, some when it has just ended."""
    log = tmp_path / "log"
    handler = handler_script(tmp_path / "handler", f'sleep 0.05\n{{ cat; echo "$VMMIG_RECEIVED $1"; }} >> {log}\n')
    began = int(time.time())
    for number in range(20):
        enqueue(packs, handler, f"notification {number}\n", tmp_path / "queue", "of all")
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 40, 60, "all handled")
    lines = log.read_text().splitlines()
    assert lines[::2] == [f"notification {number}" for number in range(20)]
    assert all(began <= int(line.split(" ", 1)[0]) <= time.time() and line.endswith(" of all") for line in lines[1::2])
    wait_until(lambda: not list((tmp_path / "queue").glob("*/[0-9]*")), 60, "an empty queue")


def test_handlers_do_not_wait_for_each_other(packs, tmp_path):
    wait_for_end = f"while [ ! -e {tmp_path}/end ]; do sleep 0.05; done"
    stuck = handler_script(tmp_path / "stuck", f"touch {tmp_path}/began; {wait_for_end}; cat > {tmp_path}/ended\n")
    quick = handler_script(tmp_path / "quick", f"cat > {tmp_path}/done\n")
    enqueue(packs, stuck, "one", tmp_path / "queue")
    wait_until((tmp_path / "began").exists, 60, "the first at work")
    enqueue(packs, quick, "two", tmp_path / "queue")
    wait_until((tmp_path / "done").exists, 60, "the second done")
    assert not (tmp_path / "ended").exists()
    (tmp_path / "end").touch()
    wait_until((tmp_path / "ended").exists, 60, "the first done")


def test_without_a_queue_the_handler_runs_at_once(packs, tmp_path):
    (tmp_path / "file").write_text("")
    handler = handler_script(tmp_path / "handler", f"cat > {tmp_path}/done\n")
    enqueue(packs, handler, "one", tmp_path / "file" / "queue")
    assert (tmp_path / "done").read_text() == "one"


@pytest.mark.parametrize("script", ["snmptrapd/vmmig-trap", "snmptrapd/vmmig-enqueue", "icinga/vmmig-passive", "zabbix/vmmig-zabbix-trap"])
def test_scripts_are_programs_of_a_posix_shell(packs, script):
    pack, name = script.split("/")
    assert (packs[pack] / name).stat().st_mode & 0o777 == 0o755
    assert subprocess.run(["dash", "-n", packs[pack] / name], check=False).returncode == 0
