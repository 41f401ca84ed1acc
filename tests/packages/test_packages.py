# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages in a chroot: installed by apt, run as their units run them, upgraded, removed, purged. The tests go on from each other."""

import functools
import gzip
import subprocess

import pytest

from conftest import AGENT, DEB, MODULE, NAMES, NEW, VMMIG, checks, configure
from lab import unit
from lab.netns import wait_until
from lab.unit import Unit, user_of

DROP_IN = "/etc/snmp/snmpd.conf.d/vmmigd.conf"
DOCUMENTS = ("mib.md", "operator-guide.md", "protocol.md", "tutorial.md")
VM = "vm = 6ba7b810-9dad-41d1-80b4-00c04fd430c8,web1,10.1.0.5\n"


def version_of(chroot, package):
    return chroot.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", package, check=False).stdout


def start_snmpd(chroot, processes, namespace):
    """Debian's own, as its unit starts it."""
    return Unit(chroot, "snmpd").start(processes, namespace)


def vmmig(chroot, namespace, *words, check=True):
    return namespace.run(*chroot.argv(*VMMIG, *words), check=check, timeout=60)


@pytest.fixture(scope="module")
def before(chroot):
    """The files of the system that never had our packages."""
    return chroot.files()


def test_lintian_has_nothing_to_say(built, tmp_path):
    # It leaves files behind.
    found = subprocess.run(["env", f"TMPDIR={tmp_path}", "lintian", "--allow-root", "--pedantic", "--info", *built.glob("*.changes"), *built.glob("*.dsc")],
                           capture_output=True, text=True, timeout=900, check=False)
    assert found.stdout.strip() == "" and found.returncode == 0, found.stdout + found.stderr


def test_apt_installs_them(chroot, before):
    chroot.apt("install", *NAMES)
    for package in NAMES:
        assert version_of(chroot, package).endswith(" installed")


def test_each_service_has_a_user_of_its_own_who_cannot_log_in(chroot):
    ids = set()
    for name in ("vmmig", "vmmigd"):
        number, home, shell = user_of(chroot, name)
        ids.add(number)
        assert 0 < number < 1000 and home == f"/var/lib/{name}" and shell == "/usr/sbin/nologin"
    assert len(ids) == 2


def test_systemd_takes_the_units(chroot):
    unit.check(chroot, "vmmig", "vmmigd")
    assert unit.exposure(chroot, "vmmig", 16) and unit.exposure(chroot, "vmmigd", 28)
    # And would say so if it were otherwise.
    bad = chroot.path("/lib/systemd/system/vmmigd.service").read_text().replace("ProtectSystem=strict", "ProtectSystem=astray")
    chroot.write("/lib/systemd/system/astray.service", bad.replace("RestrictNamespaces=yes", ""))
    with pytest.raises(unit.LabError, match="protect system"):
        unit.check(chroot, "astray")
    assert not unit.exposure(chroot, "astray", 30)
    chroot.path("/lib/systemd/system/astray.service").unlink()


def test_net_snmp_finds_the_module(chroot):
    told = chroot.run("snmptranslate", "-M", "+/usr/share/vmmig/mibs/ietf", "-m", "VM-MIGRATION-MIB", "-On", "VM-MIGRATION-MIB::vmMigMIB")
    assert told.stdout.strip() == f".{MODULE}"


def test_the_packs_are_those_that_the_installed_vmmig_makes(chroot):
    packs = sorted(path.name for path in chroot.path("/usr/share/vmmig/nms").iterdir())
    assert len(packs) == 8
    for pack in packs:
        chroot.run("vmmig", "nms", pack, "--output", f"/tmp/{pack}")
        chroot.run("diff", "-r", f"/tmp/{pack}", f"/usr/share/vmmig/nms/{pack}")
        chroot.run("rm", "-r", f"/tmp/{pack}")
    commands = chroot.path("/etc/nagios-plugins/config/vmmig.cfg").read_text()
    assert "command_name  check_vmmig" in commands and commands.count("{") == commands.count("}")


