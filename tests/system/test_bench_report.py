# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./dev bench makes of its measurements: the ratios, their names and spread, and curves that are XML. No lab, no clock."""

import json
import pathlib
import sys
import xml.etree.ElementTree

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench"))

import measurements  # noqa: E402
import page  # noqa: E402
import svg  # noqa: E402

SIZES = [1000, 10000, 100000]


def migration(milliseconds):
    return {"ms": milliseconds, "steps": dict.fromkeys(page.STEPS, milliseconds / 4), "refused": 0,
            "bytesPerRow": {"source": 300.0, "destination": 350.0}}


def one_round(factor):
    """Others take a multiple of the rows, vmmig 10 ms and a multiple of the change."""
    results = {}
    for rows in SIZES:
        warm = {percent: migration(10 * factor + rows * percent / 10000)
                for percent in (measurements.PERCENTS if rows == SIZES[-1] else (1,))}
        results[rows] = {"dumpRestore": {"ms": rows / 100}, "conntrackd": {"ms": rows / 200}, "warm": warm,
                         "raw": {"allMs": rows / 250, "changedMs": rows / 10000}, "cold": migration(rows / 125),
                         "equal": migration(10 * factor + 10)}
        if rows <= measurements.ROW_BY_ROW_LIMIT:
            results[rows]["rowByRow"] = {"ms": rows / 2}
    return results


@pytest.fixture
def report():
    bulks = [{"rowWriteMs": 30.0, "rowReadMs": 40.0, "chunkReadMs": 20.0, "chunkWriteMs": 60.0, "insertMs": 10.0, "dumpMs": 20.0}]
    cpus = [{"idleCpuPercent": 0.0, "followCpuPercent": 20.0, "followedPerSecond": 10000.0}]
    return page.Report(SIZES, [one_round(1), one_round(3), one_round(2)], bulks, cpus)


def test_each_ratio_has_its_name_its_size_and_its_spread(report):
    told = json.loads(json.dumps(report.json()))
    assert told["dumpRestoreOverBlackout100k"] == pytest.approx(1000 / 30, abs=0.001)  # of the middle round: 20 + 10 ms
    assert told["spread"]["dumpRestoreOverBlackout100k"] == [25, 50]
    assert told["rawAllOverBlackout100k"] == pytest.approx(400 / 30, abs=0.001)
    assert told["coldOverRaw100k"] == 2
    assert told["blackout100kOver1k"] == 1
    assert told["bytesPerConnection"] == 300
    assert told["chunkWriteOverRaw"] == 6
    assert "rowByRowOverBlackout10k" in told and "rowByRowOverBlackout100k" not in told
    assert "dumpRestoreOverBlackout100kChanged10Percent" in told


def test_the_page_names_no_curve_that_is_not_there(report, tmp_path):
    report.write(tmp_path, "./dev bench")
    text = (tmp_path / "performance.md").read_text()
    curves = {path.name for path in tmp_path.glob("*.svg")}
    assert len(curves) == 4 and all(f"]({name})" in text for name in curves)
    assert text.count(".svg)") == 4
    for name in curves:
        assert xml.etree.ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


def test_a_refused_packet_is_told(report):
    assert report.json()["refusedPackets"] == 0
    report.rounds[1][1000]["cold"]["refused"] = 7
    assert report.json()["refusedPackets"] == 7 and report.text().endswith(": 7")


def test_axes_hold_what_is_drawn():
    text = svg.chart("<title>", "x", "y", {"one & two": {1000: (5, 4, 70), 100000: (800, 700, 900)}})
    root = xml.etree.ElementTree.fromstring(text)
    circles = [(float(each.get("cx")), float(each.get("cy"))) for each in root.iter() if each.tag.endswith("circle")]
    assert [across for across, _ in circles] == [svg.LEFT, svg.WIDTH - svg.RIGHT]
    assert circles[0][1] > circles[1][1]  # more is higher
    lines = [each for each in root.iter() if each.tag.endswith("}line")]
    assert all(svg.TOP <= float(each.get(end)) <= svg.HEIGHT - svg.BOTTOM for each in lines for end in ("y1", "y2"))
