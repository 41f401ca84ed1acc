# SPDX-License-Identifier: GPL-2.0-or-later
"""One stock snmpd per device, SNMPv3 authPriv only, with the settings that bulk transfer needs; and the client's snmp.conf.

Three users: the manager may write vmmig's MIB alone, an NMS may only read, and INFORMs go out as a third.
"""

import os
import shlex

from .netns import run

MIB_ROOT = "1.3.6.1.4.1.32473"
# What the manager reads besides: the system, interfaces (IF-MIB), BRIDGE-MIB and Q-BRIDGE-MIB, LLDP-MIB.
STANDARD = ("1.3.6.1.2.1.1", "1.3.6.1.2.1.2", "1.3.6.1.2.1.31", "1.3.6.1.2.1.17", "1.0.8802.1.1.2")
USERS = {  # user: (authentication passphrase, privacy passphrase); for the lab only, hence public
    "vmmig": ("manager-authentication", "manager-privacy"),
    "nms": ("nms-authentication", "nms-privacy"),
    "vmmig-inform": ("inform-authentication", "inform-privacy"),
}
MANAGER_ENGINE_ID = "0x80007ed904766d6d69672d6d6772"  # enterprise 32473, text "vmmig-mgr"
NMS_ENGINE_ID = "0x80007ed904766d6d69672d6e6d73"  # text "vmmig-nms", as the pack snmptrapd proposes
INFORM_PORT = 162
NMS_SECONDS = 4  # without an acknowledgement from the NMS, an INFORM is sent again, once

SNMPD_CONF = """\
# Written by tests/lab/snmpd.py.
exactEngineID {engine_id}
agentaddress {listen}
[snmp] serverRecvBuf 4194304
[snmp] serverSendBuf 4194304
maxGetbulkResponses 300

# Who may do what: no v1 or v2c community exists.
{users}
view vmmigView included .{mib}
view readView included .{mib}
{standard}
group managers usm vmmig
group readers usm nms
access managers "" usm authPriv exact readView vmmigView readView
access readers "" usm authPriv exact readView none none

# vmmigd. A SET must run once: a busy subagent is waited for, and never asked again.
master agentx
agentXSocket unix:{agentx}
agentXTimeout 30
agentXRetries 0

sysName {name}
sysLocation lab
sysContact lab
dontLogTCPWrappersConnects yes
{inform}
"""

# -e: with the engine ID known, a silent manager does not stall snmpd in a probe for it.
INFORM = ("trapsess -Ci -v3 -e {engine_id} -u {user} -l authPriv -a SHA-256 -A {auth} -x AES -X {priv} {tries} "
          "{address}:{port}\n")

SNMP_CONF = """\
# Written by tests/lab/snmpd.py: what the client's commands need, so that no passphrase is in a command line.
defVersion 3
defSecurityName {user}
defSecurityLevel authPriv
defAuthType SHA-256
defAuthPassphrase {auth}
defPrivType AES
defPrivPassphrase {priv}
"""

TRAPD_CONF = """\
# Written by tests/lab/snmpd.py: what a receiver of the INFORMs needs (snmptrapd reads it).
exactEngineID {engine_id}
createUser {user} SHA-256 {auth} AES {priv}
authUser log {user} priv
disableAuthorization no
"""


def _write_secret(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def engine_id(name):
    return "0x80007ed904" + ("vmmig-" + name).encode().hex()


def _inform(engine, user, address, tries):
    """A line that has every notification sent there; nothing without an address."""
    auth, priv = USERS[user]
    return INFORM.format(engine_id=engine, user=user, auth=auth, priv=priv, address=address, port=INFORM_PORT,
                         tries=tries) if address else ""


class Snmpd:
    """An snmpd in a namespace. A subagent connects to .agentx; managers to .address, UDP and TCP port 161."""

    def __init__(self, processes, namespace, address, directory, manager=None, nms=None):
        """manager, nms: addresses that notifications are sent to."""
        self.processes, self.namespace, self.address = processes, namespace, address
        self.directory = os.path.join(directory, f"snmpd-{namespace.name}")
        self.agentx = os.path.join(self.directory, "agentx.sock")
        self.engine_id = engine_id(namespace.name)
        self.process = None
        os.makedirs(os.path.join(self.directory, "persistent"), mode=0o700)
        self._write_conf(_inform(MANAGER_ENGINE_ID, "vmmig-inform", manager, "-r 3 -t 1")
                         + _inform(NMS_ENGINE_ID, "nms", nms, f"-r 1 -t {NMS_SECONDS}"))

    def _write_conf(self, inform):
        users = "\n".join(f"createUser {user} SHA-256 {USERS[user][0]} AES {USERS[user][1]}" for user in ("vmmig", "nms"))
        _write_secret(os.path.join(self.directory, "snmpd.conf"), SNMPD_CONF.format(
            engine_id=self.engine_id, listen=f"udp:{self.address}:161,tcp:{self.address}:161", users=users, mib=MIB_ROOT,
            standard="\n".join(f"view readView included .{each}" for each in STANDARD), agentx=self.agentx, name=self.namespace.name, inform=inform))

    def start(self):
        """Start it, without waiting; wait_ready() does that, so that several start at once."""
        command = ["snmpd", "-f", "-Lo", "-C", "-c", os.path.join(self.directory, "snmpd.conf")]
        self.process = self.processes.start(f"snmpd-{self.namespace.name}", command, self.namespace,
                                            env={"SNMP_PERSISTENT_DIR": os.path.join(self.directory, "persistent"),
                                                 "SNMPCONFPATH": self.directory, "MIBS": ""})
        return self

    def wait_ready(self):
        self.process.wait_log(r"NET-SNMP version")
        return self

    def stop(self):
        self.process.stop()

    def restart(self):
        self.stop()
        return self.start().wait_ready()


class Client:
    """Net-SNMP commands, or vmmig, as one user: .env leads them to the user's snmp.conf."""

    def __init__(self, namespace, user, directory):
        self.namespace = namespace
        self.directory = os.path.join(directory, f"client-{user}")
        os.makedirs(os.path.join(self.directory, "persistent"), mode=0o700)
        auth, priv = USERS[user]
        _write_secret(os.path.join(self.directory, "snmp.conf"), SNMP_CONF.format(user=user, auth=auth, priv=priv))
        auth, priv = USERS["vmmig-inform"]
        _write_secret(os.path.join(self.directory, "snmptrapd.conf"), TRAPD_CONF.format(
            engine_id=MANAGER_ENGINE_ID, user="vmmig-inform", auth=auth, priv=priv))
        self.env = {"SNMPCONFPATH": self.directory, "SNMP_PERSISTENT_DIR": os.path.join(self.directory, "persistent"),
                    "MIBS": ""}

    def command(self, *argv, check=True, timeout=20):
        """Run for example ("snmpget", "tcp:10.9.0.11", "1.3.6.1.2.1.1.5.0"); returns the CompletedProcess."""
        return run(self.namespace.argv(argv), check=check, timeout=timeout, env={**os.environ, **self.env})

    def get(self, address, oid, transport="udp"):
        """The value of one object."""
        return self.command("snmpget", "-Oqv", f"{transport}:{address}", oid).stdout.strip()

    def shell(self):
        """What to type in a terminal to work as this user, for the demo's hints."""
        return " ".join(f"{key}={shlex.quote(value)}" for key, value in self.env.items())
