from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.graph import MAX_CYCLES, ancestors, dependents, descendants, find_cycles, levels
from cairn.core.spec import JobSpec


def jobs(**depends_on: str) -> list[JobSpec]:
    return [
        JobSpec(id=job_id, index=i, depends_on=tuple(d.split())) for i, (job_id, d) in enumerate(depends_on.items())
    ]


DIAMOND = jobs(a="", b="a", c="a", d="b c", alone="")
UNORDERED = jobs(last="middle first", middle="first", first="")


@pytest.mark.parametrize(
    ("given_jobs", "expected"),
    [
        pytest.param([], {}, id="no jobs"),
        pytest.param(DIAMOND, {"a": 0, "b": 1, "c": 1, "d": 2, "alone": 0}, id="diamond"),
        pytest.param(UNORDERED, {"last": 2, "middle": 1, "first": 0}, id="the longest way counts, in any order"),
    ],
)
def test_levels(given_jobs: list[JobSpec], expected: dict[str, int]) -> None:
    assert levels(given_jobs) == expected
    assert list(levels(given_jobs)) == [job.id for job in given_jobs]


def test_dependents_are_in_spec_order() -> None:
    assert dependents(DIAMOND) == {"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": (), "alone": ()}


def test_ancestors_and_descendants_leave_the_job_itself_out() -> None:
    assert ancestors("d", DIAMOND) == {"a", "b", "c"}
    assert descendants("a", DIAMOND) == {"b", "c", "d"}
    assert ancestors("alone", DIAMOND) == descendants("alone", DIAMOND) == frozenset()


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        pytest.param({"a": ["b"], "b": []}, [], id="acyclic"),
        pytest.param({"a": ["a"]}, [("a", "a")], id="self"),
        pytest.param({"a": ["b"], "b": ["c"], "c": ["a"]}, [("a", "b", "c", "a")], id="along the path"),
        pytest.param(
            {"c": ["b"], "a": ["c"], "b": ["a"]}, [("c", "b", "a", "c")], id="begins with the first of the spec"
        ),
        pytest.param(
            {"a": ["b"], "b": ["a"], "x": ["y", "a"], "y": ["x"]}, [("a", "b", "a"), ("x", "y", "x")], id="one per knot"
        ),
        pytest.param({"a": ["gone"]}, [], id="edges to nowhere are left out"),
        pytest.param({"out": ["a"], "a": ["b"], "b": ["a"]}, [("a", "b", "a")], id="only what is in the cycle"),
    ],
)
def test_find_cycles(edges: dict[str, list[str]], cycles: list[tuple[str, ...]]) -> None:
    assert find_cycles(edges) == cycles


def test_at_most_ten_cycles_are_named() -> None:
    assert len(find_cycles({str(i): [str(i)] for i in range(30)})) == MAX_CYCLES


def test_a_large_graph_needs_no_recursion() -> None:
    many = [JobSpec(id=str(i), index=i, depends_on=tuple(map(str, range(max(0, i - 100), i)))) for i in range(2000)]
    assert levels(many)["1999"] == 1999
    assert len(ancestors("1999", many)) == len(descendants("0", many)) == 1999
    assert find_cycles({job.id: job.depends_on for job in many}) == []
    assert find_cycles({str(i): [str((i + 1) % 2000)] for i in range(2000)}) == [(*map(str, range(2000)), "0")]


NODES = [str(i) for i in range(8)]
GRAPHS = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), unique=True))


@given(GRAPHS)
def test_every_cycle_is_one_and_every_node_in_a_knot_reaches_one(edges: dict[str, list[str]]) -> None:
    cycles = find_cycles(edges)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(target in edges[node] for node, target in pairwise(cycle))
    in_cycles = {node for cycle in cycles for node in cycle}
    known = {node: [target for target in targets if target in edges] for node, targets in edges.items()}
    specs = [JobSpec(id=node, index=0, depends_on=tuple(targets)) for node, targets in known.items()]
    for node in known:
        if node in ancestors(node, specs):
            assert in_cycles & ancestors(node, specs) & descendants(node, specs)


@given(st.lists(st.lists(st.integers(0, 30), unique=True), max_size=30))
def test_a_level_is_one_more_than_the_highest_of_the_dependencies(rows: list[list[int]]) -> None:
    specs = [JobSpec(id=str(i), index=i, depends_on=tuple(str(d) for d in row if d < i)) for i, row in enumerate(rows)]
    found = levels(specs)
    for job in specs:
        assert found[job.id] == max((found[d] + 1 for d in job.depends_on), default=0)
    for job_id, names in dependents(specs).items():
        assert list(names) == [job.id for job in specs if job_id in job.depends_on]
