"""An execution as a trace: the same ids whoever emits it, and nothing in it that a container has said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cairn import names
from cairn.core import spans
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity
from cairn.core.status import JobRecord, Phase, Status
from simulation.build import EARLIER, NOW, after, ended, failed, intended, running

UID = "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de"
IDENTITY = Identity("team", "train", UID)
ROOT = spans.span_id(UID)


def of(*records: JobRecord, **fields: Any) -> Status:
    return Status(**{"phase": Phase.RUNNING, "started_at": EARLIER, "jobs": {r.id: r for r in records}, **fields})


def emitted(old: Status, new: Status) -> list[spans.Span]:
    return spans.of_status(IDENTITY, old, new, NOW)


def test_the_trace_has_the_uid_of_its_execution() -> None:
    assert f"{spans.trace_id(UID):032x}" == UID.replace("-", "")
    assert spans.trace_id("no uuid") == spans.trace_id("no uuid") != spans.trace_id("another")
    assert 0 < spans.trace_id("no uuid") < 2**128
    assert spans.trace_id("0" * 32) == 1, "zero is no id"


def test_a_span_is_of_one_attempt() -> None:
    ids = {spans.span_id(UID, *parts) for parts in ((), ("a", 1), ("a", 2), ("b", 1), ("a1",), ("a", 11))}
    assert len(ids) == 6 and all(0 < id < 2**64 for id in ids)
    assert spans.span_id(UID, "a", 1) == spans.span_id(UID, "a", 1) != spans.span_id("other", "a", 1)


def test_an_attempt_that_completed() -> None:
    done = ended("a", started_at=after(-40), finished_at=after(-10), exit_code=0)
    (span,) = emitted(of(running("a")), of(done))
    assert (span.trace, span.id, span.parent) == (spans.trace_id(UID), spans.span_id(UID, "a", 1), ROOT)
    assert (span.name, span.start, span.end, span.failed) == ("job a", EARLIER, after(-10), "")
    assert span.events == (("started", after(-40)),)
    assert span.attributes == {
        "k8s.namespace.name": "team", "cairn.execution.name": "train", "cairn.execution.uid": UID, "cairn.job": "a",
        "cairn.attempt": 1, "cairn.state": "Completed", "cairn.exit_code": 0,
    }  # fmt: skip


def test_an_attempt_that_failed_names_its_reason_and_not_what_was_said() -> None:
    (span,) = emitted(of(running("a")), of(failed("a", message="password=hunter2")))
    assert (span.failed, span.attributes["cairn.reason"]) == (names.ERROR, names.ERROR)
    assert "hunter2" not in str(span)


@pytest.mark.parametrize(
    ("record", "state", "reason", "wrong"),
    [
        (running("a", failures=1).as_pending(names.ERROR, ""), "Failed", names.ERROR, names.ERROR),
        (running("a").as_pending(names.STOPPED, ""), "Stopped", names.STOPPED, ""),
        (intended("a", 2, failures=1), "Failed", None, "Failed"),
    ],
    ids=["followed by another", "stopped on purpose", "followed by another at once"],
)
def test_an_attempt_that_is_not_the_last(record: JobRecord, state: str, reason: str | None, wrong: str) -> None:
    (span,) = emitted(of(running("a", started_at=EARLIER)), of(record))
    assert (span.id, span.end, span.failed) == (spans.span_id(UID, "a", 1), NOW, wrong)
    assert (span.attributes["cairn.state"], span.attributes.get("cairn.reason")) == (state, reason)


def test_a_span_does_not_end_before_it_begins() -> None:
    (span,) = emitted(of(running("a")), of(ended("a", finished_at=after(-70))))
    assert span.start == span.end == EARLIER
    (span,) = emitted(of(running("a", launched_at=None)), of(ended("a", finished_at=after(-70))))
    assert span.start == span.end == NOW


def test_nothing_is_emitted_of_what_has_not_ended() -> None:
    assert emitted(of(running("a")), of(running("a", started_at=NOW))) == []
    assert emitted(of(ended("a")), of(ended("a"), intended("b"))) == []


def test_the_end_of_the_execution_is_the_root() -> None:
    over = of(ended("a"), phase=Phase.SUCCEEDED, reason=names.ALL_JOBS_DONE, finished_at=NOW)
    first, root = emitted(of(running("a")), over)
    assert (first.parent, root.id, root.parent, root.trace) == (ROOT, ROOT, None, first.trace)
    assert (root.name, root.start, root.end, root.failed) == ("execution train", EARLIER, NOW, "")
    assert root.attributes["cairn.phase"] == "Succeeded"
    assert (root.attributes["cairn.jobs.completed"], root.attributes["cairn.jobs.total"]) == (1, 1)
    assert emitted(over, over) == []


def test_an_execution_that_failed_before_it_began() -> None:
    (root,) = emitted(of(), of(phase=Phase.FAILED, reason=names.TIMED_OUT, started_at=None))
    assert (root.start, root.end, root.failed) == (NOW, NOW, names.TIMED_OUT)


def test_a_checkpoint_is_a_span_of_its_execution() -> None:
    body = objects.manifest(IDENTITY, "train-1", Trigger.MANUAL, "", {}, guarded=False)
    body["metadata"] |= {"uid": "c", "resourceVersion": "1", "creationTimestamp": "2026-01-31T07:59:58Z"}
    taken = replace(objects.view(body), id="checkpoint_1", size_bytes=512)
    span = spans.of_checkpoint(IDENTITY, taken, NOW)
    assert (span.trace, span.parent, span.start, span.end) == (spans.trace_id(UID), ROOT, after(-2), NOW)
    assert span.attributes["cairn.checkpoint.id"] == "checkpoint_1" and span.attributes["cairn.checkpoint.bytes"] == 512
    assert span.id == spans.of_checkpoint(IDENTITY, taken, after(5)).id

