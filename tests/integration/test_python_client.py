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


async def let_fit_end(kube: Kube, api: Api, over: asyncio.Event) -> None:
    """End `fit` wherever it runs, but not before the pause that the page asks for while it runs for the second time."""
    pods = f"/api/v1/namespaces/{kube.namespace}/pods"
    desk = KubeDesk(api, "test")
    while not over.is_set():
        found = await api.list_all(pods, labelSelector="cairn.dev/job=fit")
        executions = await desk.list_executions(kube.namespace)  # after them: none is of a rewind that is not seen here
        hanging = {body["metadata"]["name"] for body in executions.items if _must_wait(body)}
        for meta in (pod["metadata"] for pod in found):
            if meta["labels"]["cairn.dev/execution"] not in hanging:
                patch = {"uid": meta["uid"], "annotations": {"fake.cairn.dev/hang": "false"}}
                await api.patch(f"{pods}/{meta['name']}", {"metadata": patch})
        await asyncio.sleep(0.05)


def _must_wait(execution: Body) -> bool:
    """Whether it was rewound, and not paused yet."""
    rewound = "requestId" in (execution["spec"].get("restoreFrom") or {})
    return rewound and ((execution.get("status") or {}).get("pause") or {}).get("phase") != "Draining"


async def test_the_examples_print_what_the_page_says(
    served: Kube, played: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand, but for the namespace."""
    monkeypatch.setenv("KUBECONFIG", str(served.kubeconfig))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(served.kubeconfig))
    api = await connect(str(served.kubeconfig))
    over = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:  # who ends `fit` may fail, and nobody would wait for it then
            group.create_task(let_fit_end(served, api, over))
            await as_the_page_says(served.namespace, capsys)
            over.set()
    finally:
        await api.close()


async def as_the_page_says(namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the examples that need a cluster, in a namespace that they do not name."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for example in [one for one in examples("python.md") if one.needs_a_cluster]:
        code = example.code.replace('"ml"', f'"{namespace}"')
        compiled = compile(code, "python.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(compiled, names)) is not None:
            await running
        printed = capsys.readouterr().out.replace(namespace, "ml")
        assert printed.rstrip("\n") == example.printed.rstrip("\n")


# --- What the page does not show -------------------------------------------------------------------------------------


def chain(name: str = "work", **said: str) -> Dag:
    """A job `a` that does what is said, and `b` after it."""
    dag = Dag(name, image="fake", checkpoint={"triggers": ["manual"]})
    dag.job("b", after=dag.job("a", pod_template=fake(**said)))
    return dag


async def test_a_failed_job_is_followed_repaired_and_the_run_goes_on(cairn: Client) -> None:
    run = await cairn.run(chain(exit_code="3"))
    told = [change async for change in run.follow()]
    assert [change.state for change in told if isinstance(change, JobChange) and change.id == "a"] == [
        JobState.RUNNING, JobState.FAILED,
    ]  # fmt: skip
    assert isinstance(told[-1], PhaseChange) and told[-1].phase is Phase.FAILED
    with pytest.raises(WrongState, match="completed"):
        await run.output("a")
    answer = await run.complete("a", {"n": 1}, reason="done elsewhere")
    assert answer.by == (await run.refresh()).status.requests[-1].by != ""
    assert (await run.finished(60)).status.phase is Phase.SUCCEEDED
    assert await run.outputs() == {"a": {"n": 1}, "b": None}


async def test_a_pause_is_followed_to_its_checkpoint_and_a_cancel_to_the_end(served: Kube, cairn: Client) -> None:
    run = await cairn.run(chain(hang="true"))
    kinds: list[Any] = []
    async with aclosing(run.follow()) as changes:
        async for change in changes:
            match change:
                case JobChange(id="a", state="Running"):
                    name = await run.pause("look", checkpoint=True)
                case PauseChange(phase="Draining"):
                    release(served, "work", "a")
                case PauseChange():
                    kinds.append(change.phase)
                case CheckpointTaken():
                    kinds.append(change.name)
                    break
    assert kinds == [PausePhase.PAUSED, name]
    assert (await run.paused(30)).status.pause is not None
    saved = await cairn.checkpoint(name)
    assert saved.spec.created_by
    assert (await cairn.pin(saved)).spec.pinned and not (await cairn.pin(saved, False)).spec.pinned
    await run.cancel("enough")
    assert (await run.finished(60)).status.phase is Phase.CANCELLED
    changed = await cairn.diff(saved, run)
    assert "Cancelled" in str(changed) and not changed.empty
    await cairn.delete_checkpoint(saved)


async def test_apply_changes_only_what_is_new(cairn: Client) -> None:
    first = await cairn.apply(chain(hang="true"))
    again = await cairn.apply(chain(hang="true"))
    assert (first.uid, first.seen.metadata.generation) == (again.uid, again.seen.metadata.generation)
    assert [str(run) for run in await cairn.list()] == [str(first)]


async def test_a_fork_that_nobody_names_has_a_name(cairn: Client) -> None:
    run = await cairn.run(chain())
    await run.finished(60)
    saved = await run.checkpoint()
    plan = await cairn.plan_fork(saved)
    fork = await cairn.fork(saved, plan=plan)
    assert fork.name.startswith("work-fork-")
    assert (await fork.finished(60)).status.jobs == (await run.refresh()).status.jobs, "all of it is kept"
    there = (await fork.refresh()).status.restore
    assert there is not None and there.plan is not None and there.plan.digest == plan.digest


async def test_a_run_that_is_deleted_and_made_anew_is_another_one(cairn: Client) -> None:
    run = await cairn.run(chain(hang="true"))
    seen = asyncio.Event()
    following = asyncio.create_task(_all(run, seen))
    await seen.wait()
    await run.delete()
    with pytest.raises(NotFound, match="deleted"):
        await following
    again = await cairn.run(chain(hang="true"))
    assert again.uid != run.uid
    with pytest.raises(NotFound, match="another one has its name"):
        await run.refresh()
    with pytest.raises(NotFound, match="another one has its name"):
        await run.pause()
    assert not (await again.refresh()).spec.paused


async def _all(run: Execution, seen: asyncio.Event) -> None:
    async for _ in run.follow():
        seen.set()


async def test_no_operator_is_told_in_words(kube: Kube) -> None:
    async with Client(kube.namespace, kubeconfig=kube.kubeconfig) as cairn:
        run = await cairn.run(chain())
        for call in (run.finished(0.5), run.paused(0.5)):
            with pytest.raises(TimeoutError, match="no operator has looked"):
                await call
        with pytest.raises(TimeoutError, match="no operator has taken it within"):
            await run.checkpoint(seconds=0.5)


@pytest.fixture
def nobody(kube: Kube, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an account that may read executions of its namespace, and no more."""
    kube.kubectl("create", "serviceaccount", "reader")
    kube.kubectl("create", "role", "reader", "--verb=get,list,watch", "--resource=dagexecutions.cairn.dev")
    kube.kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kube.namespace}:reader")
    config = yaml.safe_load(kube.kubeconfig.read_text())
    token = kube.kubectl("create", "token", "reader").stdout.strip()
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    yield tmp_path / "kubeconfig"


async def test_what_somebody_may_not_do_is_told_as_kubernetes_tells_it(kube: Kube, nobody: Path) -> None:
    async with Client(kube.namespace, kubeconfig=kube.kubeconfig) as cairn:
        await cairn.run(chain())
    async with Client(kube.namespace, kubeconfig=nobody) as cairn:
        run = await cairn.get("work")
        assert [one.name for one in await cairn.list()] == ["work"]
        for call in (run.pause(), run.checkpoint(), cairn.run(chain("more")), run.delete(), cairn.list(namespace="")):
            with pytest.raises(Refused, match=r"User .*:reader.* cannot"):
                await call
