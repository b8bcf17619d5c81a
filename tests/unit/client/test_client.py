"""The client at a desk in memory: what it writes, gives back and waits for, and what it says of what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pytest import param

from cairn.client import Client, Dag, Execution
from cairn.client.models import Checkpoint
from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.payload import to_text
from cairn.core.naming import attempt_name
from cairn.errors import (
    CairnError,
    CannotSave,
    Conflict,
    InvalidSpec,
    NotConfigured,
    NotFound,
    Refused,
    Unavailable,
    WrongState,
)
from support.fake_desk import FakeDesk
from support.states import a_state

Body = dict[str, Any]
SPEC: Body = {"jobs": [{"id": "a", "image": "busybox"}]}
ID = "checkpoint_1769846400000_a1b2c3"


def running(**status: Any) -> Body:
    """The status of an execution that works on job a."""
    record = {"id": "a", "state": "Running", "attempt": 1, "uid": "1", "startedAt": "2026-01-31T08:00:00Z"}
    return {"phase": "Running", "observedGeneration": 1, "startedAt": "2026-01-31T08:00:00Z", "jobs": [record]} | status


DONE: Body = {"phase": "Succeeded", "jobs": [{"id": "a", "state": "Completed", "attempt": 1}], "progress": "1/1"}


async def test_a_notebook_shows_its_graph(desk: FakeDesk, cairn: Client) -> None:
    run = await cairn.get("train")
    picture = run._repr_svg_()
    assert picture is not None and picture.startswith("<svg") and "Running" in picture
    desk.put({"metadata": {"name": "train"}, "spec": SPEC, "status": DONE})
    await run.refresh()
    assert "Completed" in (run._repr_svg_() or "")
    desk.put({"metadata": {"name": "fork"}, "spec": {"restoreFrom": {"latestOf": "train"}}})
    assert (await cairn.get("fork"))._repr_svg_() is None, "its jobs are in the checkpoint"


@pytest.fixture
def desk() -> FakeDesk:
    """Where the execution `train` runs."""
    made = FakeDesk()
    made.put({"metadata": {"name": "train"}, "spec": SPEC, "status": running()})
    return made


@pytest.fixture
async def cairn(desk: FakeDesk) -> AsyncIterator[Client]:
    """A client of the namespace `default` there."""
    async with Client("default", desk=desk) as client:
        yield client


@pytest.fixture
async def run(cairn: Client) -> Execution:
    """That execution."""
    return await cairn.get("train")


def later(desk: FakeDesk, *statuses: Body, **metadata: Any) -> None:
    """What the next watch tells of `train`."""
    for status in statuses:
        meta = {"name": "train", **metadata}
        desk.later["train"].append({"metadata": meta, "spec": SPEC, "status": running(**status)})


def checkpoint_body(name: str, phase: str = "Ready", id: str = ID, uid: str = "uid-of-train", **status: Any) -> Body:
    """A Checkpoint object of `train`."""
    told = {"phase": phase, "checkpointId": id, "executionUid": uid, "createdAt": "2026-01-31T08:00:00Z",
            "digest": "0", **status}  # fmt: skip
    return {"kind": "Checkpoint", "metadata": {"name": name}, "spec": {"executionRef": {"name": "train"}},
            "status": {key: value for key, value in told.items() if value}}  # fmt: skip


def answering(outcome: str, message: str = "") -> Callable[[Body], None]:
    """An operator that answers every request like this."""

    def react(body: Body) -> None:
        asked = body["spec"].get("requests") or ()
        at = "2026-01-31T09:00:00Z"
        body["status"]["requests"] = [
            {"id": r["id"], "type": r["type"], "job": r["job"], "at": at, "outcome": outcome, "message": message,
             "by": r["by"]} for r in asked
        ]  # fmt: skip

    return react


# --- Executions ------------------------------------------------------------------------------------------------------


async def test_run_creates_what_was_built(cairn: Client, desk: FakeDesk) -> None:
    dag = Dag("fresh", image="busybox")
    dag.job("a")
    made = await cairn.run(dag)
    assert (str(made), made.uid, made.namespace, made.name) == ("default/fresh", "uid-of-fresh", "default", "fresh")
    assert desk.spec("fresh") == {"jobDefaults": {"image": "busybox"}, "jobs": [{"id": "a"}]}
    assert repr(made) == "<Execution default/fresh: Pending, 0/0 jobs>"
    with pytest.raises(WrongState, match="there is an execution default/fresh already"):
        await cairn.run(dag.build())


async def test_apply_changes_what_is_there(cairn: Client, desk: FakeDesk) -> None:
    dag = Dag("train", image="busybox", parallelism=2)
    dag.job("a")
    assert (await cairn.apply(dag)).seen.spec.parallelism == 2
    assert desk.called("apply") == ["train"]
    desk.fail("apply", Conflict("conflict with kubectl", status=409))
    with pytest.raises(Conflict, match="conflict with kubectl"):
        await cairn.apply(dag)


async def test_what_cannot_run_is_not_sent(cairn: Client, desk: FakeDesk) -> None:
    before = list(desk.calls)
    with pytest.raises(InvalidSpec):
        await cairn.run(Dag("empty"))
    assert desk.calls == before


async def test_list_reads_every_page_and_looks_where_it_is_told(cairn: Client, desk: FakeDesk) -> None:
    desk.put({"metadata": {"name": "far", "namespace": "ml", "labels": {"team": "ml"}}, "spec": SPEC})
    for number in range(300):
        desk.put({"metadata": {"name": f"r{number:03}", "labels": {"team": "x"}}, "spec": SPEC})
    assert len(await cairn.list()) == 301
    assert [str(found) for found in await cairn.list("team=ml", namespace="")] == ["ml/far"]
    assert await cairn.list("team=ml") == ()


@pytest.mark.parametrize("name", ["train", "default/train"])
async def test_an_execution_is_read_by_its_name_alone(cairn: Client, desk: FakeDesk, name: str) -> None:
    run = await cairn.get(name)
    assert (await run.refresh()).status.phase == run.seen.status.phase == "Running"
    assert not desk.called("locate_execution"), "that asks for the right to list all namespaces"


async def test_a_client_that_is_not_open_says_so(desk: FakeDesk) -> None:
    client = Client("default", desk=desk)
    with pytest.raises(RuntimeError, match="async with Client"):
        await client.get("train")
    await client.open()
    await client.get("train")
    await client.close()
    with pytest.raises(RuntimeError, match="not open"):
        await client.list()


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: one, context: {cluster: c, user: u, namespace: ml}}
- {name: two, context: {cluster: c, user: u}}
"""


