# SPDX-License-Identifier: GPL-2.0-or-later
"""snmptrapd and SNMPTT with the packs, told by vmmigd while VMs migrate: slow handlers, a receiver that starts again."""

import re
import time

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from conftest import run_nms, snmptt  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.snmpd import NMS_ENGINE_ID, NMS_SECONDS  # noqa: E402
from lab.topology import ADDRESSES, VM_UUID  # noqa: E402
from watched import PATIENCE, handled_by, start_receiver  # noqa: E402

SLOW_SECONDS = NMS_SECONDS + 1  # snmpd does not wait so long for an acknowledgement


@pytest.fixture
def pack(tmp_path):
    for each in ("snmptrapd", "snmptt"):
        run_nms(each, "--output", tmp_path)
    return tmp_path


@pytest.fixture
def receive(site, pack):
    """receive(handler, ...) starts a receiver with these handlers; the test's end ends it."""
    started = []

    def start(*handlers, enqueue=pack / "vmmig-enqueue", engine=NMS_ENGINE_ID, **environment):
        conf = handled_by((pack / "snmptrapd-vmmig.conf").read_text(), enqueue, *handlers).replace(NMS_ENGINE_ID, engine)
        started.append(start_receiver(site.lab, str(pack / "trapd"), conf, VMMIG_TRAP_LOG=str(pack / "words.log"), **environment))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def steps(path):
    """What a log in words says of the migration's hypervisors and devices, in the order of arrival: [(device, object=label)]."""
    names = {address: name for name, address in ADDRESSES.items()}
    found = []
    for line in lines(path):
        device = names[re.search(r" from (\S+) ", line)[1]]
        phase, hold, state = (re.search(rf"{name}=(\w+)", line) for name in ("vmMigPhase", "vmMigPhaseHoldStatus", "vmMigTransferOperStatus"))
        found.append((device, f"{phase[1]} {hold[1]}" if phase else state[1]))
    return found


def expected(source, destination):
    """What each device tells of a migration, in its order."""
    return {f"host-{source}": ["preCopy none", "stopped held", "stopped released"], f"host-{destination}": ["resumed none"],
            f"fw-{source}": ["frozen", "released"], f"fw-{destination}": ["committed", "done"]}


def by_device(told):
    found = {}
    for device, what in told:
        found.setdefault(device, []).append(what)
    return found


def agree(told, source, destination):
    return by_device(told) == expected(source, destination)


def test_every_step_is_told_once_by_snmptrapd_and_snmptt(site, pack, receive):
    receive(pack / "vmmig-trap", snmptt(pack, "snmptt", pack / "snmptt-vmmig.conf"))
    source = site.lab.vm_site
    site.migrate()
    try:
        wait_until(lambda: agree(steps(pack / "words.log"), source, site.destination), PATIENCE, "each step in words")
        wait_until(lambda: len(lines(pack / "snmptt.log")) >= 8, PATIENCE, "each step by SNMPTT")
    finally:
        print(by_device(steps(pack / "words.log")), "\n".join(lines(pack / "snmptt.log")))
    assert all(f" vm {VM_UUID}: " in line for line in lines(pack / "words.log"))
    assert len(lines(pack / "snmptt.log")) == 8


def wait_given_up():
    """Until snmpd sends again nothing that has had no answer: the next test's receiver would be told it."""
    end = time.monotonic() + 2 * NMS_SECONDS + 1
    wait_until(lambda: time.monotonic() > end, 60, "the last try over", step=0.2)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def slow(pack):
    """A handler that takes longer over the first notification than snmpd waits for an acknowledgement."""
    return executable(pack / "slow", f"#!/bin/sh\n[ -e {pack}/first ] || {{ touch {pack}/first; sleep {SLOW_SECONDS}; }}\nexec {pack}/vmmig-trap\n")


def test_a_slow_handler_loses_nothing_and_has_nothing_sent_again(site, pack, receive):
    receive(slow(pack))
    source = site.lab.vm_site
    site.migrate()
    wait_until(lambda: agree(steps(pack / "words.log"), source, site.destination), PATIENCE, "each step in words")
    wait_until(lambda: not list((pack / "trapd" / "queue").glob("*/[0-9]*")), PATIENCE, "an empty queue")
    assert agree(steps(pack / "words.log"), source, site.destination)


