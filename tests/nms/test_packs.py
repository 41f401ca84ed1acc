# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vmmig nms` makes: each file is of its format, and each OID, notification and label in it is the module's."""

import filecmp
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import BUILD, PACKS, load_yaml, read_module, run_nms, watched_objects

EVENTS = "{http://xmlns.opennms.org/xsd/eventconf}"
COLLECTION = "{http://xmlns.opennms.org/xsd/config/datacollection}"
STATES = {"OctetString", "VmMigMacAddresses", "Bits", "SnmpAdminString", "Unsigned32", "Gauge32", "Counter32", "CounterBasedGauge64"}


@pytest.mark.parametrize("pack", PACKS)
def test_every_oid_is_an_object_of_the_module_that_may_be_read(pack, packs, module):
    root = module.notifications["vmMigPhaseChanged"][0].rsplit(".", 2)[0]
    known = {oid: (name, access) for name, (oid, access, _, _) in module.objects.items()}
    known |= {oid: (name, "notify") for name, (oid, _) in module.notifications.items()}
    known |= {oid: (name, "table") for name, oid in module.tables_at.items()}
    known |= {root: ("vmMigMIB", "node"), root + ".1.1": ("vmMigDevice", "node")}
    count = 0
    for file in packs[pack].iterdir():
        text = file.read_text().replace("[.]", ".")
        for found in re.findall(re.escape(root) + r"(?:\.\d+)*", text):
            oid = found[:-2] if found.endswith(".0") and found[:-2] in known else found
            assert oid in known, (file.name, found)
            assert known[oid][1] in ("readonly", "readwrite", "notify", "table", "node"), (file.name, known[oid])
            count += 1
    assert count or pack == "grafana"


def test_every_notification_is_in_every_pack_that_takes_them(packs, module):
    for pack in ("zabbix", "icinga", "snmptrapd", "snmptt", "librenms"):
        text = "".join(file.read_text() for file in packs[pack].iterdir()).replace("[.]", ".")
        for name, (oid, _) in module.notifications.items():
            assert re.search(re.escape(oid) + r"\b", text) and name in text, (pack, name)


def test_prometheus_has_each_object_once_with_its_type(packs, module):
    for file, get in (("snmp.yml", lambda root: root["vmmig"]), ("snmp-split.yml", lambda root: root["modules"]["vmmig"])):
        made = get(load_yaml(packs["prometheus"] / file))
        metrics = {each["name"]: each for each in made["metrics"]}
        assert len(metrics) == len(made["metrics"]) == len({each["oid"] for each in made["metrics"]})
        wanted = watched_objects(module, {"OctetString", "VmMigMacAddresses"})
        assert metrics.keys() == wanted.keys()
        kinds = {"Counter32": "counter", "SnmpAdminString": "DisplayString", "Bits": "Bits"}
        for name, (oid, _, kind, labels) in wanted.items():
            assert (metrics[name]["oid"], metrics[name]["type"]) == (oid, kinds.get(kind, "gauge")), name
            if kind == "Bits":
                assert metrics[name]["enum_values"] == labels
            elif labels:
                assert all(f"{number} = {label}" in metrics[name]["help"] for number, label in labels.items()), name
        asked = [*made["walk"], *(oid.removesuffix(".0") for oid in made["get"])]
        assert all(any(metric["oid"] == oid or metric["oid"].startswith(oid + ".") for oid in asked) for metric in metrics.values())


def test_alert_rules_name_metrics_of_the_pack(packs, module):
    rules = load_yaml(packs["prometheus"] / "vmmig.rules.yml")["groups"][0]["rules"]
    assert len({each["alert"] for each in rules}) == len(rules) > 5
    for rule in rules:
        names = set(re.findall(r"vmMig\w+", rule["expr"])) - {"vmMigVmUuid", "vmMigCheckName"}
        assert names and names <= module.objects.keys(), rule
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_promtool_takes_the_rules_and_the_scrape(packs, tmp_path):
    (tmp_path / "vmmig.rules.yml").write_bytes((packs["prometheus"] / "vmmig.rules.yml").read_bytes())
    (tmp_path / "prometheus.yml").write_bytes((packs["prometheus"] / "scrape.yml").read_bytes())
    result = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "rules found" in result.stdout, result.stdout + result.stderr


