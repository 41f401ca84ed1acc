# SPDX-License-Identifier: GPL-2.0-or-later
"""lldpd in a namespace of the lab: it tells its neighbours who it is, and serves LLDP-MIB under the namespace's snmpd."""

import json
import os

from .netns import run
from .privilege import MARK

CONF = """\
configure system hostname {name}
configure lldp tx-interval 1
resume
"""


def unable():
    """Why lldpd does not run here, if so: it insists on becoming a user of its own, which a user namespace with root alone has not."""
    return "lldpd needs to be started by root" if MARK in os.environ else ""


class Lldpd:
    """The lldpd of one device or host. It calls itself as its namespace, as on machines of their own."""

    def __init__(self, lab, name):
        self.name = name
        self.socket = os.path.join(lab.directory, f"lldpd-{name}.sock")
        # lldpcli runs as a user of its own (Debian), which has to get to the socket.
        os.chmod(lab.directory, 0o711)
        self.process = lab.start(name, f"lldpd-{name}", "lldpd", "-d", "-u", self.socket, "-L", "/bin/true", "-O", "/dev/null", "-x",
                                 "-X", lab.snmpd[name].agentx)
        self.process.wait(self._is_configured, 10, "configured")

    def _is_configured(self):
        """It runs, but stays silent until it is told to go on."""
        if not os.path.exists(self.socket):
            return False
        return run(["lldpcli", "-u", self.socket], text=CONF.format(name=self.name), check=False).returncode == 0

    def neighbours(self):
        """Names of the systems that it hears."""
        answer = run(["lldpcli", "-u", self.socket, "-f", "json0", "show", "neighbors"], check=False)
        if answer.returncode:
            return set()
        interfaces = [each for lldp in json.loads(answer.stdout).get("lldp", []) for each in lldp.get("interface", [])]
        return {name["value"] for each in interfaces for chassis in each["chassis"] for name in chassis.get("name", [])}
