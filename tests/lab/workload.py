# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections of every kind between the client and the VM, through both families and through the SNAT, as one thing."""

from .topology import CLIENT4, SNAT_PORT, VM4, VM6

PORT = 7001
CLOCKED = ("bulk", "slow")  # the kinds that both ends write by their own clock: silence there is the network's


class Workload:
    """Bulk, slow and idle connections over IPv4 and IPv6, some that the VM opens through the SNAT, and `many` more."""

    def __init__(self, lab, many=0, bulk_rate=4 << 20):
        inwards = [f"{VM4}:{PORT}", f"[{VM6}]:{PORT}"]
        outwards = f"{CLIENT4}:{SNAT_PORT}"
        rate = ["--bulk-rate", str(bulk_rate)]
        self._servers = [lab.traffic("vm", "server", *_words("--listen", inwards), *rate),
                         lab.traffic("client", "server", "--listen", outwards, *rate)]
        options = [word for kind in ("--bulk", "--slow", "--idle") for word in _words(kind, inwards)]
        for address, count in zip(inwards, ((many + 1) // 2, many // 2)):
            options += ["--many", str(count), address] if count else []
        self._clients = [lab.traffic("client", "client", *options, *rate),
                         lab.traffic("vm", "client", "--bulk", outwards, "--slow", outwards, "--idle", outwards, *rate)]
        # A VM whose clock stands when it does cannot tell how long that was; then only the peers' ends are asked.
        self._clocks = [end for end in self._servers + self._clients if end.where == "client" or not lab.vm.clock_stops]
        self.connections = sum(each.summary()["connections"] for each in self._clients)
        self.translated = self._clients[1].summary()["connections"]

    def probe(self, seconds=5):
        """Ask every connection: alive and answered as its opener sees it, dead, verificationErrors, summed up."""
        for each in self._clients:
            each.start_probe(seconds)
        answers = [each.end_probe(seconds) for each in self._clients]
        return {key: sum(answer[key] for answer in answers)
                for key in ("connections", "asked", "answered", "alive", "dead", "verificationErrors")}

    def assert_alive(self, seconds=5):
        """Each connection answers, and no byte was wrong."""
        answer = self.probe(seconds)
        dead = [each for end in self._clients for each in end.status()["each"] if not each["alive"]]
        assert answer["answered"] == answer["alive"] == answer["connections"], dead[:5]
        assert answer["verificationErrors"] == 0, answer

    def mark(self):
        """Restart the measurement of silence."""
        for each in self._clocks:
            each.mark()

    def longest_silence_ms(self):
        """Since mark(), of any end that ought to hear something all the time."""
        return max(each.summary()["kinds"][kind]["longestSilenceMs"] for each in self._clocks
                   for kind in CLOCKED if each.summary()["kinds"][kind]["connections"])

    def quit(self):
        for each in self._clients + self._servers:
            each.quit()


def _words(option, values):
    return [word for value in values for word in (option, value)]
