# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's snmp_exporters with the pack's module and the pack's rights, against a real vmmigd under a stock snmpd with SNMPv3."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest
import yaml

from conftest import UUID, run_nms
from lab.netns import wait_until
from lab.newer_exporter import program
from lab.ports import free_port
from agentx_rig import CREATE_AND_GO, Rig, instance

NMS_AUTH, NMS_PRIV = "nms-authentication", "nms-privacy"  # of these tests only
OLDER = "prometheus-snmp-exporter"
# The pack's file for each, and the place of the module in it.
FILES = {"up to 0.22": ("snmp.yml", lambda: OLDER, lambda file: file), "0.23 and later": ("snmp-split.yml", program, lambda file: file["modules"])}
EXPORTED = "0x00A7B8109D0D01D1800400C04FD430C8"
SERIES = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$', re.M)


class Exporter:
    """snmp_exporter with a file of the pack, in which the passphrases are set; unless told, that of Debian 12."""

    def __init__(self, processes, directory, config, command=OLDER):
        self.port = free_port()
        text = config.replace("AUTHENTICATION-PASSPHRASE", NMS_AUTH).replace("PRIVACY-PASSPHRASE", NMS_PRIV)
        (directory / "snmp.yml").write_text(text)
        self.process = processes.start("snmp_exporter", [command, f"--config.file={directory}/snmp.yml",
                                                         f"--web.listen-address=127.0.0.1:{self.port}"])
        self.process.wait_log("Listening on")

    def scrape(self, port):
        """{name: [(labels, value)]}"""
        url = f"http://127.0.0.1:{self.port}/snmp?module=vmmig&auth=vmmig&target=127.0.0.1:{port}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        series = {}
        for name, labels, value in SERIES.findall(text):
            series.setdefault(name, []).append((dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value)))
        return series


@pytest.fixture
def pack(tmp_path):
    run_nms("prometheus", "--output", tmp_path / "pack")
    return tmp_path / "pack"


@pytest.fixture
def device(tmp_path, processes, pack):
    """With the lines of snmpd-nms.conf: what the NMS sees, it sees by them. snmp_exporter speaks UDP."""
    rig = Rig(tmp_path, processes)
    access = (pack / "snmpd-nms.conf").read_text().replace("#createUser", "createUser")
    rig.udp_port = free_port()
    rig.snmpd_more = (access.replace("AUTHENTICATION-PASSPHRASE", NMS_AUTH).replace("PRIVACY-PASSPHRASE", NMS_PRIV)
                      + f"agentaddress udp:127.0.0.1:{rig.udp_port}\n")
    rig.start_snmpd()
    rig.start_vmmigd("--role", "device", "--role", "hypervisor", "--host-name", "host-a")
    rig.wait_answer()
    return rig


@pytest.mark.parametrize("version", FILES)
def test_the_exporter_shows_what_the_device_says(device, pack, processes, tmp_path, version):
    name, command, modules_of = FILES[version]
    vm = uuid.UUID(UUID)
    device.make_vm(vm, "10.0.0.5")
    device.set((instance("vmMigPhaseVmName", vm), "s", "web1"), (instance("vmMigPhase", vm), "i", 2),
               (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO))
    series = Exporter(processes, tmp_path, (pack / name).read_text(), command()).scrape(device.udp_port)
    assert series["vmMigHealth"] == [({}, 1)] and series["vmMigVms"] == [({}, 1)]
    assert series["vmMigBackEnd"] == [({"vmMigBackEnd": "memory"}, 1)]
    assert abs(series["vmMigClock"][0][1] / 1e6 - time.time()) < 60
    labels = {"vmMigVmUuid": EXPORTED, "vmName": "web1"}
    assert series["vmMigVmBlocked"] == [(labels, 2)] and series["vmMigVmTcpConns"] == [(labels, 0)]
    assert series["vmMigPhase"] == [(labels, 2)]
    assert series["vmMigCheckHealth"] == [({"vmMigCheckName": "rows"}, 1)]
    assert {each["vmMigCapabilities"] for each, value in series["vmMigCapabilities"] if value == 1} >= {"tcpConn", "phase"}
    # Each metric of the module came, but those of rows that are not there.
    module = modules_of(yaml.safe_load((pack / name).read_text()))["vmmig"]
    missing = {each["name"] for each in module["metrics"]} - series.keys()
    assert all(name.startswith("vmMigTransfer") and name not in ("vmMigTransfers", "vmMigTransfersFailed") for name in missing), missing


@pytest.mark.parametrize("version", FILES)
def test_each_exporter_refuses_the_file_for_the_other(pack, version):
    """The negative control of the test above: both read their files strictly."""
    own, command, _ = FILES[version]
    for name in ("snmp.yml", "snmp-split.yml"):
        result = subprocess.run([command(), f"--config.file={pack / name}", "--dry-run"], capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode == 0) == (name == own), result.stderr


