"""The workloads are what the goals are about, and a smaller one is of the same shape."""

from __future__ import annotations

import pytest

from bench.scale import CROWDS, SIZES, of_crowd, of_size
from bench.workloads import W4, WORKLOADS, Workload, annotated, chain, smaller
from cairn.core.parse import parse


def test_there_are_so_many_jobs() -> None:
    assert [work.jobs for work in WORKLOADS] == [200, 20, 200, 1000]


def test_smaller_ones_have_fewer_jobs_and_the_same_names() -> None:
    assert {less.name: less.jobs for less in map(smaller, WORKLOADS)} == {"W1": 100, "W2": 6, "W3": 60, "W4": 250}


def test_checkpoints_are_on_or_off() -> None:
    assert W4.spec(checkpoints=True)["checkpoint"] == {"triggers": ["level-completed"]}
    assert W4.spec(checkpoints=False)["checkpoint"] == {"enabled": False}


@pytest.mark.parametrize("work", [*map(of_size, SIZES), *map(of_crowd, CROWDS)], ids=lambda work: work.name)
def test_sizes_are_exact_and_within_the_bounds_of_dependencies(work: Workload) -> None:
    assert work.jobs == int(work.name.split("-")[1]) * (10 if work.name.startswith("executions") else 1)
    assert work.width <= 100


def test_annotations_reach_the_pods() -> None:
    told = annotated(chain(1), hang="true", exit_code="1")["jobDefaults"]["podTemplate"]["metadata"]["annotations"]
    assert told == {"fake.cairn.dev/hang": "true", "fake.cairn.dev/exit-code": "1"}


def test_an_annotated_execution_is_valid() -> None:
    assert len(parse(annotated(chain(3), hang="true")).jobs) == 3
