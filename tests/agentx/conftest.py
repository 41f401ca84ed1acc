# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock snmpd with vmmigd --back-end memory on the loopback, and Net-SNMP's own commands as its SNMPv3 authPriv client."""

import functools
import os
import pathlib
import re
import socket
import subprocess
import sys
import uuid

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from lab.netns import wait_until  # noqa: E402
from lab.ports import free_port  # noqa: E402
from lab.procs import Processes  # noqa: E402

BUILD = pathlib.Path(os.environ["VMMIG_BUILDDIR"])
MODULE = "VM-MIGRATION-MIB"
USER, AUTH, PRIV = "vmmig", "manager-authentication", "manager-privacy"  # of these tests only, hence public

SNMPD_CONF = f"""\
agentaddress tcp:127.0.0.1:{{port}}
maxGetbulkResponses 300
createUser {USER} SHA-256 {AUTH} AES {PRIV}
rwuser {USER} priv
master agentx
agentXSocket unix:{{agentx}}
agentXTimeout 30
agentXRetries 0
{{more}}
"""

SNMP_CONF = f"""\
defVersion 3
defSecurityName {USER}
defSecurityLevel authPriv
defAuthType SHA-256
defAuthPassphrase {AUTH}
defPrivType AES
defPrivPassphrase {PRIV}
"""

V4, V6 = "10.0.0.5", "fd00::5"  # of the VM

# RFC 2579
ACTIVE, NOT_IN_SERVICE, NOT_READY, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY = range(1, 7)


def mib_environment():
    return {"MIBDIRS": f"{BUILD}/mibs:{TESTS.parent}/mibs/ietf", "MIBS": MODULE}


@functools.cache
def oid(name):
    """The OID of a descriptor of the module, without instance: ".1.3.6.1.4.1...."."""
    return subprocess.run(["snmptranslate", "-On", f"{MODULE}::{name}"], env={**os.environ, **mib_environment()}, check=True,
                          capture_output=True, text=True).stdout.strip()


def instance(name, *parts):
    """The OID of an instance; UUIDs and addresses (as text) become their sub-identifiers."""
    return ".".join([oid(name), *map(_sub_identifiers, parts)])


def _sub_identifiers(part):
    if isinstance(part, uuid.UUID):
        return ".".join(map(str, part.bytes))
    if isinstance(part, str):  # InetAddressType and InetAddress
        family, kind = (socket.AF_INET6, 2) if ":" in part else (socket.AF_INET, 1)
        octets = socket.inet_pton(family, part)
        return ".".join(map(str, [kind, len(octets), *octets]))
    return str(part)


class SnmpError(Exception):
    """What an snmp command said. status: the error-status; index: the OID at fault, as the command prints it."""

    def __init__(self, text):
        super().__init__(text)
        # "Reason: (tooBig) Response message would ..." or "Reason: notWritable (That object ...)"
        found = re.search(r"Reason: (?:\((\w+)\)|(\w+))", text)
        self.status = (found[1] or found[2]) if found else None
        failed = re.search(r"Failed object: (\S+)", text)
        self.name = failed[1] if failed else None


