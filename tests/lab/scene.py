# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that stands still at a step of our choice, so that a test can kill something there.

A step is held as long as a test needs it by cutting the manager off from the device that the next step needs.
"""

import os

from .hypervisor import Hypervisor
from .netns import wait_until
from .stock import introduce_vm
from .switch import BRIDGE, VM_PORT
from .topology import ADDRESSES, CLIENT4, MANAGER, VM4, VM_ADDRESSES
from .vmmig import Vmmig, transfer
from .workload import Workload

TRANSFER_DEADLINE = 3  # seconds after which a device that hears nothing takes everything back
GRACE = 8  # seconds that a busy machine may need beyond a deadline
DEADLINES = {"transfer_deadline": TRANSFER_DEADLINE, "stop_deadline": 2, "resume_deadline": 3, "end_deadline": 6}

GROUP = "239.1.9.9"  # what the VM has joined, where there are switches

STEPS = ("tracked", "frozen", "committed", "released", "resumed")  # and "creating", which needs many rows

CUT = """\
table inet cut {{
    chain input {{
        type filter hook input priority 0
        iifname "mgmt" ip saddr {manager} meta l4proto {{ tcp, udp }} th dport 161 drop
    }}
}}
"""


class Scene:
    """A migration from a to b that is held at a step."""

    def __init__(self, lab, more_rows=0):
        """more_rows: so many that a commit takes its time."""
        self.lab = lab
        lines = {each.name: [each.port_map, f"multicast = {BRIDGE}"] for each in lab.switches.values()}
        for each in lab.switches.values():
            each.snoop()
        self.vmmig = Vmmig(lab, lines=lines, **DEADLINES).start()
        if lab.switches:
            introduce_vm(lab, "sw-a", VM_ADDRESSES, port=VM_PORT)
            self.join("a")
        self.workload = Workload(lab, many=6, bulk_rate=1 << 20)
        fill(lab, more_rows)
        self.hypervisor = Hypervisor(lab, self.vmmig, hold="2s")
        self.waiting = None  # the hook script that is held
        self.gone = False    # the hypervisor was told to go on, and has
        self.rows = len(lab.conntrack_rows("a"))

    def join(self, site):
        """The VM's membership at a site's switch, as its bridge learns it."""
        switch = self.lab.switches[site]
        switch.namespace.run("bridge", "mdb", "add", "dev", BRIDGE, "port", switch.port, "grp", GROUP, "temp")

    def state(self, device):
        return transfer(self.lab.nms, ADDRESSES[device])[0]

    def cut(self, device):
        """The manager's requests do not reach a device any more."""
        self.lab.ns[device].run("nft", "-f", "-", text=CUT.format(manager=MANAGER))

    def heal(self):
        for device in self.lab.devices:
            self.lab.ns[device].run("nft", "delete", "table", "inet", "cut", check=False)

    def reach(self, step):
        self.hypervisor.begin("b")
        if step == "creating":  # ahead of the commit, while the VM runs
            wait_until(lambda: tracked(self.lab, "fw-b"), 10, "first rows created", step=0)
            assert tracked(self.lab, "fw-b") < self.rows
            return
        wait_until(lambda: transfer(self.lab.nms, ADDRESSES["fw-b"])[1] == self.rows, 10, "all rows staged")
        if self.lab.switches:
            wait_until(lambda: self.state("sw-b") == "prepared", 10, "switch prepared")
        if step == "frozen":
            self.cut("fw-b")
            self.waiting = self.hypervisor.begin_stop()
            for source in self.of("a"):
                wait_until(lambda name=source: self.state(name) == "frozen", 2, f"{source} frozen")
        elif step == "committed":
            self.cut("host-a")
            self.waiting = self.hypervisor.begin_stop()
            for destination in self.of("b"):
                wait_until(lambda name=destination: self.state(name) == "committed", 2, f"{destination} committed")
        elif step in ("released", "resumed"):
            assert self.hypervisor.stop()
            self.gone = True
        if step == "resumed":
            self.cut("fw-a")
            self.hypervisor.go_on()
            wait_until(lambda: self.state("fw-b") == "done", GRACE, "destination done")

    def kill(self, what, where, returns=True):
        """And the link that held the step is whole again."""
        if what == "serve":
            self.vmmig.manager.kill()
            if returns:
                self.vmmig.start_manager()
        elif what == "vmmigd":
            self.vmmig.agents[where].kill()
            self.vmmig.agents[where].start()
        else:
            self.lab.snmpd[where].process.kill()
            self.lab.snmpd[where].start()
        self.heal()
        if where:
            self.vmmig.agents[where].wait_ready()

    def finish(self):
        """What the hypervisor does then, by what its hook script is told."""
        if not self.gone:
            self.waiting = self.waiting or self.hypervisor.begin_stop()
            self.gone = self.hypervisor.is_free(self.waiting, 15)
            if not self.gone:
                self.hypervisor.go_back()
        if self.gone and self.lab.vm_site == "a":
            self.hypervisor.go_on()

    def of(self, site):
        """The devices in front of a host."""
        return [name for name in (f"fw-{site}", f"sw-{site}") if name in self.lab.devices]

    def is_blocked(self, device):
        return "elements" in self.lab.ns[device].run("nft", "list", "table", "inet", "vmmig", check=False).stdout

    def assert_unharmed(self):
        for device in [*self.of("a"), *self.of("b")]:
            wait_until(lambda device=device: not self.is_blocked(device), TRANSFER_DEADLINE + GRACE,
                       f"traffic on {device} not blocked")
        wait_until(lambda: self.workload.probe(2)["answered"] == self.workload.connections, 10, "all connections alive")
        assert len(self.lab.conntrack_rows(self.lab.vm_site)) == self.rows
        if self.lab.vm_site == "a":
            wait_until(lambda: self.lab.conntrack_rows("b") == [], TRANSFER_DEADLINE + GRACE, "nothing half-done at the destination")
        if self.lab.switches:
            self.assert_membership()
        answer = self.workload.probe(2)
        assert answer["alive"] == answer["connections"] and answer["verificationErrors"] == 0, answer

    def assert_membership(self):
        """At the VM's switch, and not at the other."""
        here, seconds = self.lab.vm_site, TRANSFER_DEADLINE + GRACE
        wait_until(lambda: GROUP in self.lab.switches[here].members(), seconds, f"the group joined at switch {here}")
        if here == "a":
            wait_until(lambda: GROUP not in self.lab.switches["b"].members(), seconds, "nothing half-done at switch b")
        else:
            # The bridge keeps it for the host, which is at this port too, until it ages out; it is the VM's no more.
            wait_until(lambda: self.vmmig.show("sw-a", "multicast") == [], seconds, "the VM has left switch a")


def fill(lab, rows):
    """Connections of the VM that only firewall a's table knows."""
    path = os.path.join(lab.directory, "rows")
    with open(path, "w") as file:
        file.writelines(f"-A -s {CLIENT4} -d {VM4} -p tcp --sport {1024 + i} --dport 9000 --state ESTABLISHED "
                        "-u SEEN_REPLY,ASSURED -t 600\n" for i in range(rows))
    lab.ns["fw-a"].run("conntrack", "-R", path, timeout=60)


def tracked(lab, device):
    """How many connections a firewall's kernel tracks."""
    return int(lab.ns[device].run("conntrack", "-C").stdout)
