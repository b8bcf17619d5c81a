"""Several operators on one cluster and one database: each works on its own shard, and nothing is lost between them."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cairn.core.sharding import chosen
from support.checkpoints import Rows, ready, settled, stored
from support.jobs import condition, hanging, job, lasting, release
from support.kube import Kube, Object, until
from support.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

LABEL = "cairn.dev/shard"
SHARDS = ("a", "b", "c")
EXECUTIONS = 12
SWEEP_SECONDS = 1


def shard_of(body: Object) -> str:
    return str(body["metadata"].get("labels", {}).get(LABEL, ""))


@dataclass(frozen=True)
class Operators:
    """The default operator and those of the shards, by shard."""

    there: dict[str, OperatorProcess]

    def __getitem__(self, shard: str) -> OperatorProcess:
        return self.there[shard]

    def metric(self, shard: str, name: str, /, **labels: str) -> float:
        """The sum of a metric's series with these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self[shard].port}/metrics", timeout=5) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (s for family in families for s in family.samples if s.name == name)
        return sum(s.value for s in samples if labels.items() <= s.labels.items())

    def launched(self) -> dict[str, int]:
        """How many Kubernetes Jobs each has created."""
        return {shard: int(self.metric(shard, "cairn_launches_total", outcome="created")) for shard in self.there}

    def sweep(self) -> None:
        """Give each time to sweep more than once."""
        time.sleep(3 * SWEEP_SECONDS)
        for each in self.there.values():
            each.check()
            assert "ended early" not in each.log.read_text()
        assert {shard: self.metric(shard, "cairn_checkpoint_orphaned_rows") for shard in self.there} == dict.fromkeys(
            self.there, 0
        ), "rows of others are no orphans"


