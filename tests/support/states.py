"""States of executions as checkpoints hold them: some that are plain, one of a usual size, and whatever can be.

For every test that needs something to save: of the serializer, of stores with real rows, of real objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from cairn import names
from cairn.core.checkpoint.state import Attempt, CheckpointState, Label, Origin, Parent, Trigger
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

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
IMAGE = "registry.example.com/pipeline/step:1.4.2"


def at(seconds: float) -> datetime:
    """So many seconds after the executions here began."""
    return AT + timedelta(seconds=seconds)


# --- Plain ones ------------------------------------------------------------------------------------------------------


def a_label(**fields: Any) -> Label:
    """A manual checkpoint without a parent."""
    given = {"id": "checkpoint_1769846400000_a1b2c3", "name": "Before deployment", "trigger": Trigger.MANUAL}
    return Label(**{"created_at": at(600), **given, **fields})


def an_origin(**fields: Any) -> Origin:
    """The execution `sample`."""
    given = {"namespace": "default", "name": "sample", "uid": "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de"}
    return Origin(**{"generation": 3, "resource_version": "4711", **given, **fields})


def completed(name: str, outputs: Outputs | None = None, **fields: Any) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job that is done at its first try, and that try."""
    record = JobRecord(
        name, JobState.COMPLETED, 1, launched_at=at(1), started_at=at(2), finished_at=at(3.25), uid=f"job-{name}",
        pod_uid=f"pod-{name}", definition="0123456789abcdef", result=outputs.digest if outputs else "", exit_code=0,
    )  # fmt: skip
    attempt = Attempt(
        1, JobState.COMPLETED, started_at=at(2), finished_at=at(3.25), exit_code=0, outputs=outputs,
        log_tail=f"{name}: starting\n{name}: done\n",
    )  # fmt: skip
    return replace(record, **fields), (attempt,)


def failed(name: str) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job that has failed twice, and its tries; the first left nothing but its end."""
    said = "Traceback (most recent call last):\n  ValueError: no rows"
    record = JobRecord(
        name, JobState.FAILED, 2, names.ERROR, said[:20], at(5), at(6), at(7), f"job-{name}", f"pod-{name}",
        "0123456789abcdef", "", 1, failures=2,
    )  # fmt: skip
    first = Attempt(1, JobState.FAILED, "OOMKilled", "out of memory", at(2), at(3), 137)
    return record, (first, Attempt(2, JobState.FAILED, names.ERROR, said, at(6), at(7), 1, log_tail="oops\n"))


def running(name: str) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job whose first try is under way, and that try."""
    record = JobRecord(
        name, JobState.RUNNING, 1, "Running", "", at(4), at(5), uid=f"job-{name}", pod_uid=f"pod-{name}",
        definition="0123456789abcdef",
    )  # fmt: skip
    return record, (Attempt(1, JobState.RUNNING, "Running", started_at=at(5), uid=f"job-{name}"),)


def pending(name: str) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job that was never tried."""
    return JobRecord(name), ()


def skipped(name: str) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job that is not run."""
    return JobRecord(name, JobState.SKIPPED, reason=names.DEPENDENCY_FAILED, finished_at=at(8)), ()


def state_of(*jobs: tuple[JobRecord, tuple[Attempt, ...]], **fields: Any) -> CheckpointState:
    """A running execution of these jobs; `fields` of its status, but `label`, `origin` and `spec`."""
    written: dict[str, Any] = {
        "paused": False, "params": {"rows": 1000}, "jobs": [{"id": r.id, "image": IMAGE} for r, _ in jobs],
    }  # fmt: skip
    label, origin, spec = (
        fields.pop("label", a_label()), fields.pop("origin", an_origin()), fields.pop("spec", written)
    )  # fmt: skip
    begun: dict[str, Any] = {
        "phase": Phase.RUNNING, "reason": names.WORKING, "observed_generation": 3, "started_at": AT,
    }  # fmt: skip
    status = Status(**begun | {"jobs": {record.id: record for record, _ in jobs}} | fields)
    return CheckpointState(label, origin, spec, status, {record.id: tries for record, tries in jobs if tries})


def a_state(jobs: int = 3, **fields: Any) -> CheckpointState:
    """A running execution with that many completed jobs."""
    return state_of(*(completed(f"job-{n}", Outputs(f'{{"rows":{n}}}')) for n in range(jobs)), **fields)