def test_without_the_queue_informs_are_sent_again(site, pack, receive):
    """The negative control of the test above: snmpd thinks that its INFORMs were lost."""
    receive(slow(pack), enqueue="/usr/bin/env")
    source = site.lab.vm_site
    site.migrate()
    wait_until(lambda: by_device(steps(pack / "words.log")).get(f"host-{source}", []).count("preCopy none") > 1, PATIENCE,
               "the same INFORM again")
    wait_given_up()


def test_a_handler_that_fails_leaves_the_notification_for_a_person(site, pack, receive):
    receive(executable(pack / "failing", "#!/bin/sh\nexit 1\n"), pack / "vmmig-trap")
    source = site.lab.vm_site
    site.migrate()
    wait_until(lambda: agree(steps(pack / "words.log"), source, site.destination), PATIENCE, "each step in words")
    wait_until(lambda: len(list((pack / "trapd" / "queue").glob("*failing/failed/*"))) == 8, PATIENCE, "each step among what failed")


def test_a_receiver_that_starts_again_is_told_what_comes_then(site, pack, receive):
    receiver = receive(pack / "vmmig-trap")
    source = site.lab.vm_site
    site.begin()
    wait_until(lambda: steps(pack / "words.log"), PATIENCE, "the first notification")
    receiver.stop()
    with site.held():
        receive(pack / "vmmig-trap")
    site.finish()
    of_now = {f"host-{site.destination}": ["resumed none"], f"fw-{source}": ["released"], f"fw-{site.destination}": ["committed", "done"]}
    wait_until(lambda: all(set(told) <= set(by_device(steps(pack / "words.log")).get(device, [])) for device, told in of_now.items()),
               PATIENCE, "what came after the restart")
    wait_given_up()


def test_a_receiver_with_another_engine_id_is_told_nothing(site, pack, receive):
    """The negative control of the test above: why the pack's file has one."""
    receiver = receive(pack / "vmmig-trap", engine=NMS_ENGINE_ID + "ff")
    site.migrate()
    wait_given_up()
    assert steps(pack / "words.log") == [] and receiver.running()


def replaced(text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_wrong_packs_are_found_out(site, pack, receive, module):
    """The negative control of the first test: with another OID or other labels, the same notifications say something else."""
    notification, phase = module.notifications["vmMigPhaseChanged"][0], module.objects["vmMigPhase"][0]
    right = (pack / "vmmig-trap").read_text()
    labels = executable(pack / "labels", replaced(right, (f'label[".{phase}", "3"] = "stopped"', f'label[".{phase}", "3"] = "preCopy"'),
                                                  ("VMMIG_TRAP_LOG", "LABELS_LOG")))
    oid = executable(pack / "oid", replaced(right, (f'trap[".{notification}"]', f'trap[".{notification}9"]'), ("VMMIG_TRAP_LOG", "OID_LOG")))
    size = executable(pack / "size", replaced(right, ('split(instance, part, ".") != 16', 'split(instance, part, ".") != 15'),
                                              ("VMMIG_TRAP_LOG", "SIZE_LOG")))
    events = pack / "wrong-snmptt.conf"
    events.write_text(replaced((pack / "snmptt-vmmig.conf").read_text(), (f".{notification} ", f".{notification}9 ")))
    logs = {name: pack / f"{name.lower()}.log" for name in ("LABELS_LOG", "OID_LOG", "SIZE_LOG")}
    receive(pack / "vmmig-trap", labels, oid, size, snmptt(pack, "wrong-snmptt", events), **{name: str(path) for name, path in logs.items()})
    source = site.lab.vm_site
    site.migrate()
    wait_until(lambda: agree(steps(pack / "words.log"), source, site.destination), PATIENCE, "each step in words")
    wait_until(lambda: len(lines(logs["LABELS_LOG"])) == len(lines(logs["SIZE_LOG"])) == 8, PATIENCE, "each step in wrong words")
    wait_until(lambda: not list((pack / "trapd" / "queue").glob("*/[0-9]*")), PATIENCE, "empty queues")
    assert not agree(steps(logs["LABELS_LOG"]), source, site.destination)
    assert not agree(steps(logs["OID_LOG"]), source, site.destination)
    assert not any(VM_UUID in line for line in lines(logs["SIZE_LOG"]))
    assert len(lines(pack / "wrong-snmptt.log")) == 4
    assert sum("Unknown trap" in line for line in lines(pack / "wrong-snmptt-unknown.log")) == 4
