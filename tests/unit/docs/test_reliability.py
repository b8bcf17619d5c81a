"""docs/reliability.md is what the runs have written, and each bug it names has the test it names."""

from __future__ import annotations

import json

from support.generated import generator
from support.reliability import FOLDER, ROOT, Table, markdown, percentiles

pages = generator("generate_reliability")
PARTS = sorted(FOLDER.glob("*.json"))


def test_the_page_is_made_anew() -> None:
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page(), "run `make docs`"
    assert {path.stem for path in PARTS} <= set(pages.PARTS)


def test_a_bug_names_the_test_that_would_find_it_again() -> None:
    found = [bug for path in PARTS for bug in json.loads(path.read_text(encoding="utf-8"))["bugs"]]
    for bug in found:
        file, name = bug["test"].split("::")
        assert f"def {name.split('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), bug


def test_percentiles_are_of_what_was_measured() -> None:
    table = percentiles("t", {"a": [3.0, 1.0, 2.0], "b": [], "c": [0.04]})
    assert table == Table("t", ("what", "times", "p50 (s)", "p95 (s)", "max (s)"),
                          [["a", 3, "2.0", "3.0", "3.0"], ["c", 1, "0.04", "0.04", "0.04"]])  # fmt: skip


def test_a_part_tells_its_command_its_figures_and_what_it_leaves_out() -> None:
    table = {"title": "t", "columns": ["a", "b"], "rows": [[1, "x"]]}
    part = {
        "title": "P", "text": "We tried.", "command": "make p", "date": "2026-01-31", "commit": "abc", "seconds": 150,
        "losses": 0, "duplicates": 1, "tables": [table], "bugs": [{"what": "B", "test": "tests/x.py::test_b"}],
        "not_covered": ["N"],
    }  # fmt: skip
    told = markdown(part)
    for line in ("`make p`, 2026-01-31, at abc, 2 min: **0 lost, 1 doubled.**", "| a | b |\n| --- | --- |\n| 1 | x |",
                 "- B (`tests/x.py::test_b`)", "- N"):  # fmt: skip
        assert line in told