def test_a_module_with_wrong_oids_shows_nothing_in_their_place(device, pack, processes, tmp_path):
    """The negative control: with a number of the table and of a scalar changed, their series are missing."""
    config = (pack / "snmp.yml").read_text()
    wrong = re.sub(r"(\.1\.1\.1)\.10\b", r"\1.99", config).replace("fixed_size: 16", "fixed_size: 15")
    assert wrong != config
    device.make_vm(uuid.UUID(UUID), "10.0.0.5")
    series = Exporter(processes, tmp_path, wrong).scrape(device.udp_port)
    assert "vmMigVms" not in series and series["vmMigHealth"] == [({}, 1)]
    assert all(labels["vmMigVmUuid"] != EXPORTED for labels, _ in series.get("vmMigVmBlocked", []))


def test_the_rights_of_the_pack_hide_connections_and_forbid_writing(device, pack, tmp_path):
    vm = uuid.UUID(UUID)
    device.make_vm(vm, "10.0.0.5")
    client = tmp_path / "client" / "snmp.conf"
    table = instance("vmMigVmAddressTable")
    everything = device.walk(table)
    client.write_text(client.read_text().replace("defSecurityName vmmig", "defSecurityName nms").replace(
        "manager-authentication", NMS_AUTH).replace("manager-privacy", NMS_PRIV))
    assert everything and device.walk(table, "snmpwalk", "-CI") == []
    assert device.get(instance("vmMigVms", 0)) == ["1"]
    assert device.set_fails((instance("vmMigNotificationsEnable", 0), "i", 2))[0] in ("noAccess", "authorizationError")


ALERT_FOR = re.compile(r'^ *for: .*\n', re.M)


class Prometheus:
    """The pack's rules and scraping, without the time for which an alert has to hold."""

    def __init__(self, processes, directory, pack, exporter, target):
        self.port = free_port()
        (directory / "vmmig.rules.yml").write_text(ALERT_FOR.sub("", (pack / "vmmig.rules.yml").read_text()))
        scrape = (pack / "scrape.yml").read_text().replace("192.0.2.1", f"127.0.0.1:{target}")
        scrape = scrape.replace("127.0.0.1:9116", f"127.0.0.1:{exporter}").replace('"30s"', '"1s"')
        (directory / "prometheus.yml").write_text("global:\n  evaluation_interval: 1s\n" + scrape)
        self.process = processes.start("prometheus", ["prometheus", f"--config.file={directory}/prometheus.yml",
                                                      f"--storage.tsdb.path={directory}/tsdb",
                                                      f"--web.listen-address=127.0.0.1:{self.port}"])
        self.process.wait_log("Server is ready to receive web requests")

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]

    def firing(self):
        return {each["labels"]["alertname"]: each for each in self.ask("alerts")["alerts"] if each["state"] == "firing"}


def test_a_transfer_that_fails_fires_its_alert_and_every_panel_has_data(device, pack, processes, tmp_path):
    vm = uuid.UUID(UUID)
    device.make_vm(vm, "10.0.0.5")
    device.set((instance("vmMigPhaseVmName", vm), "s", "web1"), (instance("vmMigPhase", vm), "i", 2),
               (instance("vmMigPhaseRowStatus", vm), "i", CREATE_AND_GO))
    exporter = Exporter(processes, tmp_path, (pack / "snmp.yml").read_text())
    (tmp_path / "prometheus").mkdir()
    prometheus = Prometheus(processes, tmp_path / "prometheus", pack, exporter.port, device.udp_port)
    wait_until(lambda: prometheus.ask("query", query="vmMigHealth")["result"], 30, "the first scrape")
    assert prometheus.firing() == {}
    device.set((instance("vmMigTransferRole", vm), "i", 1), (instance("vmMigTransferEpoch", vm), "u", 1),
               (instance("vmMigTransferAdminStatus", vm), "i", 1), (instance("vmMigTransferDeadline", vm), "u", 1),
               (instance("vmMigTransferRowStatus", vm), "i", CREATE_AND_GO))
    alert = wait_until(lambda: prometheus.firing().get("VmmigTransferFailed"), 60, "the alert")
    assert alert["labels"]["vmMigVmUuid"] == UUID and alert["labels"]["vmName"] == "web1"
    error = device.get(instance("vmMigTransferError", vm))[0].strip('"')
    assert error and error in alert["annotations"]["description"] and UUID in alert["annotations"]["description"]
    run_nms("grafana", "--output", tmp_path / "grafana")
    panels = json.loads((tmp_path / "grafana" / "vmmig.json").read_text())["panels"]
    expressions = [target["expr"].replace("$instance", ".*") for panel in panels for target in panel.get("targets", [])]
    assert len(expressions) > 40
    wait_until(lambda: all(prometheus.ask("query", query=each)["result"] for each in expressions), 30, "data for every panel")
    device.vmmigd.stop()
    assert wait_until(lambda: prometheus.firing().get("VmmigSilent"), 60, "the alert of silence")
