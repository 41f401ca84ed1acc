# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs in the demo between a VM that a namespace plays and a real one."""

import statistics

from lab.hypervisor import Hypervisor

import trip as trips
from screen import DIM
from watch import Watch


class Played:
    """A namespace plays the VM, and hook scripts tell its phases."""

    building = "building the network ..."
    connections, bulk_rate = 100, 4 << 20

    @staticmethod
    def lines(lab):
        """More of vmmigd.conf, by host."""
        return {}

    @staticmethod
    def watch(demo, head, source, destination):
        return Watch(demo.screen, demo.lab, head, source, destination)

    @staticmethod
    def carry(demo, watch, destination):
        """The VM goes there, if it is let."""
        hypervisor = Hypervisor(demo.lab, demo.vmmig, told=watch.told)
        hypervisor.migrate(destination, meanwhile=lambda: watch(demo.dwell))

    @staticmethod
    def floor(demo, workload):
        """The silence that the lab's move costs by itself, in ms."""
        demo.screen.draw([demo.screen.paint("   measuring what the lab's move costs by itself ...", DIM)])
        return statistics.median(trips.floor_ms(demo.lab, workload) for _ in range(1 if demo.arguments.quick else 3))

    @staticmethod
    def floor_row(_, tour, floor):
        return ["  with the lab's move alone", "", *[f"{floor:.0f} ms" for _ in tour]]

    @staticmethod
    def facts(_, tour, floor):
        return {"floorSilenceMs": round(floor)}


class Real:
    """QEMU runs the VM, and vmmigd follows QEMU: nobody tells vmmig anything."""

    building = "building the network, and booting Linux in QEMU ..."
    connections, bulk_rate = 20, 256 << 10  # what an emulated processor is good for

    @staticmethod
    def lines(lab):
        return lab.vm.lines()

    @staticmethod
    def watch(demo, head, source, destination):
        return Watch(demo.screen, demo.lab, head, source, destination, asks_hosts=True)

    @staticmethod
    def carry(demo, watch, destination):
        vm = demo.lab.vm
        if not demo.arguments.quick:
            vm.bandwidth = 24 << 20  # so that people see the memory being copied
        vm.leave(destination)
        while vm.is_leaving():
            watch(0)
        vm.arrive()

    @staticmethod
    def floor(demo, workload):
        """None: QEMU tells its downtime with each migration."""

    @staticmethod
    def floor_row(control, tour, _):
        return ["  QEMU's downtime, in it the hold", *(f"{trip.downtime} ms" for trip in (control, *tour))]

    @staticmethod
    def facts(control, tour, _):
        return {"downtimeMs": max(trip.downtime for trip in tour), "downtimeWithoutMs": control.downtime}


KINDS = {"namespace": Played, "qemu": Real}
