# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's snmp_exporters (0.21, and one with the users beside the modules) and Prometheus with the pack, while VMs migrate; wrong packs
are found out."""

import json
import re
import urllib.parse

import pytest
import yaml

pytest_plugins = ["lab.pytest_plugin"]

from conftest import run_nms, watched_objects  # noqa: E402
from lab import inside  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.newer_exporter import program  # noqa: E402
from lab.snmpd import USERS  # noqa: E402
from lab.topology import ADDRESSES, DEVICES, VM_NAME, VM_UUID  # noqa: E402
from lab.vmmig import OPER_STATUS, PHASE, VM_INDEX  # noqa: E402
from watched import MOVING, PATIENCE  # noqa: E402

EXPORTER, NEWER_EXPORTER, PROMETHEUS = 9116, 9117, 9090  # in a namespace of their own
HELD, RELEASED = 2, 3
TRUE, FALSE = 1, 2
SERIES = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$', re.M)
EXPORTED = "0x" + VM_UUID.replace("-", "").upper()

WRONG = {  # a module of snmp_exporter: what is replaced, by what, and what it spoils
    "vmmig_wrong_oid": ("oid: \"<vmMigTransferOperStatus>\"", "oid: \"<vmMigTransferRows>\"", {"vmMigTransferOperStatus"}),
    "vmmig_wrong_enumeration": ("\"tcpConn\"", "\"udpConn\"", {"vmMigCapabilities"}),
    "vmmig_wrong_index": ("fixed_size: 16", "fixed_size: 15", None),
}


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prometheus-pack")
    for each in ("prometheus", "grafana"):
        run_nms(each, "--output", directory)
    return directory


def mutated(text, module, what):
    old, new = (re.sub(r"<(\w+)>", lambda found: module.objects[found[1]][0], part) for part in WRONG[what][:2])
    assert old in text, what
    return text.replace(old, new)


def start_exporter(site, command, port, path, modules_of, module):
    """With a file of the pack, and wrong modules beside the pack's. modules_of: where the file has its modules."""
    auth, priv = USERS["nms"]
    text = path.read_text().replace("AUTHENTICATION-PASSPHRASE", auth).replace("PRIVACY-PASSPHRASE", priv)
    configuration = yaml.safe_load(text)
    for what in WRONG:
        modules_of(configuration)[what] = modules_of(yaml.safe_load(mutated(text, module, what)))["vmmig"]
    used = f"{site.lab.directory}/{path.name}"
    with open(used, "w") as file:
        yaml.safe_dump(configuration, file)
    process = site.lab.start("nms", f"exporter of {path.name}", command, f"--config.file={used}", f"--web.listen-address=127.0.0.1:{port}")
    process.wait_log("Listening on", 30)
    return port


@pytest.fixture(scope="module")
def exporters(site, pack, module):
    """Their ports: that of Debian 12, which has the users in the modules, and a newer one, which has them beside the modules."""
    return [start_exporter(site, "prometheus-snmp-exporter", EXPORTER, pack / "snmp.yml", lambda file: file, module),
            start_exporter(site, program(), NEWER_EXPORTER, pack / "snmp-split.yml", lambda file: file["modules"], module)]