def test_grafana_shows_each_number_and_label(packs, module):
    panels = [each for each in json.loads((packs["grafana"] / "vmmig.json").read_text())["panels"] if each["type"] != "row"]
    wanted = watched_objects(module, {"OctetString", "VmMigMacAddresses"})
    assert {each["title"] for each in panels} == wanted.keys()
    places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels]
    assert len(set(places)) == len(places) and len({each["id"] for each in panels}) == len(panels)
    for each in panels:
        assert each["title"] in each["targets"][0]["expr"]
        labels = wanted[each["title"]][3]
        if labels and wanted[each["title"]][2] != "Bits":
            options = each["fieldConfig"]["defaults"]["mappings"][0]["options"]
            assert {int(number): option["text"] for number, option in options.items()} == labels


def test_opennms_events_and_collection(packs, module):
    root = ElementTree.parse(packs["opennms"] / "vmmig.events.xml").getroot()
    assert root.tag == EVENTS + "events"
    specific = {}
    order = ("mask", "uei", "event-label", "descr", "logmsg", "severity", "varbindsdecode", "alarm-data")
    for event in root:
        assert [order.index(child.tag.removeprefix(EVENTS)) for child in event] == sorted(
            order.index(child.tag.removeprefix(EVENTS)) for child in event)
        mask = {each.findtext(EVENTS + "mename"): each.findtext(EVENTS + "mevalue") for each in event.iter(EVENTS + "maskelement")}
        name = event.findtext(EVENTS + "uei").split("/")[2]
        assert mask["id"] + ".0." + mask["specific"] == "." + module.notifications[name][0] and mask["generic"] == "6"
        specific.setdefault(name, []).append(event.find(f"{EVENTS}mask/{EVENTS}varbind") is not None)
        for decode in event.iter(EVENTS + "varbindsdecode"):
            number = int(re.fullmatch(r"parm\[#(\d+)\]", decode.findtext(EVENTS + "parmid"))[1])
            labels = {int(each.get("varbindvalue")): each.get("varbinddecodedstring") for each in decode.iter(EVENTS + "decode")}
            assert labels == module.objects[module.notifications[name][1][number - 1]][3]
    # The general one comes last, since the first that matches counts.
    assert specific.keys() == module.notifications.keys() and all(each[-1] is False and all(each[:-1]) for each in specific.values())
    collected = ElementTree.parse(packs["opennms"] / "vmmig.xml").getroot()
    objects = list(collected.iter(COLLECTION + "mibObj"))
    aliases = [each.get("alias") for each in objects]
    assert len(set(aliases)) == len(aliases) > 30 and max(map(len, aliases)) <= 19
    assert [each.tag.removeprefix(COLLECTION) for each in collected] == sorted(
        (each.tag.removeprefix(COLLECTION) for each in collected), key=("resourceType", "group", "systemDef").index)


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


def test_snmptt_decides_each_state_once(packs, module):
    text = (packs["snmptt"] / "snmptt-vmmig.conf").read_text()
    events = re.findall(r"^EVENT (\w+) \.([\d.]+) \"[^\"]*\" (\w+)\nFORMAT (.*)\n((?:MATCH .*\n)*)", text, re.M)
    for name, (oid, objects) in module.notifications.items():
        mine = [each for each in events if each[0] == name]
        assert mine and all(each[1] == oid for each in mine)
        rows = [{}]
        for number, each in enumerate(objects, 1):
            for _, label in module.objects[each][3].items():
                rows.append({number: label})

        def takes(event, row):
            matches = re.findall(r"^MATCH \$(\d+): (!?)\((.*)\)$", event[4], re.M)
            return all(bool(re.search(pattern, row.get(int(number), ""))) != bool(negated) for number, negated, pattern in matches)

        for row in rows:
            assert sum(takes(event, row) for event in mine) == 1, (name, row)


