"""The examples of docs/api.md, in their order, on a real API server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.examples import Run, examples
from support.jobs import hanging, job
from support.kube import Kube, until
from support.service import Service

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_the_examples_of_the_page_are_answered_as_it_shows(service: Service, tenant: Kube) -> None:
    tenant.run("train", job("prepare"), hanging("fit", "prepare"), job("report", "fit"),
               checkpoint={"triggers": ["manual"]})  # fmt: skip
    tenant.wait_job("train", "prepare", state="Completed")
    until(lambda: tenant.job("train", "fit").get("startedAt"), "fit runs")
    run = Run(service.api.url, service.editor(tenant), {"team-ml": tenant.namespace})
    asked = list(examples(PAGE))
    for example in asked:
        run.same(example.answer, run.ask(example), example.command)
    shown = " ".join(example.command for example in asked)
    for path in ("/checkpoint", "/pause", "/resume", "/checkpoints/list"):
        assert re.search(rf"/api/training/dag{path}[\"?]", shown), path
