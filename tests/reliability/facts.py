"""How things stand when nothing happens any more, in a form that is the same for every undisturbed run.

Names that contain random or hashed parts, times and ids are left out; what they refer to is followed instead: a row
counts as that of its checkpoint only if id and digest are the object's. What is there twice counts twice. How far an
execution had come when a checkpoint was taken is left out too: after a crash it is a cut of a later moment.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from reliability.tenant import Tenant, stored
from support.kube import Object, Objects

Facts = Counter[str]
_OF_TIME = "time-based"
PROGRESS = "progress"
SETTLED = 75.0  # seconds it may take; a garbage collector looks for new kinds only every 30 s


@dataclass(frozen=True)
class Ends:
    """Everything that there is of a namespace and its database."""

    executions: Objects
    jobs: Objects
    pods: Objects
    checkpoints: Objects
    results: Objects
    config_maps: Objects
    rows: list[dict[str, Any]]
    graves: int


async def gather(user: Tenant, url: str) -> Ends:
    """Read it all."""
    kinds = ("dagexecutions", "jobs", "pods", "checkpoints", "jobresults", "configmaps")
    executions, jobs, pods, checkpoints, results, maps = await asyncio.gather(*(user.list(kind) for kind in kinds))
    async with await psycopg.AsyncConnection[dict[str, Any]].connect(url, row_factory=dict_row) as connection:
        await connection.execute("SET ROLE cairn_operator")
        rows = await (await connection.execute("SELECT id, digest FROM workflow_checkpoints")).fetchall()
        graves = await (await connection.execute("SELECT id FROM workflow_checkpoint_graves")).fetchall()
    return Ends(executions, jobs, pods, checkpoints, results, maps, rows, len(graves))


async def settled(user: Tenant, url: str) -> Ends:
    """Wait until nothing is under way any more; how things stand then."""

    async def found() -> Ends | None:
        ends = await gather(user, url)
        return ends if not under_way(ends) else None

    try:
        return await user.until(found, "nothing is under way", SETTLED)
    except AssertionError as error:
        raise AssertionError(f"{error}; under way: {under_way(await gather(user, url))}") from None


def under_way(ends: Ends) -> list[str]:
    """What is not finished yet."""
    found = [f"{_name(e)} has not ended" for e in ends.executions if "finishedAt" not in e.get("status", {})]
    found += [f"{_name(e)} has decided on a checkpoint" for e in ends.executions
              if e.get("status", {}).get("checkpointing", {}).get("pending")]  # fmt: skip
    found += [f"{_name(c)} is not stored" for c in ends.checkpoints if not stored(c)]
    found += [f"{_name(o)} is being deleted" for o in (*ends.pods, *ends.executions, *ends.jobs)
              if "deletionTimestamp" in o["metadata"]]  # fmt: skip
    found += [f"{_name(p)} runs" for p in ends.pods if p["status"]["phase"] not in ("Succeeded", "Failed")]
    if {r["id"] for r in ends.rows} != {c.get("status", {}).get("checkpointId") for c in ends.checkpoints}:
        found.append("rows and objects are not the same")
    known, jobs = {_uid(e) for e in ends.executions}, {_uid(j) for j in ends.jobs}
    found += [f"{_name(p)} has no owner" for p in ends.pods if _owner(p) not in jobs]
    found += [f"{_name(o)} has no owner" for o in (*ends.jobs, *ends.results, *_ours(ends.config_maps))
              if _owner(o) not in known]  # fmt: skip
    return found


def facts(ends: Ends) -> Facts:
    """The normal form."""
    found: Facts = Counter()
    for execution in ends.executions:
        found.update(_of_execution(execution))
    found.update(f"Kubernetes Job {_attempt(j)} suspended={j['spec'].get('suspend', False)}" for j in ends.jobs)
    found.update(f"pod {_attempt(p)} {p['status']['phase']}" for p in ends.pods)
    found.update(f"result {_attempt(r)}" for r in ends.results)
    found.update(f"inputs of {_label(c, 'execution')}" for c in _ours(ends.config_maps))
    digests = {r["id"]: r["digest"] for r in ends.rows}
    for checkpoint in ends.checkpoints:
        status = checkpoint["status"]
        where = "row too" if digests.get(status["checkpointId"]) == status["digest"] else "no such row"
        found.update(f"{cause} {status['phase']}, {where}" for cause in _causes(checkpoint))
    found["grave"] += ends.graves
    return +Counter({fact: 1 if _OF_TIME in fact else times for fact, times in found.items()})


def _of_execution(body: Object) -> list[str]:
    name, status = _name(body), body["status"]
    found = [f"execution {name} {status['phase']} epoch={status.get('epoch', 0)} {status.get('progress')}"]
    found.append(f"unsaved {name} {status.get('checkpointing', {}).get('unsaved')}")
    found += [f"answer {name} {a['id']} {a['outcome']}" for a in status.get("requests", ())]
    for record in status["jobs"]:
        told = {k: record.get(k) for k in ("state", "reason", "attempt", "used", "failures", "disruptions", "result")}
        found.append(f"record {name}/{record['id']} {json.dumps(told)}")
    return found


def _causes(checkpoint: Object) -> list[str]:
    """Why a checkpoint is there. Of those that share one, each counts by itself.

    How many the passing of time has led to is left out: a crash takes time too.
    """
    spec = checkpoint["spec"]
    trigger, metadata = spec.get("trigger", "manual"), spec.get("metadata", {})
    whose = f"{spec['executionRef']['name']} {trigger}"
    shared = metadata.get("levels") or metadata.get("jobs")
    return [f"{PROGRESS} {whose} {one}" for one in shared.split(", ")] if shared else [f"checkpoint {whose}"]


def missing(expected: Facts, found: Facts) -> list[str]:
    """What is not there although it should be.

    That a level or a job has completed is saved once: if the one before it is only taken now, of the state that came
    after both, nothing has changed since. So one of those may be missing; that all is saved is a fact of its own.
    """
    return sorted(fact for fact in (expected - found).elements() if not fact.startswith(PROGRESS))


def surplus(expected: Facts, found: Facts) -> list[str]:
    """What is there although it should not be.

    That a level or a job has completed may be told by one checkpoint more: an operator that has just started and has
    not heard of one that is there already tells of it again with the next. No object and no row is there twice for it.
    """
    return sorted(fact for fact in (found - expected).elements() if not fact.startswith(PROGRESS))


def twice(ends: Ends) -> list[str]:
    """What may not be there twice, whatever the undisturbed run has come to."""
    jobs = Counter(_attempt(j) for j in ends.jobs)
    pods = Counter(_label(p, "job-name", "batch.kubernetes.io/") for p in ends.pods)
    ids = Counter(c["status"].get("checkpointId") for c in ends.checkpoints)
    return [str(what) for group in (jobs, pods, ids) for what, times in group.items() if times > 1]


def _ours(objects: Objects) -> Objects:
    return [o for o in objects if "cairn.dev/execution-uid" in (o["metadata"].get("labels") or {})]


def _name(body: Object) -> str:
    return str(body["metadata"]["name"])


def _uid(body: Object) -> str:
    return str(body["metadata"]["uid"])


def _owner(body: Object) -> str:
    return next((str(o["uid"]) for o in body["metadata"].get("ownerReferences") or ()), "")


def _label(body: Object, name: str, prefix: str = "cairn.dev/") -> str:
    return str((body["metadata"].get("labels") or {}).get(prefix + name, ""))


def _attempt(body: Object) -> str:
    return "/".join(_label(body, part) for part in ("execution", "job", "attempt"))
