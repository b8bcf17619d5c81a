"""What a run tells: metrics that fit what happened, log records that name what they are about, one trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cairn.app.logfields import AboutFilter, about
from cairn.cli.logging import JsonFormatter
from cairn.core.spans import Span, span_id
from cairn.errors import NotLeading, Refused, Rejected, Unavailable
from unit.app.pipeline import Pipeline

A_SECRET, AN_OUTPUT, A_CRY = "env-hunter2", "output-hunter2", "cry-hunter2"


class Grown:
    """By how much counters have grown."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}

    def __call__(self, name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return self._now().get(key, 0) - self._before.get(key, 0)


@pytest.fixture
def grown() -> Grown:
    return Grown()


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the loggers of Cairn write, as a machine reads it."""
    found: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(JsonFormatter().format(record)))

    handler, logger = Keeping(), logging.getLogger("cairn")
    handler.addFilter(AboutFilter())
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


class Kept:
    """A tracer that keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def emit(self, spans: Any) -> None:
        self.spans.extend(spans)


def retried(limit: int) -> dict[str, Any]:
    return {"retry": {"limit": limit, "backoffSeconds": 0}}


# --- Metrics ---------------------------------------------------------------------------------------------------------


async def test_a_run_is_counted(grown: Grown) -> None:
    pipeline = Pipeline()
    pipeline.plays["b"] = [1, 0]
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"}, {"id": "b", "dependsOn": ["a"], **retried(1)})
        assert (await pipeline.finish("x"))["phase"] == "Succeeded"
        assert REGISTRY.get_sample_value("cairn_leader") == 1
    assert REGISTRY.get_sample_value("cairn_leader") == 0
    assert grown("cairn_launches_total", outcome="created") == 3
    assert grown("cairn_attempts_total", state="Completed") == 2
    assert grown("cairn_attempts_total", state="Failed") == 1
    assert grown("cairn_retries_total", kind="application") == 1
    assert grown("cairn_retries_total", kind="infrastructure") == 0
    assert grown("cairn_executions_ended_total", phase="Succeeded") == 1
    assert grown("cairn_hop_duration_seconds_count") == 1, "one first attempt with a dependency"
    assert 0 <= grown("cairn_hop_duration_seconds_sum") < 5
    assert grown("cairn_queue_adds_total", queue="executions") > 0
    assert grown("cairn_reconcile_duration_seconds_count", queue="executions") > 0
    assert grown("cairn_watch_events_total", resource="pods") == 3
    assert REGISTRY.get_sample_value("cairn_watch_last_event_timestamp_seconds", {"resource": "pods"}) > 1e9  # type: ignore[operator]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Refused("quota", status=403), "refused"), (Rejected("no image", status=422), "rejected"),
     (Unavailable("gone", status=503), "failed")],
    ids=["for now", "for good", "without an answer"],
)  # fmt: skip
async def test_a_launch_that_fails_is_counted(grown: Grown, error: Any, outcome: str) -> None:
    pipeline = Pipeline()
    pipeline.cluster.fail("create Job", error)
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.until(lambda: grown("cairn_launches_total", outcome=outcome) == 1)


async def test_what_is_left_to_another_replica_is_no_failed_launch(grown: Grown) -> None:
    pipeline = Pipeline()
    pipeline.cluster.fail("create Job", NotLeading("not sent"))
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.until(lambda: pipeline.cluster.called("create Job"))
    assert grown("cairn_launches_total", outcome="failed") == 0


async def test_a_job_that_exists_is_adopted_and_a_name_of_somebody_else_is_taken(grown: Grown) -> None:
    pipeline = Pipeline()
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.finish("x")
        for owner, outcome in (("uid-of-x", "adopted"), ("somebody", "taken")):
            pipeline.cluster.objects = {key: body for key, body in pipeline.cluster.objects.items() if key[0] == "Job"}
            for body in pipeline.cluster.objects.values():
                body["metadata"]["ownerReferences"] = [{"uid": owner}]
            del pipeline.cluster.executions["x"]
            pipeline.operator.forget_execution({"metadata": {"namespace": "default", "name": "x", "uid": "uid-of-x"}})
            pipeline.submit("x", {"id": "a"})
            await pipeline.until(lambda: grown("cairn_launches_total", outcome=outcome) == 1)  # noqa: B023


async def test_errors_of_the_loop_are_counted_by_kind(grown: Grown) -> None:
    pipeline = Pipeline()
    pipeline.cluster.fail("write_status", Unavailable("gone", status=503), ValueError("a bug"))  # type: ignore[arg-type]
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.finish("x")
    assert grown("cairn_reconcile_errors_total", queue="executions", error="Unavailable") == 1
    assert grown("cairn_reconcile_errors_total", queue="executions", error="unexpected") == 1


async def test_checkpoints_are_counted_once_each(grown: Grown) -> None:
    pipeline = Pipeline()
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.finish("x")
        await pipeline.until(lambda: grown("cairn_checkpoints_total", trigger="level-completed", outcome="ready"))
    assert grown("cairn_checkpoints_total", trigger="level-completed", outcome="ready") == 1
    assert grown("cairn_checkpoint_bytes_total") > 0
    assert grown("cairn_checkpoint_duration_seconds_count") == 1


# --- Logs ------------------------------------------------------------------------------------------------------------


async def test_every_record_about_an_execution_names_it(lines: list[dict[str, Any]]) -> None:
    pipeline = Pipeline()
    pipeline.plays["b"] = [1, 3]
    pipeline.cluster.fail("write_status", Unavailable("gone", status=503))
    pipeline.cluster.fail("create Job", Refused("quota", status=403))
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"}, {"id": "b", "dependsOn": ["a"], **retried(1)})
        assert (await pipeline.finish("x"))["phase"] == "Failed"
        await pipeline.until(lambda: any(line.get("reason") == "CheckpointTaken" for line in lines))
    assert lines and all((line.get("namespace"), line.get("execution")) == ("default", "x") for line in lines), lines


