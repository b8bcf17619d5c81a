"""docs/performance.md is what is made of the kept records, and its plots are well-formed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plots, records, report
from support.generated import generator
from unit.bench.records_of_a_run import EVERYTHING

pages = generator("generate_performance")


RECORDS = {part: make() for part, make in EVERYTHING.items()}
PLOTS = {
    "bars": plots.bars("t", "s", {"a & b": {"x": 1.5, "y": 0.0}, "c": {"x": 200.0}}),
    "stacks": plots.stacks("t", "ms", {"a": {"x": 1.0, "y": 2.0}}),
    "lines": plots.lines("t", "jobs", "s", {"x": [(1, 1), (2, 4)]}),
    "no bars": plots.bars("t", "s", {}),
    "no points": plots.lines("t", "jobs", "s", {"x": []}),
    "nothing but zero": plots.lines("t", "jobs", "s", {"x": [(0, 0)]}),
}


def test_the_page_and_its_plots_are_made_anew() -> None:
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page(), "run `make docs`"
    for path, text in pages.plots().items():
        assert path.read_text(encoding="utf-8") == text, "run `make docs`"


def test_no_plot_is_left_over() -> None:
    assert {path.name for path in records.KEPT.glob("*.svg")} == {path.name for path in pages.plots()}


def test_every_part_has_a_section_and_every_picture_is_drawn() -> None:
    text, files = report.page(RECORDS)
    assert text.count("\n## ") == len(records.PARTS) + 2 == len(RECORDS) + 2, "and the findings"
    assert {f"](performance/{name}.svg)" in text for name in files} == {True}
    assert text.count("](performance/") == len(files)
    assert "later than 20 ms (the latest) | 2.50 % (up to 50 ms) |" in text
    assert "| W1: ten | 2.00 (0.50) | 2.00 (0.50) | 4.00 (1.00) | 5.00 (1.25) | 1.00 (0.25) |" in text


def test_every_curve_of_scale_is_told_and_drawn_as_far_as_it_is_measured() -> None:
    text, files = report.page({"scale": RECORDS["scale"]})
    assert files.keys() == {
        *(f"scale-{name}" for name in ("seconds", "status", "looks", "cpu", "executions", "planner", "watchers")),
        "scale-calls", "scale-rows", "scale-rows-size",
    }  # fmt: skip
    assert "| 50 | 4.00 | 9.0 | 1.00 | 3.00 |" in text
    assert "| 10,000 | 20.0 (40.0) | 20.0 (40.0) | 20.0 (40.0) | 1.0 | 0.5 |" in text
    without = {name: found for name, found in RECORDS["scale"].items() if name != "rows"}
    assert report.page({"scale": without})[1].keys() == files.keys() - {"scale-rows", "scale-rows-size"}


def test_a_page_of_nothing_says_how_to_measure() -> None:
    assert "make bench" in report.page({})[0]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_well_formed_and_within_its_frame(name: str) -> None:
    root = ElementTree.fromstring(PLOTS[name])
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= plots.WIDTH
        assert float(box.attrib["y"]) + float(box.attrib["height"]) <= float(root.attrib["height"])


def test_a_curve_stays_below_the_end_of_its_axis() -> None:
    root = ElementTree.fromstring(PLOTS["lines"])
    ends = [float(dot.attrib["cy"]) for dot in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert ends == sorted(ends, reverse=True)
    assert min(ends) >= 34


def test_what_is_saved_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BUILT", tmp_path / "built")
    monkeypatch.setattr(records, "KEPT", tmp_path / "kept")
    written = records.save("scale", RECORDS["scale"], keep=True)
    assert written == RECORDS["scale"]
    assert records.load(tmp_path / "kept") == {"scale": written}
    records.save("known", RECORDS["known"], keep=False)
    assert set(records.load(tmp_path / "kept")) == {"scale"}


def test_about_names_no_machine() -> None:
    assert records.about(quick=True).keys() == {
        "date", "commit", "quick", "cores", "load", "architecture", "python",
    }  # fmt: skip
