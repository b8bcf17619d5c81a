"""Raw records become figures: medians of rounds, beside what the scripts took in the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.figures import Figure, table, write
from bench.results import FIGURES, figures_of, told, usage_table
from unit.bench.records_of_a_run import EVERYTHING

RECORDS = {part: make() for part, make in EVERYTHING.items()}


def _figures(part: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures_of(part, RECORDS[part])}


def test_a_workload_is_told_beside_bare_jobs_with_checkpoints_and_without() -> None:
    found = _figures("workloads")
    assert (found["W1"].value, found["W1"].baseline, found["W1"].ratio) == (2.0, 4.0, 0.5)
    assert found["W1-plain"].value == 2.0
    assert found["W1-operator-cpu"].value == 4.0
    assert found["W1-requests"].value == 1.5
    assert found["W1-requests"].note == "create jobs 1.00, update dagexecutions/status 0.50"
    assert (found["W1-writes"].value, found["W1-lists"].value) == (4.0, 0)
    assert (found["W1-lag"].value, found["W1-lag"].unit) == (2.5, "%")
    assert found["W1-lag"].note == "probes later than 20 ms, of 80 of the operator's own; the latest up to 50 ms"
    assert (found["W1-hop"].value, found["W1-loop"].value) == (20.0, 40.0)


def test_sizes_rest_pauses_and_checkpoints_are_told() -> None:
    assert _figures("scale")["jobs-20-status"].value == 2.0
    assert _figures("scale")["planner-20"].note == "one plan, CPU, median; 50.0 µs a job, 400 calls"
    assert _figures("scale")["watchers-50"].note.startswith("operator 1.00 s CPU, kube-apiserver 3.00 s CPU; 9.0 MB")
    assert (_figures("scale")["rows-10000-list"].value, _figures("scale")["rows-1000-size"].value) == (20.0, 1.0)
    assert _figures("known")["restart-serving"].value == 3.0
    assert _figures("known")["idle-known-cpu"].note.endswith("requests: get leases 2")
    assert _figures("pauses")["pause-visible"].value == 30.0
    assert _figures("saves")["checkpoint-load-1000"].value == 200.0


def test_of_a_scale_that_is_not_measured_whole_the_rest_is_told() -> None:
    partly = {name: found for name, found in RECORDS["scale"].items() if name not in ("planner", "watchers", "rows")}
    assert [figure.name for figure in figures_of("scale", partly)][-1] == "executions-1"


def test_every_kind_of_record_has_figures() -> None:
    assert FIGURES.keys() == RECORDS.keys()


def test_only_so_many_requests_are_told() -> None:
    assert told({"a": 1, "b": 4}, 2, most=1) == "b 2.00"


def test_every_process_is_in_the_table_of_usage() -> None:
    lines = usage_table(RECORDS["workloads"]).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["operator", "etcd"]


def test_figures_are_kept_whole_and_replace_those_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write([Figure("a", 1, "s"), Figure("b", 1, "s")], path)
    write([Figure.beside("a", 2, "s", 4, "why")], path)
    assert json.loads(path.read_text()) == [
        {"name": "a", "value": 2, "unit": "s", "baseline": 4, "ratio": 0.5, "note": "why"},
        {"name": "b", "value": 1, "unit": "s", "baseline": None, "ratio": None, "note": ""},
    ]


@pytest.mark.parametrize("part", RECORDS)
def test_every_figure_is_a_line_of_the_table(part: str) -> None:
    figures = figures_of(part, RECORDS[part])
    assert len(table(figures).splitlines()) == len(figures) + 1
