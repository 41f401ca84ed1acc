# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of the man pages are run: commands in the tutorial's network, and files by the programs that read them."""

import glob
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab import documents  # noqa: E402
from lab.vmmig import program  # noqa: E402

pytest_plugins = ["lab.pytest_plugin"]

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PAGES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(TOP, "man", "*.[1578]")))
VM = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
# /etc is ours to write, and nobody sees it; /run is a tmpfs already.
OWN_ETC = """\
mkdir /run/upper /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
mkdir -p /etc/vmmig
"""


def read(name):
    with open(os.path.join(TOP, name)) as file:
        return file.read()


def examples(page):
    """What stands between .nf and .fi, as a reader sees it."""
    found = re.findall(r"^\.nf\n(.*?)^\.fi$", read(f"man/{page}"), re.M | re.S)
    return [re.sub(r"^\.R[SE].*\n", "", text, flags=re.M).replace(r"\-", "-").replace(r"\e", "\\") for text in found]


def with_passphrases(text):
    """Those of the tutorial in place of the dots."""
    text = re.sub(r"(SHA-256|AuthPassphrase|-A) \.\.\.", r"\1 one-long-passphrase", text)
    return re.sub(r"(AES|PrivPassphrase|-X) \.\.\.", r"\1 another-passphrase", text)


def run(*all_blocks):
    return documents.run(all_blocks, TOP, os.path.dirname(program("vmmig")), seconds=120)


def written(path, text, mode="644"):
    return f"cat > {path} <<'END'\n{text}END\nchmod {mode} {path}\n"


def started(name, command, log, what):
    """In the background, until its log says what is waited for; it fails when the process ends before."""
    return (f"{command} > {log} 2>&1 &\n{name}=$!\n"
            f"until grep -q '{what}' {log}; do kill -0 ${name} || {{ cat {log}; exit 1; }}; sleep 0.05; done\n")


def test_each_example_is_one_that_is_run_here():
    """How many each page has. One that is new is to be run below, too."""
    assert {page: len(examples(page)) for page in PAGES} == {
        "check_vmmig.8": 1, "vm-migration.7": 0, "vmmig.1": 2, "vmmig.conf.5": 3, "vmmigd.8": 5, "vmmigd.conf.5": 6}


def managers(snmp_conf, commands, checks, users, inventories):
    """The tutorial's firewalls under the names and addresses of the examples, and what the manager's pages say."""
    tutorial = documents.blocks(read("docs/tutorial.md").split("## 8. Clean up")[0])
    names = OWN_ETC + """\
printf '10.9.1.2 fw-a\\n10.9.2.2 fw-b\\n' >> /etc/hosts
ip -n fw-a address add 10.9.0.1/32 dev lo
ip -n fw-b address add 10.9.0.2/32 dev lo
ip -n mgr route add 10.9.0.1 via 10.9.1.2
ip -n mgr route add 10.9.0.2 via 10.9.2.2
unset SNMPCONFPATH
export SNMP_PERSISTENT_DIR=/run/manager
mkdir -p -m 700 ~/.snmp /etc/vmmig/nms
vmmig() { ip netns exec mgr "$(type -P vmmig)" "$@"; }
check_vmmig() { ip netns exec mgr "$(type -P check_vmmig)" "$@"; }
"""
    user = written("~/.snmp/snmp.conf", with_passphrases(snmp_conf), 600) + "cp ~/.snmp/snmp.conf /etc/vmmig/nms\n"
    # Between a VM's state and none there is a difference.
    manager = commands.replace("vmmig diff web1.json tcp:fw-b", "vmmig diff web1.json tcp:fw-b > differs || [ $? = 1 ]\ngrep -q . differs")
    serve = written("/etc/vmmig/users.conf", with_passphrases(users), 600)
    for number, inventory in enumerate(inventories):
        serve += written("/etc/vmmig/vmmig.conf", f"journal = /run/journal{number}.db\n{inventory}")
        serve += "vmmig show fw-a vm > known\ngrep -q web1 known\n"
        serve += started("manager", 'ip netns exec mgr "$(type -P vmmig)" serve', f"serve{number}.log", "ready: 2 hosts")
        serve += "kill $manager\nwait $manager\n"
    return run(*tutorial, names, user, manager, checks, serve)


