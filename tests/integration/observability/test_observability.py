"""Metrics, alerts and dashboard on processes that really run: scraped by a Prometheus, checked by promtool."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.exported import series
from support.jobs import hanging, job
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.prometheus import Prometheus, promtool
from support.service import Service

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "charts/cairn/rules/cairn.yaml"
DASHBOARD = json.loads((ROOT / "charts/cairn/dashboards/cairn.json").read_text(encoding="utf-8"))
# Nothing has gone wrong, so there is nothing to show; these are the panels that only show what went wrong.
QUIET = {"Calls that failed", "Errors by route"}

Start = Callable[..., OperatorProcess]
Watched = tuple[Prometheus, Service]


def scraped(port: int) -> str:
    """What Prometheus reads there."""
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text


def number(text: str, name: str, **labels: str) -> float:
    """The value of one series; 0 if there is none."""
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) == labels:
            return float(found[2])
    return 0.0


def test_the_rules_are_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stderr + done.stdout


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    done = promtool("test", "rules", str(Path(__file__).with_name("rules_test.yaml")))
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.cluster
def test_metrics_tell_what_has_happened(solo: Kube, start_operator: Start) -> None:
    operator = start_operator(solo)
    again = {"retry": {"limit": 1, "backoffSeconds": 1}}
    solo.run("x", job("a"), job("b", "a", fake={"exit-code": "1"}, **again), job("c", "a"))
    solo.wait("x", "Finished")
    solo.saved("x")
    text = scraped(operator.port)
    told = {
        "created": number(text, "cairn_launches_total", outcome="created"),
        "completed": number(text, "cairn_attempts_total", state="Completed"),
        "failed": number(text, "cairn_attempts_total", state="Failed"),
        "retries": number(text, "cairn_retries_total", kind="application"),
        "ended": number(text, "cairn_executions_ended_total", phase="Failed"),
        "executions": number(text, "cairn_executions", phase="Failed", pause="None"),
        "jobs": number(text, "cairn_jobs", state="Completed"),
        "hops": number(text, "cairn_hop_duration_seconds_count"),
        "starts": number(text, "cairn_start_duration_seconds_count"),
        "leader": number(text, "cairn_leader"),
    }
    assert told == {
        "created": 4, "completed": 2, "failed": 2, "retries": 1, "ended": 1, "executions": 1, "jobs": 2, "hops": 2,
        "starts": 4, "leader": 1,
    }  # fmt: skip
    creates = number(text, "cairn_kubernetes_requests_total", verb="create", resource="jobs", code="201")
    assert creates == 4
    ready = number(text, "cairn_checkpoints_total", trigger="level-completed", outcome="ready")
    assert ready == len([c for c in solo.list("ckpt") if c["spec"]["trigger"] == "level-completed"]) > 0
    assert number(text, "cairn_checkpoint_objects", phase="Ready") == ready
    assert number(text, "cairn_watch_events_total", resource="pods") >= 8


@pytest.fixture(scope="module")
def watched(service: Service, shared_tenant: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A Prometheus beside an operator, a REST API and a database that have done something, and do."""
    ports = {"cairn-operator": service.operator.port, "cairn-api": service.api.port}
    token = service.editor(shared_tenant)
    with Prometheus(tmp_path_factory.mktemp("prometheus"), ports, RULES) as prometheus:
        up = 'sum(up{job=~"cairn-.*"}) == 2 and sum(count_over_time(up[1m])) > 3'
        until(lambda: prometheus.query(up), "both are scraped", 30)
        shared_tenant.run("x", job("a"), job("b", "a"), hanging("c", "b"), checkpoint={"triggers": []})
        shared_tenant.run("unsaved", job("a"), hanging("b", "a"), checkpoint={"triggers": []})
        shared_tenant.wait_job("x", "b", state="Completed")
        for path in ("", "/x", "/none"):
            url = f"{service.api.url}/api/v1/namespaces/{shared_tenant.namespace}/executions{path}"
            httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        by_hand = {"executionRef": {"name": "x"}}
        shared_tenant.apply({"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "by-hand"},
                             "spec": by_hand})  # fmt: skip
        for held in (
            'cairn_checkpoint_rows_written_total > 0 and on (job) cairn_database_up{role="cairn_operator"} == 1',
            'count_over_time(cairn_api_requests_total{status="404"}[1m]) > 2',  # enough for rates
            f'cairn_work_at_risk_seconds{{execution="{shared_tenant.namespace}/unsaved"}} > 0',
        ):
            until(lambda held=held: prometheus.query(held), held, 30)  # type: ignore[misc]
        yield prometheus, service


@pytest.mark.cluster
@pytest.mark.postgres
def test_names_follow_the_conventions(watched: Watched) -> None:
    _, service = watched
    for port in (service.operator.port, service.api.port):
        done = promtool("check", "metrics", input=scraped(port))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


@pytest.mark.cluster
@pytest.mark.postgres
def test_every_metric_is_exported_by_one_of_them(watched: Watched) -> None:
    _, service = watched
    text = scraped(service.operator.port) + scraped(service.api.port)
    found = set(re.findall(r"^(cairn_\w+)", text, re.MULTILINE))
    where_there_are_any = {"cairn_database_errors_total", "cairn_shard_info", "cairn_shard_expected"}
    assert found | where_there_are_any == series(), "of errors and of shards"


@pytest.mark.cluster
@pytest.mark.postgres
@pytest.mark.parametrize("panel", [p for p in DASHBOARD["panels"] if p["type"] != "row"], ids=lambda p: f"{p['title']}")
def test_a_panel_shows_something(watched: Watched, panel: dict[str, Any]) -> None:
    prometheus, _ = watched
    for target in panel["targets"]:
        query = target["expr"].replace("$namespace", "cairn-system").replace("$__rate_interval", "30s")
        found = prometheus.query(query)
        assert found or panel["title"] in QUIET, query


@pytest.mark.cluster
@pytest.mark.postgres
def test_every_rule_is_evaluated_and_none_fires_while_all_is_well(watched: Watched) -> None:
    prometheus, _ = watched
    rules = until(lambda: _evaluated(prometheus), "every rule is evaluated", 30)
    assert {name: rule["health"] for name, rule in rules.items()} == dict.fromkeys(rules, "ok")
    assert [name for name, rule in rules.items() if rule["state"] == "firing"] == []


def _evaluated(prometheus: Prometheus) -> dict[str, Any] | None:
    rules = prometheus.rules()
    return rules if all(rule["health"] != "unknown" for rule in rules.values()) else None