def five_states(**fields: Any) -> CheckpointState:
    """A paused execution with a job in each state there is."""
    pause = PauseState(PausePhase.DRAINING, at(9), 3, "user", "lunch", "Drain", at(3600), ("c",), 1)
    jobs = (completed("a", Outputs("null")), failed("b"), running("c"), pending("d"), skipped("e"))
    return state_of(*jobs, **{"pause": pause, **fields})


def realistic_state(jobs: int = 50, output_bytes_per_50: int = 100_000) -> CheckpointState:
    """For benchmarks: layers of ten jobs with commands, resources and environment, all done with outputs and logs."""
    each = output_bytes_per_50 // 50
    done = []
    for n in range(jobs):
        values = [(n * 31 + k * 17) % 9973 / 100 for k in range(each // 7)]
        value: dict[str, Any] = {"job": n, "rows": n * 1000, "values": values}
        text = json.dumps(value)
        value["values"] = values[: int(len(values) * each / len(text))]
        done.append(completed(f"step-{n:04}", Outputs(json.dumps(value)), message="", reason=""))
    return state_of(
        *done, spec={"paused": False, "params": {"date": "2026-01-31"}, "jobs": [_job(n) for n in range(jobs)]}
    )


def _job(n: int) -> dict[str, Any]:
    layer = n // 10 * 10
    return {
        "id": f"step-{n:04}",
        "dependsOn": [f"step-{k:04}" for k in range(layer - 10, layer) if k >= 0 and k % 3 == n % 3],
        "image": IMAGE,
        "command": ["python", "-m", "pipeline.step", "--part", str(n)],
        "env": [{"name": "PART", "value": str(n)}, {"name": "LEVEL", "value": str(n // 10)}],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "retry": {"limit": 2, "backoffSeconds": 10},
    }


# --- Whatever can be -------------------------------------------------------------------------------------------------

# Every character that Python can hold: quotes, U+0000 and lone surrogates are in messages, params and metadata. But no
# two halves of a surrogate pair side by side: whatever has come out of JSON holds the one character that they make.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12).map(lambda text: json.loads(json.dumps(text)))
TEXTS |= st.sampled_from(
    ["\0", "\ud800", "x\udfff", "\U0001f600", '"\\\\u0000', "\ud83d ", "\u2028", "1e+16", "-0.0", "\ufffd"]
)
NUMBERS = (
    st.sampled_from([-0.0, 0.0, 1e16, 1.0, 1, 2**64 + 1, -(2**63) - 1, 1e-7, 5e-324, 1.7976931348623157e308])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
COUNTS = st.integers(0, 5)
TIMES = st.integers(0, 10**12).map(lambda millis: AT + timedelta(milliseconds=millis))
MAYBE_TIMES = st.none() | TIMES
DIGESTS = st.integers(0, 2**256 - 1).map("{:064x}".format)
CHECKPOINT_IDS = st.integers(0, 2**45).map("checkpoint_{}_x7".format)
JOB_IDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,6}[A-Za-z0-9])?", fullmatch=True)
# What JSON text a job may hand out: any that is UTF-8, with escapes or without, and with white space inside.
OUTPUTS = st.builds(json.dumps, JSON) | st.sampled_from(
    ["null", '{ "a" :\t1.0 }', '"žluťoučký 😀"', r'"\u0000\ud800"', '"\\"\\\\"', "1e16", "-0.0", "18446744073709551617"]
)


@st.composite
def attempts(draw: st.DrawFn, latest: int, state: JobState, outputs: Outputs | None) -> tuple[Attempt, ...]:
    """The tries of a job whose latest one handed that out; some that left nothing behind are not there."""
    numbers = [n for n in range(1, latest) if draw(st.booleans())]
    if latest and (outputs is not None or draw(st.booleans())):
        numbers.append(latest)
    states = st.sampled_from(sorted(JobState))
    return tuple(
        Attempt(
            number,
            state if number == latest else draw(states),
            draw(TEXTS),
            draw(TEXTS),
            draw(MAYBE_TIMES),
            draw(MAYBE_TIMES),
            draw(st.none() | st.integers(-1, 255)),
            draw(TEXTS),
            outputs if number == latest else None,
            draw(st.none() | TEXTS),
        )
        for number in numbers
    )


@st.composite
def jobs(draw: st.DrawFn, name: str) -> tuple[JobRecord, tuple[Attempt, ...]]:
    """A job in any state, with its tries."""
    state = draw(st.sampled_from(sorted(JobState)))
    done = state is JobState.COMPLETED
    outputs = Outputs(draw(OUTPUTS)) if done and draw(st.booleans()) else None
    latest = draw(st.integers(1 if done or state is JobState.RUNNING else 0, 3))
    record = JobRecord(
        id=name,
        state=state,
        attempt=latest,
        reason=draw(TEXTS),
        message=draw(TEXTS),
        launched_at=draw(MAYBE_TIMES),
        started_at=draw(MAYBE_TIMES),
        finished_at=draw(TIMES if state not in (JobState.PENDING, JobState.RUNNING) else MAYBE_TIMES),
        uid=draw(TEXTS),
        pod_uid=draw(TEXTS),
        definition=draw(TEXTS),
        result=outputs.digest if outputs else "",
        exit_code=draw(st.none() | st.integers(-1, 255)),
        failures=draw(COUNTS),
        disruptions=draw(COUNTS),
        retry_at=draw(MAYBE_TIMES),
        stopping=draw(st.none() | st.sampled_from(sorted(Stopping))),
        extra_retries=draw(COUNTS),
        paused_for=draw(st.booleans()),
        used=draw(st.sampled_from([0, latest + 1, latest + 7])),
    )
    return record, draw(attempts(latest, state, outputs))


PAUSES = st.builds(
    PauseState, st.sampled_from(sorted(PausePhase)), TIMES, COUNTS, TEXTS, TEXTS, TEXTS, MAYBE_TIMES,
    st.lists(TEXTS, max_size=2).map(tuple), COUNTS,
)  # fmt: skip
REQUESTS = st.builds(Acknowledged, TEXTS, TEXTS, TIMES, TEXTS, TEXTS, TEXTS, TEXTS)
LABELS = st.builds(
    Label, CHECKPOINT_IDS, TEXTS, st.sampled_from(sorted(Trigger)), TIMES, st.none() | TEXTS,
    st.dictionaries(TEXTS, TEXTS, max_size=3), st.none() | st.builds(Parent, CHECKPOINT_IDS, DIGESTS),
)  # fmt: skip
ORIGINS = st.builds(Origin, TEXTS, TEXTS, TEXTS, COUNTS, TEXTS)
RAW_JOBS = st.lists(st.fixed_dictionaries({"id": JOB_IDS, "args": JSON}), max_size=2)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "paused": st.booleans(), "jobs": JSON | RAW_JOBS,
        "params": st.dictionaries(TEXTS, JSON, max_size=3), "pause": JSON, "hold": JSON,
    },
)  # fmt: skip


@st.composite
def statuses(draw: st.DrawFn, records: Mapping[str, JobRecord]) -> Status:
    """Any status with these records."""
    phase = draw(st.sampled_from(sorted(Phase)))
    return Status(
        phase=phase,
        reason=draw(TEXTS),
        message=draw(TEXTS),
        observed_generation=draw(COUNTS),
        started_at=draw(MAYBE_TIMES),
        finished_at=draw(TIMES if phase not in (Phase.PENDING, Phase.RUNNING) else st.none()),
        pause=draw(st.none() | PAUSES),
        paused_millis=draw(COUNTS),
        epoch=draw(COUNTS),
        cancel=draw(st.none() | st.builds(CancelState, TEXTS, TEXTS, TIMES)),
        timed_out_at=draw(MAYBE_TIMES),
        requests=tuple(draw(st.lists(REQUESTS, max_size=2))),
        jobs=records,
    )


@st.composite
def checkpoint_states(draw: st.DrawFn, max_jobs: int = 3) -> CheckpointState:
    """Any state that a checkpoint can hold."""
    made = {name: draw(jobs(name)) for name in draw(st.lists(JOB_IDS, max_size=max_jobs, unique=True))}
    return CheckpointState(
        label=draw(LABELS),
        origin=draw(ORIGINS),
        spec=draw(SPECS),
        status=draw(statuses({name: record for name, (record, _) in made.items()})),
        attempts={name: tries for name, (_, tries) in made.items() if tries},
    )
