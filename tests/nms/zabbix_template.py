# SPDX-License-Identifier: GPL-2.0-or-later
"""The pack's Zabbix template as tests import it: impatient, and several times beside each other."""

import json
import re

import yaml

TEMPLATE = "VM-MIGRATION-MIB by SNMP"


def quick(template):
    """With the intervals of an impatient operator."""
    document = yaml.safe_load(template)
    made = document["zabbix_export"]["templates"][0]
    for each in [*made["items"], *made["discovery_rules"], *(item for rule in made["discovery_rules"] for item in rule["item_prototypes"])]:
        if each["type"] == "SNMP_AGENT":
            each["delay"] = "1s"
    return json.dumps(document)


def another(template, number):
    """The same template beside it in the same group: under another name and with UUIDs of its own."""
    ours = yaml.safe_load(template)["zabbix_export"]["groups"][0]["uuid"]
    text = template.replace(TEMPLATE, f"{TEMPLATE} {number}")
    return re.sub(rf'("?uuid"?: "(?!{ours})[0-9a-f]{{30}})([0-9a-f]{{2}})"',
                  lambda found: f'{found[1]}{(int(found[2], 16) + number) % 256:02x}"', text)
