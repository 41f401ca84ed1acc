# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmmig report` of real migrations, in a browser: it has the journal's figures, and can be read on any screen."""

import json
import re
import sqlite3

import html5lib
import pytest

pytest_plugins = ["lab.pytest_plugin"]

from lab.browser import Browser  # noqa: E402
from lab.hypervisor import Hypervisor  # noqa: E402
from lab.netns import wait_until  # noqa: E402
from lab.report_page import Page, broken, differences, write_journal  # noqa: E402
from lab.scene import Scene  # noqa: E402
from lab.topology import VM_UUID  # noqa: E402
from lab.vmmig import Vmmig  # noqa: E402
from lab.workload import Workload  # noqa: E402

WIDTHS = (1280, 400)


def write_page(vmmig, directory, *words):
    file = directory / "page.html"
    vmmig.command("report", *words, "--config", vmmig.conf, "--output", file)
    return file


def told_of(vmmig, number="latest"):
    return json.loads(vmmig.command("journal", str(number), "--config", vmmig.conf, "--json").stdout)


def assert_readable(browser, page):
    """On a desk, on paper and in a hand."""
    html5lib.HTMLParser(strict=True).parse(page.read_text(encoding="utf-8"))
    for width in WIDTHS:
        measured, console = browser.measure(page, width)
        assert console == []
        wrong = {what: measured[what] for what in ("overflowing", "overlapping", "outside") if measured[what]}
        assert wrong == {}, width
        assert measured["charts"] >= 1


@pytest.fixture
def browser(request, tmp_path):
    lab = request.getfixturevalue("switched_lab" if "switched_lab" in request.fixturenames else "lab")
    return Browser(lab.ns["mgr"], tmp_path)


def test_the_page_of_a_migration_over_four_devices(switched_lab, browser, tmp_path):
    scene = Scene(switched_lab, more_rows=2000)
    scene.reach("released")
    scene.finish()
    vmmig = scene.vmmig
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 15, "migration over")
    told = told_of(vmmig)
    assert told["state"] == "moved" and told["rows"] > 2000, told
    page = write_page(vmmig, tmp_path)
    dom, console = browser.dom(page)
    assert console == [] and "<script" not in dom
    assert differences(dom, told) == []
    assert {data["tables"]["vmMigTcpConnTable"] for event in told["events"] if "tables" in (data := event.get("data", {}))
            and "vmMigTcpConnTable" in data["tables"]} == {scene.rows}
    for what, wrong in broken(dom, told):
        assert [line for line in differences(wrong, told) if line.startswith(what)], f"wrong {what} is not noticed"
    assert_readable(browser, page)
    # To standard output it is the same, but for the time.
    text = vmmig.command("report", str(told["id"]), "--config", vmmig.conf, "-o", "-").stdout
    footer = re.compile(r"<footer>.*</footer>", re.DOTALL)
    assert footer.sub("", text) == footer.sub("", page.read_text(encoding="utf-8"))


def test_the_measure_finds_what_is_too_wide_and_what_is_written_over(switched_lab, browser, tmp_path):
    del switched_lab
    page = tmp_path / "bad.html"
    page.write_text('<!DOCTYPE html><html><body><section style="width:100px"><b style="white-space:nowrap">much too long for this'
                    '</b></section><svg viewBox="0 0 300 50" width="300"><text x="2" y="20">one</text>'
                    '<text x="5" y="22">two</text><text x="290" y="40">outside</text></svg><script>missing()</script></body></html>')
    measured, console = browser.measure(page, 400)
    assert measured["overflowing"] == ["much too long for this"]
    assert measured["overlapping"] == ["one | two"] and measured["outside"] == ["outside"]
    assert any("missing is not defined" in line for line in console)


