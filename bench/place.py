# SPDX-License-Identifier: GPL-2.0-or-later
"""Where everything is measured: the lab of the tests, with N real TCP connections of the VM through the source's firewall."""

import contextlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from lab.netns import wait_until  # noqa: E402
from lab.topology import FIREWALL4, GATEWAY4, GATEWAY_MAC, Lab, SITES, VM4, VM_MAC  # noqa: E402
from lab.vmmig import program  # noqa: E402

FIRST_CLIENT, CLIENTS = "192.0.2.100", 8  # each has 50,000 connections: see flows.cc
PATIENCE = 300  # seconds; nobody waits them out

# No socket stands behind the connections: what arrives must be neither answered nor refused.
NO_ANSWERS = """\
table inet bench {{
    chain arrived {{
        type filter hook prerouting priority raw; policy accept;
        ip saddr {address} meta l4proto tcp drop
    }}
    chain arrivedAtVm {{
        type filter hook prerouting priority raw; policy accept;
        ip daddr {address} meta l4proto tcp drop
    }}
}}
"""


class Place(contextlib.AbstractContextManager):
    """A lab with connections; .path(site) is a firewall's namespace as a file."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self.rows = 0

    def __enter__(self):
        self.lab = self._stack.enter_context(Lab())
        try:
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def path(self, name):
        return f"/run/netns/{self.lab.ns[name].full}"

    # What the firewalls see

    def open(self, count, rate=0):
        """So many more connections."""
        self._flows("open", self.rows, count, rate)
        self.rows += count

    def change(self, count):
        """Data on that many of the connections, spread over all: nothing that the kernel tells as an event."""
        self._flows("data", 0, count, max(1, self.rows // count))

    def count(self, site):
        return int(self.lab.ns[f"fw-{site}"].run("conntrack", "-C").stdout)

    def empty(self, site):
        self.lab.ns[f"fw-{site}"].run("conntrack", "-F", timeout=PATIENCE)
        wait_until(lambda: self.count(site) == 0, 60, f"no connections at {site}")

    def check(self, site):
        """That all connections are there: anything else would measure something else."""
        if (found := self.count(site)) != self.rows:
            raise SystemExit(f"bench: {found} instead of {self.rows} connections at firewall {site}")

    # Setting it up

    def _prepare(self):
        lab = self.lab
        client, vm = lab.ns["client"], lab.ns["vm"]
        octets = FIRST_CLIENT.rsplit(".", 1)
        clients = [f"{octets[0]}.{int(octets[1]) + number}" for number in range(CLIENTS)]
        client.ip(*(f"address add {address}/24 dev lan" for address in clients))
        for namespace in (client, vm):
            namespace.run("nft", "-f", "-", text=NO_ANSWERS.format(address=VM4))
        # Nobody asks who has an address: segments of the first connections would wait for the answer, and be lost.
        vm.ip(f"neighbor replace {GATEWAY4} lladdr {GATEWAY_MAC} dev eth0 nud permanent")
        lan = client.ip_json("link", "show", "lan")[0]["address"]
        for site in SITES:
            firewall = lab.ns[f"fw-{site}"]
            mac = firewall.ip_json("link", "show", "clients")[0]["address"]
            client.ip(f"neighbor replace {FIREWALL4[site]} lladdr {mac} dev lan nud permanent")
            firewall.ip(f"neighbor replace {VM4} lladdr {VM_MAC} dev vms nud permanent",
                        *(f"neighbor replace {address} lladdr {lan} dev clients nud permanent" for address in clients))
        self._process = lab.start("mgr", "flows", program("bench/flows"), self.path("client"), FIRST_CLIENT, self.path("vm"), VM4,
                                  pipes=True)

    def _flows(self, *words):
        pipes = self._process.popen
        pipes.stdin.write(" ".join(map(str, words)) + "\n")
        pipes.stdin.flush()
        answer = pipes.stdout.readline()
        if not answer:
            raise SystemExit(f"bench: flows has ended:\n{self._process.log()}")
        return json.loads(answer)