def test_the_managers_examples_and_the_plugins_run():
    snmp_conf, commands = examples("vmmig.1")
    users, *inventories = examples("vmmig.conf.5")
    [checks] = examples("check_vmmig.8")
    documents.assert_shown(managers(snmp_conf, commands, checks, users, inventories))
    with pytest.raises(AssertionError, match="it stopped with"):
        managers(snmp_conf, commands.replace("tcpconn", "tcpcon"), checks, users, inventories)


NETWORK = OWN_ETC + """\
source=$PWD PATH=$PWD/build:$PATH
cd "$(mktemp -d)"
export SNMPCONFPATH=$PWD SNMP_PERSISTENT_DIR=$PWD MIBS=
mkdir /run/vmmigd /run/vmmigd/qemu
ip link add uplink type veth peer name servers
ip link add br0 type bridge
ip link set uplink master br0 up
ip link set br0 up
ask() { user=$1 word=$2; shift 2; snmp$word -v 3 -u $user -l authPriv -a SHA-256 -A one-long-passphrase -x AES -X another-passphrase -Oqv tcp:127.0.0.1 "$@"; }
"""
MODULE = ".1.3.6.1.4.1.32473.1"


def never(command):
    """(A shell's ! would let it pass.)"""
    return f"if {command}; then exit 1; fi\n"


def told(question):
    """The answer is a value."""
    return f"ask {question} > told\ngrep -q . told\n" + never("grep -E 'No (Such|more)' told")


def snmpd(number, *parts):
    """With these lines, each of which it understands."""
    text = f"agentAddress tcp:161\nagentXSocket unix:AGENTX{number}\n" + with_passphrases("".join(parts))
    return (written(f"agent{number}.conf", text.replace("USER", "vmmig").replace("MANAGER", "127.0.0.1")) +
            f"sed -i s,AGENTX,$PWD/agentx, agent{number}.conf\n" +
            started("master", f"snmpd -f -Lf snmpd{number}.log -C -c agent{number}.conf", f"snmpd{number}.log", "NET-SNMP version") +
            never(f"grep -iE 'warning|error|unknown' snmpd{number}.log"))


def vmmigd(number, conf):
    return written(f"vmmigd{number}.conf", conf) + started(
        "agent", f"vmmigd -f --config vmmigd{number}.conf --agentx-socket unix:$PWD/agentx{number} --state-directory $PWD",
        f"vmmigd{number}.log", "connected to snmpd")


END = "kill $agent\nwait $agent\nkill $master\nwait $master || true\n"


def test_snmpds_lines_and_vmmigds_files_are_taken():
    agentx, users, views, target, hook = examples("vmmigd.8")
    qemu, *files = examples("vmmigd.conf.5")
    script = NETWORK
    # Who watches reads; the manager writes, too.
    script += snmpd(0, agentx, users) + vmmigd(0, files[0])
    notify = f"{MODULE}.1.1.15.0"
    script += told(f"nms get {notify}") + told(f"vmmig set {notify} i 1") + never(f"ask nms set {notify} i 1") + END
    # With views the manager has the standard tables.
    script += snmpd(1, agentx, users.replace(re.search("^rwuser.*\n", users, re.M).group(), ""), views, target) + vmmigd(1, files[1])
    script += told(f"vmmig get {notify} 1.3.6.1.2.1.2.1.0") + told("vmmig walk 1.3.6.1.2.1.17.1.4.1.1") + told(f"vmmig set {notify} i 1") + END
    for number, conf in enumerate(files[2:], 2):
        script += snmpd(number, agentx, users) + vmmigd(number, conf)
        if "phase-source = qmp" in conf:
            command = qemu.replace("-uuid UUID", f"-uuid {VM}").replace(" ...", " -display none -machine none")
            script += f"{command.rstrip()} &\nqemu=$!\n" + f"until ask vmmig walk {MODULE} | grep web1; do sleep 0.05; done\nkill $qemu\nwait $qemu || true\n"
        script += END
    script += f"cd $source\n{hook}[ -x /etc/libvirt/hooks/qemu.d/vmmig ]\n"
    run(script)
    with pytest.raises(AssertionError, match="it stopped with"):
        run(NETWORK + snmpd(0, agentx, users) + vmmigd(0, files[0].replace("counter =", "counters =")))
    with pytest.raises(AssertionError, match="it stopped with"):
        run(NETWORK + snmpd(0, agentx.replace("master", "mastre"), users))
