# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents in Markdown whose commands are run: blocks marked sh, in order, in one shell in namespaces of its own.

A block either is a piece of a script, each command of which must succeed, or shows a session: lines that begin with `$ ` (and `> `
where they go on) are run, and what stands below them is what they must print. `...` is whatever varies, in a line, or as a line of its
own any number of lines.
"""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MARK = "\x1e"
# A network, a mount and a process namespace: whatever a document leaves behind ends with them.
ISOLATED = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
            'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && exec bash "$@"', "bash"]


@dataclass
class Shown:
    """A command of a session, and what the document says that it prints."""

    command: str
    output: str

    def pattern(self):
        words = [".*?".join(map(re.escape, line.split("..."))) + "\n" if line != "..." else "(?:.*\n)*?"
                 for line in self.output.splitlines()]
        return re.compile("".join(words))


def blocks(text, language="sh"):
    return [body for marked, body in BLOCK.findall(text) if marked == language]


def session(block):
    """The commands of a block that shows a session; nothing when it is a piece of a script."""
    shown = []
    if not block.startswith("$ "):
        return shown
    for line in block.splitlines():
        if line.startswith("$ "):
            shown.append(Shown(line[2:], ""))
        elif line.startswith("> ") and not shown[-1].output:
            shown[-1].command += "\n" + line[2:]
        else:
            shown[-1].output += line + "\n"
    return shown


def script(all_blocks):
    """A shell script of the blocks, which marks where each shown command's output begins and ends; and these commands."""
    lines, shown = ["set -e", "trap 'echo \"line $LINENO of the script: $BASH_COMMAND\"' ERR"], []
    for block in all_blocks:
        commands = session(block)
        if not commands:
            lines.append(block)
        for each in commands:
            lines.append(f"printf '{MARK}'\n{each.command}\nprintf '{MARK}'")
            shown.append(each)
    return "\n".join([*lines, f"printf '{MARK}the end'\n"]), shown


def source_with_build(top, build, directory):
    """A source directory whose build/ is the one that is tested."""
    for name in os.listdir(top):
        if name not in ("build", ".git"):
            os.symlink(os.path.join(top, name), os.path.join(directory, name))
    os.symlink(build, os.path.join(directory, "build"))


def run(all_blocks, top, build, seconds=300):
    """Run the blocks in order, in a source directory; returns [(Shown, what it printed)], and fails when a command of a script does."""
    with tempfile.TemporaryDirectory(prefix="vmmig-docs-") as directory:
        source = os.path.join(directory, "source")
        os.mkdir(source)
        source_with_build(top, build, source)
        return execute(all_blocks, directory, directory, ISOLATED, source, seconds)


def run_installed(all_blocks, root, seconds=300):
    """The same in a chroot, with the programs that are installed there."""
    with tempfile.TemporaryDirectory(prefix="vmmig-docs-", dir=os.path.join(root, "root")) as directory:
        return execute(all_blocks, directory, "/" + os.path.relpath(directory, root), ["chroot", root, *ISOLATED], "/", seconds)


def execute(all_blocks, directory, inside, isolated, cwd, seconds):
    """inside: the directory's name where the script runs."""
    text, shown = script(all_blocks)
    with open(os.path.join(directory, "script"), "w") as file:
        file.write(text)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": inside, "TMPDIR": inside, "LC_ALL": "C.UTF-8"}
    with open(os.path.join(directory, "printed"), "w+") as printed:
        with subprocess.Popen([*isolated, os.path.join(inside, "script")], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=printed,
                              stderr=subprocess.STDOUT) as program:
            try:
                status = program.wait(seconds)
            except subprocess.TimeoutExpired:
                program.kill()
                status = "nothing in time"
        printed.seek(0)
        output = printed.read()
    pieces = output.split(MARK)
    assert status == 0 and pieces[-1] == "the end", f"it stopped with {status}:\n{output[-3000:]}"
    return list(zip(shown, pieces[1:-1:2], strict=True))


def assert_shown(ran):
    for shown, printed in ran:
        assert shown.pattern().fullmatch(printed), f"$ {shown.command}\n{printed}\nis not what is shown:\n{shown.output}"
