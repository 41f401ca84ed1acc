# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job on real kernel state: a VM moves to a host behind another switch and another strict firewall, and everything that
they had learned about it moves too: its TCP connections live on, and so do its other services.

First without vmmig, which breaks them all; then there and back with vmmig. Every number is measured in this run.
"""

import argparse
import contextlib
import dataclasses
import glob
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

from lab import privilege, services  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.snmpd import MIB_ROOT  # noqa: E402
from lab.topology import DEVICES, Lab  # noqa: E402
from lab.vmmig import Vmmig, program  # noqa: E402
from lab.workload import Workload  # noqa: E402

import trip as trips  # noqa: E402
from watch import Watch, timeline  # noqa: E402
from screen import BOLD, DIM, GREEN, RED, Screen, pad, table  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100, metavar="N", help="that many more connections (%(default)s)")
    parser.add_argument("--json", action="store_true", help="close with one JSON object on the last line of standard output")
    parser.add_argument("--keep", action="store_true", help="leave the network up at the end, until Ctrl-C, to look around")
    parser.add_argument("--quick", action="store_true", help="do not dwell for people")
    arguments = parser.parse_args()
    if not 0 <= arguments.connections <= 50000:
        parser.error("--connections must be 0 to 50000")
    return arguments


QUESTION = "A VM moves to a host behind another switch and firewall. Do its services live on?"
PICTURE = """\
  client --+-- firewall a -- switch a -- host a (VM)     {connections} TCP connections: bulk, slow, idle;
           +-- firewall b -- switch b -- host b          IPv4 and IPv6; {translated} through SNAT

  The firewalls permit who has authenticated (dynamic ACL), what the VM's own chain says (static policy), and 5 half-open
  connections. The switches drop what comes from an address that was not leased (DHCP snooping), and forward multicasts to
  members only."""


# A stream that was silent for longer was not only stopped with the VM.
BROKEN_MS = 2000


class Failed(Exception):
    """A step of the demo failed; the text says which, and why."""


class Demo:
    """The story in its four steps. Each step leaves what it measured."""

    def __init__(self, arguments, screen):
        self.arguments, self.screen = arguments, screen
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
        with self.network():
            floor, tour = self.tour()
            self.close(control, tour, floor)
            facts = summary(control, tour, floor)
            if verdict(facts):
                self.keep_logs()
            if self.arguments.keep:
                self.keep()
        return facts

    @contextlib.contextmanager
    def network(self):
        """A lab of its own, whose logs outlive it when something in it fails."""
        with Lab(switches=True) as self.lab:
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
        with self.step("without vmmig") as (head, result), self.network():
            Vmmig(self.lab, lines=services.lines(self.lab)).start_agents()
            running = services.Services(self.lab)
            workload = Workload(self.lab, self.arguments.connections)
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
            self.vmmig = Vmmig(self.lab, lines=services.lines(self.lab)).start()
            result.append(f"6 snmpd (SNMPv3 authPriv), 6 vmmigd, vmmig serve: {time.monotonic() - started:.1f} s")
            running = services.Services(self.lab)
            workload = Workload(self.lab, self.arguments.connections)
        self.screen.draw([self.screen.paint("   measuring what the lab's move costs by itself ...", DIM)])
        floor = statistics.median(trips.floor_ms(self.lab, workload) for _ in range(1 if self.arguments.quick else 3))
        return floor, [self.trip(workload, running) for _ in range(2)]

    def trip(self, workload, running):
        source, destination = self.lab.vm_site, trips.OTHER[self.lab.vm_site]
        with self.step(f"vmmig, {source} to {destination}") as (head, result):
            watch = Watch(self.screen, self.lab, head, source, destination)
            hypervisor = Hypervisor(self.lab, self.vmmig, told=watch.told)
            trip = trips.with_vmmig(self.lab, self.vmmig, hypervisor, workload, running, watch, self.dwell)
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
                ["  with the lab's move alone", "", *2 * [f"{floor:.0f} ms"]],
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


PASSES = {True: "passes", False: "dropped"}


def service_rows(control, *tour):
    """One row a service of Found: what became of it without vmmig, and on each trip."""
    def row(name, tell, without=None):
        return [name, without or tell(control), *map(tell, tour)]
    return [row("authenticated VM (dynamic ACL)", lambda found: PASSES[found.authenticated]),
            row("VM's own chain (static policy)", lambda found: PASSES[found.policed]),
            row("QoS of the VM's port", lambda found: "there" if found.shaped else "missing"),
            row("more half-open connections allowed", lambda found: str(found.more_half_open)),
            row("DHCP binding: the VM at its port", lambda found: PASSES[found.leased]),
            row("  an address that is not its own", lambda found: PASSES[found.spoofed]),
            row("silence of a UDP flow from outside", lambda found: f"{found.flow_silence} ms", "for good"),
            row("silence of a multicast stream", lambda found: f"{found.multicast_silence} ms", "until the next query")]


def service_faults(control, *tour):
    """The sentences that say which service did not follow, or lived without vmmig."""
    allowed = [services.THRESHOLD - services.OPEN, 0]  # on the second trip the first one's are open as well
    broken = [(not found.authenticated, "the dynamic ACL") for found in tour]
    broken += [(not found.policed, "the static policy") for found in tour]
    broken += [(not found.shaped, "the QoS") for found in tour]
    broken += [(found.more_half_open != more, "the half-open connections") for found, more in zip(tour, allowed)]
    broken += [(not found.leased or found.spoofed, "the DHCP binding") for found in tour]
    broken += [(found.flow_silence > BROKEN_MS, "the UDP flow") for found in tour]
    broken += [(found.multicast_silence > BROKEN_MS, "the multicast membership") for found in tour]
    lived = [(control.authenticated, "the dynamic ACL"), (control.policed, "the static policy"),
             (control.shaped, "the QoS"),
             (control.more_half_open != services.THRESHOLD, "the half-open connections"), (control.leased, "the DHCP binding"),
             (control.flow_silence < BROKEN_MS, "the UDP flow"),
             (control.multicast_silence < BROKEN_MS, "the multicast membership")]
    return [f"{what} did not follow the VM" for fault, what in broken if fault] + \
           [f"{what} was well without vmmig: the control proves nothing" for fault, what in lived if fault]


def summary(control, tour, floor):
    """The facts for a script."""
    return {
        "survived": all(trip.survived for trip in tour),
        "controlDied": control.alive == 0 and control.invalid > 0,
        "connections": tour[0].connections,
        "invalidPackets": sum(trip.invalid for trip in tour),
        "rowsMoved": sum(trip.rows for trip in tour),
        "addedBlackoutMs": round(max(trip.blackout for trip in tour), 1),
        "longestSilenceMs": max(trip.silence for trip in tour),
        "floorSilenceMs": round(floor),
        "stopBeforeRead": all(trip.before("stop", "lastRead") for trip in tour),
        "readBeforeCommit": all(trip.before("lastRead", "commit") for trip in tour),
        "commitBeforeResume": all(trip.before("commit", "resume") for trip in tour),
        "services": {name: dataclasses.asdict(trip.found) for name, trip in zip(("without", "there", "back"), (control, *tour))},
        "serviceFaults": service_faults(*(trip.found for trip in (control, *tour))),
    }


def verdict(facts):
    """The sentences that say why the demo did not succeed; none when it did."""
    return facts["serviceFaults"] + [sentence for is_fault, sentence in (
        (not facts["survived"], "connections died although vmmig moved their rows"),
        (not facts["controlDied"], "connections survived without vmmig: the control proves nothing"),
        (facts["invalidPackets"] > 0, f"firewalls dropped {facts['invalidPackets']} packets as invalid after the move"),
        (not facts["stopBeforeRead"], "the journal does not show the stop before the last read"),
        (not facts["readBeforeCommit"], "the journal does not show the last read before the commit"),
        (not facts["commitBeforeResume"], "the journal does not show the commit before the resume")) if is_fault]


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
        screen.say(screen.paint("Every connection and every service followed the VM there and back; without vmmig all of them broke.", GREEN))
    if arguments.json:
        print(json.dumps(facts), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
