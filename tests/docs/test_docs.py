# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents say is so: every command in them runs, and prints what they show."""

import glob
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab import documents  # noqa: E402
from lab.vmmig import program  # noqa: E402

pytest_plugins = ["lab.pytest_plugin"]

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCS = ("tutorial.md", "operator-guide.md", "mib.md", "protocol.md")
CLEAN_UP = "## 8. Clean up"
COMMAND = r"(?:^|[;&|{(] ?|\$ |until |command )vmmig ([a-z]+)([^|;&\n]*)"


def read(name):
    with open(os.path.join(TOP, name)) as file:
        return file.read()


def run(all_blocks):
    return documents.run(all_blocks, TOP, os.path.dirname(program("vmmig")))


@pytest.mark.parametrize("name", DOCS)
def test_every_command_runs_and_prints_what_is_shown(name):
    """The tutorial as a whole; the others in its network, as it is before it is cleaned up."""
    tutorial = read("docs/tutorial.md")
    if name == "tutorial.md":
        chosen = documents.blocks(tutorial)
    else:
        chosen = documents.blocks(tutorial.split(CLEAN_UP)[0]) + documents.blocks(read(f"docs/{name}"))
        assert CLEAN_UP in tutorial
    ran = run(chosen)
    documents.assert_shown(ran)


def test_a_document_that_shows_something_else_is_found_out():
    good = "$ echo one two\none ...\n"
    documents.assert_shown(run([good]))
    with pytest.raises(AssertionError, match="is not what is shown"):
        documents.assert_shown(run(["$ echo one two\ntwo ...\n"]))
    with pytest.raises(AssertionError, match="it stopped with 1"):
        run(["false\n", good])
    with pytest.raises(AssertionError, match="is not what is shown"):
        documents.assert_shown(run(["$ echo one; echo two\none\n"]))


def test_no_block_is_left_out():
    """Blocks are either run, or no commands: pictures and figures without a language, and hex, which has a test of its own."""
    for name in DOCS:
        text = read(f"docs/{name}")
        languages = {language for language, _ in documents.BLOCK.findall(text)}
        assert languages <= {"sh", "", "hex"}, (name, languages)
        assert text.count("```") == 2 * len(documents.BLOCK.findall(text)), name
        for block in documents.blocks(text, ""):
            assert not re.search(r"^\s*(\$|#|vmmig|vmmigd|ip|nft|snmp\w+|systemctl)\s", block, re.M), (name, block)


@pytest.mark.parametrize("name", [*(f"docs/{doc}" for doc in DOCS), "README.md"])
def test_links_lead_somewhere(name):
    text = re.sub(documents.BLOCK, "", read(name))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        assert "://" not in target, f"{name}: {target} needs a network to be looked at"
        where = os.path.normpath(os.path.join(TOP, os.path.dirname(name), path)) if path else os.path.join(TOP, name)
        assert os.path.exists(where), f"{name}: {target} is not there"
        if anchor:
            with open(where) as file:
                titles = {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
                          for title in re.findall(r"^#+ (.*)$", file.read(), re.M)}
            assert anchor in titles, f"{name}: {target} names no title"


def test_files_that_are_named_exist():
    """In the text, between backquotes: what has the form of a path of the source."""
    for name in DOCS:
        for path in re.findall(r"`((?:tests|docs|mibs|man|manager|subagent|common|debian|demo)/[\w./*-]+)`", read(f"docs/{name}")):
            assert os.path.exists(os.path.join(TOP, path)), f"{name}: {path} is not there"


def help_of(*words):
    return subprocess.run([program(words[0]), *words[1:], "--help"], capture_output=True, text=True, check=True).stdout


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def test_options_that_are_named_exist():
    commands = re.findall(r"^  ([a-z]+)\s", help_of("vmmig"), re.M)
    assert {"migrate", "doctor", "serve", "phase"} <= set(commands)
    known = {command: options_in(help_of("vmmig", command)) for command in commands}
    known["vmmigd"] = options_in(help_of("vmmigd"))
    anywhere = set.union(*known.values()) | options_in(subprocess.run([os.path.join(TOP, "dev"), "help"], capture_output=True, text=True, check=True).stdout)
    for name in DOCS:
        text = read(f"docs/{name}")
        for block in documents.blocks(text):
            for command, rest in re.findall(COMMAND, re.sub(r"\\\n", "", block), re.M):
                assert command in known, f"{name}: vmmig has no command {command}"
                assert options_in(rest) <= known[command], f"{name}: vmmig {command}{rest}"
            for rest in re.findall(r"\bvmmigd -f([^|;\n]*)", block):
                assert options_in(rest) <= known["vmmigd"], f"{name}: vmmigd{rest}"
        for code in re.findall(r"`([^`\n]+)`", re.sub(documents.BLOCK, "", text)):
            assert options_in(code) <= anywhere, f"{name}: {code}"


def test_the_tests_that_hold_the_invariants_exist():
    """A name behind a file of tests is one of a test in it."""
    text, seen = read("docs/protocol.md"), 0
    for path, names in re.findall(r"`(tests/[\w/]+\.(?:cc|py))` (\w+(?:,\s+\w+)*)", text):
        for name in re.split(r",\s+", names):
            assert re.search(rf"(TEST(_F|_P)?\(\w+, |def ){name}\b", read(path)), f"{path} has no test {name}"
            seen += 1
    assert seen >= 20
    assert {int(n) for n in re.findall(r"^\| (\d) \|.*`tests/", text, re.M)} == set(range(1, 8))


def literals(top):
    """The string literals of our programs; those that stand side by side as one."""
    found = []
    for room in ("subagent", "manager", "common", "mibs"):
        for path in glob.glob(f"{top}/{room}/**/*.cc", recursive=True) + glob.glob(f"{top}/{room}/**/*.h", recursive=True):
            text = re.sub(r"^#include.*$|^\s*//.*$|'\"'", "", read(path), flags=re.M)
            end = None
            for each in re.finditer(r'"((?:[^"\\\n]|\\.)*)"', text):
                if end is not None and not text[end:each.start()].strip():
                    found[-1] += each.group(1)
                else:
                    found.append(each.group(1))
                end = each.end()
    return found


def test_messages_that_are_explained_are_those_of_the_programs():
    section = read("docs/operator-guide.md").split("## When something fails")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `(.+?)` \|", section, re.M)
    known = literals(TOP)
    assert len(messages) >= 20
    for message in messages:
        pieces = [piece for piece in message.split("...") if len(piece) > 7]
        assert pieces, message
        for piece in pieces:
            assert any(piece in each for each in known), f"no program says: {piece}"


def test_limits_are_those_of_the_code():
    section = read("docs/operator-guide.md").split("## Limits")[1]
    told = {int(number) for number in re.findall(r"\b\d{3,}\b", section)} - {300}
    code = "".join(read(f"{name}") for name in ("subagent/transfer_limits.h", "subagent/vm_store.h", "subagent/phase_manager.h",
                                                "mibs/image_table.h", "subagent/linux_policy_pieces.h"))
    values = {eval(each.replace("'", "")) for each in re.findall(r"\b(?:max|chunk)\w+ = ([\d' *]+);", code)}
    assert told == told & values, told - values