@pytest.fixture(scope="module")
def prometheus(site, pack, exporters):
    """The pack's rules, without the time for which an alert has to hold; and wrong ones beside them."""
    directory = f"{site.lab.directory}/prometheus"
    site.lab.ns["nms"].run("mkdir", directory)
    rules = re.sub(r"^ *for: .*\n", "", (pack / "vmmig.rules.yml").read_text(), flags=re.M)
    failed = OPER_STATUS.index("failed") + 1
    wrong = rules.replace('name: "vmmig"', 'name: "wrong"').replace('alert: "', 'alert: "Wrong')
    wrong, count = re.subn(rf"vmMigTransferOperStatus == {failed} or vmMigTransferOperStatus == {failed + 1}",
                           f"vmMigTransferOperStatus == {failed + 2} or vmMigTransferOperStatus == {failed + 3}", wrong)
    assert count == 1
    scrape = yaml.safe_load((pack / "scrape.yml").read_text())
    job, = scrape["scrape_configs"]
    job["static_configs"] = [{"targets": list(DEVICES.values())}]
    job["scrape_interval"] = "1s"
    scrape["rule_files"] = ["right.yml", "wrong.yml"]
    scrape["global"] = {"evaluation_interval": "1s"}
    for name, text in (("right.yml", rules), ("wrong.yml", wrong), ("prometheus.yml", yaml.safe_dump(scrape))):
        with open(f"{directory}/{name}", "w") as file:
            file.write(text)
    process = site.lab.start("nms", "prometheus", "prometheus", f"--config.file={directory}/prometheus.yml",
                             f"--storage.tsdb.path={directory}/tsdb", f"--web.listen-address=127.0.0.1:{PROMETHEUS}")
    process.wait_log("Server is ready to receive web requests", 30)
    return site.lab.ns["nms"]


def scrape(site, exporter, device, module):
    """{name: [(labels, value)]}"""
    words = urllib.parse.urlencode({"module": module, "auth": "vmmig", "target": ADDRESSES[device]})
    series = {}
    for name, labels, value in SERIES.findall(inside.request(site.lab.ns["nms"], "GET", exporter, f"/snmp?{words}")):
        series.setdefault(name, []).append((dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value)))
    return series


def differences(site, exporter, device, module, told_module, tables):
    """Names of what a module of snmp_exporter shows otherwise than the device itself, by the module as smidump tells it."""
    wanted = watched_objects(told_module, {"OctetString", "VmMigMacAddresses"})
    in_tables = {column: table for table, columns in told_module.tables.items() for column in columns}
    polled = {name: (f"{oid}.{VM_INDEX}" if name in in_tables else f"{oid}.0", kind, labels) for name, (oid, _, kind, labels) in wanted.items()
              if in_tables.get(name) in (None, *tables)}
    told = site.get(device, [oid for oid, _, _ in polled.values()])
    series = scrape(site, exporter, device, module)
    found = set()
    for name, (oid, kind, labels) in polled.items():
        shown = [(each, value) for each, value in series.get(name, []) if name not in in_tables or each.get("vmMigVmUuid") == EXPORTED]
        if not agree(name, kind, labels, shown, told[oid]):
            found.add(name)
    return found


def names_and_labels(series):
    """Without the exporter's own."""
    return {name: sorted(sorted(labels.items()) for labels, _ in each) for name, each in series.items() if name.startswith("vmMig")}


