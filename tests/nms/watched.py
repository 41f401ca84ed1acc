# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration under way for an NMS to watch: the lab with a namespace nms, vmmigd on every device, `vmmig serve`, real connections.

It stands still where a test wants it to: as long as the manager is cut off from the device that the next step needs.
"""

import contextlib
import functools
import json
import os
import re
import sys

from lab.hypervisor import Hypervisor
from lab.netns import wait_until
from lab.scene import CUT
from lab.snmpd import NMS_ENGINE_ID, USERS
from lab.topology import ADDRESSES, MANAGER, Lab
from lab.vmmig import Vmmig, phase, transfer
from lab.workload import Workload

LONG = 90  # seconds: nothing ends by its deadline while an NMS looks, however slow the machine is
OTHER = {"a": "b", "b": "a"}
PATIENCE = 60  # seconds until an NMS must show what is so
# They go on between two readings: how much of their units, at most.
MOVING = {"vmMigClock": PATIENCE * 1_000_000, "vmMigPhaseHoldDeadline": PATIENCE * 1000, "vmMigTransferDeadline": PATIENCE}


class Site:
    """Answers of .peer are those of an SNMP implementation that none of our programs has."""

    def __init__(self, lab):
        self.lab = lab
        self.vmmig = Vmmig(lab, transfer_deadline=LONG, stop_deadline=LONG)
        self.vmmig.start_agents()
        self.start_manager()
        self.workload = Workload(lab, many=4)
        self.hypervisor = Hypervisor(lab, self.vmmig, hold=f"{LONG}s")
        program = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab", "pysnmp_peer.py")
        self.peer = lab.start("nms", "pysnmp", sys.executable, program, "nms", *USERS["nms"], pipes=True)
        self.destination = None

    def get(self, device, names):
        """{OID: value}, by an independent SNMP implementation."""
        self.peer.popen.stdin.write(json.dumps([ADDRESSES[device], names]) + "\n")
        self.peer.popen.stdin.flush()
        answer = self.peer.popen.stdout.readline()
        assert answer, self.peer.log()
        return json.loads(answer)

    def start_manager(self, transfer_deadline=LONG):
        """It has patience with a device that it is cut off from; transfer_deadline: how much the devices have with it."""
        with open(self.vmmig.conf) as file:
            text = file.read()
        with open(self.vmmig.conf, "w") as file:
            file.write(re.sub(r"(transfer-deadline = )\d+", rf"\g<1>{transfer_deadline}", text))
        self.vmmig.start_manager("-t", str(LONG))

    def fail(self):
        """A migration whose manager dies: the devices end it by its deadline, and tell that; the VM stays where it was."""
        self.vmmig.manager.stop()
        self.start_manager(transfer_deadline=2)
        self.begin()
        self.vmmig.manager.kill()
        source = self.lab.vm_site
        wait_until(lambda: self.transfer(source)[0] == self.transfer(self.destination)[0] == "expired", LONG, "both expired")
        self.hypervisor.go_back()
        self.start_manager()
        wait_until(self.vmmig.idle, LONG, "the migration over")

    # The migration, step by step

    def begin(self):
        """The pre-copy: both firewalls are claimed, and every row is at the destination."""
        self.destination = OTHER[self.lab.vm_site]
        self.hypervisor.begin(self.destination)
        wait_until(lambda: self.transfer(self.lab.vm_site)[0] == "tracking" and self.transfer(self.destination)[0] == "prepared"
                   and self.transfer(self.destination)[1] >= self.workload.connections, 30, "rows staged")

    @contextlib.contextmanager
    def held(self):
        """The VM is stopped and held, its source frozen, and nothing goes on until the block ends."""
        source, device = self.lab.vm_site, self.lab.ns[f"fw-{self.destination}"]
        device.run("nft", "-f", "-", text=CUT.format(manager=MANAGER))
        waiting = self.hypervisor.begin_stop()
        try:
            wait_until(lambda: self.transfer(source)[0] == "frozen", 30, "the source frozen")
            yield
        except BaseException:
            self._go_on(device, waiting)
            self.finish()  # the tests behind this one find everything at rest
            raise
        self._go_on(device, waiting)

    def _go_on(self, device, waiting):
        device.run("nft", "delete", "table", "inet", "cut")
        assert self.hypervisor.is_free(waiting, LONG)

    def finish(self):
        """The VM runs at the destination, and both transfers are over."""
        source = self.lab.vm_site
        self.hypervisor.go_on()
        wait_until(lambda: self.transfer(self.destination)[0] == "done" and self.transfer(source)[0] == "released", 30, "both over")
        wait_until(self.vmmig.idle, 30, "the migration over")
        assert self.vmmig.latest().state == "moved", self.vmmig.latest().text

    def migrate(self):
        """All of it, with nobody in its way."""
        self.begin()
        assert self.hypervisor.stop()
        self.finish()

    def transfer(self, site):
        """(state, rows)"""
        return transfer(self.lab.nms, ADDRESSES[f"fw-{site}"])

    def phase(self, site):
        return phase(self.lab.nms, ADDRESSES[f"host-{site}"])


def handled_by(conf, enqueue, *handlers):
    """The lines of the pack's snmptrapd-vmmig.conf with each notification for all these handlers, and the lab's passphrases."""
    auth, priv = USERS["nms"]
    text = conf.replace("#createUser", "createUser").replace("#exactEngineID", "exactEngineID")
    text = text.replace("AUTHENTICATION-PASSPHRASE", auth).replace("PRIVACY-PASSPHRASE", priv)
    lines = []
    for line in text.splitlines():
        before, queue, _ = line.partition("/usr/local/sbin/vmmig-enqueue")
        lines += [f"{before}{enqueue} {handler}" for handler in handlers] if queue else [line]
    return "\n".join(lines) + "\n"


def start_receiver(lab, directory, conf, **environment):
    """snmptrapd in the NMS's namespace."""
    return receiver(functools.partial(lab.processes.start, namespace=lab.ns["nms"]), directory, conf, "udp:162", **environment)


def receiver(start, directory, conf, address, **environment):
    """snmptrapd with a file of its own. start: procs.Processes.start, or in a namespace."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    assert NMS_ENGINE_ID in conf
    path = os.path.join(directory, "snmptrapd.conf")
    with open(path, "w") as file:
        file.write(conf)
    environment = {"SNMP_PERSISTENT_DIR": directory, "SNMPCONFPATH": directory, "MIBS": "",
                   "VMMIG_TRAP_QUEUE": os.path.join(directory, "queue"), **environment}
    started = start("snmptrapd", ["snmptrapd", "-f", "-Lo", "-C", "-c", path, address], env=environment)
    started.wait_log("NET-SNMP version", 30)
    return started


@contextlib.contextmanager
def watched_site():
    with Lab(watched=True) as lab:
        try:
            yield Site(lab)
        finally:
            print(lab.processes.logs())