def test_icinga_and_nagios_call_the_plugin_as_it_wants_it(packs):
    text = (packs["icinga"] / "icinga2-services.conf").read_text()
    modes = re.findall(r'vars.vmmig_mode = "(\w+)"', text)
    usage = subprocess.run([BUILD / "check_vmmig", "-h"], capture_output=True, text=True, check=True).stdout
    assert modes and all(re.search(rf"^  {mode} ", usage, re.M) for mode in modes)
    options = re.findall(r'"(--?[\w-]+)" = ', (packs["icinga"] / "icinga2-commands.conf").read_text())
    assert options and all(option in usage for option in options)
    nagios = (packs["icinga"] / "nagios-vmmig.cfg").read_text()
    assert nagios.count("{") == nagios.count("}") and [each for each in re.findall(r"check_vmmig!(\w+)!", nagios)] == modes


def test_what_was_never_run_says_so(packs):
    for pack in ("opennms", "librenms"):
        for file in packs[pack].iterdir():
            expected = rf"(Schema-checked \([\w.-]+\)|Checked by php -l), not run in {pack}\."
            assert file.name == "snmpd-nms.conf" or re.search(expected, file.read_text()[:600], re.I), file
    listing = run_nms().stdout
    assert listing.count("(schema-checked, not run)") == 2


def test_twice_is_the_same(packs, tmp_path):
    for pack in PACKS:
        run_nms(pack, "--output", tmp_path / pack)
        names = sorted(each.name for each in packs[pack].iterdir())
        assert filecmp.cmpfiles(packs[pack], tmp_path / pack, names, shallow=False) == (names, [], [])


def test_another_module_is_told_by_a_diff_of_the_packs(packs, module, tmp_path):
    """The negative control of the tests above: with a changed module they would not hold."""
    text = (BUILD / "mibs" / "VM-MIGRATION-MIB.txt").read_text()
    (tmp_path / "VM-MIGRATION-MIB.txt").write_text(text.replace("::= { vmMigDevice 16 }", "::= { vmMigDevice 17 }"))
    changed = read_module(tmp_path / "VM-MIGRATION-MIB.txt")
    assert changed.objects["vmMigClock"][0] != module.objects["vmMigClock"][0]
    run_nms("prometheus", "--output", tmp_path / "prometheus", modules=tmp_path)
    before, after = ((path / "snmp.yml").read_text().splitlines() for path in (packs["prometheus"], tmp_path / "prometheus"))
    differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert differing and all(module.objects["vmMigClock"][0] in old and changed.objects["vmMigClock"][0] in new for old, new in differing)


def test_without_a_pack_all_are_listed_with_the_place_of_each_file(packs):
    listing = run_nms().stdout
    for pack, directory in packs.items():
        assert re.search(rf"^{pack}$", listing, re.M)
        for file in directory.iterdir():
            assert re.search(rf"^    {re.escape(file.name)} +\S", listing, re.M), file.name


def test_without_an_output_the_files_go_into_a_directory_of_the_packs_name(tmp_path):
    run_nms("snmptt", cwd=tmp_path)
    assert (tmp_path / "snmptt" / "snmptt-vmmig.conf").exists()


def test_what_cannot_be_made_is_said(tmp_path):
    unknown = run_nms("cacti", check=False)
    assert unknown.returncode == 2 and "zabbix, prometheus" in unknown.stderr
    nowhere = run_nms("zabbix", "--module-path", tmp_path, check=False)
    assert nowhere.returncode == 2
    (tmp_path / "file").write_text("")
    taken = run_nms("zabbix", "--output", tmp_path / "file", check=False)
    assert taken.returncode == 2 and "cannot make the directory" in taken.stderr
