# SPDX-License-Identifier: GPL-2.0-or-later
"""conntrackd (FTFW): the destination has every connection in its external cache, and commits it in the stop."""

import os
import re

from peers import timed
from place import PATIENCE
from lab.netns import wait_until
from lab.procs import tail
from lab.topology import DEVICES

CONF = """\
Sync {{
    Mode FTFW {{
        DisableExternalCache no
    }}
    UDP {{
        IPv4_address {own}
        IPv4_Destination_Address {other}
        Port 3781
        Interface mgmt
        SndSocketBuffer 67108864
        RcvSocketBuffer 67108864
        Checksum on
    }}
}}
General {{
    HashSize 131072
    HashLimit 524288
    LogFile {directory}/conntrackd.log
    LockFile {directory}/conntrackd.lock
    UNIX {{
        Path {directory}/conntrackd.ctl
    }}
    NetlinkBufferSize 67108864
    NetlinkBufferSizeMaxGrowth 134217728
    Filter From Userspace {{
        Protocol Accept {{
            TCP
        }}
    }}
}}
"""


class Daemon:
    def __init__(self, lab, site):
        self.namespace = lab.ns[f"fw-{site}"]
        directory = os.path.join(lab.directory, f"conntrackd-{site}")
        os.makedirs(directory)
        self.conf, self.log = os.path.join(directory, "conntrackd.conf"), os.path.join(directory, "conntrackd.log")
        other = "b" if site == "a" else "a"
        with open(self.conf, "w") as file:
            file.write(CONF.format(own=DEVICES[f"fw-{site}"], other=DEVICES[f"fw-{other}"], directory=directory))
        self.process = lab.start(f"fw-{site}", f"conntrackd-{site}", "conntrackd", "-C", self.conf)
        self.process.wait(lambda: "cache internal" in self.ask("-s"), 30, "answering")

    def ask(self, *words):
        return self.namespace.run("conntrackd", "-C", self.conf, *words, check=False, timeout=PATIENCE).stdout

    def cached(self, which):
        """Connections in its internal or external cache."""
        found = re.search(rf"cache {which}:\s*current active connections:\s*(\d+)", self.ask("-s"))
        return int(found[1]) if found else 0

    def why(self):
        with open(self.log, errors="replace") as file:
            return tail(file.read())


def commit(place):
    """Milliseconds of the commit alone. All before it happens while the VM runs."""
    daemons = {site: Daemon(place.lab, site) for site in ("a", "b")}
    try:
        wait_until(lambda: daemons["a"].cached("internal") >= place.rows, PATIENCE, "connections in conntrackd's internal cache")
        daemons["b"].ask("-n")
        wait_until(lambda: daemons["b"].cached("external") >= place.rows, PATIENCE, "connections in conntrackd's external cache", 0.2)
        result = {"ms": timed(daemons["b"].namespace, "conntrackd", "-C", daemons["b"].conf, "-c")}
        place.check("b")
    except BaseException:
        print("\n".join(daemon.why() for daemon in daemons.values()))
        raise
    finally:
        for daemon in daemons.values():
            daemon.process.stop()
    place.empty("b")
    return result