@pytest.mark.parametrize(
    ("given", "namespace"),
    [
        param({}, "ml", id="that of the current context"),
        param({"context": "two"}, "default", id="default, where the context names none"),
        param({"namespace": "own"}, "own", id="the one that is given"),
    ],
)
async def test_the_namespace(tmp_path: Path, given: dict[str, Any], namespace: str) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    async with Client(kubeconfig=tmp_path / "config", **given) as cairn:
        assert cairn.namespace == namespace
        with pytest.raises(Unavailable):
            await cairn.list()


async def test_without_a_kubeconfig_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="no usable kubeconfig"):
        await Client(kubeconfig=tmp_path / "none").open()


# --- Following -------------------------------------------------------------------------------------------------------


async def followed(run: Execution) -> list[str]:
    return [str(change) async for change in run.follow()]


async def test_follow_tells_how_it_stands_then_what_changes_and_ends(desk: FakeDesk, run: Execution) -> None:
    later(desk, running(), DONE)
    assert await followed(run) == ["execution Running", "a Running", "a Completed", "execution Succeeded"]
    assert run.seen.status.finished


async def test_a_watch_that_is_lost_begins_anew_and_nothing_is_told_twice(desk: FakeDesk, run: Execution) -> None:
    later(desk, running())
    desk.later["train"].append(Unavailable("connection reset"))
    later(desk, DONE)
    assert await followed(run) == ["execution Running", "a Running", "a Completed", "execution Succeeded"]
    assert desk.called("watch_execution") == ["train"] * 2


async def test_follow_waits_for_the_checkpoints_of_the_end(desk: FakeDesk, run: Execution) -> None:
    last = {"name": "train-end", "checkpointId": ID, "trigger": "level-completed"}
    later(desk, DONE | {"checkpointing": {"pending": [{"name": "train-end", "trigger": "level-completed"}]}},
          DONE | {"checkpointing": {"last": last}})  # fmt: skip
    assert (await followed(run))[-2:] == ["execution Succeeded", "checkpoint train-end (level-completed)"]


