"""Inputs for the targets: such as are nearly right, such as are anything, and kept ones with something changed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

from cairn.core.checkpoint import payload, serializer
from cairn.core.outputs import BEGIN, END
from cairn.core.status_wire import to_wire
from fuzz import corpus
from support.states import JOB_IDS, JSON, TEXTS, checkpoint_states

Inputs = st.SearchStrategy[bytes]

HOSTILE = st.sampled_from(
    [
        "[" * 100_000, '{"a":' * 5_000, "9" * 5_000, "1e999", "-1e999", "NaN", "Infinity", '"\\ud800"', '"\\u0000"',
        '{"a":1,"a":2}', "", " ", "null", "-0.0", "1E400", "\ufeff{}", '"' + "x" * 70_000 + '"', "[]" * 3, "{",
        '{"":0}',
    ]
)  # fmt: skip
TIMES = st.sampled_from(
    ["2026-01-31T08:00:00Z", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z",
     "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z", "2026-W05-6", "2026-01-31", "20260131T080000Z", "24:00", ""]
)  # fmt: skip


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _objects(**fields: st.SearchStrategy[Any]) -> Inputs:
    """Objects with those fields, each there or not, or anything in its place, and others besides."""
    given = {name: inner | JSON for name, inner in fields.items()}
    return st.fixed_dictionaries({}, optional=given | {"other": JSON}).map(_bytes)


def _flat(*names: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, inner))


JOBS = st.lists(
    st.fixed_dictionaries(
        {"id": JOB_IDS},
        optional={
            "image": st.just("i"), "dependsOn": st.lists(JOB_IDS | TEXTS, max_size=3), "when": TEXTS, "group": JOB_IDS,
            "runOn": st.sampled_from(["Success", "Failure", "Done", "No"]), "args": st.lists(TEXTS, max_size=2),
            "retry": JSON, "podTemplate": JSON, "env": JSON, "timeoutSeconds": st.integers(), "outputs": TEXTS,
        },
    ),
    max_size=4,
)  # fmt: skip
SPECS = _objects(
    jobs=JOBS, params=st.dictionaries(TEXTS, JSON, max_size=3), hold=st.lists(JOB_IDS, max_size=2),
    paused=st.booleans(), pause=_flat("until", "reason", "mode", inner=TIMES | TEXTS), checkpoint=JSON,
    jobDefaults=JSON | st.just({"image": "i"}),
    restoreFrom=_flat("checkpointName", "latestOf", "namespace", "rerun", inner=TEXTS | JSON),
    requests=st.lists(_flat("id", "type", "job", "limit", "outputs", inner=TEXTS | JSON), max_size=2),
    cancel=_flat("requestId", "reason", inner=TEXTS), timeoutSeconds=st.integers(), parallelism=st.integers(),
    ttlSecondsAfterFinished=st.integers(), scheduling=TEXTS, failurePolicy=st.sampled_from(["Stop", "Pause", "x"]),
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {"id": JOB_IDS | st.sampled_from(["a", "b", "nobody", ""]),
     "state": st.sampled_from(["Pending", "Running", "Completed", "Failed", "Skipped", "No"])},
    optional={
        "attempt": st.integers(0, 3), "startedAt": TIMES, "finishedAt": TIMES, "retryAt": TIMES, "result": TEXTS,
        "uid": TEXTS, "hash": TEXTS, "stopping": st.sampled_from(["Pause", "Cancel", "Timeout", "SecondPod", "Rewind"]),
        "used": st.integers(0, 5), "failures": st.integers(0, 2**31 - 1), "exitCode": st.integers(), "reason": TEXTS,
    },
)  # fmt: skip
STATUSES = _objects(
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Cancelled"]), startedAt=TIMES,
    finishedAt=TIMES, jobs=st.lists(RECORDS, max_size=3), reason=TEXTS, message=TEXTS, timedOutAt=TIMES,
    pausedMillis=st.integers(0, 2**63 - 1),
    pause=_flat("phase", "since", "until", "generation", "count", inner=TIMES | st.sampled_from(["Paused", 0])),
    cancel=_flat("requestId", "at", inner=TIMES | TEXTS),
    requests=st.lists(_flat("id", "type", "at", inner=TIMES), max_size=2),
    restore=JSON, restoredFrom=JSON, checkpointing=JSON, conditions=JSON, epoch=st.integers(0, 9), forks=JSON,
)  # fmt: skip
REAL_STATUSES = checkpoint_states().map(lambda state: _bytes(to_wire(state.status)))
REAL_PAYLOADS = checkpoint_states().map(lambda state: payload.to_text(serializer.serialize(state)).encode("latin-1"))
WORDS = st.sampled_from(
    ["params", "jobs", "['a']", ".a", ".outputs", ".state", "==", "&&", "||", "!", "(", ")", "1", "1.0", "'x'", "size(",
     ".exists(x, ", ".all(x, ", ".map(x, ", "x", "+", "?", ":", "[", "]", "true", "null", ".matches('(a*)*b')", "has(",
     "\\u0000", "`", "//", "\n", "-9223372036854775808", "1e308", "in", "timestamp(", "duration('1s')", "{}"]
)  # fmt: skip
EXPRESSIONS = st.lists(WORDS, max_size=12).map("".join) | st.lists(WORDS, max_size=12).map(" ".join) | TEXTS
PIECES = st.binary(max_size=8) | st.sampled_from(
    [b"\n", b" ", b"\r", b"{}", b"1e999", b"\xff", b"x" * 1500, b"[" * 300, b"\0", BEGIN, END]
)
REFERENCES = st.lists(
    st.sampled_from(["$", "$$", "$(", ")", "params.", "a", "jobs.", ".outputs", ".", "$(params.a)", "$(jobs.a.outputs)",
                     "$(jobs.a.b.outputs.c)", "$(HOME)", "$$(params.a)", " "]) | TEXTS, max_size=6
).map("".join)  # fmt: skip
FILES = st.fixed_dictionaries(
    {"apiVersion": st.just("cairn.dev/v1alpha1"), "kind": st.just("Checkpoint"),
     "metadata": JSON | st.just({"name": "x"}),
     "spec": JSON | st.just({"executionRef": {"name": "x"}}),
     "status": _flat("phase", "checkpointId", "createdAt", "executionUid", "jobCount", "executionStatus", "sizeBytes",
                     "digest", "stateDigest", "state", "parent", inner=JSON | TIMES | st.just("Ready"))}
).map(_bytes)  # fmt: skip


REST_BODIES = _flat(
    "executionId", "name", "reason", "spec", "jobs", "hold", "job", "type", "outputs", "checkpointId", "checkpointName",
    "rerun", "force", "until", "mode", "metadata", "labels", "params", "pinned", "latestOf", "paused",
    inner=JSON | TIMES | st.sampled_from(["default/train", "a", "Retry", "Drain"]),
)  # fmt: skip


@cache
def _made(target: str) -> Inputs:
    anything = st.binary(max_size=64) | HOSTILE.map(str.encode) | JSON.map(_bytes)
    near: dict[str, Inputs] = {
        "payloads": REAL_PAYLOADS | HOSTILE.map(lambda text: f"json:{text}\n{{}}".encode()),
        "documents": REAL_PAYLOADS.map(lambda text: text.partition(b":")[2].partition(b"\n")[0]),
        "files": FILES,
        "specs": SPECS,
        "statuses": STATUSES | REAL_STATUSES,
        "whens": _objects(when=EXPRESSIONS, params=JSON, jobs=st.dictionaries(JOB_IDS, JSON, max_size=2)),
        "references": _objects(
            text=REFERENCES, params=st.dictionaries(st.just("a") | TEXTS, JSON),
            outputs=st.dictionaries(st.sampled_from(["a", "a.b"]), JSON),
        ),
        "logs": st.lists(PIECES, max_size=12).map(b"".join),
        "messages": JSON.map(_bytes) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        "pods": _objects(phase=TEXTS, reason=TEXTS, message=TEXTS, conditions=st.lists(
            st.fixed_dictionaries({"type": TEXTS}, optional={"status": TEXTS, "reason": TEXTS}), max_size=3)),
        "moments": TIMES.map(str.encode) | st.datetimes().map(lambda at: at.isoformat().encode()),
        "names": TEXTS.map(lambda text: text.encode("utf-8", "replace")),
        "rest": _objects(
            method=st.integers(0, 40), ids=st.lists(TEXTS, max_size=3), body=JSON | JOBS | REST_BODIES, raw=HOSTILE,
            headers=st.dictionaries(TEXTS, TEXTS, max_size=2), query=st.dictionaries(TEXTS, TEXTS, max_size=2),
        ),
    }  # fmt: skip
    return near.get(target, anything) | near.get(target, anything) | anything


def inputs(target: str) -> Inputs:
    """What a target is tried with."""
    there = [data for _, data in corpus.kept(target)]
    return _made(target) | _changed(there) if there else _made(target)


@st.composite
def _changed(draw: st.DrawFn, there: list[bytes]) -> bytes:
    """A kept input with something cut out, put in, or taken from another one."""
    data = bytearray(draw(st.sampled_from(there)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = min(at + draw(st.integers(0, 8)), len(data))
        other = draw(st.sampled_from(there))
        start = draw(st.integers(0, max(len(other) - 1, 0)))
        data[at:end] = draw(st.binary(max_size=4) | st.just(other[start : start + draw(st.integers(0, 32))]))
    return bytes(data)
