# SPDX-License-Identifier: GPL-2.0-or-later
"""The Zabbix of Debian 12 polls, discovers and alerts with the pack's template, while VMs migrate; wrong templates are found out."""

import functools
import re

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from conftest import run_nms, watched_objects  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.snmpd import USERS  # noqa: E402
from lab.topology import ADDRESSES, VM_NAME, VM_UUID  # noqa: E402
from lab.vmmig import OPER_STATUS, PHASE, VM_INDEX  # noqa: E402
from lab.zabbix import Zabbix  # noqa: E402
from watched import MOVING, PATIENCE, handled_by, start_receiver  # noqa: E402
from zabbix_template import TEMPLATE, another, quick  # noqa: E402

NOT_POLLED = {"OctetString", "VmMigMacAddresses", "Bits"}
WARNING = 2


def numbered(states):
    return {name: str(number) for number, name in enumerate(states, 1)}


OPER_STATUS, PHASE = numbered(OPER_STATUS), numbered(PHASE)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("zabbix-pack")
    run_nms("zabbix", "--output", directory)
    run_nms("snmptrapd", "--output", directory)
    return directory


@pytest.fixture(scope="module")
def zabbix(site, pack):
    """With the pack's template and traphandle."""
    with Zabbix(site.lab.processes, site.lab.ns["nms"], site.lab.directory) as started:
        conf = handled_by((pack / "snmptrapd-vmmig.conf").read_text(), pack / "vmmig-enqueue", pack / "vmmig-zabbix-trap")
        start_receiver(site.lab, f"{site.lab.directory}/trapd", conf, VMMIG_ZABBIX_TRAPS=started.traps)
        started.import_template(quick((pack / "vmmig.yaml").read_text()))
        yield started


def add_host(zabbix, name, device, template=TEMPLATE, macros=None):
    return zabbix.add_host(name, ADDRESSES[device], template, "nms", *USERS["nms"], macros)


def differences(zabbix, host, site, device, module, tables):
    """What Zabbix shows otherwise than the device itself, by the numbers and labels of the module: [(key, shown, told)]."""
    wanted = watched_objects(module, NOT_POLLED)
    in_tables = {column: table for table, columns in module.tables.items() for column in columns}
    keys = {}  # key of an item: object, OID of the instance
    for name, (oid, *_) in wanted.items():
        if name not in in_tables:
            keys[name] = name, oid + ".0"
        elif in_tables[name] in tables:
            keys[item_key(name)] = name, f"{oid}.{VM_INDEX}"
    told = site.get(device, [oid for _, oid in keys.values()])
    items = zabbix.items(host)
    found = []
    for key, (name, oid) in keys.items():
        value = told[oid]
        if isinstance(value, dict):
            continue  # of a role that the device does not have
        item = items.get(key)
        if not item or item["state"] != "0" or item["lastclock"] == "0":
            found.append((key, item and item["error"], value))
        elif not same(name, wanted[name], item, value):
            found.append((key, item["lastvalue"], value))
    return found


def same(name, described, item, value):
    _, _, kind, labels = described
    mapped = {int(each["value"]): each["newvalue"] for each in item["valuemap"]["mappings"]} if item["valuemap"] else {}
    if mapped != labels:
        return False
    if kind == "SnmpAdminString":
        return item["lastvalue"] == value
    shown, slack = int(item["lastvalue"]), MOVING.get(name, 0)
    if name == "vmMigClock" or name.endswith("Time"):  # whole seconds in Zabbix
        shown, value, slack = shown, value // 1_000_000, slack // 1_000_000
    return abs(shown - value) <= slack


def shows(zabbix, host, **values):
    """Whether the VM's items have these values."""
    items = zabbix.items(host)
    return all(items.get(item_key(name), {}).get("lastvalue") == value for name, value in values.items())


def wait_shown(zabbix, host, **values):
    wait_until(lambda: shows(zabbix, host, **values), PATIENCE, f"Zabbix shows {values}", step=0.2)


def test_an_import_and_another_leave_nothing_to_change(zabbix, pack):
    text = another((pack / "vmmig.yaml").read_text(), 90)
    assert zabbix.differences(text)
    zabbix.import_template(text)
    assert zabbix.differences(text) == []
    zabbix.import_template(text)
    assert zabbix.differences(text) == []
    # The negative control: another value of a threshold is a difference.
    assert zabbix.differences(text.replace('value: "3600"', 'value: "3601"', 1))


WRONG = {  # what: what is replaced, by what, and the item that must tell it
    "OID": ("<vmMigPhase>.{#SNMPINDEX}", "<vmMigPhaseSequence>.{#SNMPINDEX}", "vmMigPhase"),
    "value map": ('newvalue: "stopped"', 'newvalue: "preCopy"', "vmMigPhase"),
    "size of the index": ("octets.length !== 16", "octets.length !== 15", "vmMigPhaseHoldStatus"),
}


def mutated(template, module, what):
    oids = {name: each[0] for name, each in module.objects.items()}
    old, new = (re.sub(r"<(\w+)>", lambda found: oids[found[1]], part) for part in WRONG[what][:2])
    assert old in template, what
    return template.replace(old, new)