async def test_follow_of_what_is_deleted_meanwhile(desk: FakeDesk, run: Execution) -> None:
    told: list[str] = []
    with pytest.raises(NotFound, match="execution train in namespace default was deleted meanwhile"):
        async with aclosing(run.follow()) as changes:
            async for change in changes:
                told.append(str(change))
                desk.executions.pop("train", None)
    assert told == ["execution Running", "a Running"]


UNACCEPTED = {
    "phase": "Pending", "reason": "NotAccepted",
    "conditions": [{"type": "Accepted", "status": "False", "reason": "Invalid", "message": "spec.jobs[0]: no image",
                    "lastTransitionTime": "2026-01-31T08:00:00Z"}],
}  # fmt: skip


@pytest.mark.parametrize("wait", [param(followed, id="follow"), param(Execution.finished, id="finished")])
async def test_nobody_waits_for_a_spec_that_is_not_accepted(
    desk: FakeDesk, run: Execution, wait: Callable[[Execution], Awaitable[Any]]
) -> None:
    later(desk, UNACCEPTED)
    with pytest.raises(WrongState, match=r"default/train is not accepted: spec\.jobs\[0\]: no image") as refused:
        await wait(run)
    assert refused.value.reason == "Invalid"


async def test_finished_and_paused_give_back_how_it_stands(desk: FakeDesk, run: Execution) -> None:
    await run.pause("look")
    paused = {"phase": "Paused", "generation": 2}
    desk.executions["train"]["status"] = running(observedGeneration=2, pause=paused)
    assert (await run.paused(5)).status.pause.phase == "Paused"  # type: ignore[union-attr]
    desk.executions["train"]["status"] |= DONE
    assert (await run.finished(5)).status.progress == "1/1"
    with pytest.raises(WrongState, match=r"has finished \(Succeeded\) before it was paused"):
        await run.paused(5)


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        param(0, r"has not finished within 0 s, and no operator has looked .* is the operator running\?", id="nobody"),
        param(1, r"has not finished within 0 s: it is Running, 0/0 jobs done", id="it takes longer"),
    ],
)
async def test_what_has_not_come_in_time(desk: FakeDesk, run: Execution, observed: int, words: str) -> None:
    desk.executions["train"]["status"]["observedGeneration"] = observed
    with pytest.raises(TimeoutError, match=words):
        await run.finished(0)


# --- Asking ----------------------------------------------------------------------------------------------------------


async def test_pause_writes_what_was_asked_and_names_its_checkpoint(desk: FakeDesk, run: Execution) -> None:
    name = await run.pause("look", mode="Stop", checkpoint=True)
    assert desk.spec("train")["pause"] == {"reason": "look", "mode": "Stop", "checkpoint": True}
    assert run.seen.spec.paused
    assert desk.objects["Checkpoint", name]["spec"]["createdBy"] == desk.user
    await run.resume()
    assert not run.seen.spec.paused
    assert await run.pause() == ""


async def test_hold_release_cancel_and_delete(desk: FakeDesk, run: Execution) -> None:
    await run.hold("a")
    assert desk.spec("train")["hold"] == ["a"]
    await run.release("a")
    assert desk.spec("train")["hold"] == []
    with pytest.raises(NotFound, match="has no job 'b'"):
        await run.hold("b")
    await run.cancel("enough")
    assert desk.spec("train")["cancel"]["reason"] == "enough"
    await run.delete()
    with pytest.raises(NotFound, match="execution train in namespace default was deleted"):
        await run.refresh()


@pytest.mark.parametrize(
    ("ask", "written"),
    [
        param(lambda run: run.retry("a", reason="flaky"), {"type": "Retry", "reason": "flaky"}, id="retry"),
        param(lambda run: run.complete("a", {"n": 1}), {"type": "Complete", "outputs": {"n": 1}}, id="complete"),
        param(lambda run: run.skip("a"), {"type": "Skip"}, id="skip"),
        param(lambda run: run.extend_retries("a", 2), {"type": "ExtendRetries", "limit": 2}, id="extend retries"),
    ],
)
async def test_repairs(
    desk: FakeDesk, run: Execution, ask: Callable[[Execution], Awaitable[Any]], written: Body
) -> None:  # fmt: skip
    desk.react = answering("Done")
    answer = await ask(run)
    (request,) = desk.spec("train")["requests"]
    assert request == {"id": answer.id, "job": "a", "by": desk.user} | written
    assert (answer.outcome, answer.by) == ("Done", desk.user)


