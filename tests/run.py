# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs `make check` and adds up what the test programs say: closes with `N passed, N failed, N skipped`.

What runs network management systems comes last, so that theirs are not waited for to hear of a fault of ours.

GoogleTest programs and pytest files count each of their tests; any other program counts as one.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time


NMS = "tests/nms/"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, help="the build directory")
    parser.add_argument("--forbid-skips", action="store_true", help="a skipped test is a failure")
    parser.add_argument("--before-nms", metavar="COMMAND", type=shlex.split, help="what installs what the tests in tests/nms need")
    parser.add_argument("patterns", nargs="*", help="only tests whose path contains one of these")
    return parser.parse_args()


def all_tests(build, target="list-tests"):
    """The TESTS of the Makefile, asked of make itself."""
    listing = subprocess.run(["make", "-s", "-C", build, target], check=True, capture_output=True, text=True)
    return listing.stdout.split()


def chosen(build, patterns):
    """Those whose path contains one of the patterns; all without any. And those of a stage, which ./dev has prepared, when one names it."""
    stages = [t for t in all_tests(build, "list-stage-tests") if pathlib.PurePath(t).parent.name in patterns]
    return [t for t in all_tests(build) if not patterns or any(p in t for p in patterns)] + stages


def count(log, result):
    """(passed, failed, skipped) of one program from its log; `result` is automake's PASS, FAIL, SKIP or ERROR."""
    text = log.read_text(errors="replace") if log.exists() else ""

    def number(pattern):
        found = re.findall(pattern, text, re.M)
        return int(found[-1]) if found else 0

    if "[==========]" in text:
        passed, failed, skipped = (number(rf"^\[  {word} \] (\d+) tests?") for word in ("PASSED ", "FAILED ", "SKIPPED"))
    elif re.search(r"^=+ .* in [\d.]+s.*=+$", text, re.M):
        closing = re.findall(r"^=+ (.* in [\d.]+s.*?) =+$", text, re.M)[-1]
        words = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", closing)}
        passed, failed, skipped = words.get("passed", 0), words.get("failed", 0) + words.get("error", 0) + words.get("errors", 0), words.get("skipped", 0)
    else:
        passed, failed, skipped = (int(result == word) for word in ("PASS", "FAIL", "SKIP"))
    # A program that died before it could count has failed all the same.
    if result in ("FAIL", "ERROR") and failed == 0:
        failed = 1
    return passed, failed, skipped


def digest(log):
    """What failed, in front of the log's end: whoever shows this may cut it short."""
    lines = log.splitlines()
    return "\n".join([line for line in lines if re.match(r"E  |FAILED |\[  FAILED  \]", line)][:20] + lines[-60:])


def environment():
    """Temporary files in memory where there is room: what is synchronised to a shared disk can take longer than an SNMP request waits."""
    memory = pathlib.Path("/dev/shm")
    fits = memory.is_mount() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 512 << 20
    return {"TMPDIR": str(memory), **os.environ} if fits else dict(os.environ)


def run(build, tests):
    """Runs the tests, prints each program's result as it comes, and answers {test: (passed, failed, skipped)}."""
    command = ["make", "-s", "-C", str(build), f"-j{os.cpu_count()}", "check", f"TESTS={' '.join(tests)}"]
    subprocess.run(command, stdin=subprocess.DEVNULL, env=environment(), check=False)
    counts = {}
    for test in tests:
        base = build / re.sub(r"\.(py|sh)$", "", test)
        trs = base.with_name(base.name + ".trs")
        found = re.search(r":test-result: (\w+)", trs.read_text()) if trs.exists() else None
        counts[test] = count(base.with_name(base.name + ".log"), found.group(1) if found else "ERROR")
    return counts


def run_stages(build, tests, before_nms):
    """The same in two stages; the second is prepared only when it has any tests."""
    of_nms = [test for test in tests if test.startswith(NMS)]
    core = [test for test in tests if not test.startswith(NMS)]
    counts = run(build, core) if core else {}
    if not of_nms:
        return counts
    if before_nms and subprocess.run(before_nms, stdin=subprocess.DEVNULL, check=False).returncode:
        print(f"{shlex.join(before_nms)} failed: the tests of network management systems cannot run", flush=True)
        return counts | dict.fromkeys(of_nms, (0, 1, 0))
    return counts | run(build, of_nms)


def main():
    arguments = parse_arguments()
    tests = chosen(arguments.build, arguments.patterns)
    if not tests:
        sys.exit(f"no test's name contains {' or '.join(arguments.patterns)}")
    for trs in arguments.build.glob("tests/**/*.trs"):
        trs.unlink()
    started = time.monotonic()
    counts = run_stages(arguments.build, tests, arguments.before_nms)
    for test, (_, failed, _) in counts.items():
        if failed:
            log = arguments.build / re.sub(r"\.(py|sh)$", ".log", test if test.endswith((".py", ".sh")) else test + ".log")
            print(f"\n--- {test} failed; {log}:", flush=True)
            print(digest(log.read_text(errors="replace")) if log.exists() else "(no log: it did not run)")
    passed, failed, skipped = (sum(c[i] for c in counts.values()) for i in range(3))
    print(f"\n{len(tests)} test programs in {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or (skipped and arguments.forbid_skips) else 0)


if __name__ == "__main__":
    main()
