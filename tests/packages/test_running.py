# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed packages at work: by systemd with all that their units ask for, upgraded meanwhile, and in the hands of a newcomer."""

import gzip
import re

import pytest

from conftest import AGENT, DEB, NAMES, NEW, VMMIG, Chroot, checks, configure
from lab import documents
from lab.booted import Booted
from lab.netns import wait_until

CONF = "/etc/vmmig/vmmigd.conf"
VM = "vm = 6ba7b810-9dad-41d1-80b4-00c04fd430c8,web1,10.1.0.5\n"
UPGRADE = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", "install", "--only-upgrade")


@pytest.fixture(scope="module")
def installed(chroot):
    chroot.apt("install", *NAMES)
    configure(chroot)
    # From here on systemd itself starts services.
    chroot.path("/usr/sbin/policy-rc.d").unlink()
    return chroot


@pytest.fixture
def booted(installed, processes):
    """All is up, and vmmigd has nothing to complain of."""
    system = Booted(installed, processes)
    system.run("sh", "-c", "echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose")
    system.wait_active("snmpd", "vmmigd", "vmmig")
    return system


def asker(system):
    return lambda *words, check: system.run(*VMMIG, *words, check=check)


def test_systemd_runs_them_with_all_that_the_units_forbid(booted):
    system = booted
    told = wait_until(lambda: checks(asker(system)), 30, "vmmigd tells how it is")
    assert set(told.values()) == {"up"}, told
    for name, capabilities in (("vmmigd", "000000c000003000"), ("vmmig", "0000000000000400")):
        status = system.status_of(name)
        assert (status["CapEff"], status["CapBnd"], status["NoNewPrivs"], status["Seccomp"]) == (capabilities, capabilities, "1", "2")
    system.run("systemctl", "kill", "--signal=KILL", "vmmigd")
    wait_until(lambda: system.show("vmmigd", "NRestarts", "SubState") == {"NRestarts": "1", "SubState": "running"}, 30, "vmmigd is started again")
    system.run("systemctl", "stop", "vmmigd", "vmmig")
    for name in ("vmmigd", "vmmig"):
        assert system.show(name, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}


def test_an_upgrade_restarts_what_runs_with_the_operators_configuration(installed, higher, processes):
    directory, version = higher
    conf = installed.path(CONF)
    conf.write_text(conf.read_text() + VM)
    installed.offer(directory)
    system = Booted(installed, processes)
    system.wait_active("snmpd", "vmmigd", "vmmig")
    wait_until(lambda: checks(asker(system)), 30, "vmmigd tells how it is")
    before = {name: system.show(name, "MainPID")["MainPID"] for name in ("snmpd", "vmmigd", "vmmig")}
    system.run(*UPGRADE, *NAMES, timeout=300)
    system.wait_active("vmmigd", "vmmig")
    for name in ("vmmigd", "vmmig"):
        pid = system.show(name, "MainPID")["MainPID"]
        assert pid != before[name], f"{name} is still the old one"
        assert "(deleted)" not in system.run("readlink", f"/proc/{pid}/exe").stdout
        assert system.show(name, "Result", "NRestarts") == {"Result": "success", "NRestarts": "0"}
        assert system.run("dpkg-query", "-W", "-f", "${Version}", name).stdout == version
    assert system.show("snmpd", "MainPID")["MainPID"] == before["snmpd"], "others' subagents lose their master for nothing"
    text = system.run("cat", CONF).stdout
    assert text.endswith(VM) and NEW not in text and NEW in system.run("cat", f"{CONF}.dpkg-dist").stdout
    wait_until(lambda: "web1" in asker(system)("show", AGENT, "vm", check=False).stdout, 30, "the VM of the configuration is known")


def test_the_tutorial_goes_from_the_packages_to_a_migrated_connection(built):
    """In a Debian that has but what the tutorial says."""
    tutorial = (DEB / "source" / "docs" / "tutorial.md").read_text()
    ours, tools = (line.split() for line in re.findall(r"^    apt install (.*)$", tutorial, re.M))
    [names] = re.findall(r"\{(.*)\}", ours[0])
    with Chroot(DEB.parent / "chroot") as system:
        system.offer(built)
        system.apt("install", *names.split(","), *tools)
        text = gzip.decompress(system.path("/usr/share/doc/vmmig/tutorial.md.gz").read_bytes()).decode()
        documents.assert_shown(documents.run_installed(documents.blocks(text), system.root))
