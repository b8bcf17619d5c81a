"""`cairn.client` on a real API server with an operator: the examples of docs/python.md, and what they do not show."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.desk import KubeDesk
from cairn.client import CheckpointTaken, Client, Dag, Execution, JobChange, PauseChange, PhaseChange
from cairn.client.models import DAGExecution
from cairn.core.status import JobState, PausePhase, Phase
from cairn.errors import NotFound, Refused, WrongState
from cluster import Cluster
from support.jobs import release
from support.kube import Kube
from support.operator_process import OperatorProcess
from support.pages import examples

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]
Body = dict[str, Any]

# What the programs of the page do, as fake nodes can play them.
PLAYED: dict[str, Body] = {
    "load": {"message": json.dumps({"path": "/data/train.csv"})},
    "fit": {"message": json.dumps({"score": 0.81}), "hang": "true"},
}


def fake(**said: str) -> Body:
    """A pod template that tells fake nodes what becomes of it."""
    return {"metadata": {"annotations": {f"fake.cairn.dev/{key.replace('_', '-')}": v for key, v in said.items()}}}


@pytest.fixture
async def cairn(served: Kube) -> AsyncIterator[Client]:
    """A client of a namespace that an operator serves."""
    async with Client(served.namespace, kubeconfig=served.kubeconfig) as client:
        yield client


# --- The page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Dag builds has the annotations of PLAYED on its jobs."""
    build = Dag.build

    def annotated(dag: Dag, namespace: str | None = None) -> DAGExecution:
        body = build(dag, namespace).to_body()
        for job in body["spec"]["jobs"]:
            job |= {"podTemplate": fake(**PLAYED[job["id"]])} if job["id"] in PLAYED else {}
        return DAGExecution.from_body(body)

    monkeypatch.setattr(Dag, "build", annotated)


async def let_fit_end(kube: Kube, api: Api) -> None:
    """End `fit` wherever it runs, but not before the pause that the page asks for while it runs for the second time."""
    pods = f"/api/v1/namespaces/{kube.namespace}/pods"
    desk = KubeDesk(api, "test")
    while True:
        for body in (await desk.list_executions(kube.namespace)).items:
            rewound = "requestId" in (body["spec"].get("restoreFrom") or {})
            pause = ((body.get("status") or {}).get("pause") or {}).get("phase")
            if not rewound or pause == "Draining":
                selector = f"cairn.dev/job=fit,cairn.dev/execution={body['metadata']['name']}"
                for pod in await api.list_all(pods, labelSelector=selector):
                    meta = pod["metadata"]
                    patch = {"uid": meta["uid"], "annotations": {"fake.cairn.dev/hang": "false"}}
                    await api.patch(f"{pods}/{meta['name']}", {"metadata": patch})
        await asyncio.sleep(0.05)


async def test_the_examples_print_what_the_page_says(
    served: Kube, played: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand, but for the namespace."""
    monkeypatch.setenv("KUBECONFIG", str(served.kubeconfig))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(served.kubeconfig))
    api = await connect(str(served.kubeconfig))
    ending = asyncio.create_task(let_fit_end(served, api))
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for example in [one for one in examples("python.md") if one.needs_a_cluster]:
            code = example.code.replace('"ml"', f'"{served.namespace}"')
            compiled = compile(code, "python.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if (running := eval(compiled, names)) is not None:
                await running
            printed = capsys.readouterr().out.replace(served.namespace, "ml")
            assert printed.rstrip("\n") == example.printed.rstrip("\n")
        assert not ending.done(), ending
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        await api.close()