def agree(name, kind, labels, shown, value):
    if isinstance(value, dict) and "exception" in value:
        return shown == []
    if kind == "Bits":
        octets = bytes.fromhex(value["octets"]) if isinstance(value, dict) else value.encode()
        is_set = {label for bit, label in labels.items() if bit // 8 < len(octets) and octets[bit // 8] & 0x80 >> bit % 8}
        return {each[name] for each, on in shown if on} == is_set
    if len(shown) != 1:
        return False
    each, number = shown[0]
    return each[name] == value if kind == "SnmpAdminString" else abs(number - value) <= MOVING.get(name, 0)


def ask(namespace, path, **parameters):
    return json.loads(inside.request(namespace, "GET", PROMETHEUS, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]


def value(prometheus, metric, device):
    """Of the VM on a device, as Prometheus has it; None without."""
    query = f'{metric}{{instance="{ADDRESSES[device]}",vmMigVmUuid="{VM_UUID}"}}'
    found = ask(prometheus, "query", query=query)["result"]
    return int(found[0]["value"][1]) if found else None


def wait_value(prometheus, metric, device, wanted):
    wait_until(lambda: value(prometheus, metric, device) == wanted, PATIENCE, f"{metric} of {device} is {wanted}", step=0.2)


def firing(prometheus):
    return {(each["labels"]["alertname"], each["labels"].get("instance")): each for each in ask(prometheus, "alerts")["alerts"]
            if each["state"] == "firing"}


def number(states, name):
    return states.index(name) + 1


def test_a_migration_is_seen_step_by_step_and_value_by_value(site, prometheus, exporters, pack, module):
    source = site.lab.vm_site
    firewall, host = f"fw-{source}", f"host-{source}"
    site.begin()
    wait_value(prometheus, "vmMigPhase", host, number(PHASE, "preCopy"))
    wait_value(prometheus, "vmMigTransferOperStatus", firewall, number(OPER_STATUS, "tracking"))
    wait_value(prometheus, "vmMigVmBlocked", firewall, FALSE)
    with site.held():
        wait_value(prometheus, "vmMigPhase", host, number(PHASE, "stopped"))
        wait_value(prometheus, "vmMigPhaseHoldStatus", host, HELD)
        wait_value(prometheus, "vmMigTransferOperStatus", firewall, number(OPER_STATUS, "frozen"))
        wait_value(prometheus, "vmMigVmBlocked", firewall, TRUE)
        names = {each["metric"]["vmName"] for each in ask(prometheus, "query", query="vmMigPhase or vmMigVmBlocked")["result"]}
        assert VM_NAME in names
        of_firewall, of_host = ("vmMigVmTable", "vmMigTransferTable"), ("vmMigPhaseTable",)
        for exporter in exporters:
            assert differences(site, exporter, firewall, "vmmig", module, of_firewall) == set()
            assert differences(site, exporter, host, "vmmig", module, of_host) == set()
            for what, (_, _, spoiled) in WRONG.items():
                found = differences(site, exporter, firewall, what, module, of_firewall)
                assert found == spoiled or (found and not spoiled), (exporter, what, found)
        # What rules and panels make of one they make of the other.
        of_one, of_other = (names_and_labels(scrape(site, exporter, firewall, "vmmig")) for exporter in exporters)
        assert of_one == of_other and len(of_one) > 30
        assert all(each["health"] == "ok" for group in ask(prometheus, "rules")["groups"] for each in group["rules"])
        panels = json.loads((pack / "vmmig.json").read_text())["panels"]
        targets = [target for panel in panels for target in panel.get("targets", [])]
        assert len(targets) > 40
        for each in targets:
            query = each["expr"].replace("$instance", ".*")
            data = wait_until(lambda query=query: ask(prometheus, "query", query=query)["result"], PATIENCE, f"data for {query}", step=0.2)
            named = set(re.findall(r"\{\{(\w+)\}\}", each["legendFormat"]))
            assert "instance" in named and named - {query.partition("{")[0]} <= data[0]["metric"].keys(), query  # an empty text is no label
        # The negative control: a panel of what the pack's module does not have.
        assert all(ask(prometheus, "query", query=each["expr"].replace("vmMig", "vmMigNo").replace("$instance", ".*"))["result"] == []
                   for each in targets)
    site.finish()
    wait_value(prometheus, "vmMigTransferOperStatus", firewall, number(OPER_STATUS, "released"))
    wait_value(prometheus, "vmMigPhaseHoldStatus", host, RELEASED)
    wait_value(prometheus, "vmMigTransferOperStatus", f"fw-{site.destination}", number(OPER_STATUS, "done"))


def test_a_migration_that_fails_fires_its_alert_and_one_that_succeeds_ends_it(site, prometheus):
    source = f"fw-{site.lab.vm_site}"
    alert = "VmmigTransferFailed", ADDRESSES[source]
    site.fail()
    fired = wait_until(lambda: firing(prometheus).get(alert), PATIENCE, "the alert", step=0.2)
    assert fired["labels"]["vmMigVmUuid"] == VM_UUID and fired["labels"]["severity"] == "warning"
    assert "the manager did not finish in time" in fired["annotations"]["description"]
    # The negative control: with the numbers of other states the same rule says nothing.
    assert not any(name == "WrongVmmigTransferFailed" for name, _ in firing(prometheus))
    site.migrate()
    wait_until(lambda: alert not in firing(prometheus), PATIENCE, "the end of the alert", step=0.2)