def test_bash_completes(chroot):
    completion = chroot.path("/usr/share/bash-completion/completions/vmmig").read_text()
    assert completion == chroot.run("vmmig", "completion", "bash").stdout and "complete -F _vmmig vmmig" in completion


def test_the_documents_are_installed(chroot):
    """Compressed, as Debian has it, and those of this source."""
    for name in DOCUMENTS:
        installed = gzip.decompress(chroot.path(f"/usr/share/doc/vmmig/{name}.gz").read_bytes()).decode()
        assert installed == (DEB / "source" / "docs" / name).read_text(), name
    for package in ("vmmig", "vmmigd"):
        assert "on Debian" in chroot.path(f"/usr/share/doc/{package}/README.Debian").read_text()


def test_vmmigd_and_the_manager_run_as_their_units_say(chroot, processes, namespace):
    configure(chroot)
    start_snmpd(chroot, processes, namespace)
    agent = Unit(chroot, "vmmigd").start(processes, namespace)
    wait_until(lambda: "vmmigd" in vmmig(chroot, namespace, "show", AGENT, check=False).stdout, 30, "vmmigd answers")
    status = open(f"/proc/{agent.pid}/status").read()
    assert f"Uid:\t{user_of(chroot, 'vmmigd')[0]}\t" in status
    told = checks(functools.partial(vmmig, chroot, namespace))
    assert told and set(told.values()) == {"up"}, told
    manager = Unit(chroot, "vmmig").start(processes, namespace)
    manager.wait_log("ready: 1 host,")
    plugin = chroot.argv("/usr/lib/nagios/plugins/check_vmmig", "-H", AGENT, "--snmp-conf", "/etc/vmmig")
    assert "VMMIG" in namespace.run(*plugin).stdout
    assert agent.stop() == 0 and manager.stop() == 0
    assert chroot.path("/var/lib/vmmig/journal.db").exists() and chroot.path("/var/lib/vmmigd/vmmigd.lock").exists()


def test_the_drop_in_opens_nothing(chroot, processes, namespace):
    """Without the operator's lines nobody sees anything of the module."""
    chroot.path("/etc/snmp/snmpd.conf.d/operator.conf").rename(chroot.path("/root/operator.conf"))
    start_snmpd(chroot, processes, namespace)
    Unit(chroot, "vmmigd").start(processes, namespace).wait_log("connected to snmpd", 30)
    public = namespace.run(*chroot.argv("snmpget", "-v2c", "-c", "public", "-Oqv", "127.0.0.1", "1.3.6.1.2.1.1.5.0", f"{MODULE}.1.1.1.0"),
                           check=False).stdout
    assert public.splitlines()[0].strip() and "No Such" in public.splitlines()[1]
    chroot.path("/root/operator.conf").rename(chroot.path("/etc/snmp/snmpd.conf.d/operator.conf"))


def test_without_the_drop_in_vmmigd_may_not_connect(chroot, processes, namespace):
    chroot.path(DROP_IN).rename(chroot.path("/root/drop-in"))
    start_snmpd(chroot, processes, namespace)
    agent = Unit(chroot, "vmmigd").start(processes, namespace, ready=False)
    assert agent.wait_end(30) == 1 and "agentXPerms" in agent.log()
    chroot.path("/root/drop-in").rename(chroot.path(DROP_IN))


