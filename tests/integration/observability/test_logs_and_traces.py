"""What an operator that runs writes and sends: JSON lines that name what they are about, one trace an execution."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.collector import collector
from support.jobs import hanging, job, release
from support.kube import Kube, until
from support.operator_process import OperatorProcess, free_port

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]
EXPORT = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
A_SECRET = "hunter2-of-the-environment"
AN_OUTPUT = "hunter2-of-the-outputs"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_log_names_what_it_is_about_and_quotes_nothing(solo: Kube, start_operator: Start) -> None:
    operator = start_operator(solo, CAIRN_LOG_LEVEL="DEBUG")
    says = {"message": json.dumps({"token": AN_OUTPUT})}
    solo.run("x", job("a", fake=says, env=[{"name": "TOKEN", "value": A_SECRET}]), job("b", "a"))
    solo.wait("x", "Finished")
    solo.saved("x")
    assert operator.stop() == 0
    told = [line for line in lines(operator.log) if line["logger"].startswith("cairn.app")]
    assert {(line["namespace"], line["execution"]) for line in told} == {(solo.namespace, "x")}
    assert {("a", 1), ("b", 1)} == {(line["job"], line["attempt"]) for line in told if "job" in line}
    assert any(line.get("checkpoint", "").startswith("checkpoint_") for line in told)
    text = operator.log.read_text()
    assert AN_OUTPUT in json.dumps(solo.list("jres")) and AN_OUTPUT not in text
    assert A_SECRET in json.dumps(solo.jobs("x")) and A_SECRET not in text


def test_an_execution_is_one_trace_whoever_sends_it(solo: Kube, start_operator: Start) -> None:
    with collector() as there:
        traced = EXPORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": there.url}
        first = start_operator(solo, **traced)
        uid = solo.run("x", job("a"), hanging("b", "a"), checkpoint={"enabled": False})["metadata"]["uid"]
        until(lambda: there.names() == ["job a"], "the first span is sent", 30, there.names)
        first.kill()
        release(solo, "x", "b")
        second = start_operator(solo, **traced)
        solo.wait("x", "Finished")
        until(lambda: len(there.spans) == 3, "the others are sent", 30, there.names)
        assert second.stop() == 0
    assert {span.trace_id.hex() for span in there.spans} == {uid.replace("-", "")}
    (root,) = (span for span in there.spans if not span.parent_span_id)
    assert (root.name, {s.parent_span_id for s in there.spans if s is not root}) == ("execution x", {root.span_id})
    assert there.names() == ["execution x", "job a", "job b"]


def test_a_collector_that_is_away_holds_nothing_up(solo: Kube, start_operator: Start) -> None:
    away = EXPORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    operator = start_operator(solo, **away)
    solo.run("x", job("a"), job("b", "a"))
    solo.wait("x", "Finished")
    assert operator.stop() == 0
    assert all("logger" in line for line in lines(operator.log)), "what the exporter says is JSON too"
