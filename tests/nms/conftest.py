# SPDX-License-Identifier: GPL-2.0-or-later
"""The packs of `vmmig nms`, and the module as smidump tells it: a reader that has no code of ours in it."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import types
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

# The rig of tests/agentx, under a name of its own: a directory has one conftest.
_spec = importlib.util.spec_from_file_location("agentx_rig", TESTS / "agentx" / "conftest.py")
sys.modules["agentx_rig"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["agentx_rig"])

from lab.procs import Processes  # noqa: E402

BUILD = pathlib.Path(os.environ["VMMIG_BUILDDIR"])
IETF = TESTS.parent / "mibs" / "ietf"
PACKS = ("zabbix", "prometheus", "grafana", "icinga", "snmptrapd", "snmptt", "opennms", "librenms")
# With leading zeros in its octets: they are not in an OID.
UUID, UUID_INDEX = "00a7b810-9d0d-01d1-8004-00c04fd430c8", "0.167.184.16.157.13.1.209.128.4.0.192.79.212.48.200"
WATCHED = ("vmMigVmTable", "vmMigTransferTable", "vmMigPhaseTable", "vmMigCheckTable")


def ourselves():
    """Daemons would else go on as users of their own, who may not read a test's directory."""
    return (subprocess.run(["id", option], capture_output=True, text=True, check=True).stdout.strip() for option in ("-un", "-gn"))


SNMPTT_INI = """\
[General]
mode = standalone
multiple_event = 1
dns_enable = 0
net_snmp_perl_enable = 0
translate_integers = 0
ipv6_enable = 1
[Logging]
log_enable = 1
log_file = {log}.log
syslog_enable = 0
syslog_system_enable = 0
unknown_trap_log_enable = 1
unknown_trap_log_file = {log}-unknown.log
[TrapFiles]
snmptt_conf_files = <<END
{conf}
END
"""


def snmptt(directory, name, conf):
    """The command that has SNMPTT take a notification by this file; it writes NAME.log and NAME-unknown.log."""
    (directory / f"{name}.ini").write_text(SNMPTT_INI.format(log=directory / name, conf=conf))
    return f"/usr/sbin/snmptt --ini={directory}/{name}.ini"


def run_nms(*arguments, modules=None, check=True, cwd=None, environment=None):
    command = [str(BUILD / "vmmig"), "nms", "--module-path", f"{IETF}:{modules or BUILD / 'mibs'}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env={**os.environ, **(environment or {})})
    assert not check or result.returncode == 0, result.stderr
    return result


def read_module(file):
    """objects {name: (oid, access, kind, labels)}, tables {name: [columns]}, notifications {name: (oid, [objects])}."""
    dumped = subprocess.run(["smidump", "-k", "-f", "xml", str(file)], env={**os.environ, "SMIPATH": str(IETF)}, check=True,
                            capture_output=True, text=True).stdout
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE.*?>", "", dumped))
    named_types = {each.get("name"): each for each in root.iter("typedef") if each.get("name")}
    objects, tables = {}, {}
    # Of RFC 2579, whose module smidump has read and does not print.
    imported = {"TruthValue": {1: "true", 2: "false"}}

    def take(node):
        syntax = node.find("syntax")
        parent = syntax.find("typedef/parent")
        kind = syntax[0].get("name") or (parent.get("name") if parent is not None else syntax[0].get("basetype"))
        labels = dict(imported.get(kind, {}))
        for definition in (syntax.find("typedef"), named_types.get(kind)):
            if definition is not None and not labels:
                labels = {int(each.get("number")): each.get("name") for each in definition.iter("namednumber")}
        objects[node.get("name")] = (node.get("oid"), node.findtext("access"), kind, labels)

    for node in root.iter("scalar"):
        take(node)
    for table in root.iter("table"):
        tables[table.get("name")] = [each.get("name") for each in table.iter("column")]
        for node in table.iter("column"):
            take(node)
    notifications = {each.get("name"): (each.get("oid"), [part.get("name") for part in each.iter("object")])
                     for each in root.iter("notification")}
    return types.SimpleNamespace(objects=objects, tables=tables, notifications=notifications,
                                 tables_at={each.get("name"): each.get("oid") for each in root.iter("table")})


def load_yaml(path):
    class Strict(yaml.SafeLoader):
        """A key that comes twice is an error."""

    def mapping(loader, node):
        pairs = [(loader.construct_object(key, True), loader.construct_object(value, True)) for key, value in node.value]
        assert len(dict(pairs)) == len(pairs), f"{path}: a key of {[key for key, _ in pairs]} comes twice"
        return dict(pairs)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return yaml.load(path.read_text(), Strict)


def watched_objects(module, without):
    """{name: object} of the scalars and watched tables, but those of the types `without`."""
    columns = {name for columns in module.tables.values() for name in columns}
    of_watched = {name for table in WATCHED for name in module.tables[table]}
    unwanted = {"RowStatus", "StorageType"}
    only_managers = {"vmMigTransferEpoch", "vmMigTransferAdminStatus", "vmMigPhaseAction"}
    return {name: each for name, each in module.objects.items()
            if (name not in columns or name in of_watched) and each[1] != "noaccess" and each[2] not in unwanted | without
            and name not in only_managers}


@pytest.fixture(scope="session")
def module():
    return read_module(BUILD / "mibs" / "VM-MIGRATION-MIB.txt")


@pytest.fixture(scope="session")
def packs(tmp_path_factory):
    """{pack: its directory}"""
    top = tmp_path_factory.mktemp("packs")
    for pack in PACKS:
        run_nms(pack, "--output", top / pack)
    return {pack: top / pack for pack in PACKS}


@pytest.fixture
def processes(tmp_path):
    with Processes(str(tmp_path)) as started:
        yield started
        print(started.logs())


@pytest.fixture(scope="module")
def site():
    """A migration under way, for the tests of a file."""
    from watched import watched_site  # it needs a lab, which not every test here does
    with watched_site() as made:
        yield made