async def test_a_repair_that_is_refused_or_not_answered(desk: FakeDesk, run: Execution) -> None:
    with pytest.raises(TimeoutError, match="asked, but not answered within 0 s: is the operator running"):
        await run.retry("a", seconds=0)
    desk.react = answering("Refused", "job a runs")
    with pytest.raises(WrongState, match="job a runs"):
        await run.skip("a")


@pytest.mark.parametrize(
    "call",
    [
        param(lambda run: run.refresh(), id="refresh"),
        param(lambda run: run.pause(), id="pause"),
        param(lambda run: run.cancel(), id="cancel"),
        param(lambda run: run.retry("a"), id="retry"),
        param(lambda run: run.checkpoint(), id="checkpoint"),
        param(lambda run: run.finished(5), id="finished"),
        param(followed, id="follow"),
        param(lambda run: run.outputs(), id="outputs"),
        param(lambda run: run.delete(), id="delete"),
    ],
)
async def test_another_execution_of_its_name_is_none_of_its_own(
    desk: FakeDesk, run: Execution, call: Callable[[Execution], Awaitable[Any]]
) -> None:  # fmt: skip
    body = desk.put({"metadata": {"name": "train", "uid": "another"}, "spec": SPEC, "status": running()})
    with pytest.raises(NotFound, match=r"train in namespace default was deleted.*, and another one has its name"):
        await call(run)
    assert desk.executions["train"] == body


async def test_no_right_is_told_in_the_words_of_kubernetes(cairn: Client, desk: FakeDesk, run: Execution) -> None:
    forbidden = Refused('dagexecutions.cairn.dev "train" is forbidden: User "jane" cannot patch resource', status=403)
    desk.fail("patch_execution", forbidden)
    desk.fail("watch_execution", forbidden)
    with pytest.raises(Refused, match='User "jane" cannot patch resource'):
        await run.pause()
    with pytest.raises(Refused, match="is forbidden"):
        await followed(run)


# --- Logs ------------------------------------------------------------------------------------------------------------


def with_pod(desk: FakeDesk, run: Execution, *chunks: bytes) -> None:
    """The pod of the first attempt of job a, with its log."""
    labels = {"batch.kubernetes.io/job-name": attempt_name("train", run.uid, "a", 1)}
    meta = {"name": "pod", "labels": labels, "creationTimestamp": "2026-01-31T08:00:00Z"}
    desk.pods.append({"metadata": meta, "spec": {"containers": [{"name": "main"}]}})
    desk.logs["pod"] = list(chunks)


async def test_logs_are_lines_however_they_come(desk: FakeDesk, run: Execution) -> None:
    with_pod(desk, run, b"one\ntw", b"o\n\xff\nno end")
    assert [line async for line in run.logs("a")] == ["one", "two", "\ufffd", "no end"]
    assert [line async for line in run.logs("a", tail=1)] == ["no end"]


async def test_logs_that_are_followed_wait_for_the_job(desk: FakeDesk, run: Execution) -> None:
    with_pod(desk, run, b"begun\n")
    body = desk.executions["train"]
    begun = body["status"]["jobs"]
    body["status"]["jobs"] = [{"id": "a", "state": "Pending"}]
    with pytest.raises(WrongState, match="has not run yet"):
        _ = [line async for line in run.logs("a")]
    later(desk, {"jobs": begun})
    assert [line async for line in run.logs("a", follow=True)] == ["begun"]
    with pytest.raises(NotFound, match="has no job 'b'"):
        _ = [line async for line in run.logs("b", follow=True)]


# --- Checkpoints -----------------------------------------------------------------------------------------------------