async def test_a_record_about_an_attempt_names_it(lines: list[dict[str, Any]]) -> None:
    pipeline = Pipeline()
    pipeline.plays["b"] = [1, 3]
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"}, {"id": "b", "dependsOn": ["a"], **retried(1)})
        await pipeline.finish("x")
    told = {(line["job"], line["attempt"], line["message"]) for line in lines if "job" in line}
    assert {
        ("a", 1, "attempt 1 of job a is launched"), ("a", 1, "attempt 1 of job a has ended: Completed"),
        ("b", 1, "attempt 1 of job b has ended: Failed"),
        ("b", 2, "attempt 2 of job b is launched"), ("b", 2, "job b, attempt 2 failed: Error"),
    } <= told  # fmt: skip
    assert any(message.startswith("Kubernetes Job x-") for _, _, message in told)


async def test_a_record_about_a_checkpoint_names_it(lines: list[dict[str, Any]]) -> None:
    pipeline = Pipeline()
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        await pipeline.finish("x")
        await pipeline.until(lambda: any(line.get("reason") == "CheckpointTaken" for line in lines))
    (taken,) = (line for line in lines if line.get("reason") == "CheckpointTaken")
    assert taken["checkpoint"].startswith("checkpoint_")


@pytest.mark.parametrize("codes", [[0], [1]], ids=["succeeds", "fails"])
async def test_nothing_that_somebody_keeps_or_says_is_logged(lines: list[dict[str, Any]], codes: list[int]) -> None:
    pipeline = Pipeline()
    pipeline.plays["a"] = list(codes)
    pipeline.says["a"] = json.dumps({"token": AN_OUTPUT}) if codes == [0] else A_CRY
    async with pipeline.running():
        env = [{"name": "PASSWORD", "value": A_SECRET}]
        pipeline.submit("x", {"id": "a", "env": env, "command": ["sh", "-c", A_SECRET]}, params={"p": A_SECRET})
        await pipeline.finish("x")
        await pipeline.until(lambda: any(line.get("reason") == "CheckpointTaken" for line in lines))
    text = json.dumps(lines)
    assert len(lines) > 5 and not any(word in text for word in (A_SECRET, AN_OUTPUT, A_CRY))
    assert codes == [0] or A_CRY in json.dumps(pipeline.cluster.events), "the Event tells what the container said"


async def test_what_the_api_server_quotes_is_told_to_the_user_and_not_logged(lines: list[dict[str, Any]]) -> None:
    pipeline = Pipeline()
    said = f'Job.batch "x" is invalid: spec.template.spec.containers[0].env[0].value: Invalid value: "{A_SECRET}"'
    pipeline.cluster.fail("create Job", Rejected(said, status=422, logged="422 Invalid"))
    pipeline.cluster.fail("write_checkpoint_status", Rejected(said, status=422, logged="422 Invalid"))
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"})
        status = await pipeline.finish("x")
        await pipeline.until(lambda: any(line.get("reason") == "CheckpointFailed" for line in lines))
    (saved,) = (body for (kind, _), body in pipeline.cluster.objects.items() if kind == "Checkpoint")
    assert A_SECRET in json.dumps(status["jobs"]) and A_SECRET in json.dumps(saved["status"])
    assert A_SECRET not in json.dumps(lines)
    assert "422 Invalid" in json.dumps(lines)


async def test_what_is_wrong_in_a_spec_is_told_to_the_user_and_not_logged(lines: list[dict[str, Any]]) -> None:
    pipeline = Pipeline()
    async with pipeline.running():
        pipeline.submit("x", {"id": "a", "dependsOn": [A_SECRET]})
        await pipeline.until(lambda: any(line.get("reason") == "Invalid" for line in lines))
        await pipeline.until(lambda: A_SECRET in json.dumps(pipeline.cluster.events))
    assert A_SECRET not in json.dumps(lines)


def test_fields_add_up_and_go() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "x", (), None)
    record.job = "own"
    with about({"execution": "x", "job": "a"}), about({"attempt": 1}):
        AboutFilter().filter(record)
    assert (record.execution, record.job, record.attempt) == ("x", "own", 1)  # type: ignore[attr-defined]
    later = logging.LogRecord("x", logging.INFO, "f", 1, "x", (), None)
    AboutFilter().filter(later)
    assert not hasattr(later, "execution")


# --- Traces ----------------------------------------------------------------------------------------------------------


async def test_an_execution_is_one_trace() -> None:
    tracer = Kept()
    pipeline = Pipeline(tracer)
    pipeline.plays["b"] = [1, 0]
    async with pipeline.running():
        pipeline.submit("x", {"id": "a"}, {"id": "b", "dependsOn": ["a"], **retried(1)})
        await pipeline.finish("x")
        await pipeline.until(lambda: sum(s.name.startswith("checkpoint") for s in tracer.spans) == 2)
    assert len({span.trace for span in tracer.spans}) == 1
    (root,) = (span for span in tracer.spans if span.parent is None)
    attempts = {s.id for s in tracer.spans if s.name.startswith("job")}
    assert attempts == {span_id("uid-of-x", *which) for which in (("a", 1), ("b", 1), ("b", 2))}
    assert all(span.parent == root.id for span in tracer.spans if span is not root)
    assert len({span.id for span in tracer.spans}) == len(tracer.spans) == 6
