# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmmig nms` itself: the same files for the same module wherever it runs, and what it says when it can make none."""

import filecmp
import re
import subprocess

import pytest

from conftest import BUILD, PACKS, read_module, run_nms

SURROUNDINGS = {  # of the process that makes a pack
    "the same": {}, "locale": {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}, "no locale": {"LC_ALL": "xx_YY"}, "time zone": {"TZ": "Asia/Kathmandu"},
    "libsmi's own files": {"HOME": "{scratch}", "SMIPATH": "/nonexistent"}, "Net-SNMP's own files": {"MIBS": "ALL", "MIBDIRS": "/nonexistent"},
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_the_same_module_makes_the_same_files_anywhere(packs, tmp_path, surroundings):
    (tmp_path / ".smirc").write_text("load NO-SUCH-MIB\nlevel 0\npath /nonexistent\n")
    environment = {key: value.format(scratch=tmp_path) for key, value in SURROUNDINGS[surroundings].items()}
    for pack in PACKS:
        run_nms(pack, "--output", tmp_path / pack, environment=environment)
        names = sorted(each.name for each in packs[pack].iterdir())
        assert names == sorted(each.name for each in (tmp_path / pack).iterdir())
        assert filecmp.cmpfiles(packs[pack], tmp_path / pack, names, shallow=False) == (names, [], [])


def test_another_module_is_told_by_a_diff_of_the_packs(packs, module, tmp_path):
    """The negative control of the tests above: with a changed module they would not hold."""
    text = (BUILD / "mibs" / "VM-MIGRATION-MIB.txt").read_text()
    (tmp_path / "VM-MIGRATION-MIB.txt").write_text(text.replace("::= { vmMigDevice 16 }", "::= { vmMigDevice 17 }"))
    changed = read_module(tmp_path / "VM-MIGRATION-MIB.txt")
    assert changed.objects["vmMigClock"][0] != module.objects["vmMigClock"][0]
    run_nms("prometheus", "--output", tmp_path / "prometheus", modules=tmp_path)
    before, after = ((path / "snmp.yml").read_text().splitlines() for path in (packs["prometheus"], tmp_path / "prometheus"))
    differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert differing and all(module.objects["vmMigClock"][0] in old and changed.objects["vmMigClock"][0] in new for old, new in differing)


def test_without_a_pack_all_are_listed_with_the_place_of_each_file(packs):
    listing = run_nms().stdout
    for pack, directory in packs.items():
        assert re.search(rf"^{pack}$", listing, re.M)
        for file in directory.iterdir():
            assert re.search(rf"^    {re.escape(file.name)} +\S", listing, re.M), file.name


def test_without_an_output_the_files_go_into_a_directory_of_the_packs_name(tmp_path):
    run_nms("snmptt", cwd=tmp_path)
    assert (tmp_path / "snmptt" / "snmptt-vmmig.conf").exists()


def test_what_cannot_be_made_is_said(tmp_path):
    unknown = run_nms("cacti", check=False)
    assert unknown.returncode == 2 and "zabbix, prometheus" in unknown.stderr
    nowhere = run_nms("zabbix", "--module-path", tmp_path, check=False)
    assert nowhere.returncode == 2
    (tmp_path / "file").write_text("")
    taken = run_nms("zabbix", "--output", tmp_path / "file", check=False)
    assert taken.returncode == 2 and "cannot make the directory" in taken.stderr
    unwritable = run_nms("zabbix", "--output", "/proc", check=False)
    assert unwritable.returncode == 2 and "/proc/vmmig.yaml cannot be written" in unwritable.stderr
    nameless = run_nms("zabbix", "--output", "", check=False)
    assert nameless.returncode == 2 and "--output names no directory" in nameless.stderr
    more = run_nms("zabbix", "grafana", "--output", tmp_path / "out", check=False)
    assert more.returncode == 2 and '"grafana" is one argument too many' in more.stderr
    assert not (tmp_path / "out").exists()


def test_a_module_that_is_not_whole_makes_nothing(tmp_path):
    """Cut off somewhere, without the modules that it imports, or with another label: a sentence, and no file."""
    text = (BUILD / "mibs" / "VM-MIGRATION-MIB.txt").read_text()
    (tmp_path / "modules").mkdir()
    file, out = tmp_path / "modules" / "VM-MIGRATION-MIB.txt", tmp_path / "out"
    for wrong, complaint in ((text[:len(text) // 2], "VM-MIGRATION-MIB"), ("", "cannot find VM-MIGRATION-MIB"),
                             (text.replace("expired(5)", "over(5)"), "the packs need expired of vmMigPhaseHoldStatus")):
        file.write_text(wrong)
        made = run_nms("zabbix", "--output", out, modules=file.parent, check=False)
        assert made.returncode == 2 and complaint in made.stderr and not out.exists(), made
    file.write_text(text)
    alone = subprocess.run([BUILD / "vmmig", "nms", "zabbix", "--module-path", file.parent, "--output", out], capture_output=True, text=True,
                           timeout=60, check=False)
    assert alone.returncode == 2 and "failed to locate MIB module" in alone.stderr and not out.exists()
