# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM that libvirt migrates, with its connections through both firewalls, and all of vmmig, which nobody tells anything.
However it goes, one VM runs in the end, its connections live there, and nothing is left on the other side's firewall."""

import signal
import time

import pytest

pytest_plugins = ["lab.pytest_plugin"]

import lab.libvirt_vm  # noqa: E402, F401 - makes the kind
from lab import stock  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.scene import CUT, DEADLINES  # noqa: E402
from lab.topology import ADDRESSES, MANAGER, SITES, VM_NAME, VM_UUID, Lab  # noqa: E402
from lab.vmmig import VM_INDEX, Vmmig, phase, transfer  # noqa: E402
from lab.workload import Workload  # noqa: E402

OTHER = {"a": "b", "b": "a"}
HOLD_SECONDS, STOP_SECONDS = 5, 4  # how long the host holds the VM, and how long the manager lets it stand
TRANSFER_SECONDS = 8  # after which a device that hears nothing takes everything back: longer than the manager stands still here
MANY, BULK_RATE = 4, 256 << 10  # an emulated processor serves them


class Scene:
    """The lab, all of vmmig, and connections. The VM is wherever the test before has left it: source."""

    def __init__(self, lab):
        self.lab = lab
        lines = {host: [*more, f"hold-deadline = {HOLD_SECONDS * 1000}"] for host, more in lab.vm.lines().items()}
        self.vmmig = Vmmig(lab, "debug", lines=lines, **{**DEADLINES, "stop_deadline": STOP_SECONDS,
                                                            "transfer_deadline": TRANSFER_SECONDS}).start()
        self.workload = Workload(lab, MANY, BULK_RATE)
        self.rows = len(lab.conntrack_rows("a"))
        self.before = None  # what begin() has found

    def phase(self, site):
        """(vmMigPhase, vmMigPhaseHoldStatus)"""
        return phase(self.lab.nms, ADDRESSES[f"host-{site}"])[1:]

    def row(self, site):
        """Of vmMigPhaseTable."""
        return next(row for row in self.vmmig.show(f"host-{site}", "phase") if row["vmMigVmUuid"] == VM_UUID)

    def check(self, site, name):
        rows = self.vmmig.show(f"host-{site}", "check")
        return next(row["vmMigCheckHealth"] for row in rows if row["vmMigCheckName"] == name)

    def begin(self):
        """Everything is ready for a migration, and the manager at rest."""
        self.source = self.lab.vm_site
        self.destination = OTHER[self.source]
        for site in SITES:
            wait_until(lambda site=site: self.check(site, "libvirt") == self.check(site, "vmstateBus") == "up", 10, "agents ready")
        wait_until(lambda: self.check(self.source, "vmstateGate") == "up", 15, "the VM's gate")
        self.before = self.lab.invalid_packets(self.destination)

    # A migration that stands in its hold

    def hold(self, cut=False):
        """The VM stands, and stays so because the manager stands too, or cannot reach the firewall that the VM goes to."""
        self.lab.vm.leave(self.destination)
        firewall = f"fw-{self.destination}"
        staged = ("prepared", self.rows)  # and not those of the migration before
        wait_until(lambda: transfer(self.lab.nms, ADDRESSES[firewall]) == staged, 15, "all rows staged")
        if cut:
            self.lab.ns[firewall].run("nft", "-f", "-", text=CUT.format(manager=MANAGER))
        else:
            self.vmmig.manager.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.phase(self.source) == ("stopped", "held"), 15, "VM held")

    def assert_held(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.lab.vm.is_leaving() and self.phase(self.source) == ("stopped", "held")

    def go_on(self):
        self.vmmig.manager.send_signal(signal.SIGCONT)
        for site in SITES:
            self.lab.ns[f"fw-{site}"].run("nft", "delete", "table", "inet", "cut", check=False)

    def act(self, action):
        stock.set_row(self.lab, f"host-{self.source}", VM_INDEX, vmMigPhaseAction=("i", action))

    def loads(self):
        """How often QEMU has called Load() at the destination."""
        return self.vmmig.agents[f"host-{self.destination}"].process.log().count("QEMU calls Load()")

    # How it ended

    def assert_moved(self):
        assert self.lab.vm.arrive(), self.lab.vm.migration.log()
        assert self.lab.vm_site == self.destination
        self.assert_alone()
        wait_until(self.vmmig.idle, 15, "manager at rest")
        migration = self.vmmig.latest()
        assert migration.state == "moved" and migration.rows == self.rows, migration.text
        assert self.lab.conntrack_rows(self.source) == []
        return migration

    def assert_stayed(self, *told):
        assert not self.lab.vm.arrive(), "the VM has moved"
        assert self.lab.vm_site == self.source
        self.go_on()
        self.assert_alone()
        wait_until(lambda: self.phase(self.destination)[0] == "failed", 10, "the end told at the destination")
        assert len(self.lab.conntrack_rows(self.source)) == self.rows
        wait_until(lambda: self.lab.conntrack_rows(self.destination) == [], TRANSFER_SECONDS + 2,
                   "nothing left at the destination")
        wait_until(self.vmmig.idle, DEADLINES["end_deadline"] + 2, "manager at rest")
        assert self.vmmig.latest().state in (told or ("not moved",)), self.vmmig.latest().text

    def assert_alone(self):
        """One VM runs, and its connections live: each answers, and no byte was wrong."""
        wanted = {f"host-{site}": "running" if site == self.lab.vm_site else "" for site in SITES}
        wait_until(lambda: self.lab.vm.states() == wanted, 10, f"{VM_NAME} where it ought to be: {wanted}")
        self.workload.assert_alive()
        for site in SITES:
            wait_until(lambda site=site: not self.is_blocked(site), TRANSFER_SECONDS + 2, "no traffic blocked")

    def is_blocked(self, site):
        return "elements" in self.lab.ns[f"fw-{site}"].run("nft", "list", "table", "inet", "vmmig", check=False).stdout

    def assert_nothing_dropped(self):
        """By the firewall that the VM has come to. The other may see what peers sent before the path moved."""
        assert self.lab.invalid_packets(self.destination) == self.before


@pytest.fixture(scope="module")
def all_of_it():
    with Lab(vm="libvirt") as network:
        yield Scene(network)


@pytest.fixture
def scene(all_of_it, request):
    request.node.lab = all_of_it.lab
    all_of_it.begin()
    yield all_of_it
    all_of_it.go_on()


@pytest.mark.parametrize("trip", ["there", "back"])
def test_a_migration_loses_no_connection(scene, trip):
    scene.lab.vm.leave(scene.destination)
    migration = scene.assert_moved()
    moments = [migration.marks_ms.get(mark) for mark in ("stop", "lastRead", "commit", "resume")]
    assert None not in moments and moments == sorted(moments), migration.text
    scene.assert_nothing_dropped()


def test_a_slow_transfer_is_waited_for(scene):
    scene.hold()
    scene.assert_held(1)
    scene.go_on()
    scene.assert_moved()
    assert scene.row(scene.destination)["vmMigPhaseTime"] - scene.row(scene.source)["vmMigPhaseTime"] > 1e6  # microseconds
    scene.assert_nothing_dropped()


def test_a_destination_that_cannot_take_the_state_keeps_the_vm_at_the_source(scene):
    scene.hold(cut=True)
    scene.assert_stayed()
    assert "hold was cancelled" in scene.row(scene.source)["vmMigPhaseError"]


def test_a_hold_that_is_cancelled_takes_the_vm_back(scene):
    scene.hold()
    scene.act("cancel")
    scene.assert_stayed()


def test_domjobabort_in_the_hold_takes_the_vm_back_after_the_devices_have_committed(scene):
    scene.hold()
    virsh = scene.lab.vm.libvirtd[f"host-{scene.source}"].virsh_argv("domjobabort", VM_NAME)
    abort = scene.lab.start(f"host-{scene.source}", "domjobabort", *virsh)
    scene.assert_held(1)  # for QEMU hears nobody before the hold is over
    scene.go_on()
    scene.assert_stayed()
    assert abort.wait_end(20) == 0, abort.log()
    assert scene.phase(scene.source)[0] == "cancelled"
    assert "commit" in scene.vmmig.latest().marks_ms, scene.vmmig.latest().text


def test_a_vm_that_the_destination_has_loaded_is_taken_back_as_well(scene):
    """Load() is not the verdict: only a RESUME is, and here it is the source's."""
    before = scene.loads()
    scene.hold()
    libvirtd = scene.lab.vm.libvirtd[f"host-{scene.destination}"]
    with libvirtd.stands_still():  # so that it does not let the VM run
        scene.go_on()
        wait_until(lambda: scene.loads() == before + 1, 10, "Load()")
        libvirtd.kill_domain(VM_NAME)
    scene.assert_stayed()
    assert "commit" in scene.vmmig.latest().marks_ms, scene.vmmig.latest().text
    assert scene.phase(scene.source)[0] == "failed"


def test_vmmigd_killed_in_the_hold_takes_the_vm_back(scene):
    scene.hold()
    agent = scene.vmmig.agents[f"host-{scene.source}"]
    agent.kill()
    assert not scene.lab.vm.arrive()
    agent.start().wait_ready()
    scene.assert_stayed()


def test_the_manager_killed_in_the_hold_leaves_its_end_to_the_deadline(scene):
    scene.hold()
    since = time.monotonic()
    scene.vmmig.manager.kill()
    assert not scene.lab.vm.arrive()
    assert time.monotonic() - since < HOLD_SECONDS + 3
    scene.vmmig.start_manager()
    scene.assert_stayed("interrupted", "not moved")  # the second, where there still was something to take back


def test_a_vm_that_is_let_go_without_its_state_loses_them_all(scene):
    scene.vmmig.manager.stop()
    scene.lab.vm.leave(scene.destination)
    wait_until(lambda: scene.phase(scene.source) == ("stopped", "held"), 15, "VM held")
    scene.act("release")
    assert scene.lab.vm.arrive()
    answer = scene.workload.probe(3)
    assert answer["connections"] > 0 and answer["answered"] == answer["alive"] == 0, answer
    assert scene.lab.invalid_packets(scene.destination) > scene.before