def test_each_capability_is_needed(chroot, processes, namespace):
    """NET_ADMIN to start at all, BPF and PERFMON for windows, NET_RAW for DHCP snooping."""
    start_snmpd(chroot, processes, namespace)
    agent = Unit(chroot, "vmmigd")
    granted = agent.last("AmbientCapabilities").split()
    assert set(granted) == {"CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON", "CAP_NET_RAW"}
    refused = agent.start(processes, namespace, ambient=[each for each in granted if each != "CAP_NET_ADMIN"], ready=False)
    assert refused.wait_end(30) == 1 and "CAP_NET_ADMIN" in refused.log()
    namespace.ip("link add br0 type bridge", "link add name uplink up type veth peer name far", "link set uplink master br0", "link set br0 up")
    conf = chroot.path("/etc/vmmig/vmmigd.conf")
    shipped = conf.read_text()
    conf.write_text(shipped + "dhcp-snooping = br0,uplink\n")
    needed_by = {"CAP_BPF": {"windows"}, "CAP_PERFMON": {"windows"}, "CAP_NET_RAW": {"dhcpSnooping br0"}, "nothing": set()}
    for dropped, what in needed_by.items():
        process = agent.start(processes, namespace, ambient=[each for each in granted if each != dropped])
        told = wait_until(lambda: checks(functools.partial(vmmig, chroot, namespace)), 30, "vmmigd tells how it is")
        assert {name for name, health in told.items() if health != "up"} == what, (dropped, told)
        process.stop()
    conf.write_text(shipped)


def test_an_upgrade_keeps_what_the_operator_wrote_and_what_the_services_remember(chroot, higher):
    directory, version = higher
    conf = chroot.path("/etc/vmmig/vmmigd.conf")
    conf.write_text(conf.read_text() + VM)
    chroot.write("/var/lib/vmmigd/remembered", "a transfer", 0o600, "vmmigd:vmmigd")
    journal = chroot.path("/var/lib/vmmig/journal.db").read_bytes()
    ids = {name: user_of(chroot, name)[0] for name in ("vmmig", "vmmigd")}
    chroot.offer(directory)
    chroot.apt("install", "--only-upgrade", *NAMES)
    for package in NAMES:
        assert version_of(chroot, package) == f"{version} installed"
    # What was edited is kept, with the next version beside it; what was not is replaced.
    assert conf.read_text().endswith(VM) and NEW not in conf.read_text()
    assert chroot.path("/etc/vmmig/vmmigd.conf.dpkg-dist").read_text().endswith(NEW)
    assert chroot.path(DROP_IN).read_text().endswith(NEW)
    assert chroot.path("/var/lib/vmmigd/remembered").read_text() == "a transfer"
    assert chroot.path("/var/lib/vmmig/journal.db").read_bytes() == journal
    assert {name: user_of(chroot, name)[0] for name in ids} == ids


def test_the_upgraded_vmmigd_knows_the_vm_of_its_configuration(chroot, processes, namespace):
    start_snmpd(chroot, processes, namespace)
    Unit(chroot, "vmmigd").start(processes, namespace)
    wait_until(lambda: "web1" in vmmig(chroot, namespace, "show", AGENT, "vm", check=False).stdout, 30, "the VM is known")


def test_remove_keeps_configuration_and_state(chroot):
    chroot.apt("remove", *NAMES)
    for gone in ("/usr/bin/vmmig", "/usr/sbin/vmmigd", "/lib/systemd/system/vmmigd.service", "/usr/share/vmmig",
                 "/usr/share/snmp/mibs/VM-MIGRATION-MIB.txt", "/usr/lib/nagios/plugins/check_vmmig"):
        assert not chroot.path(gone).exists(), gone
    for kept in ("/etc/vmmig/vmmigd.conf", DROP_IN, "/var/lib/vmmigd/remembered", "/var/lib/vmmig/journal.db"):
        assert chroot.path(kept).exists(), kept


def test_purge_leaves_nothing_but_what_the_operator_wrote(chroot, before):
    chroot.apt("purge", *NAMES)
    # snmpd has made its socket's directory and its own state, as it ran here for the first time.
    theirs = ("var/agentx", "var/agentx/master", "var/lib/snmp/snmpd.conf", "var/lib/snmp/cert_indexes", "snmpd.conf.d/operator.conf", "etc/vmmig", "etc/vmmig/snmp.conf", "etc/vmmig/users.conf", "etc/vmmig/vmmig.conf")
    left = sorted(path for path, _ in chroot.files() - before if not path.endswith(theirs))
    assert left == []
    assert not before - chroot.files(), "files of others are gone"
