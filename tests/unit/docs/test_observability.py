"""Metrics, alerts, dashboard and runbooks: each names what the others have, and all of it what the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.exported import defined, series, used

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = yaml.safe_load((ROOT / "charts/cairn/rules/cairn.yaml").read_text(encoding="utf-8"))
TESTS = yaml.safe_load((ROOT / "tests/integration/observability/rules_test.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "charts/cairn/dashboards/cairn.json").read_text(encoding="utf-8"))
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(cairn_\w+)` \| (\w+) \| (.*?) ?\| .+ \|$", PAGE, re.MULTILINE)
    assert {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == defined()
    assert len(rows) == len(defined())


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*")} == set(ALERTS)


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\(runbooks/(\w+)\.md\) \| (\w+) \|", PAGE, re.MULTILINE)
    assert rows == [(name, name, rule["labels"]["severity"]) for name, rule in ALERTS.items()]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_tells_what_is_wrong_and_where_to_read_on(name: str) -> None:
    notes = ALERTS[name]["annotations"]
    assert notes["runbook_url"] == f"docs/runbooks/{name}.md" and (ROOT / notes["runbook_url"]).exists()
    assert all(notes[part].endswith(".") for part in ("summary", "description"))


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_tells_what_it_means_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Impact", "Diagnose", "Mend"]
    assert "kubectl" in text and "](../observability.md#alerts)" in text


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_to_fire_and_to_be_silent(name: str) -> None:
    cases = [test for test in TESTS["tests"] if test["name"].startswith(f"{name}: ")]
    expected = {sample["value"] for case in cases for t in case["promql_expr_test"] for sample in t["exp_samples"]}
    assert expected == {0, 1}
    assert any({s["value"] for t in case["promql_expr_test"] for s in t["exp_samples"]} == {0} for case in cases)


def test_rules_use_metrics_that_there_are() -> None:
    assert used(" ".join(rule["expr"] for rule in ALERTS.values())) <= series()


def test_the_dashboard_uses_metrics_that_there_are_and_shows_them_all() -> None:
    shown = used(" ".join(target["expr"] for panel in PANELS for target in panel["targets"]))
    assert shown <= series()
    parts = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert parts == set(defined())


def test_the_rows_of_the_dashboard() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Executions and jobs", "Latency", "Operator", "API server and database",
                    "Checkpoints and work at risk", "REST API", "Leader"]  # fmt: skip


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']}")
def test_a_panel_asks_the_data_source_of_the_dashboard(panel: dict[str, Any]) -> None:
    assert all(target["datasource"]["uid"] == "${datasource}" for target in [panel, *panel["targets"]])
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24


def test_no_two_panels_lie_on_each_other() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