def test_a_migration_is_seen_step_by_step_and_value_by_value(zabbix, site, pack, module):
    template = (pack / "vmmig.yaml").read_text()
    source = site.lab.vm_site
    hosts = {device: add_host(zabbix, f"{device} steps", device) for device in (f"fw-{source}", f"host-{source}")}
    wrong = {}
    for number, what in enumerate(WRONG, 1):
        zabbix.import_template(another(quick(mutated(template, module, what)), number))
        wrong[what] = add_host(zabbix, f"wrong {number}", f"host-{source}", f"{TEMPLATE} {number}")
    firewall, hypervisor = hosts.values()
    site.begin()
    wait_shown(zabbix, hypervisor, vmMigPhase=PHASE["preCopy"])
    wait_shown(zabbix, firewall, vmMigTransferOperStatus=OPER_STATUS["tracking"], vmMigVmBlocked="2")
    with site.held():
        wait_shown(zabbix, hypervisor, vmMigPhase=PHASE["stopped"], vmMigPhaseHoldStatus="2")
        wait_shown(zabbix, firewall, vmMigTransferOperStatus=OPER_STATUS["frozen"], vmMigVmBlocked="1")
        wait_equal(lambda: differences(zabbix, firewall, site, f"fw-{source}", module, ("vmMigVmTable", "vmMigTransferTable")))
        wait_equal(lambda: differences(zabbix, hypervisor, site, f"host-{source}", module, ("vmMigPhaseTable",)))
        for what, host in wrong.items():
            look = functools.partial(differences, zabbix, host, site, f"host-{source}", module, ("vmMigPhaseTable",))
            # A wrong OID or map spoils one item, a wrong index all of the row; the others show that it is polled.
            expected = {item_key(WRONG[what][2])} if what != "size of the index" else set(map(item_key, phase_columns(module)))
            wait_equal(lambda look=look, expected=expected: {key for key, _, _ in look()} ^ expected)
    site.finish()
    wait_shown(zabbix, firewall, vmMigTransferOperStatus=OPER_STATUS["released"])
    wait_shown(zabbix, hypervisor, vmMigPhaseHoldStatus="3")


def wait_equal(look):
    """Until look() finds nothing different."""
    seen = []

    def equal():
        seen[:] = look()
        return not seen

    try:
        wait_until(equal, PATIENCE, "equal values", step=0.2)
    finally:
        print("different at last:", seen)


def item_key(column):
    return f'{column}["{VM_UUID}"]'


def phase_columns(module):
    """Those of a row of vmMigPhaseTable that Zabbix polls."""
    return [name for name in module.tables["vmMigPhaseTable"] if name in watched_objects(module, NOT_POLLED)]


TOLD, POLLED = "(vmMigTransferFailed)", f"VM {VM_NAME}: The state of the VM did not follow it"


def problems(zabbix, host, words):
    return [each for each in zabbix.problems(host) if words in each[0]]


def wait_problem(zabbix, host, words):
    """(name, severity, opdata, tags)"""
    found, = wait_until(lambda: problems(zabbix, host, words), PATIENCE, f"the problem {words}", step=0.2)
    return found


WRONG_TRIGGERS = {  # what: what is replaced, by what, and the problem that is then missing
    "notification": ("<vmMigTransferFailed>", "<vmMigCapacityExceeded>", TOLD),
    "severity": ("notification=vmMigTransferFailed severity=warning", "notification=vmMigTransferFailed severity=critical", TOLD),
    "state": ("={expired}", "={released}", POLLED),
}


def with_wrong_triggers(template, module, what):
    old, new, _ = WRONG_TRIGGERS[what]
    for each in ("vmMigTransferFailed", "vmMigCapacityExceeded"):
        pattern = "." + module.notifications[each][0]
        old, new = (part.replace(f"<{each}>", pattern.replace(".", "[.]")) for part in (old, new))
    old, new = (re.sub(r"\{(\w+)\}", lambda found: OPER_STATUS[found[1]], part) for part in (old, new))
    assert old in template, what
    return template.replace(old, new)


def test_a_failure_is_a_problem_until_the_vm_has_moved(zabbix, site, pack, module):
    """The manager dies in a migration, and the devices end the transfer by its deadline: a real vmMigTransferFailed."""
    source = site.lab.vm_site
    template = (pack / "vmmig.yaml").read_text()
    wrong = {}
    for number, what in enumerate(WRONG_TRIGGERS, 30):
        zabbix.import_template(another(quick(with_wrong_triggers(template, module, what)), number))
        wrong[what] = add_host(zabbix, f"wrong {number}", f"fw-{source}", f"{TEMPLATE} {number}")
    host = add_host(zabbix, f"fw-{source} notifications", f"fw-{source}")
    # What an operator may set for one host: for how long a failure is a problem.
    calm = add_host(zabbix, f"fw-{source} calm", f"fw-{source}", macros={"{$VMMIG.RECENT}": "0"})
    for each in (host, calm, *wrong.values()):
        wait_until(lambda each=each: shows(zabbix, each, vmMigVmBlocked="2"), PATIENCE, "the first polls", step=0.2)
        assert zabbix.problems(each) == []
    site.fail()
    reason = "the manager did not finish in time"
    name, severity, told, tags = wait_problem(zabbix, host, TOLD)
    assert severity == WARNING and tags["vm"] == VM_UUID and reason in told, (name, severity, told, tags)
    name, severity, told, _ = wait_problem(zabbix, host, POLLED)
    assert severity == WARNING and told.startswith(reason), (name, severity, told)
    # The negative controls: each has the other problem, and so has had the time for the one that is missing.
    for what, (_, _, missing) in WRONG_TRIGGERS.items():
        wait_problem(zabbix, wrong[what], POLLED if missing is TOLD else TOLD)
        assert problems(zabbix, wrong[what], missing) == [], what
    wait_problem(zabbix, calm, TOLD)
    assert problems(zabbix, calm, POLLED) == []
    site.migrate()
    wait_until(lambda: problems(zabbix, host, TOLD) == problems(zabbix, host, POLLED) == [], PATIENCE, "the recovery", step=0.2)
