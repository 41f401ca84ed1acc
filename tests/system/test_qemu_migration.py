# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM, live-migrated by QEMU again and again. vmmigd follows QEMU's monitors, and nobody tells vmmig anything."""

import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.netns import wait_until  # noqa: E402
from lab.topology import SITES, Lab  # noqa: E402
from lab.vmmig import Vmmig  # noqa: E402
from lab.workload import Workload  # noqa: E402

TRIPS = 10
OTHER = {"a": "b", "b": "a"}
MANY, BULK_RATE = 6, 256 << 10  # an emulated processor serves them


@pytest.fixture
def lab(request):
    with Lab(vm="qemu") as network:
        request.node.lab = network
        yield network


def invalid_packets(lab):
    return {site: lab.invalid_packets(site) for site in SITES}


def test_ten_migrations_in_a_row_lose_no_connection(lab):
    vmmig = Vmmig(lab, lines=lab.vm.lines()).start()
    workload = Workload(lab, MANY, BULK_RATE)
    for trip in range(1, TRIPS + 1):
        source, destination = lab.vm_site, OTHER[lab.vm_site]
        before = invalid_packets(lab)
        assert lab.migrate(destination), vmmig.latest().text
        workload.assert_alive()
        wait_until(lambda: len(vmmig.journal()) >= trip and vmmig.idle(), 15, f"migration {trip} over")
        migration = vmmig.latest()
        assert migration.state == "moved" and migration.rows == workload.connections, migration.text
        moments = [migration.marks_ms.get(mark) for mark in ("stop", "lastRead", "commit", "resume")]
        assert None not in moments and moments == sorted(moments), migration.text
        assert invalid_packets(lab) == before
        assert lab.conntrack_rows(source) == []
    assert len(vmmig.journal()) == TRIPS


def test_without_vmmig_they_die(lab):
    workload = Workload(lab, MANY, BULK_RATE)
    assert lab.migrate("b")
    answer = workload.probe(3)
    assert answer["connections"] > 0 and answer["answered"] == answer["alive"] == 0, answer
    assert lab.invalid_packets("b") > 0
