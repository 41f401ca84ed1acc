# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job on real kernel state: a VM moves to a host behind another switch
and another strict firewall, and everything that they had learned about it moves
too: its TCP connections live on, and so do its other services.

First without vmmig, which breaks them all; then there and back with vmmig.
Every number is measured in this run.
"""

import argparse
import contextlib
import functools
import glob
import json
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

from lab import privilege, services  # noqa: E402
from lab.snmpd import MIB_ROOT  # noqa: E402
from lab.topology import DEVICES, Lab  # noqa: E402
from lab.vmmig import Vmmig, program  # noqa: E402
from lab.workload import Workload  # noqa: E402

import trip as trips  # noqa: E402
from facts import service_rows, summary, verdict  # noqa: E402
from kinds import KINDS  # noqa: E402
from watch import timeline  # noqa: E402
from screen import BOLD, DIM, GREEN, RED, Screen, pad, table  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, metavar="N",
                        help="that many more connections (100; 20 with a real VM)")
    parser.add_argument("--json", action="store_true", help="close with one JSON object on the last line of standard output")
    parser.add_argument("--keep", action="store_true", help="leave the network up at the end, until Ctrl-C, to look around")
    parser.add_argument("--quick", action="store_true", help="do not dwell for people")
    parser.add_argument("--vm", choices=["namespace", "qemu"], default="namespace",
                        help="what the VM is: a network namespace that plays one (default), or a Linux that QEMU runs and "
                             "live-migrates, and that alone triggers vmmig")
    arguments = parser.parse_args()
    if arguments.connections is None:
        arguments.connections = KINDS[arguments.vm].connections
    if not 0 <= arguments.connections <= 50000:
        parser.error("--connections must be 0 to 50000")
    return arguments


QUESTION = "A VM moves behind another switch and firewall. Do its services live on?"
PICTURE = """\
  client --+-- firewall a -- switch a -- host a (VM)
           +-- firewall b -- switch b -- host b

  {connections} TCP connections: bulk, slow, and idle as a shell over SSH is;
  IPv4 and IPv6; {translated} through SNAT. A UDP flow through SNAT, and a multicast
  stream. The firewalls permit who has authenticated (dynamic ACL), what the
  VM's own chain says (static policy), and 5 half-open connections. The
  switches drop what comes from an address that was not leased (DHCP
  snooping), and forward multicasts to members only."""


class Failed(Exception):
    """A step of the demo failed; the text says which, and why."""


class Demo:
    """The story in its four steps. Each step leaves what it measured."""

    def __init__(self, arguments, screen):
        self.arguments, self.screen = arguments, screen
        self.kind = KINDS[arguments.vm]
        self.dwell = 0.3 if arguments.quick else 1.5  # seconds for people to watch in
        self.number, self.lab, self.vmmig = 0, None, None

    @contextlib.contextmanager
    def step(self, title):
        """One numbered step: its result is a list of lines that replaces what was drawn; a failure says its name."""
        self.number += 1
        head = self.screen.paint(f"{self.number}  {pad(title, 16)}", BOLD)
        self.screen.draw([head + self.screen.paint("...", DIM)])
        result = []
        try:
            yield head, result
        except (privilege.LabError, OSError, StopIteration) as error:
            raise Failed(f"step {self.number} ({title}) failed: {error}") from error
        self.screen.say(head + result[0])
        for line in result[1:]:
            self.screen.say(f"   {line}")

    def run(self):
        self.screen.say(self.screen.paint(QUESTION, BOLD))
        control = self.control()
        self.screen.draw([self.screen.paint(f"   {self.kind.building}", DIM)])
        with self.network():
            floor, tour = self.tour()
            self.close(control, tour, floor)
            facts = summary(control, tour) | self.kind.facts(control, tour, floor)
            if verdict(facts):
                self.keep_logs()
            if self.arguments.keep:
                self.keep()
        return facts

    @contextlib.contextmanager
    def network(self):
        """A lab of its own, whose logs outlive it when something in it fails."""
        with Lab(switches=True, vm=self.arguments.vm) as self.lab:
            try:
                yield
            except BaseException as error:
                if not isinstance(error, KeyboardInterrupt):
                    self.keep_logs()
                raise

    # The steps

    def control(self):
        """The negative control, in a network of its own. The devices' agents run, for the switches' source guard is theirs; the
        manager does not."""
        with self.step("without vmmig") as (head, result):
            self.screen.draw([head + self.screen.paint(self.kind.building, DIM)])
            return self.control_trip(head, result)

    def control_trip(self, head, result):
        with self.network():
            Vmmig(self.lab, lines=services.lines(self.lab)).start_agents()
            running, workload = self.applications()
            self.screen.say("\n" + PICTURE.format(connections=workload.connections, translated=workload.translated) + "\n")
            self.screen.draw([head + "the VM moves a to b; does anything answer there?"])
            trip = trips.without_vmmig(self.lab, workload, running, 2 if self.arguments.quick else 3)
            dead = trip.connections - trip.alive
            died = self.screen.paint(f"{dead} of {trip.connections} connections died", RED)
            result += [f"a to b: {died};", f"firewall b dropped {trip.invalid} of their packets as invalid"]
        return trip

    def tour(self):
        """There and back with vmmig: the lab's own floor, and both trips."""
        with self.step("start vmmig") as (_, result):
            started = time.monotonic()
            self.vmmig = Vmmig(self.lab, lines=services.lines(self.lab) | self.kind.lines(self.lab)).start()
            result.append(f"6 snmpd (SNMPv3 authPriv), 6 vmmigd, vmmig serve: {time.monotonic() - started:.1f} s")
            running, workload = self.applications()
        return self.kind.floor(self, workload), [self.trip(workload, running) for _ in range(2)]

    def applications(self):
        return services.Services(self.lab), Workload(self.lab, self.arguments.connections, self.kind.bulk_rate)

    def trip(self, workload, running):
        source, destination = self.lab.vm_site, trips.OTHER[self.lab.vm_site]
        with self.step(f"vmmig, {source} to {destination}") as (head, result):
            watch = self.kind.watch(self, head, source, destination)
            carry = functools.partial(self.kind.carry, self, watch)
            trip = trips.with_vmmig(self.lab, self.vmmig, carry, workload, running, watch, self.dwell)
            alive = f"{trip.alive} of {trip.connections} connections live"
            result.append(f"{self.screen.paint(alive, GREEN if trip.survived else RED)}; "
                          f"{trip.rows} rows moved, {trip.left} left behind")
            result.append(timeline(trip.marks))
        return trip

    # The end

    def close(self, control, tour, floor):
        there, back = tour
        rows = [["TCP connections alive", *(f"{t.alive} of {t.connections}" for t in (control, there, back))],
                ["packets dropped as invalid", *(str(t.invalid) for t in (control, there, back))],
                ["rows moved", "0", *(str(t.rows) for t in tour)],
                ["added blackout (stop to release)", "-", *(f"{t.blackout:.0f} ms" for t in tour)],
                ["longest silence of an application", "for good", *(f"{t.silence} ms" for t in tour)],
                self.kind.floor_row(control, tour, floor),
                *service_rows(control.found, there.found, back.found)]
        head, *lines = table(["", "without", "a to b", "b to a"], rows)
        self.screen.say("\n".join(["", self.screen.paint(head, BOLD), *lines, ""]))

    def keep(self):
        """Leave everything as it is, for somebody who wants to look around."""
        names = {name: namespace.full for name, namespace in self.lab.ns.items()}
        # Without root the names are only known inside this program's own namespaces.
        inside = "" if os.environ.get(privilege.MARK) is None else f"nsenter --preserve-credentials -t {os.getpid()} -U -m -n "
        manager = f"  {inside}ip netns exec {names['mgr']} env {self.lab.manager.shell()}"
        self.screen.say("\n".join([
            "The network stays up until Ctrl-C. To look around in it:",
            f"  {inside}ip netns exec {names['fw-a']} conntrack -L",
            f"{manager} {program('vmmig')} show tcp:{DEVICES['fw-a']} tcpconn",
            f"{manager} {program('vmmig')} journal --config {self.vmmig.conf}",
            f"{manager} snmpwalk tcp:{DEVICES['fw-a']} {MIB_ROOT}"]))
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()

    def keep_logs(self):
        directory = tempfile.mkdtemp(prefix="vmmig-demo-")
        for log in glob.glob(os.path.join(self.lab.directory, "*.log")):
            shutil.copy(log, directory)
        self.screen.say(f"The logs of all programs are in {directory}.")


def main():
    arguments = parse_arguments()
    screen = Screen(sys.stderr if arguments.json else sys.stdout)
    try:
        privilege.enter()
        with privilege.Signals():
            facts = Demo(arguments, screen).run()
    except (Failed, privilege.LabError) as error:
        screen.say(screen.paint(f"The demo could not run to its end: {error}", RED))
        if arguments.json:
            print(json.dumps({"survived": False, "error": str(error)}), flush=True)
        return 1
    except KeyboardInterrupt:
        screen.say("Interrupted. Nothing of the demo is left.")
        return 130
    faults = verdict(facts)
    for fault in faults:
        screen.say(screen.paint(f"FAILED: {fault}.", RED))
    if not faults:
        screen.say(screen.paint("Every connection and every service followed the VM there and back;\n"
                                "without vmmig all of them broke.", GREEN))
    if arguments.json:
        print(json.dumps(facts), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
