# SPDX-License-Identifier: GPL-2.0-or-later
"""An snmp_exporter that wants the users beside the modules, as 0.23 and later do: that of Debian 13, since Debian 12 has 0.21.

Only its program is taken out of the package, which is not installed; it is kept in $VMMIG_BUILDDIR/exporter. Run as a program this fetches
it ahead: inside the lab there may be no network.
"""

import functools
import glob
import os
import subprocess
import sys
import tempfile

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import kept  # noqa: E402
from lab.privilege import LabError  # noqa: E402

NAME = "prometheus-snmp-exporter"
SUITE = "trixie"
SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {suite} main\n"
ARCHIVE = "http://deb.debian.org/debian"


def cache():
    return kept.directory("exporter")


@functools.cache
def program():
    """Its path. Two tests that begin at the same time fetch it once."""
    path = os.path.join(cache(), f"{NAME}-{SUITE}")
    if os.path.exists(path):
        return path
    with kept.locked(cache(), NAME):
        if not os.path.exists(path):
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                os.rename(fetch(scratch), path)
    return path


def archive():
    """Where apt has Debian 12 from: the next suite is there too, and signed with the same keys."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"], capture_output=True,
                          text=True, check=False).stdout.split()
    return told[0] if told else ARCHIVE


def fetch(scratch):
    """With lists of its own, so that the machine's apt knows nothing of the other suite."""
    lists, archives = os.path.join(scratch, "lists"), os.path.join(scratch, "cache")
    for each in (lists, archives):
        os.makedirs(os.path.join(each, "partial"))
    with open(os.path.join(scratch, "sources.list"), "w") as file:
        file.write(SOURCE.format(archive=archive(), suite=SUITE))
    with open(os.path.join(scratch, "status"), "w"):
        pass
    options = {"Dir::Etc::sourcelist": f"{scratch}/sources.list", "Dir::Etc::sourceparts": "-", "Dir::State::lists": lists,
               "Dir::State::status": f"{scratch}/status", "Dir::Cache": archives, "Acquire::Languages": "none"}
    if os.geteuid() == 0:
        options["APT::Sandbox::User"] = "root"  # its own user may not write here
    told = ""
    for words in (["update"], ["download", NAME]):
        told += run("apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items()), *words, cwd=scratch)
    packages = glob.glob(os.path.join(scratch, "*.deb"))
    if not packages:
        raise LabError(f"{NAME} of Debian's {SUITE} cannot be downloaded: {told.strip()}; is the network there? To fetch it ahead: "
                       f"{sys.executable} {os.path.abspath(__file__)}")
    run("dpkg-deb", "-x", packages[0], os.path.join(scratch, "tree"), cwd=scratch)
    return os.path.join(scratch, "tree", "usr", "bin", NAME)


def run(*command, cwd):
    """What it complains of."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    return result.stderr if result.returncode else ""


if __name__ == "__main__":
    try:
        print(program())
    except LabError as error:
        sys.exit(f"newer_exporter.py: {error}")
