# SPDX-License-Identifier: GPL-2.0-or-later
"""The Zabbix template: its items, value maps, expressions, and the scripts of its discovery in the engine that Zabbix has."""

import json
import re
import subprocess

from conftest import UUID, UUID_INDEX, WATCHED, load_yaml, watched_objects


def zabbix(packs):
    return load_yaml(packs["zabbix"] / "vmmig.yaml")["zabbix_export"]


def test_zabbix_has_items_and_value_maps_of_all(packs, module):
    template = zabbix(packs)["templates"][0]
    prototypes = [item for rule in template["discovery_rules"] for item in rule["item_prototypes"]]
    polled = [item for item in template["items"] if item["type"] == "SNMP_AGENT"]
    wanted = watched_objects(module, {"OctetString", "VmMigMacAddresses", "Bits"})
    assert {item["key"].split("[")[0] for item in polled + prototypes} == wanted.keys()
    for item in polled + prototypes:
        oid, _, kind, labels = wanted[item["key"].split("[")[0]]
        assert item["snmp_oid"] == oid + (".{#SNMPINDEX}" if item in prototypes else ".0")
        assert item.get("value_type") == ("CHAR" if kind == "SnmpAdminString" else None)  # UNSIGNED is understood
        assert ("valuemap" in item) == bool(labels)
    maps = {each["name"]: {int(pair["value"]): pair["newvalue"] for pair in each["mappings"]} for each in template["valuemaps"]}
    assert maps == {name: each[3] for name, each in wanted.items() if each[3]}
    assert {rule["key"] for rule in template["discovery_rules"]} == set(WATCHED)


def everything(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from everything(child)


def test_zabbix_uuids_are_its_own_and_expressions_name_its_items(packs):
    export = zabbix(packs)
    nodes = [each for each in everything(export) if isinstance(each, dict)]
    uuids = [each["uuid"] for each in nodes if "uuid" in each]
    assert len(set(uuids)) == len(uuids) and all(re.fullmatch("[0-9a-f]{12}4[0-9a-f]{3}8[0-9a-f]{15}", each) for each in uuids)
    template = export["templates"][0]
    keys = {each["key"] for each in nodes if "key" in each}
    macros = {each["macro"] for each in template["macros"]}
    assert len(macros) == len(template["macros"])
    triggers = [each for each in nodes if "expression" in each]
    assert len(triggers) > 10
    for each in triggers:
        expression = each["expression"] + each.get("recovery_expression", "")
        named = re.findall(r'/VM-MIGRATION-MIB by SNMP/(\w+(?:\["[^"]*"\])?)', expression)
        assert named and set(named) <= keys, expression
        assert set(re.findall(r"\{\$[^}]*\}", expression)) <= macros
        assert expression.count("(") - sum(key.count("(") for key in named) == expression.count(")") - sum(key.count(")") for key in named)


def test_zabbix_discovery_makes_uuids_and_names_of_indexes(packs):
    rules = {each["key"]: each for each in zabbix(packs)["templates"][0]["discovery_rules"]}

    def discover(rule, rows):
        script = rules[rule]["preprocessing"][0]["parameters"][0]
        program = f"var value = {json.dumps(json.dumps(rows))}; print((function () {{ {script} }})());"
        run = subprocess.run(["duk", "-e", program], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    rows = [{"{#SNMPINDEX}": UUID_INDEX, "{#PRESENT}": "4", "{#VMNAME}": "web1"},
            {"{#SNMPINDEX}": UUID_INDEX, "{#PRESENT}": "4", "{#VMNAME}": ""},
            {"{#SNMPINDEX}": UUID_INDEX, "{#VMNAME}": "of another table"}]
    found = discover("vmMigTransferTable", rows)
    assert [(each["{#VMUUID}"], each["{#VMNAME}"]) for each in found] == [(UUID, "web1"), (UUID, UUID)]
    name = "acl web"
    index = ".".join(map(str, [len(name), *name.encode()]))
    assert [each["{#NAME}"] for each in discover("vmMigCheckTable", [{"{#SNMPINDEX}": index, "{#PRESENT}": "1"}])] == [name]
