# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion in bash: what it offers is what --help names, and what the inventory names; asked as bash asks, by COMP_WORDS."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

VMMIG = os.path.join(os.environ["VMMIG_BUILDDIR"], "vmmig")
ASK = """\
source {script}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
$(complete -p vmmig | sed 's/.*-F \\([^ ]*\\) vmmig$/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
INVENTORY = "[host.host-a]\nagent = tcp:10.9.0.3\n[host.host-b]\n[device.fw-a]\nagent = tcp:10.9.0.1\n [vm.web1]\nuuid = 1\n"


def output(*words):
    return subprocess.run([VMMIG, *words], check=True, capture_output=True, text=True, timeout=20).stdout


COMMANDS = re.findall(r"^  (\w+) +\S", output("--help").partition("Commands:\n")[2].partition("`vmmig COMMAND")[0], re.M)


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "vmmig"
    path.write_text(output("completion", "bash"))
    return path


@pytest.fixture
def offers(script, tmp_path):
    """offers("show --v") is what Tab offers there; bash cuts words at ':' and '='."""
    def ask(line):
        pieces = [piece for word in line.split(" ") for piece in (re.split(r"([:=])", word) if word else [""]) if piece or not word]
        text = ASK.format(script=script, words=shlex.join(["vmmig", *pieces]))
        result = subprocess.run(["bash", "--norc", "-c", text], check=True, capture_output=True, text=True, timeout=20, cwd=tmp_path,
                                stdin=subprocess.DEVNULL)
        assert result.stderr == "", result.stderr
        return sorted(result.stdout.split())
    return ask


def options_of_help(text):
    """{option: whether it takes a value}, from Boost's lines "  -o [ --output ] FILE   words"."""
    found = {}
    for line in re.findall(r"^  (-\S.*)$", text, re.M):
        names = re.match(r"(-\S+)(?: \[ (--\S+) \])?( arg| [A-Z][A-Z|]*)?(?:\s|$)", line)
        for name in filter(None, names.groups()[:2]):
            found[name] = bool(names[3])
    return found


def test_the_help_is_read_as_a_person_reads_it():
    assert {"show", "export", "migrate", "serve", "completion"} <= set(COMMANDS)
    options = options_of_help(output("export", "--help"))
    assert options["--vm"] and options["-o"] and options["--output"] and options["-u"] and not options["-d"]


def test_it_offers_every_command_and_nothing_else(offers):
    assert offers("") == sorted(COMMANDS)
    assert offers("-u ops -v3 mi") == ["migrate"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_it_offers_every_option_that_the_help_names(offers, command):
    words = [command] if command else []
    wanted = set(options_of_help(output(*words, "--help"))) | {"-h", "--help", "-V", "--version"}
    assert set(offers(f"{command} -".lstrip())) == wanted


@pytest.mark.parametrize("command", COMMANDS)
def test_it_knows_which_options_take_a_value(offers, command):
    """Behind one that does stands its value, not an option; behind one that does not, an option may stand."""
    for option, takes_value in options_of_help(output(command, "--help")).items():
        is_option_offered = "--help" in offers(f"{command} {option} --he")
        assert is_option_offered != takes_value, option


def test_it_offers_values_where_there_is_a_choice(offers):
    assert offers("migrate web1 --policy ") == offers("migrate --policy=") == ["bestEffort", "require"]
    assert offers("migrate --policy=r") == ["require"]
    assert offers("phase tcp:host-a ") == ["cancelled", "failed", "preCopy", "prepared", "resumed", "stopped"]
    assert offers("nms za") == ["zabbix"]
    assert offers("completion ") == ["bash"]
    assert offers("show fw-a vmMigTcp") == offers("show --table vmMigTcp") == ["vmMigTcpConnTable"]
    assert offers("-v ") == ["2c", "3"]


def test_it_offers_the_names_of_the_inventory(offers, tmp_path):
    (tmp_path / "my.conf").write_text(INVENTORY)
    assert offers("show --config my.conf ") == ["fw-a", "host-a", "host-b"]
    assert offers("doctor --config my.conf fw-a host-") == ["host-a", "host-b"]
    assert offers("phase --config my.conf ") == ["host-a", "host-b"]
    assert offers("migrate --config my.conf --from ") == ["fw-a", "host-a", "host-b"]
    assert offers("locate --config my.conf ") == ["web1"]
    assert offers("show --config absent.conf ") == []


def test_it_offers_files(offers, tmp_path):
    (tmp_path / "web1.json").write_text("{}")
    (tmp_path / "packs").mkdir()
    assert offers("import fw-a ") == ["packs", "web1.json"]
    assert offers("serve --config we") == ["web1.json"]
    assert offers("nms zabbix --output ") == ["packs"]


def test_an_unknown_shell_is_refused():
    result = subprocess.run([VMMIG, "completion", "tcsh"], capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (2, "") and "bash" in result.stderr


def test_make_installs_what_the_command_prints(script):
    installed = pathlib.Path(os.environ["VMMIG_BUILDDIR"], "completions", "vmmig")
    assert installed.read_text() == script.read_text()
