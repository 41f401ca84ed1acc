# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vmmig nms` makes: each file is of its format, and each OID, notification and label in it is the module's."""

import json
import re
import subprocess

import pytest

from conftest import BUILD, PACKS, TESTS, load_yaml, watched_objects

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


def nagios_objects(packs):
    return "".join((packs["icinga"] / f"nagios-{name}.cfg").read_text() for name in ("commands", "services"))


def test_the_guide_names_what_an_operator_can_set(packs):
    guide = (TESTS.parent / "docs" / "operator-guide.md").read_text().split("\n## Monitoring\n")[1].split("\n## ")[0]
    macros = set(re.findall(r"\{\$[A-Z_.]+\}", guide))
    variables = set(re.findall(r"vars\.(vmmig_\w+)", guide))
    nagios = set(re.findall(r"vmmig-device|_VMMIG_\w+|check_vmmig!\w+!", guide))
    assert len(macros) >= 3 and len(variables) >= 3 and len(nagios) == 3
    assert macros <= set(re.findall(r'macro: "([^"]*)"', (packs["zabbix"] / "vmmig.yaml").read_text()))
    icinga = "".join((packs["icinga"] / f"icinga2-{name}.conf").read_text() for name in ("commands", "services"))
    assert all(re.search(rf"\bvars\.{name}\b", icinga) for name in variables), variables
    assert all(name in nagios_objects(packs) for name in nagios), nagios


def test_icinga_and_nagios_call_the_plugin_as_it_wants_it(packs):
    text = (packs["icinga"] / "icinga2-services.conf").read_text()
    modes = re.findall(r'vars.vmmig_mode = "(\w+)"', text)
    usage = subprocess.run([BUILD / "check_vmmig", "-h"], capture_output=True, text=True, check=True).stdout
    assert modes and all(re.search(rf"^  {mode} ", usage, re.M) for mode in modes)
    options = re.findall(r'"(--?[\w-]+)" = ', (packs["icinga"] / "icinga2-commands.conf").read_text())
    assert options and all(option in usage for option in options)
    nagios = nagios_objects(packs)
    assert nagios.count("{") == nagios.count("}") and [each for each in re.findall(r"check_vmmig!(\w+)!", nagios)] == modes
