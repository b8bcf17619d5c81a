"""What is left in the end, held against what was asked for and what was ever seen. Nothing is asked of the operator."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import connect
from cairn.adapters.kube.cluster import KubeCluster
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.app.checkpoints.inspector import Inspector
from chaos.recorder import Recorder
from chaos.rig import Rig
from chaos.user import FINISHED, User
from support.jobs import condition
from support.kube import Object

LOST, DOUBLED, WRONG = "lost", "doubled", "wrong"
_ENDED = ("Succeeded", "Failed")  # phases of a pod


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Left:
    """All that there is in the end."""

    executions: list[Object]
    checkpoints: list[Object]
    jobs: list[Object]
    pods: list[Object]
    rows: dict[str, str]  # digests by id
    graves: set[str]

    @classmethod
    def of(cls, rig: Rig) -> Left:
        """As the API server and the database have it now."""
        api = rig.api
        return cls(
            api.list("dagexecutions"), api.list("checkpoints"), api.list("jobs"), api.list("pods"),
            {row["id"]: row["digest"] for row in rig.rows.all()}, set(rig.rows.graves()),
        )  # fmt: skip


def settled(left: Left, rests: set[str]) -> list[str]:
    """What does not rest yet as it was asked to; empty once everything does."""
    return [*_unsettled_executions(left, rests), *_unsettled_checkpoints(left)]


def _unsettled_executions(left: Left, rests: set[str]) -> Iterator[str]:
    for found in left.executions:
        name, status = found["metadata"]["name"], found.get("status", {})
        if "deletionTimestamp" in found["metadata"]:
            yield f"{name} is being deleted"
        elif status.get("checkpointing", {}).get("pending"):
            yield f"{name} has checkpoints to be taken"
        elif status.get("phase") not in FINISHED and not _rests(found, rests) and not _refused_fork(found):
            yield f"{name} is {status.get('phase')}: {status.get('message', '')}"


def _rests(found: Object, rests: set[str]) -> bool:
    return found["metadata"]["name"] in rests and condition(found, "Paused").get("status") == "True"


def _refused_fork(found: Object) -> bool:
    progress = found.get("status", {}).get("restore", {})
    return (progress.get("mode"), progress.get("step")) == ("Fork", "Refused")


def _unsettled_checkpoints(left: Left) -> Iterator[str]:
    for found in left.checkpoints:
        name, status = found["metadata"]["name"], found.get("status", {})
        if "deletionTimestamp" in found["metadata"]:
            yield f"checkpoint {name} is being deleted"
        elif status.get("phase") not in ("Ready", "Failed"):
            yield f"checkpoint {name} is {status.get('phase')}"
        elif status["phase"] == "Ready" and condition(found, "Stored").get("status") != "True":
            yield f"checkpoint {name} is not stored: {condition(found, 'Stored')}"
    objects = {c["status"]["checkpointId"] for c in left.checkpoints if c.get("status", {}).get("phase") == "Ready"}
    yield from (f"row {id} has no object" for id in left.rows.keys() - objects)
    yield from (f"checkpoint {id} has no row" for id in objects - left.rows.keys())


# --- The judgement ---------------------------------------------------------------------------------------------------


def judge(left: Left, user: User, seen: Recorder) -> list[Finding]:
    """All that is wrong."""
    jobs: defaultdict[str, list[Object]] = defaultdict(list)
    done = _done(left, seen)
    for found in left.jobs:
        jobs[found["metadata"]["labels"]["cairn.dev/execution-uid"]].append(found)
    names = {found["metadata"]["name"] for found in left.executions}
    uids = {found["metadata"]["uid"] for found in left.executions}
    findings = [Finding(LOST, f"execution {name}") for name in sorted(user.created - names)]
    findings += [Finding(WRONG, f"Kubernetes Jobs of no execution: {uid}") for uid in jobs.keys() - uids]
    for found in left.executions:
        findings += _of_phase(found, user)
        redone = found["metadata"]["name"] in user.redone
        findings += _of_attempts(found, jobs[found["metadata"]["uid"]], done, redone)
    findings += _of_pods(left, seen)
    findings += _of_checkpoints(left, seen)
    return findings


def _done(left: Left, seen: Recorder) -> set[str]:
    """UIDs of the Kubernetes Jobs whose pod has succeeded: also of one that was suspended at that very moment."""
    jobs = [found for found in left.jobs if condition(found, "Complete").get("status") == "True"]
    return seen.succeeded | {found["metadata"]["uid"] for found in jobs}


def _of_phase(found: Object, user: User) -> Iterator[Finding]:
    name, status = found["metadata"]["name"], found.get("status", {})
    phase, shape = status.get("phase"), user.shapes[name]
    allowed = {shape.expected} | ({"Cancelled"} if name in user.cancelled else set())
    if phase in FINISHED and phase not in allowed:
        yield Finding(WRONG, f"{name} is {phase}, not {' or '.join(sorted(allowed))}: {status.get('message')}")
    if name in user.redone | user.cancelled or phase not in FINISHED:
        return
    for record in status["jobs"]:
        limit = shape.failing.get(record["id"])
        failures = 0 if limit is None else limit + 1
        if record["state"] in ("Completed", "Failed") and record.get("failures", 0) != failures:
            text = f"{name}/{record['id']} has failed {record.get('failures', 0)} times, not {failures}"
            yield Finding(LOST if record.get("failures", 0) < failures else DOUBLED, text)


def _of_attempts(execution: Object, jobs: list[Object], done: set[str], redone: bool) -> Iterator[Finding]:
    """One Kubernetes Job per attempt; each has ended; what completed did so once, unless somebody had it done again."""
    name = execution["metadata"]["name"]
    by_job: defaultdict[str, list[Object]] = defaultdict(list)
    for found in jobs:
        by_job[found["metadata"]["labels"]["cairn.dev/job"]].append(found)
    for record in execution.get("status", {}).get("jobs", []):
        own = by_job.pop(record["id"], [])
        yield from _of_record(f"{name}/{record['id']}", record, own, done, redone)
    yield from (Finding(WRONG, f"{name}: Kubernetes Jobs of {id}, of which there is no record") for id in by_job)


def _of_record(what: str, record: Object, jobs: list[Object], done: set[str], redone: bool) -> Iterator[Finding]:
    attempts = Counter(int(found["metadata"]["labels"]["cairn.dev/attempt"]) for found in jobs)
    last = max(record.get("attempt", 0), record.get("used", 0))
    yield from (Finding(DOUBLED, f"{what}, attempt {n}: {count} Kubernetes Jobs") for n, count in attempts.items()
                if count > 1)  # fmt: skip
    first = min(attempts, default=last + 1) if redone else 1  # what a fork or a rewind kept has its own elsewhere
    if set(attempts) != set(range(first, last + 1)):
        yield Finding(LOST, f"{what}: Kubernetes Jobs of the attempts {sorted(attempts)}, recorded are {last}")
    completed = [found for found in jobs if found["metadata"]["uid"] in done]
    if not redone and len(completed) > 1:
        yield Finding(DOUBLED, f"{what} completed {len(completed)} times")
    if not redone and record["state"] == "Completed" and len(completed) != 1:
        yield Finding(LOST, f"{what} is Completed, and of its Kubernetes Jobs {len(completed)} are")
    for found in jobs:
        ended = any(condition(found, kind).get("status") == "True" for kind in ("Complete", "Failed"))
        if not ended and not found["spec"].get("suspend"):
            yield Finding(WRONG, f"{what}: {found['metadata']['name']} has not ended, and is not suspended")


def _of_pods(left: Left, seen: Recorder) -> Iterator[Finding]:
    """No pod runs on, and none had a second one beside it."""
    for found in left.pods:
        if found["status"]["phase"] not in _ENDED:
            yield Finding(WRONG, f"pod {found['metadata']['name']} is {found['status']['phase']}")
    for job in left.jobs:
        if len(pods := seen.pods[job["metadata"]["uid"]]) > 1:
            yield Finding(DOUBLED, f"{job['metadata']['name']} had {len(pods)} pods")


def _of_checkpoints(left: Left, seen: Recorder) -> Iterator[Finding]:
    ready = [found for found in left.checkpoints if found["status"]["phase"] == "Ready"]
    ids = Counter(found["status"]["checkpointId"] for found in ready)
    yield from (Finding(DOUBLED, f"{count} checkpoints have the id {id}") for id, count in ids.items() if count > 1)
    for found in ready:
        id, digest = found["status"]["checkpointId"], found["status"]["digest"]
        if left.rows.get(id) != digest:
            yield Finding(LOST, f"checkpoint {id}: its row has the digest {left.rows.get(id)}")
    for id in seen.saved.keys() - ids.keys() - left.graves:
        yield Finding(LOST, f"checkpoint {id} was Ready, and is gone although nobody has deleted it")
    yield from _of_order(left)


def _of_order(left: Left) -> Iterator[Finding]:
    """The ids of an execution sort as its chain goes; a fork's first parent is another's, and may be above it."""
    whose = {found["status"].get("checkpointId"): found["spec"]["executionRef"] for found in left.checkpoints}
    for found in left.checkpoints:
        parent = found["status"].get("parent", {}).get("checkpointId", "")
        if found["status"].get("checkpointId", "~") <= parent and whose.get(parent) == found["spec"]["executionRef"]:
            yield Finding(WRONG, f"checkpoint {found['status']['checkpointId']} sorts before its parent {parent}")


async def _verified(rig: Rig, names: list[str]) -> list[Finding]:
    api, pool = await connect(str(rig.kube.kubeconfig)), Pool(rig.rows.url, OPERATOR)
    await pool.open()
    try:
        inspector = Inspector(KubeCluster(api), PostgresStore(pool), system_clock)
        reports: dict[str, Any] = {name: await inspector.verify(rig.kube.namespace, name) for name in names}
    finally:
        await pool.close()
        await api.close()
    return [Finding(LOST, f"verify {name}: {found}") for name, report in reports.items() for found in report.problems]


def verify(rig: Rig, left: Left) -> list[Finding]:
    """What `cairn verify` finds, with both stores, of every execution that has checkpoints."""
    names = sorted({found["spec"]["executionRef"]["name"] for found in left.checkpoints})
    return asyncio.run(_verified(rig, names))
