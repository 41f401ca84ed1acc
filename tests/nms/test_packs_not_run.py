# SPDX-License-Identifier: GPL-2.0-or-later
"""The packs for OpenNMS and LibreNMS, which no test can run: what their schemas want, each number and label the module's; wrong ones are
found out by the same tests."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import load_yaml, run_nms, watched_objects

EVENTS = "{http://xmlns.opennms.org/xsd/eventconf}"
COLLECTION = "{http://xmlns.opennms.org/xsd/config/datacollection}"
STATES = {"OctetString", "VmMigMacAddresses", "Bits", "SnmpAdminString", "Unsigned32", "Gauge32", "Counter32", "CounterBasedGauge64"}
NOT_COLLECTED = {"OctetString", "VmMigMacAddresses", "Bits", "CounterBasedGauge64"}


def test_opennms_decodes_and_ends_each_notification(packs, module):
    root = ElementTree.parse(packs["opennms"] / "vmmig.events.xml").getroot()
    assert root.tag == EVENTS + "events"
    specific, raised, cleared = {}, set(), set()
    order = ("mask", "uei", "event-label", "descr", "logmsg", "severity", "varbindsdecode", "alarm-data")
    for event in root:
        assert [order.index(child.tag.removeprefix(EVENTS)) for child in event] == sorted(
            order.index(child.tag.removeprefix(EVENTS)) for child in event)
        mask = {each.findtext(EVENTS + "mename"): each.findtext(EVENTS + "mevalue") for each in event.iter(EVENTS + "maskelement")}
        name = event.findtext(EVENTS + "uei").split("/")[2]
        raised |= {event.findtext(EVENTS + "uei") + each.get("reduction-key").removeprefix("%uei%") for each in event.iter(EVENTS + "alarm-data")
                   if each.get("alarm-type") == "1"}
        cleared |= {each.get("clear-key") for each in event.iter(EVENTS + "alarm-data") if each.get("alarm-type") == "2"}
        assert mask["id"] + ".0." + mask["specific"] == "." + module.notifications[name][0] and mask["generic"] == "6"
        specific.setdefault(name, []).append(event.find(f"{EVENTS}mask/{EVENTS}varbind") is not None)
        for decode in event.iter(EVENTS + "varbindsdecode"):
            number = int(re.fullmatch(r"parm\[#(\d+)\]", decode.findtext(EVENTS + "parmid"))[1])
            labels = {int(each.get("varbindvalue")): each.get("varbinddecodedstring") for each in decode.iter(EVENTS + "decode")}
            assert labels == module.objects[module.notifications[name][1][number - 1]][3]
    assert cleared and cleared <= raised  # what ends an alarm names it as what raises it does
    # The general one comes last, since the first that matches counts.
    assert specific.keys() == module.notifications.keys() and all(each[-1] is False and all(each[:-1]) for each in specific.values())


def test_opennms_collects_each_number_under_a_name_of_its_own(packs, module):
    collected = ElementTree.parse(packs["opennms"] / "vmmig.xml").getroot()
    objects = list(collected.iter(COLLECTION + "mibObj"))
    aliases = [each.get("alias") for each in objects]
    assert len(set(aliases)) == len(aliases) > 30 and max(map(len, aliases)) <= 19
    assert [each.tag.removeprefix(COLLECTION) for each in collected] == sorted(
        (each.tag.removeprefix(COLLECTION) for each in collected), key=("resourceType", "group", "systemDef").index)
    types = {"Counter32": "Counter32", "SnmpAdminString": "string"}
    wanted = {f".{oid}": types.get(kind, "Gauge32") for oid, _, kind, _ in watched_objects(module, NOT_COLLECTED).values()}
    assert {each.get("oid"): each.get("type") for each in objects} == wanted and len(objects) == len(wanted)
    in_tables = {f".{module.objects[name][0]}": table for table, columns in module.tables.items() for name in columns}
    assert all(each.get("instance") == in_tables.get(each.get("oid"), "0") for each in objects)


def test_librenms_has_what_its_closed_schema_wants(packs, module):
    sensors = load_yaml(packs["librenms"] / "os_discovery-vmmig.yaml")["modules"]["sensors"]
    allowed = {"oid", "value", "num_oid", "descr", "index", "group", "states", "state_name"}
    wanted = {name for name, each in watched_objects(module, STATES).items() if each[3]}
    assert {each["state_name"] for each in sensors["state"]["data"]} == wanted
    for each in sensors["state"]["data"] + sensors["count"]["data"]:
        assert each.keys() <= allowed and re.fullmatch(r"(\.\d+)+(\.?\{\{ \$index \}\})?(\.\d+)*", each["num_oid"])
        name = each["value"].split("::")[1]
        assert module.objects[name][0] == each["num_oid"].removesuffix(".{{ $index }}")[1:]
    for each in sensors["state"]["data"]:
        assert {state["value"]: state["descr"] for state in each["states"]} == module.objects[each["state_name"]][3]
        assert all(state.keys() == {"descr", "graph", "value", "generic"} for state in each["states"])
    for name in ("VmMigration.php", "snmptraps.php"):
        result = subprocess.run(["php", "-l", packs["librenms"] / name], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


def test_librenms_finds_the_agent_by_what_its_closed_schema_wants(packs, module):
    found = load_yaml(packs["librenms"] / "os_detection-vmmig.yaml")
    assert {"os", "text", "type", "discovery"} <= found.keys() <= {"os", "text", "type", "discovery", "icon", "over"}
    assert all(each.keys() == {"graph", "text"} for each in found["over"])
    one, = found["discovery"]
    assert one.keys() == {"sysObjectID", "snmpget"} and all(re.fullmatch(r"(\.\d+)+\.?", each) for each in one["sysObjectID"])
    assert one["snmpget"] == {"oid": f".{module.objects['vmMigHealth'][0]}.0", "op": "!=", "value": False}


def test_what_was_never_run_says_so(packs):
    for pack in ("opennms", "librenms"):
        for file in packs[pack].iterdir():
            expected = rf"(Schema-checked \([\w.-]+\)|Checked by php -l), not run in {pack}\."
            assert file.name == "snmpd-nms.conf" or re.search(expected, file.read_text()[:600], re.I), file
    listing = run_nms().stdout
    assert listing.count("(schema-checked, not run)") == 2


WRONG = {  # the test that finds it: the pack, its file, what is replaced, and by what
    "OID of a notification": (test_opennms_decodes_and_ends_each_notification, "opennms", "vmmig.events.xml", "<mevalue>2<", "<mevalue>3<"),
    "label": (test_opennms_decodes_and_ends_each_notification, "opennms", "vmmig.events.xml", '"stopped"', '"resumed"'),
    "end of an alarm": (test_opennms_decodes_and_ends_each_notification, "opennms", "vmmig.events.xml", 'clear-key="uei', 'clear-key="eui'),
    "OID of a column": (test_opennms_collects_each_number_under_a_name_of_its_own, "opennms", "vmmig.xml", '.<vmMigPhase>"', '.<vmMigPhaseTime>"'),
    "instance": (test_opennms_collects_each_number_under_a_name_of_its_own, "opennms", "vmmig.xml", 'instance="vmMigPhaseTable"', 'instance="0"'),
    "OID of a sensor": (test_librenms_has_what_its_closed_schema_wants, "librenms", "os_discovery-vmmig.yaml", ".<vmMigPhase>.{{",
                        ".<vmMigPhaseTime>.{{"),
    "value of a state": (test_librenms_has_what_its_closed_schema_wants, "librenms", "os_discovery-vmmig.yaml", '"stopped"', '"resumed"'),
    "unknown key": (test_librenms_has_what_its_closed_schema_wants, "librenms", "os_discovery-vmmig.yaml", "state_name:", "name_of_state:"),
    "program": (test_librenms_has_what_its_closed_schema_wants, "librenms", "VmMigration.php", "): void", ") void"),
    "what is asked for": (test_librenms_finds_the_agent_by_what_its_closed_schema_wants, "librenms", "os_detection-vmmig.yaml", "<vmMigHealth>.0",
                          "<vmMigHealth>"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_pack_is_found_out(packs, module, tmp_path, what):
    test, pack, name, old, new = WRONG[what]
    shutil.copytree(packs[pack], tmp_path / pack)
    text = (tmp_path / pack / name).read_text()
    old, new = (re.sub(r"<(vmMig\w+)>", lambda found: module.objects[found[1]][0], part) for part in (old, new))
    assert old in text
    (tmp_path / pack / name).write_text(text.replace(old, new))
    with pytest.raises((AssertionError, KeyError)):
        test({**packs, pack: tmp_path / pack}, module)
