# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages of `./dev deb`, the same with a higher version, and a chroot in which they are installed once for all tests."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from lab.chroot import Chroot, private_mounts
from lab.netns import Namespaces
from lab.procs import Processes

DEB = pathlib.Path(os.environ["VMMIG_BUILDDIR"], "deb")
NAMES = ("vm-migration-mib", "vmmig", "vmmig-nms", "vmmigd")
AGENT = "tcp:127.0.0.1"
MODULE = "1.3.6.1.4.1.32473.1"
# What the operator writes: our packages let nobody read or write anything.
OPERATOR = f"""\
agentaddress tcp:127.0.0.1:161
createUser vmmig SHA-256 manager-authentication AES manager-privacy
rwuser vmmig priv .{MODULE}
"""
SNMP_CONF = """\
defVersion 3
defSecurityName vmmig
defSecurityLevel authPriv
defAuthType SHA-256
defAuthPassphrase manager-authentication
defPrivType AES
defPrivPassphrase manager-privacy
"""
USERS_CONF = "createUser -e 0x80007ed904766d6d69672d6d6772 inform SHA-256 inform-authentication AES inform-privacy\nauthUser log inform priv\n"
VMMIG_CONF = "[host.host-a]\nagent = tcp:127.0.0.1\ndevices =\n"
# As the user of the service, who may read /etc/vmmig/snmp.conf.
VMMIG = ("env", "-i", "PATH=/usr/bin", "SNMPCONFPATH=/etc/vmmig", "setpriv", "--reuid", "vmmig", "--regid", "vmmig", "--init-groups", "vmmig")
ENTRY = "vmmig ({version}) UNRELEASED; urgency=medium\n\n  * For the test of upgrades.\n\n -- Nobody <nobody@vmmig.example>  {date}\n\n"
NEW = "# Of the next version.\n"


def changelog(field):
    return subprocess.run(["dpkg-parsechangelog", "--show-field", field], cwd=DEB / "source", check=True, capture_output=True,
                          text=True).stdout.strip()


def configure(chroot):
    """What an operator adds to the packages' own files."""
    chroot.write("/etc/snmp/snmpd.conf.d/operator.conf", OPERATOR, 0o600)
    chroot.write("/etc/vmmig/snmp.conf", SNMP_CONF, 0o640, "root:vmmig")
    chroot.write("/etc/vmmig/users.conf", USERS_CONF, 0o640, "root:vmmig")
    chroot.write("/etc/vmmig/vmmig.conf", VMMIG_CONF)


def checks(ask):
    """{check: its health} as the device tells them; empty when it does not answer."""
    asked = ask("show", AGENT, "check", "--json", check=False)
    rows = json.loads(asked.stdout) if asked.returncode == 0 else []
    return {row["vmMigCheckName"]: row["vmMigCheckHealth"] for row in rows}


def build_higher(directory):
    """The same tree with one entry more in its changelog, and NEW at the end of both configuration files. Nothing is compiled: what was
    built stays built, and is packed again."""
    source = DEB / "source"
    log = source / "debian" / "changelog"
    changed = {path: path.read_text() for path in (log, source / "debian/vmmigd.conf", source / "debian/snmpd.conf.d/vmmigd.conf")}
    version = changelog("Version") + "+upgrade1"
    try:
        date = changelog("Date")
        for path, before in changed.items():
            path.write_text(ENTRY.format(version=version, date=date) + before if path == log else before + NEW)
        for done in source.glob("debian/*.debhelper.log"):
            done.unlink()
        result = subprocess.run(["debian/rules", "binary"], cwd=source, capture_output=True, text=True, timeout=900, check=False,
                                env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck noautodbgsym"})
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    finally:
        for path, before in changed.items():
            path.write_text(before)
    for package in DEB.glob("*+upgrade1*.deb"):
        shutil.move(package, directory / package.name)
    return version


@pytest.fixture(scope="session")
def built():
    """The directory of the packages."""
    found = {path.name.split("_")[0] for path in DEB.glob("*.deb")}
    assert found >= set(NAMES), f"{DEB} has no packages; ./dev test packages builds them"
    assert os.geteuid() == 0, "a chroot needs root"
    return DEB


@pytest.fixture(scope="session")
def higher(built, tmp_path_factory):
    """(directory, version) of packages that come after those that are built."""
    directory = tmp_path_factory.mktemp("higher")
    return directory, build_higher(directory)


@pytest.fixture(scope="session")
def chroot(built):
    """A Debian that offers our packages, and has all that they depend on, but none of them."""
    private_mounts()
    cache = DEB.parent / "chroot"
    with Chroot(cache, is_base=True) as base:
        base.offer(built)
        others = [name for name in base.would_install(*NAMES, "snmp") if name not in NAMES]
        if others:
            base.apt("install", *others)
    with Chroot(cache) as system:
        system.offer(built)
        yield system


@pytest.fixture(scope="session")
def namespace():
    with Namespaces() as namespaces:
        [device] = namespaces.add("device")
        device.directory = namespaces.directory
        # A strict firewall, as vmmigd wants it.
        device.sysctl(net__netfilter__nf_conntrack_tcp_loose=0)
        yield device


@pytest.fixture
def processes(namespace):
    with Processes(namespace.directory) as all_of_them:
        yield all_of_them


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    running = getattr(item, "funcargs", {}).get("processes")
    if report.failed and running:
        report.sections.append(("logs", running.logs()))
