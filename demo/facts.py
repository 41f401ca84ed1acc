# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo found, for people and for scripts; and whether that is what it ought to be."""

import dataclasses

from lab import services

# A stream that was silent for longer was not only stopped with the VM.
BROKEN_MS = 2000

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
            row("silence of a UDP flow through SNAT", lambda found: f"{found.flow_silence} ms", "for good"),
            row("silence of a multicast stream", lambda found: f"{found.multicast_silence} ms", "until a query")]


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


def summary(control, tour):
    """The facts for a script."""
    return {
        "survived": all(trip.survived for trip in tour),
        "controlDied": control.alive == 0 and control.invalid > 0,
        "connections": tour[0].connections,
        "invalidPackets": sum(trip.invalid for trip in tour),
        "rowsMoved": sum(trip.rows for trip in tour),
        "addedBlackoutMs": round(max(trip.blackout for trip in tour), 1),
        "longestSilenceMs": max(trip.silence for trip in tour),
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