async def test_a_checkpoint_is_asked_for_and_waited_for(desk: FakeDesk, run: Execution) -> None:
    def take(body: Body) -> None:
        body["status"] = checkpoint_body("")["status"]

    desk.react = take
    made = await run.checkpoint("before tuning", metadata={"ticket": "ML-7"}, pinned=True)
    assert (made.status.ready, made.spec.name, made.spec.created_by, made.spec.pinned, dict(made.spec.metadata)) == (
        True, "before tuning", desk.user, True, {"ticket": "ML-7"},
    )  # fmt: skip


async def test_a_checkpoint_that_is_not_taken(cairn: Client, desk: FakeDesk, run: Execution) -> None:
    with pytest.raises(TimeoutError, match=r"checkpoint train-.* no operator has taken it within 0 s"):
        await run.checkpoint(seconds=0)
    condition = {"type": "Ready", "status": "False", "reason": "TooLarge", "message": "3 MB",
                 "lastTransitionTime": "2026-01-31T08:00:00Z"}  # fmt: skip
    desk.put(checkpoint_body("bad", "Failed", id="", conditions=[condition]))
    with pytest.raises(CannotSave, match="3 MB"):
        await cairn.checkpoint("bad")


async def test_checkpoints_newest_first_and_only_of_this_execution(
    cairn: Client, desk: FakeDesk, run: Execution
) -> None:  # fmt: skip
    desk.put(checkpoint_body("old", id="checkpoint_1769846400001_a"))
    desk.put(checkpoint_body("new", id="checkpoint_1769846400002_a"))
    desk.put(checkpoint_body("asked", "", id="", uid=""))
    desk.put(checkpoint_body("former", uid="another"))
    assert [one.metadata.name for one in await run.checkpoints()] == ["asked", "new", "old"]
    assert await cairn.checkpoints(run) == await run.checkpoints()
    assert [one.metadata.name for one in await cairn.checkpoints("train")] == ["asked", "new", "old", "former"]
    assert len(await cairn.checkpoints()) == 4


@pytest.mark.parametrize(
    "ref",
    [
        param("saved", id="the name of its object"),
        param(ID, id="its id"),
        param(Checkpoint.from_body(checkpoint_body("saved")), id="what was given out"),
    ],
)
async def test_a_checkpoint_has_three_names(cairn: Client, desk: FakeDesk, ref: Checkpoint | str) -> None:
    desk.put(checkpoint_body("saved"))
    assert (await cairn.checkpoint(ref)).metadata.name == "saved"
    assert (await cairn.pin(ref)).metadata.name == "saved"
    assert desk.called("patch_checkpoint") == ["saved"]
    await cairn.delete_checkpoint(ref)
    with pytest.raises(NotFound, match="there is no checkpoint"):
        await cairn.checkpoint(ref)


@pytest.fixture
def sample(desk: FakeDesk) -> Checkpoint:
    """A checkpoint with a state, of an execution that is gone."""
    state = a_state()
    content = serializer.serialize(state)
    body = checkpoint_body(
        "saved", uid=state.origin.uid, digest=content.digest, state=to_text(content), jobCount=len(state.status.jobs)
    )  # fmt: skip
    return Checkpoint.from_body(desk.put(body))


async def test_a_fork_is_planned_and_not_begun_twice(cairn: Client, desk: FakeDesk, sample: Checkpoint) -> None:
    before = set(desk.executions)
    plan = await cairn.plan_fork(sample)
    assert plan.counts is not None and plan.digest
    assert set(desk.executions) == before
    with pytest.raises(TimeoutError, match=r"default/other was created, and no operator has answered within 0 s"):
        await cairn.fork(sample, name="other", plan=plan, seconds=0)
    asked = desk.spec("other")["restoreFrom"]
    assert asked == {"checkpointId": sample.status.checkpoint_id, "planDigest": plan.digest}
    with pytest.raises(WrongState, match="there is an execution default/other already"):
        await cairn.fork(sample, name="other")


async def test_a_rewind_is_for_the_own_checkpoints(run: Execution, sample: Checkpoint) -> None:
    for call in (run.plan(sample), run.rewind(sample)):
        with pytest.raises(WrongState, match="fork it"):
            await call


async def test_errors_are_all_of_one_tree(cairn: Client) -> None:
    for call in (cairn.get("no/na/me"), cairn.checkpoint("none"), cairn.diff("none", "none"), cairn.verify("none")):
        with pytest.raises(CairnError):
            await call
