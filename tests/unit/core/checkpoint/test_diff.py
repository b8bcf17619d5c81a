"""Two states and what differs between them: whose they are, how far they have come, each job, the spec."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cairn.core.checkpoint.changes import SHOWN_CHANGES, Change, Changes
from cairn.core.checkpoint.diff import Diff, JobDiff, diff, from_wire, lines, to_wire
from cairn.core.checkpoint.state import CheckpointState
from cairn.core.outputs import Outputs
from cairn.core.status import CancelState, Phase
from support.states import (
    a_label,
    a_state,
    an_origin,
    at,
    checkpoint_states,
    completed,
    failed,
    five_states,
    pending,
    running,
    state_of,
)

Told = list[tuple[str, str | None, str | None]]


def told(found: Changes | tuple[Change, ...]) -> Told:
    """Path and texts of changes."""
    items = found.items if isinstance(found, Changes) else found
    return [(c.path, c.before and c.before.text, c.after and c.after.text) for c in items]


def job_of(before: CheckpointState, after: CheckpointState) -> JobDiff:
    """What differs of the only job in which something does."""
    [found] = diff(before, after).jobs
    return found


def a_job(outputs: str | None = None, **fields: Any) -> CheckpointState:
    return state_of(completed("a", Outputs(outputs) if outputs is not None else None, **fields))


def with_spec(**spec: Any) -> CheckpointState:
    return state_of(spec=spec)


# --- The run ---------------------------------------------------------------------------------------------------------


def test_a_later_save_of_the_same_state_has_no_difference() -> None:
    before = five_states()
    later = five_states(
        label=a_label(id="checkpoint_1769846500000_zz", name="Later", created_at=at(700)),
        origin=an_origin(generation=9, resource_version="9999"), paused_millis=17,
    )  # fmt: skip
    found = diff(before, later)
    assert found.empty
    assert lines(found) == [
        "before checkpoint_1769846400000_a1b2c3  Before deployment  (default/sample, 2026-01-31T08:10:00.000Z)",
        "after  checkpoint_1769846500000_zz  Later  (default/sample, 2026-01-31T08:11:40.000Z)",
        "no difference",
    ]
    assert to_wire(found) == {
        "same": True, "origin": [], "run": [], "jobs": [], "definitions": {"items": [], "more": 0},
        "spec": {"items": [], "more": 0},
        "before": {"id": "checkpoint_1769846400000_a1b2c3", "name": "Before deployment", "namespace": "default",
                   "execution": "sample", "createdAt": "2026-01-31T08:10:00.000Z"},
        "after": {"id": "checkpoint_1769846500000_zz", "name": "Later", "namespace": "default",
                  "execution": "sample", "createdAt": "2026-01-31T08:11:40.000Z"},
    }  # fmt: skip


def test_another_execution() -> None:
    found = diff(a_state(), a_state(origin=an_origin(name="copy", uid="other")))
    assert told(found.origin) == [("execution", '"sample"', '"copy"'),
                                  ("uid", f'"{an_origin().uid}"', '"other"')]  # fmt: skip
    assert not found.empty and not found.run and not found.jobs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"phase": Phase.SUCCEEDED, "finished_at": at(9), "reason": "AllJobsDone"},
         [("phase", '"running"', '"completed"'), ("reason", '"Working"', '"AllJobsDone"')]),
        ({"reason": ""}, [("reason", '"Working"', None)]),
        ({"epoch": 1}, [("epoch", "0", "1")]),
        ({"cancel": CancelState("c1", "enough", at(7))}, [("cancel", None, '{"reason":"enough","requestId":"c1"}')]),
    ],
)  # fmt: skip
def test_the_run(fields: dict[str, Any], expected: Told) -> None:
    assert told(diff(a_state(), a_state(**fields)).run) == expected


def test_pauses() -> None:
    paused, unpaused = five_states(), five_states(pause=None)
    pause = paused.status.pause
    assert pause is not None
    [began] = diff(unpaused, paused).run
    assert began.path == "pause" and began.before is None and began.after is not None
    assert '"reason":"lunch"' in began.after.text and '"phase":"draining"' in began.after.text
    without = five_states(pause=replace(pause, until=None, reason="dinner"))
    assert told(diff(paused, without).run) == [
        ("pause.reason", '"lunch"', '"dinner"'), ("pause.until", '"2026-01-31T09:00:00.000Z"', None)
    ]  # fmt: skip


# --- Jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_that_one_side_has() -> None:
    before, after = state_of(completed("a"), completed("b")), state_of(pending("c"), completed("b"))
    found = diff(before, after)
    assert [(j.id, j.before, j.after) for j in found.jobs] == [("c", False, True), ("a", True, False)]
    assert told(found.jobs[0].record) == [("state", None, '"pending"'), ("attempt", None, "0")]
    assert found.jobs[1].attempts_removed == (1,)


def test_what_a_job_came_to() -> None:
    found = job_of(state_of(pending("a")), state_of(failed("a")))
    assert told(found.record) == [
        ("state", '"pending"', '"failed"'), ("attempt", "0", "2"), ("reason", None, '"Error"'),
        ("exitCode", None, "1"), ("definition", None, '"0123456789abcdef"'),
    ]  # fmt: skip
    assert (found.attempts_added, found.attempts_removed) == ((1, 2), ())
    back = job_of(state_of(failed("a")), state_of(pending("a")))
    assert (back.attempts_added, back.attempts_removed) == ((), (1, 2))


def test_another_definition() -> None:
    found = job_of(a_job(), a_job(definition="fedcba9876543210"))
    assert told(found.record) == [("definition", '"0123456789abcdef"', '"fedcba9876543210"')]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, "null", [("outputs", None, "null")]),
        ("null", None, [("outputs", "null", None)]),
        ('{"a": 1, "b": [1]}', '{"b":[1],"a":1.0,"c":true}', [("outputs.a", "1", "1.0"), ("outputs.c", None, "true")]),
        ('{"a": {"deep": 1}}', '{"a": {"deep": 2}}', [("outputs.a", '{"deep":1}', '{"deep":2}')]),
        ('{"a": 1}', "[1]", [("outputs", '{"a":1}', "[1]")]),
        ("1", "true", [("outputs", "1", "true")]),
    ],
)
def test_outputs(before: str | None, after: str | None, expected: Told) -> None:
    assert told(job_of(a_job(before), a_job(after)).outputs) == expected


def test_the_same_outputs_written_otherwise() -> None:
    assert diff(a_job('{ "a" :1}'), a_job('{"a":1}')).empty


def test_outputs_of_an_earlier_attempt_are_not_those_of_the_job() -> None:
    record, tries = completed("a", Outputs("1"))
    again = replace(running("a")[0], attempt=2)
    found = job_of(state_of((record, tries)), state_of((again, tries)))
    assert told(found.outputs) == [("outputs", "1", None)]


def test_of_many_outputs_some_are_shown() -> None:
    found = job_of(a_job("{}"), a_job(json.dumps({f"k{n:04}": "x" * 50 for n in range(1000)})))
    assert (len(found.outputs.items), found.outputs.more) == (SHOWN_CHANGES, 1000 - SHOWN_CHANGES)


# --- The spec --------------------------------------------------------------------------------------------------------

CONTAINERS = {"containers": [{"name": "main", "image": "b"}]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([{"id": "a", "image": "x"}], [{"id": "a", "image": "y"}], [("jobs[a].image", '"x"', '"y"')]),
        ([{"id": "a"}], [{"id": "a", "podTemplate": {"spec": CONTAINERS}}],
         [("jobs[a].podTemplate", None, '{"spec":{"containers":[{"image":"b","name":"main"}]}}')]),
        ([{"id": "a", "podTemplate": {"spec": {"containers": []}}}], [{"id": "a", "podTemplate": {"spec": CONTAINERS}}],
         [("jobs[a].podTemplate.spec.containers", "[]", '[{"image":"b","name":"main"}]')]),
        ([{"id": "a"}], [{"id": "b"}], [("jobs[b]", None, '{"id":"b"}'), ("jobs[a]", '{"id":"a"}', None)]),
        ([{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "a"}], [("jobs", '["a","b"]', '["b","a"]')]),
        (None, [{"id": "a"}], [("jobs[a]", None, '{"id":"a"}')]),
        (None, [], [("jobs", None, "[]")]),
        ([{"id": "a"}], [{"id": "a"}, {"id": "a"}], [("jobs", '[{"id":"a"}]', '[{"id":"a"},{"id":"a"}]')]),
        ([{"id": 1}], "none", [("jobs", '[{"id":1}]', '"none"')]),
        ([1], [2], [("jobs", "[1]", "[2]")]),
    ],
)  # fmt: skip
def test_definitions_of_jobs(before: Any, after: Any, expected: Told) -> None:
    specs = [{} if jobs is None else {"jobs": jobs} for jobs in (before, after)]
    found = diff(*(with_spec(**spec) for spec in specs))
    assert told(found.definitions) == expected
    assert not found.spec.items


def test_the_rest_of_the_spec() -> None:
    before = with_spec(params={"rows": 1, "old": None}, jobDefaults={"retry": {"limit": 1}}, paused=True)
    after = with_spec(params={"rows": 1.0, "new": []}, jobDefaults={"retry": {"limit": 2}}, parallelism=3)
    assert told(diff(before, after).spec) == [
        ("params.rows", "1", "1.0"), ("params.new", None, "[]"), ("params.old", "null", None),
        ("jobDefaults.retry.limit", "1", "2"), ("parallelism", None, "3"), ("paused", "true", None),
    ]  # fmt: skip


# --- For people and programs -----------------------------------------------------------------------------------------


def much() -> Diff:
    """Something of everything."""
    before = state_of(completed("a", Outputs('{"rows":1}')), completed("b"), spec={"jobs": [{"id": "a"}]})
    after = state_of(
        completed("a", Outputs(json.dumps({"rows": 2, "text": "x" * 500}))), failed("c"), epoch=1,
        spec={"jobs": [{"id": "a", "image": "i"}], "params": {f"k{n:02}": n for n in range(SHOWN_CHANGES + 2)}},
        label=a_label(name="odd \x1b name"),
    )  # fmt: skip
    return diff(before, after)


def test_lines() -> None:
    found = lines(much())
    assert str(much()) == "\n".join(found)
    assert found[1].startswith("after  checkpoint_1769846400000_a1b2c3  odd \\u001b name  (default/sample, ")
    assert found[2:16] == [
        "execution:",
        "  ~ epoch: 0 -> 1",
        "jobs:",
        "  ~ a",
        "      ~ outputs.rows: 1 -> 2",
        f'      + outputs.text: "{"x" * 119}… (cut, 502 characters in all)',
        "  + c",
        '      + state: "failed"',
        "      + attempt: 2",
        '      + reason: "Error"',
        "      + exitCode: 1",
        '      + definition: "0123456789abcdef"',
        "      + attempt 1",
        "      + attempt 2",
    ]
    assert "  - b" in found and "      - attempt 1" in found
    assert '  + jobs[a].image: "i"' in found[found.index("definitions:") :]
    assert found[-1].startswith("  + params: {") and "cut" in found[-1]


def test_lines_say_what_is_left_out() -> None:
    before = with_spec(params={})
    after = with_spec(params={f"k{n:02}": n for n in range(SHOWN_CHANGES + 2)})
    assert lines(diff(before, after))[-1] == "  … and 2 more"


def test_to_wire() -> None:
    wire = json.loads(json.dumps(to_wire(much())))
    assert wire["same"] is False
    assert wire["run"] == [{"path": "epoch", "before": {"json": "0"}, "after": {"json": "1"}}]
    assert [(j["id"], j["change"]) for j in wire["jobs"]] == [("a", "changed"), ("c", "added"), ("b", "removed")]
    assert wire["jobs"][0]["outputs"]["items"][1] == {
        "path": "outputs.text", "after": {"part": '"' + "x" * 119 + "…", "of": 502},
    }  # fmt: skip
    assert (wire["jobs"][1]["attemptsAdded"], wire["jobs"][2]["attemptsRemoved"]) == ([1, 2], [1])


# --- Whatever can be -------------------------------------------------------------------------------------------------


def names_in(found: Diff, *, backwards: bool = False) -> set[object]:
    """Everything that a diff names, or what the diff in the other direction should."""

    def both(change: Change) -> tuple[object, ...]:
        pair = (change.before, change.after)
        return (change.path, *(reversed(pair) if backwards else pair))

    def job(one: JobDiff) -> tuple[object, ...]:
        sides = [(one.before, one.attempts_removed), (one.after, one.attempts_added)]
        told = frozenset(map(both, (*one.record, *one.outputs.items)))
        return (one.id, tuple(reversed(sides) if backwards else sides), told, one.outputs.more)

    named = (*found.origin, *found.run, *found.definitions.items, *found.spec.items)
    return {*map(both, named), *map(job, found.jobs), found.definitions.more, found.spec.more}


@given(checkpoint_states())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_nothing_differs_from_itself(state: CheckpointState) -> None:
    assert diff(state, state).empty


@given(checkpoint_states(), checkpoint_states())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_backwards_it_names_the_same(before: CheckpointState, after: CheckpointState) -> None:
    there, back = diff(before, after), diff(after, before)
    assert names_in(there) == names_in(back, backwards=True)
    assert there.empty is back.empty
    assert all(line.isprintable() for line in lines(there))
    assert from_wire(json.loads(json.dumps(to_wire(there)))) == there