@pytest.fixture
def start(solo: Kube, rows: Rows, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    started: list[OperatorProcess] = []

    def begin(**settings: str) -> OperatorProcess:
        given = {"DATABASE_URL": rows.url, "CAIRN_SWEEP_SECONDS": str(SWEEP_SECONDS)}
        given |= {"CAIRN_HOME_NAMESPACE": solo.namespace} | settings
        log = tmp_path / f"operator-{len(started)}.log"
        started.append(OperatorProcess(solo.kubeconfig, log, solo.namespace, **given))
        return started[-1].start()

    yield begin
    for each in started:
        each.stop()


@pytest.fixture
def operators(start: Callable[..., OperatorProcess]) -> Operators:
    return all_of(start)


def all_of(start: Callable[..., OperatorProcess]) -> Operators:
    """Start the default operator and one for each shard."""
    default = start(CAIRN_SHARDS=",".join(SHARDS))
    return Operators({"": default, **{shard: start(CAIRN_SHARD=shard) for shard in SHARDS}})


def name_for(shard: str, kube: Kube, *jobs: Object, **spec: object) -> str:
    """The name of an execution that a shard has: made with its label, as a user may."""
    name = f"in-{shard}-{len(kube.list('dagx'))}"
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution"}
    kube.apply(body | {"metadata": {"name": name, "labels": {LABEL: shard}}, "spec": {"jobs": list(jobs)} | spec})
    return name


def ask(kube: Kube, name: str, execution: str) -> None:
    """Create a Checkpoint, as a user does, who knows nothing of shards."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name}}
    kube.apply(body | {"spec": {"executionRef": {"name": execution}}})


def answered(kube: Kube, name: str) -> Object:
    return until(lambda: settled(kube.get("ckpt", name)), f"{name} is answered")


def kept(kube: Kube, rows: Rows) -> None:
    """Every checkpoint has its row, every row its object, and nothing was deleted."""
    there = {c["status"]["checkpointId"] for c in ready(kube)}
    assert there == {row["id"] for row in rows.all()}
    assert rows.graves() == []


def test_executions_are_spread_and_each_job_runs_once(solo: Kube, operators: Operators, rows: Rows) -> None:
    expected: dict[str, str] = {}
    while len(expected) < EXECUTIONS or set(expected.values()) != set(SHARDS):  # nothing here depends on luck
        name = f"work-{len(expected)}"
        made = solo.run(name, job("a"), lasting("b", "a", duration="200ms"))
        expected[name] = chosen(SHARDS, made["metadata"]["uid"])
    for name in expected:
        solo.wait(name, "Succeeded")
    assert {body["metadata"]["name"]: shard_of(body) for body in solo.list("dagx")} == expected
    count = Counter(expected.values())
    found = stored(solo, len(expected) * 2)
    everything = [*found, *solo.list("jobs"), *solo.list("pods"), *solo.list("jobresults")]
    assert all(shard_of(body) == expected[body["metadata"]["labels"]["cairn.dev/execution"]] for body in everything)
    attempts = [(j["metadata"]["labels"]["cairn.dev/execution"], j["metadata"]["labels"]["cairn.dev/job"])
                for j in solo.list("jobs")]  # fmt: skip
    assert sorted(attempts) == sorted((name, id) for name in expected for id in ("a", "b"))
    assert operators.launched() == {"": 0} | {shard: 2 * count[shard] for shard in SHARDS}
    assert {s: operators[s].describe()["executions"] for s in ("", *SHARDS)} == {"": 0, **count}

    operators.sweep()
    kept(solo, rows)
    assert not [e for e in solo.list("events") if e["reason"] in ("CheckpointDeleted", "CheckpointExpired")]


def test_each_tells_prometheus_which_it_is_and_the_default_one_which_there_should_be(operators: Operators) -> None:
    for shard in SHARDS:
        assert operators.metric("", "cairn_shard_expected", shard=shard) == 1
        assert {who for who in operators.there if operators.metric(who, "cairn_shard_info", shard=shard)} == {shard}


def test_a_checkpoint_that_a_user_makes_is_taken_by_the_shard_of_its_execution(
    solo: Kube, operators: Operators, rows: Rows
) -> None:
    name = name_for("b", solo, hanging("a"))
    until(lambda: solo.job(name, "a").get("startedAt"), "a runs")
    ask(solo, "mine", name)
    found = answered(solo, "mine")
    assert (found["status"]["phase"], shard_of(found)) == ("Ready", "b")
    assert operators.metric("b", "cairn_checkpoints_total", outcome="ready") == 1
    ask(solo, "of-nothing", "nothing")
    lost = answered(solo, "of-nothing")
    assert (lost["status"]["phase"], shard_of(lost)) == ("Failed", ""), "whose it would be nobody knows"
    assert condition(lost, "Ready")["reason"] == "ExecutionNotFound"
    stored(solo, 1)
    operators.sweep()
    kept(solo, rows)
    solo.kubectl("delete", "ckpt", "mine")
    until(lambda: not rows.all(), "its row is gone too")
    assert len(rows.graves()) == 1
    release(solo, name, "a")
    solo.wait(name, "Succeeded")


def test_a_shard_goes_on_after_a_kill_and_the_others_meanwhile(
    solo: Kube, operators: Operators, rows: Rows, start: Callable[..., OperatorProcess]
) -> None:
    there = {shard: name_for(shard, solo, hanging("a"), job("b", "a")) for shard in SHARDS}
    for name in there.values():
        until(lambda: solo.job(name, "a").get("startedAt"), "a runs")  # noqa: B023
    operators["a"].kill()
    for name in there.values():
        release(solo, name, "a")
    for shard in ("b", "c"):
        solo.wait(there[shard], "Succeeded")
    assert not solo.job(there["a"], "b").get("launchedAt")
    operators.there["a"] = start(CAIRN_SHARD="a")
    solo.wait(there["a"], "Succeeded")
    assert len(solo.list("jobs")) == 2 * len(SHARDS)
    stored(solo, 2 * len(SHARDS))
    operators.sweep()
    kept(solo, rows)


def test_what_had_begun_before_there_were_shards_stays_where_it_is(
    solo: Kube, rows: Rows, start: Callable[..., OperatorProcess]
) -> None:
    alone = start()
    solo.run("old", hanging("a"), job("b", "a"))
    until(lambda: solo.job("old", "a").get("startedAt"), "a runs")
    ask(solo, "before", "old")
    stored(solo, 1)
    alone.stop()
    operators = all_of(start)
    solo.run("fork", restoreFrom={"checkpointName": "before"})  # of what has no shard: by its UID
    shard = until(lambda: shard_of(solo.get("dagx", "fork")), "the fork has a shard")
    ask(solo, "after", "old")
    assert (answered(solo, "after")["status"]["phase"], shard_of(solo.get("ckpt", "after"))) == ("Ready", "")
    release(solo, "old", "a")
    solo.wait("old", "Succeeded")
    assert shard_of(solo.get("dagx", "old")) == ""
    until(lambda: solo.pods("fork", "a"), "the fork has begun")
    release(solo, "fork", "a")
    solo.wait("fork", "Succeeded")
    assert operators.metric(shard, "cairn_launches_total", outcome="created") >= 1
    operators.sweep()
    kept(solo, rows)


def test_without_shards_one_operator_works_on_everything_again(
    solo: Kube, operators: Operators, rows: Rows, start: Callable[..., OperatorProcess]
) -> None:
    there = [name_for(shard, solo, hanging("a"), job("b", "a")) for shard in SHARDS]
    for name in there:
        until(lambda: solo.job(name, "a").get("startedAt"), "a runs")  # noqa: B023
    for each in operators.there.values():
        each.stop()
    start()
    for name in there:
        release(solo, name, "a")
        solo.wait(name, "Succeeded")
    assert len(solo.list("jobs")) == 2 * len(SHARDS)
    stored(solo, 2 * len(SHARDS))
    kept(solo, rows)


def test_a_fork_goes_where_its_origin_is(solo: Kube, operators: Operators, rows: Rows) -> None:
    origin = name_for("b", solo, job("a"))
    solo.wait(origin, "Succeeded")
    [found] = stored(solo, 1)
    asked: dict[str, Object] = {
        "by-name": {"checkpointName": found["metadata"]["name"]},
        "by-id": {"checkpointId": found["status"]["checkpointId"]}, "by-latest": {"latestOf": origin},
    }  # fmt: skip
    for name, source in asked.items():
        solo.run(name, restoreFrom=source)
    for name in asked:
        solo.wait(name, "Succeeded")
        assert shard_of(solo.get("dagx", name)) == "b", name
    assert {shard for shard, launched in operators.launched().items() if launched} == {"b"}


def test_retention_leaves_what_a_fork_of_another_shard_needs(solo: Kube, operators: Operators, rows: Rows) -> None:
    origin = name_for("a", solo, hanging("x"), checkpoint={"retentionCount": 1, "triggers": ["manual"]})
    until(lambda: solo.job(origin, "x").get("startedAt"), "x runs")
    ask(solo, "needed", origin)
    answered(solo, "needed")
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution"}
    needs = {"checkpointName": "needed", "dryRun": True}  # it goes back to nothing yet, and may
    solo.apply(body | {"metadata": {"name": "far", "labels": {LABEL: "b"}}, "spec": {"restoreFrom": needs}})
    until(lambda: solo.get("dagx", "far").get("status", {}).get("restore"), "the fork is planned")
    for name in ("second", "third"):
        ask(solo, name, origin)
        answered(solo, name)
    until(lambda: not solo.list("ckpt", "--field-selector=metadata.name=second"), "the second is retired")
    operators.sweep()
    assert {c["metadata"]["name"] for c in ready(solo)} == {"needed", "third"}
    release(solo, origin, "x")


def test_what_changes_its_shard_is_not_taken_for_deleted(solo: Kube, operators: Operators, rows: Rows) -> None:
    """Nobody may do that where the chart's policies are: here they are not, and nothing must be lost all the same."""
    name = name_for("a", solo, job("a"), checkpoint={"deletionPolicy": "Delete"})
    solo.wait(name, "Succeeded")
    [found] = stored(solo, 1)
    move = f"{LABEL}=b"
    solo.kubectl("label", "dagx", name, "--overwrite", move)
    until(lambda: operators["b"].describe()["executions"] == 1, "b has it")
    until(lambda: operators["a"].describe()["executions"] == 0, "a has it no longer")
    until(lambda: shard_of(solo.get("ckpt", found["metadata"]["name"])) == "b", "its checkpoint follows")
    operators.sweep()
    assert ready(solo)[0]["metadata"]["uid"] == found["metadata"]["uid"]
    kept(solo, rows)
    solo.kubectl("delete", "dagx", name)
    until(lambda: not solo.list("ckpt"), "with the execution its checkpoint goes")
    until(lambda: not rows.all(), "and the row")
