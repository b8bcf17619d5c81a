"""What is drawn of an execution, and the drawing as text."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.drawing.model import Drawing, Edge, Flag, Junction, Node, draw
from cairn.core.drawing.text import DEEPEST_TREE, text, tree
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec, JobSpec, Replay, RunOn
from cairn.core.status import JobRecord, JobState, PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, ended, failed, job, running, skipped, spec


def drawn(given: ExecutionSpec, *records: JobRecord, name: str = "sample", **fields: Any) -> Drawing:
    status = Status(phase=Phase.RUNNING, jobs={record.id: record for record in records}, **fields)
    return draw(given, Shape(given), status, NOW, name=name)


def random_dag(seed: int, size: int = 60) -> ExecutionSpec:
    """Jobs that come after some of those before them, or after a whole group."""
    rng = random.Random(seed)
    jobs: list[JobSpec] = []
    for n in range(size):
        chosen = dict.fromkeys(rng.choices([j.id for j in jobs[-12:]], k=rng.randint(0, 3)) if jobs else [])
        if rng.random() < 0.3:
            chosen |= dict.fromkeys(j.id for j in jobs if j.group == "g")
        jobs.append(job(f"j{n}", *chosen, group="g" if 3 <= n < 9 else None))
    return spec(*jobs)


# --- Jobs ------------------------------------------------------------------------------------------------------------

ONE = [
    param(job("a"), None, {}, id="one that nothing is recorded of is Pending"),
    param(
        job("a"), running("a", 2, started_at=EARLIER), {"attempt": 2, "seconds": 60}, id="one that runs lasts until now"
    ),
    param(job("a"), running("a"), {"reason": "Waiting", "attempt": 1}, id="without a container it waits"),
    param(
        job("a"), running("a", reason=names.UNSCHEDULABLE), {"reason": "Unschedulable", "attempt": 1},
        id="an unusual wait is told",
    ),
    param(job("a"), ended("a", started_at=EARLIER), {"attempt": 1, "seconds": 0}, id="one that ended has its own time"),
    param(
        job("a"), JobRecord("a", attempt=1, reason="Error", started_at=EARLIER, finished_at=NOW),
        {"attempt": 1, "reason": "Error"}, id="between two attempts no time runs",
    ),
    param(job("a", replay=Replay.UNSAFE), None, {"flags": (Flag.UNSAFE,)}, id="unsafe to replay"),
    param(job("a", replay=Replay.CONFIRM), None, {"flags": (Flag.CONFIRM,)}, id="to be confirmed"),
    param(job("a", when="true"), None, {"flags": (Flag.CONDITIONAL,)}, id="with a condition"),
    param(job("a", run_on=RunOn.FAILURE), None, {"flags": (Flag.ON_FAILURE,)}, id="on failure"),
    param(job("a", run_on=RunOn.DONE), None, {"flags": (Flag.ON_DONE,)}, id="on done"),
    param(
        job("a"), running("a", reason=names.HELD), {"flags": (Flag.HELD,), "reason": "Held", "attempt": 1},
        id="created suspended",
    ),
    param(job("a", group="g"), None, {"group": "g"}, id="of a group"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "record", "told"), ONE)
def test_a_job(given: JobSpec, record: JobRecord | None, told: dict[str, Any]) -> None:
    state = record.state if record else JobState.PENDING
    assert drawn(spec(given), *filter(None, [record])).nodes == (Node("a", 0, **{"state": state} | told),)


def test_what_is_running_lasts_no_time_where_no_time_is_given() -> None:
    given = spec(job("a"))
    made = draw(given, Shape(given), Status(jobs={"a": running("a", started_at=EARLIER)}))
    assert made.nodes[0].seconds is None


@pytest.mark.parametrize(("record", "held"), [(JobRecord("a"), True), (running("a"), True), (ended("a"), False)])
def test_a_hold_is_of_no_interest_once_a_job_has_ended(record: JobRecord, held: bool) -> None:
    assert (Flag.HELD in drawn(spec(job("a"), hold=frozenset({"a"})), record).nodes[0].flags) is held


def test_a_critical_job() -> None:
    given = spec(job("a"), checkpoint=CheckpointSettings(critical_job_ids=frozenset({"a"})))
    assert drawn(given).nodes[0].flags == (Flag.CRITICAL,)


def test_a_job_that_was_taken_out_comes_last() -> None:
    made = drawn(spec(job("a"), job("b", "a")), ended("gone"), ended("a"))
    assert [(node.id, node.level, node.flags) for node in made.nodes] == [
        ("a", 0, ()), ("b", 1, ()), ("gone", 0, (Flag.REMOVED,))
    ]  # fmt: skip


def test_a_file_is_enough() -> None:
    given = spec(job("a"), job("b", "a", when="true"))
    made = draw(given, Shape(given), name="file")
    assert made.nodes == (Node("a", 0), Node("b", 1, flags=(Flag.CONDITIONAL,), depends_on=("a",)))
    assert (made.phase, made.counts) == (None, {})


def test_the_whole() -> None:
    pause = PauseState(PausePhase.DRAINING, EARLIER, 1)
    made = drawn(spec(job("a"), job("b", "a"), job("c")), failed("a"), skipped("b"), pause=pause)
    assert (made.phase, made.pause) == (Phase.RUNNING, PausePhase.DRAINING)
    assert made.counts == {JobState.PENDING: 1, JobState.FAILED: 1, JobState.SKIPPED: 1}
    assert [[node.id for node in nodes] for nodes in made.levels] == [["a", "c"], ["b"]]
    assert drawn(spec()).levels == ()


# --- What joins them -------------------------------------------------------------------------------------------------


def many(name: str, count: int, *after: str, **fields: Any) -> list[JobSpec]:
    return [job(f"{name}{n}", *after, **fields) for n in range(count)]


def ids(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}{n}" for n in range(count))


JOINED = [
    param(spec(job("a"), job("b", "a")), 1, [], id="one edge"),
    param(spec(*many("a", 4), *many("b", 4, *ids("a", 4))), 16, [], id="a few are drawn one by one"),
    param(
        spec(*many("a", 5), *many("b", 5, *ids("a", 5))), 0, [Junction(ids("a", 5), ids("b", 5))],
        id="many that wait for the same ones meet in a junction",
    ),
    param(
        spec(*many("a", 5, group="g"), job("x"), *many("b", 5, *ids("a", 5), "x")), 5,
        [Junction(ids("a", 5), ids("b", 5), "g")], id="a group is a part of what a job waits for",
    ),
    param(
        spec(*many("a", 5, group="g"), *many("b", 9, *ids("a", 4))), 0, [Junction(ids("a", 4), ids("b", 9))],
        id="most of a group is not the group",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "edges", "junctions"), JOINED)
def test_what_joins_them(given: ExecutionSpec, edges: int, junctions: list[Junction]) -> None:
    made = drawn(given)
    assert (len(made.edges), list(made.junctions)) == (edges, junctions)


@pytest.mark.parametrize("seed", range(20))
def test_edges_and_junctions_are_the_dependencies_each_once(seed: int) -> None:
    given = random_dag(seed)
    made = drawn(given)
    found = list(made.edges)
    found += (Edge(*pair) for junction in made.junctions for pair in product(junction.sources, junction.targets))
    wanted = {Edge(dependency, j.id) for j in given.jobs for dependency in j.depends_on}
    assert set(found) == wanted and len(found) == len(wanted)


# --- As text ---------------------------------------------------------------------------------------------------------

PIPELINE = spec(
    job("fetch"), job("clean", "fetch"), job("count", "fetch"), job("train", "clean", "count", replay=Replay.UNSAFE),
    job("report", "train", "fetch", when="true"), hold=frozenset({"report"}),
)  # fmt: skip
TREE = """\
sample: Running, 1 pending, 1 running, 2 completed, 1 failed
✓ fetch            Completed  0s
├─ ✓ clean         Completed
└─ ✗ count         Failed     Error
   └─ ● train      Running    1m  attempt 2  [unsafe]  also after clean
      └─ ○ report  Pending    [held, when]  also after fetch
