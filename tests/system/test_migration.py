# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM's connections follow it from firewall to firewall, again and again, and nothing stays behind."""

import json
import time

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab import ctnetlink  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.topology import DEVICES, SITES, VM4, VM6  # noqa: E402
from lab.vmmig import FIREWALLS, VM_NAME, Vmmig, transfer  # noqa: E402
from lab.workload import PORT, Workload  # noqa: E402

TRIPS = 20
BE_LIBERAL = 0x08  # IP_CT_TCP_FLAG_BE_LIBERAL
OTHER = {"a": "b", "b": "a"}


@pytest.fixture
def vmmig(lab):
    return Vmmig(lab).start()


def invalid_packets(lab):
    return {site: lab.invalid_packets(site) for site in SITES}


def blocked_elements(lab, device):
    """What the nftables of a firewall block for vmmigd."""
    rules = lab.ns[device].run("nft", "list", "table", "inet", "vmmig").stdout
    return [line for line in rules.splitlines() if "elements" in line]


def wait_over(vmmig, number=1):
    """Until the journal has that many migrations, and the last of them is over."""
    wait_until(lambda: len(vmmig.journal()) >= number and vmmig.idle(), 15, f"migration {number} over")


def test_twenty_trips_lose_no_connection_and_leave_nothing_behind(lab, vmmig):
    workload = Workload(lab, many=40)
    hypervisor = Hypervisor(lab, vmmig)
    memory = {}
    for trip in range(1, TRIPS + 1):
        source, destination = lab.vm_site, OTHER[lab.vm_site]
        invalid = invalid_packets(lab)
        # Every other time the VM stops before the pre-copy has got anywhere.
        copied = lambda: wait_until(lambda: transfer(lab.nms, DEVICES[f"fw-{destination}"])[1] >= workload.connections, 10,
                                    "rows staged")
        assert hypervisor.migrate(destination, copied if trip % 2 else lambda: None), vmmig.latest()
        workload.assert_alive()
        wait_over(vmmig, trip)
        migration = vmmig.latest()
        assert migration.state == "moved" and migration.rows == workload.connections, migration.text
        assert invalid_packets(lab) == invalid
        assert lab.conntrack_rows(source) == []
        assert len(lab.conntrack_rows(destination)) == workload.connections
        assert vmmig.show(f"fw-{source}", "vm") == vmmig.show(f"fw-{source}", "vmaddress") == []
        if trip in (4, TRIPS):
            memory[trip] = {"serve": vmmig.memory_kib(), **{name: agent.memory_kib() for name, agent in vmmig.agents.items()}}
    for device in FIREWALLS:
        assert len(vmmig.show(device, "transfer")) == 1
        assert vmmig.show(device, "device")["vmMigTransfers"] == 0
        assert vmmig.show(device, "image") == []
        assert blocked_elements(lab, device) == []
    grown = {name: memory[TRIPS][name] - memory[4][name] for name in memory[4]}
    assert max(grown.values()) < 1024, grown


@pytest.mark.parametrize("deaf", ["vm", "client"])
def test_acknowledgements_lost_in_the_stop_do_not_kill_a_connection(lab, vmmig, deaf):
    """One end sends again what the other has received already. At the destination this is the first that the kernel sees of the
    connection, and it is answered by an acknowledgement of data that the kernel has not seen."""
    workload = Workload(lab)
    hypervisor = Hypervisor(lab, vmmig)
    hypervisor.begin("b")
    wait_until(lambda: transfer(lab.nms, DEVICES["fw-b"])[1] >= workload.connections, 10, "rows staged")
    lab.ns[deaf].run("nft", "-f", "-", text="table inet deaf {\n chain input {\n  type filter hook input priority 0\n"
                                            "  meta l4proto tcp drop\n }\n}\n")
    time.sleep(0.1)  # what is lost
    waiting = hypervisor.begin_stop()
    lab.ns[deaf].run("nft", "delete", "table", "inet", "deaf")
    assert hypervisor.is_free(waiting)
    hypervisor.go_on()
    workload.assert_alive()
    assert lab.invalid_packets("b") == 0
    # The destination is as strict with them as with any other connection once it has seen both ends.
    wait_until(lambda: not any(row["flagsOriginal"] & BE_LIBERAL or row["flagsReply"] & BE_LIBERAL
                               for row in ctnetlink.rows(lab.ns["fw-b"])), 10, "sequence numbers checked again")


def test_row_by_row_and_chunks_give_the_same_digest(lab, vmmig):
    """Connections at rest, whose rows only a clock changes, go there in chunks and back row by row."""
    lab.traffic("vm", "server", "--listen", f"{VM4}:{PORT}", "--listen", f"[{VM6}]:{PORT}")
    idle = [word for _ in range(25) for address in (f"{VM4}:{PORT}", f"[{VM6}]:{PORT}") for word in ("--idle", address)]
    lab.traffic("client", "client", *idle)
    wait_until(lambda: all(row["state"] == "ESTABLISHED" for row in lab.conntrack_rows("a")), 5, "connections open")
    told = []
    for source, destination, way in (("fw-a", "fw-b", []), ("fw-b", "fw-a", ["--row-by-row"]), ("fw-a", "fw-b", [])):
        answer = vmmig.command("migrate", VM_NAME, "--from", source, "--to", destination, "--now", "--config", vmmig.conf,
                               "--json", *way)
        told.append(json.loads(answer.stdout))
        assert len(lab.conntrack_rows(destination[-1])) == 50 and lab.conntrack_rows(source[-1]) == []
    assert [each["rowByRow"] for each in told] == [False, True, False]
    assert {each["state"] for each in told} == {"moved"} and {each["rows"] for each in told} == {50}
    assert len({each["digest"] for each in told}) == 1 and len(told[0]["digest"]) == 64


@pytest.mark.parametrize("policy", ["require", "bestEffort"])
@pytest.mark.parametrize("lacking, sentence", [
    pytest.param({"sites": ("a",)}, "host-b is not in the inventory", id="host"),
    pytest.param({"vm": ""}, "has no addresses", id="VM"),
])
def test_what_the_inventory_does_not_know_is_refused_and_nothing_is_touched(lab, lacking, sentence, policy):
    vmmig = Vmmig(lab, policy=policy, **lacking).start()
    workload = Workload(lab, many=4)
    before = len(lab.conntrack_rows("a"))
    hypervisor = Hypervisor(lab, vmmig, hold="1s", policy=policy)
    moved = hypervisor.migrate("b")
    vmmig.manager.wait_log(sentence, 5)
    assert moved == (policy == "bestEffort")
    assert len(lab.conntrack_rows("a")) == before and lab.conntrack_rows("b") == []
    assert [vmmig.show(device, "transfer") for device in FIREWALLS] == [[], []]
    assert [blocked_elements(lab, device) for device in FIREWALLS] == [[], []]
    if not moved:
        workload.assert_alive()