class Rig:
    """One snmpd and one vmmigd, each with directories of its own."""
    counts_boots = False  # snmpd then reads what it wrote when it ended, the times that it was started among it

    def __init__(self, directory, processes):
        self.directory, self.processes = directory, processes
        self.port = free_port()
        self.agentx = directory / "agentx"
        self.state = directory / "state"
        self.snmpd = self.vmmigd = None
        self.snmpd_more = ""
        for name in ("snmpd", "client", "state"):
            (directory / name / "persistent").mkdir(parents=True, mode=0o700)
        (directory / "client" / "snmp.conf").write_text(SNMP_CONF)

    def start_snmpd(self):
        conf = self.directory / "snmpd" / "snmpd.conf"
        conf.write_text(SNMPD_CONF.format(port=self.port, agentx=self.agentx, more=self.snmpd_more))
        persistent = self.directory / "snmpd" / "persistent"
        environment = {"SNMP_PERSISTENT_DIR": str(persistent), "SNMPCONFPATH": str(conf.parent), "MIBS": ""}
        files = ["-C", "-c", str(conf)]
        if self.counts_boots:
            environment["SNMPCONFPATH"] += f":{persistent}"
            files = []
        self.snmpd = self.processes.start("snmpd", ["snmpd", "-f", "-Lo", *files], env=environment)
        self.snmpd.wait_log("NET-SNMP version")

    def start_vmmigd(self, *options, before=()):
        command = [*before, str(BUILD / "vmmigd"), "-f", "--config", "/dev/null", "--agentx-socket", f"unix:{self.agentx}",
                   "--state-directory", str(self.state), *options]
        if "--back-end" not in options:
            command += ["--back-end", "memory"]
        self.vmmigd = self.processes.start("vmmigd", command)
        self.vmmigd.wait_log("ready")

    def wait_answer(self, seconds=10):
        """Until vmmigd answers through snmpd."""
        return wait_until(lambda: "vmmigd" in self.run("snmpget", "-Oqv", instance("vmMigDescr", 0), check=False).stdout,
                          seconds, "an answer from vmmigd", step=0.1)

    def run(self, command, *arguments, check=True, timeout=60, mibs=MODULE):
        """A Net-SNMP command; options in front of the peer."""
        options = [each for each in arguments if str(each).startswith("-")]
        rest = [str(each) for each in arguments if not str(each).startswith("-")]
        environment = {**os.environ, **mib_environment(), "MIBS": mibs, "SNMPCONFPATH": str(self.directory / "client"),
                       "SNMP_PERSISTENT_DIR": str(self.directory / "client" / "persistent")}
        result = subprocess.run([command, "-r0", "-t20", *options, f"tcp:127.0.0.1:{self.port}", *rest], env=environment,
                                capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode:
            raise SnmpError(result.stderr + result.stdout)
        return result

    def get(self, *oids):
        """The values, as the commands print them without names and units; exceptions as their text."""
        return self.run("snmpget", "-OqvtenU", *oids).stdout.splitlines()

    def walk(self, root, command="snmpwalk", *options):
        """[(OID, value)] in the order of the answers."""
        lines = self.run(command, "-OnqtexU", "-Cc", *options, root).stdout.splitlines()
        return [tuple(line.split(" ", 1)) for line in lines if line.startswith(".")]

    def set(self, *assignments):
        """set((oid, type, value), ...): one PDU. With no module, so that snmpset itself refuses nothing."""
        return self.run("snmpset", "-On", *(str(part) for each in assignments for part in each), mibs="")

    def set_fails(self, *assignments):
        """(error-status, number of the assignment at fault)."""
        with pytest.raises(SnmpError) as caught:
            self.set(*assignments)
        error = caught.value
        names = [each[0] for each in assignments]
        return error.status, names.index(error.name) + 1 if error.name in names else None

    def make_vm(self, vm, *addresses, name="web1"):
        self.set((instance("vmMigVmName", vm), "s", name), (instance("vmMigVmRowStatus", vm), "i", CREATE_AND_GO))
        if addresses:
            self.set(*((instance("vmMigVmAddressRowStatus", vm, each), "i", CREATE_AND_GO) for each in addresses))


@pytest.fixture
def rig(tmp_path):
    """An empty rig: the test starts what it needs."""
    with Processes(str(tmp_path)) as processes:
        made = Rig(tmp_path, processes)
        yield made
        print(processes.logs())  # pytest shows it when the test fails


@pytest.fixture
def agent(rig):
    """snmpd and vmmigd, connected."""
    rig.start_snmpd()
    rig.start_vmmigd()
    rig.wait_answer()
    return rig


@pytest.fixture
def vm():
    """Another one for each test: many have an agent in common."""
    return uuid.uuid4()


@pytest.fixture
def host(shared, vm):
    """The agent that the tests of a file have in common; it knows one VM with an address of each family."""
    shared.make_vm(vm, V4, V6)
    yield shared
    shared.set((instance("vmMigVmRowStatus", vm), "i", DESTROY))