def test_refused_running_and_interrupted_migrations_have_pages(lab, browser, tmp_path):
    vmmig = Vmmig(lab, stop_deadline=3).start()
    Workload(lab, many=6)
    hypervisor = Hypervisor(lab, vmmig)
    # The destination is away: nothing is moved.
    vmmig.agents["fw-b"].kill()
    assert not hypervisor.migrate("b")
    wait_until(lambda: vmmig.journal() and vmmig.idle(), 20, "migration over")
    told = told_of(vmmig)
    page = write_page(vmmig, tmp_path)
    dom, _ = browser.dom(page)
    assert differences(dom, told) == []
    assert "fw-b" in [row[1] for row in Page(dom).rows("refusal-table")] and "Not moved" in dom
    assert_readable(browser, page)
    # While it runs, and after its manager was killed.
    vmmig.agents["fw-b"].start().wait_ready()
    hypervisor.begin("b")
    wait_until(lambda: any("prepared" in event["text"] for event in told_of(vmmig)["events"]), 10, "destination prepared")
    page = write_page(vmmig, tmp_path, "latest")
    assert "Still under way" in page.read_text(encoding="utf-8")
    assert_readable(browser, page)
    vmmig.manager.kill()
    page = write_page(vmmig, tmp_path)
    assert "Interrupted" in page.read_text(encoding="utf-8")
    assert differences(browser.dom(page)[0], told_of(vmmig)) == []
    assert_readable(browser, page)


def test_a_hostile_name_is_only_a_name(lab, browser, tmp_path):
    """255 octets of what is no name, with --now, and then what there is no page of."""
    vmmig = Vmmig(lab).start()
    Workload(lab, many=2)
    name = '<script>alert("1")</script>\'&\u202e<svg onload=x>'
    name += "W" * (255 - len(name.encode()))
    with open(vmmig.conf, "a", encoding="utf-8") as file:
        file.write("\n")
    from_to = ("--from", "fw-a", "--to", "fw-b", "--now", "--config", vmmig.conf)
    vmmig.command("migrate", VM_UUID, *from_to)
    rename(vmmig, name)
    told = told_of(vmmig)
    assert told["vmName"] == name
    page = write_page(vmmig, tmp_path)
    dom, console = browser.dom(page)
    assert console == [] and Page(dom).text("h1") == f"VM {name}".replace("\u202e", "\ufffd") and "<script" not in dom
    assert differences(dom, told) == []
    assert_readable(browser, page)
    for words, status, said in ((["99"], 1, "has no migration 99"), (["x"], 2, "no number"),
                                (["1", "--journal", "/nowhere"], 2, "no journal")):
        answer = vmmig.command("report", *words, "--config", vmmig.conf, check=False)
        assert answer.returncode == status and said in answer.stderr and answer.stdout == "", answer


def rename(vmmig, name):
    """No device takes such a name by itself: in the journal, as one from elsewhere may have it."""
    journal = f"{vmmig.directory}/journal.db"
    with sqlite3.connect(journal) as database:
        (plan,) = database.execute("SELECT plan FROM migration").fetchone()
        database.execute("UPDATE migration SET plan = ?", (json.dumps({**json.loads(plan), "vmName": name}),))
    database.close()


@pytest.mark.parametrize("legs, name, missing, outcome", [
    pytest.param(1, "web1", 0, 0, id="one"), pytest.param(10, "firewall-of-the-second-floor", 0, 0, id="ten"),
    pytest.param(10, "W" * 255, 3, 4, id="wide"), pytest.param(3, "漢字" * 40, 1, 4, id="han")])
def test_ten_devices_and_long_names_can_be_read(lab, browser, tmp_path, legs, name, missing, outcome):
    vmmig = Vmmig(lab)
    journal = tmp_path / "journal.db"
    # vmmig makes the file, for a migration that does not come about: no device is there.
    vmmig.command("migrate", VM_UUID, "--from", "fw-a", "--to", "fw-b", "--now", "--config", vmmig.conf, "--journal", journal,
                  check=False)
    write_journal(journal, legs, name, missing, outcome)
    told = json.loads(vmmig.command("journal", "latest", "--journal", journal, "--json").stdout)
    page = write_page(vmmig, tmp_path, "--journal", journal)
    dom, console = browser.dom(page)
    assert console == [] and differences(dom, told) == []
    assert_readable(browser, page)
