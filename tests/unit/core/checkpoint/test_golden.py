"""Checkpoints that were written once are read for ever: tests/golden/checkpoints holds them, and says why.

What they hold is spelled out here, and not by the builders of other tests, which may change.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cairn.core.checkpoint.canonical import canonical
from cairn.core.checkpoint.payload import from_text, to_text
from cairn.core.checkpoint.serializer import deserialize, serialize
from cairn.core.checkpoint.state import Attempt, CheckpointState, Label, Origin, Parent, Serialized, Trigger
from cairn.core.outputs import Outputs
from cairn.core.status import (
    Acknowledged,
    CancelState,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)

FOLDER = Path(__file__).parents[3] / "golden" / "checkpoints"
CURRENT = "schema-2"
FIRST_DIGEST = "2b5393084702c3b505a6169d31a38f546b2700e85386772337b653eb17499de0"


def at(second: int, milli: int = 0) -> datetime:
    return datetime(2026, 1, 31, 8, 0, second, milli * 1000, tzinfo=UTC)


ORIGIN = Origin("default", "sample", "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de", 3, "4711")
EMPTY = CheckpointState(
    label=Label("checkpoint_1769846400000_a1b2c3", "", Trigger.TIME_BASED, at(0)),
    origin=ORIGIN,
    spec={},
    status=Status(),
)

FIVE_STATES = CheckpointState(
    label=Label(
        "checkpoint_1769846410250_d4e5f6", "Before deployment", Trigger.MANUAL, at(10, 250), "ann", {"why": "release"}
    ),
    origin=ORIGIN,
    spec={
        "paused": True, "pause": {"mode": "Drain", "reason": "lunch"}, "params": {"rows": 1000, "rate": 1.0},
        "jobs": [{"id": "a", "image": "busybox"}, {"id": "b", "dependsOn": ["a"], "retry": {"factor": 1.5}}],
    },
    status=Status(
        Phase.RUNNING, "Working", "2 of 5 jobs are done", 3, at(0), None,
        PauseState(PausePhase.DRAINING, at(9), 3, "user", "lunch", "Drain", at(59), ("c",), 1), 1234, 2, None, None,
        (Acknowledged("r1", "Retry", at(4), "Done", "b", "", "ann"),),
        {
            "a": JobRecord("a", JobState.COMPLETED, 1, "", "", at(1), at(2), at(3, 250), "job-a", "pod-a",
                           "0123456789abcdef", Outputs('{"rows": 1.0}').digest, 0),
            "b": JobRecord("b", JobState.FAILED, 2, "Error", "exited with code 1", at(4), at(5), at(6), "job-b",
                           "pod-b", "fedcba9876543210", "", 1, 1, 1, extra_retries=2, paused_for=True),
            "c": JobRecord("c", JobState.RUNNING, 1, "Running", "", at(7), at(8), None, "job-c", "pod-c", "00",
                           stopping=Stopping.PAUSE),
            "d": JobRecord("d", JobState.PENDING, 1, "Error", "exited with code 2", retry_at=at(30), failures=1),
            "e": JobRecord("e", JobState.SKIPPED, reason="DependencyFailed", finished_at=at(7)),
        },
    ),
    attempts={
        "a": (Attempt(1, JobState.COMPLETED, "", "", at(2), at(3, 250), 0, "", Outputs('{"rows": 1.0}'), "done\n"),),
        "b": (
            Attempt(1, JobState.FAILED, "Evicted", "the node had no memory left", at(2), at(3)),
            Attempt(2, JobState.FAILED, "Error", "ValueError: no rows", at(5), at(6), 1, "", None, "ValueError\n"),
        ),
        "c": (Attempt(1, JobState.RUNNING, "Running", "", at(8), None, None, "job-c"),),
    },
)  # fmt: skip

AWKWARD = CheckpointState(
    label=Label(
        "checkpoint_1769846420000_x", '"\\ž\u2028', Trigger.BEFORE_CRITICAL, at(20), "\ud83d😀\ude00",
        {"\0": "\ud800", "a\nb": "\t"},
    ),
    origin=ORIGIN,
    spec={"params": {"numbers": [-0.0, 1e16, 1.0, 1, 2**64 + 1, 1e-7, 5e-324], "\udfff": None, "\\u0000": "\0"}},
    status=Status(
        Phase.CANCELLED, "Cancelled", "\0\ud800", 4, at(0), at(19), None, 0, 0, CancelState("c1", "\udfff", at(18)),
        at(17), (),
        {"a": JobRecord("a", JobState.COMPLETED, 3, "žluť", "\0", finished_at=at(3), result=Outputs("null").digest),
         "b": JobRecord("b", JobState.COMPLETED, 1, finished_at=at(3), result=Outputs('"😀\\u0000\\ud800"').digest)},
    ),
    attempts={
        "a": (Attempt(3, JobState.COMPLETED, outputs=Outputs("null"), log_tail="\0\udc80\x1b[1m"),),
        "b": (Attempt(1, JobState.COMPLETED, outputs=Outputs('"😀\\u0000\\ud800"'), log_tail=""),),
    },
)  # fmt: skip

# The first of a chain is FIVE_STATES: this one names it.
CHAINED = CheckpointState(
    label=Label(
        "checkpoint_1769846430000_g7", "", Trigger.JOB_COMPLETED, at(30),
        parent=Parent("checkpoint_1769846410250_d4e5f6", FIRST_DIGEST),
    ),
    origin=ORIGIN,
    spec={"jobs": None, "params": {}},
    status=Status(Phase.SUCCEEDED, "Succeeded", "", 3, at(0), at(29)),
)  # fmt: skip

# After a rewind: a record that has gone back, one that begins anew, and one that went on after that.
REWOUND = CheckpointState(
    label=Label("checkpoint_1769846440000_h8", "", Trigger.MANUAL, at(40)),
    origin=ORIGIN,
    spec={"jobs": [{"id": "a", "image": "busybox"}]},
    status=Status(
        Phase.RUNNING, "Working", "", 5, at(0), epoch=1,
        requests=(Acknowledged("r2", "Restore", at(39), "Done", "", "from checkpoint checkpoint_1769846410250_d4e5f6"),
        ),
        jobs={
            "a": JobRecord("a", JobState.COMPLETED, 1, finished_at=at(3), result=Outputs("[]").digest, used=3),
            "b": JobRecord("b", used=2),
            "c": JobRecord("c", JobState.RUNNING, 4, launched_at=at(39), stopping=Stopping.REWIND),
        },
    ),
    attempts={
        "a": (Attempt(1, JobState.COMPLETED, outputs=Outputs("[]")),),
        "c": (Attempt(4, JobState.RUNNING),),
    },
)  # fmt: skip

SINCE_1 = {"empty": EMPTY, "five-states": FIVE_STATES, "awkward-unicode": AWKWARD, "chained": CHAINED}
STATES = {f"schema-1/{name}": state for name, state in SINCE_1.items()}
STATES |= {f"schema-2/{name}": state for name, state in (SINCE_1 | {"rewound": REWOUND}).items()}


def stored(name: str) -> tuple[str, Serialized]:
    """The payload of a golden file, and what it holds."""
    digest, state_digest, payload = (FOLDER / f"{name}.txt").read_bytes().decode("ascii").split("\n", 2)
    content = from_text(payload, digest)
    assert content.state_digest == state_digest
    return payload, content


def test_every_file_is_expected_to_be_something() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*")} == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_it_is_restored(name: str) -> None:
    _, content = stored(name)
    restored = deserialize(content)
    assert restored == STATES[name]
    assert canonical(restored.spec) == canonical(STATES[name].spec)  # 1 and 1.0, 0.0 and -0.0 are equal to Python


@pytest.mark.parametrize("name", [name for name in STATES if name.startswith(CURRENT)])
def test_it_would_be_written_the_same(name: str) -> None:
    payload, content = stored(name)
    again = serialize(STATES[name])
    assert again == content
    # Compressed bytes may differ with the version of zlib; what they hold may not.
    assert to_text(again) == payload or payload.startswith("zlib:")
    assert from_text(to_text(again), again.digest) == content


def test_the_chain_holds() -> None:
    first = stored("schema-1/five-states")[1]
    assert CHAINED.label.parent == Parent(FIVE_STATES.label.id, first.digest)