"""
FILE = """\
file: 5 jobs
fetch
├─ clean
└─ count
   └─ train      [unsafe]  also after clean
      └─ report  [held, when]  also after fetch
"""


def test_a_tree() -> None:
    records = (ended("fetch", started_at=EARLIER), ended("clean"), failed("count"))
    made = drawn(PIPELINE, *records, running("train", 2, started_at=EARLIER))
    assert text(made) == TREE


def test_a_tree_of_a_file() -> None:
    assert text(draw(PIPELINE, Shape(PIPELINE), name="file")) == FILE


@pytest.mark.parametrize("seed", range(10))
def test_in_a_tree_each_job_stands_once_under_one_that_it_waits_for(seed: int) -> None:
    made = drawn(random_dag(seed))
    rows = tree(made)
    assert sorted(row.node.id for row in rows) == sorted(node.id for node in made.nodes)
    for row in rows:
        besides = set(row.node.depends_on) - set(row.also)
        assert len(besides) == bool(row.node.depends_on)


def test_what_is_deep_is_listed_by_level() -> None:
    chain = [job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, DEEPEST_TREE + 1))]
    made = text(drawn(spec(*chain, job("x")), ended("j0"))).splitlines()
    assert made[:5] == [
        "sample: Running, 17 pending, 1 completed",
        "level 0: 2 jobs",
        "  ✓ j0  Completed",
        "  ○ x   Pending",
        "level 1: 1 job",
    ]
    assert made[5] == "  ○ j1  Pending  after j0"


def test_nothing_recurses() -> None:
    chain = [job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, 2000))]
    assert len(tree(drawn(spec(*chain)))) == 2000


def test_dependencies_beside_a_job_are_bounded() -> None:
    made = text(drawn(spec(*many("a", 9), job("b", *ids("a", 9)))))
    assert "○ b  Pending  also after a0, a1, a2, a3 and 4 more" in made


def test_nothing_written_by_a_user_acts_on_a_terminal() -> None:
    record = running("a", reason="Bad\x1b[31m")
    made = text(drawn(spec(job("a")), record, name="x\x07y"))
    assert made.isascii() or "\x1b" not in made
    assert "Bad\\u001b[31m" in made and "x\\u0007y: Running" in made


def test_an_empty_execution() -> None:
    assert text(drawn(spec(), name="")) == "Running, 0 jobs\n"
    assert text(replace(drawn(spec()), phase=None)) == "sample: 0 jobs\n"
