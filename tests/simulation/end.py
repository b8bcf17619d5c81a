"""What must be true once nothing goes wrong any more and everything has come to rest."""

from __future__ import annotations

from cairn import names
from cairn.adapters.memory import MemoryStore
from cairn.core.checkpoint import objects
from cairn.core.sharding import shard_of
from cairn.ports import Query
from simulation.judge import Judge, attempt_of, has_ended
from simulation.loop import at_once
from simulation.rules import ENDED, last_of, require
from simulation.server import CHECKPOINT, CONFIG_MAP, EXECUTION, JOB, NAMESPACE, POD, WATCHED, ApiServer, Body

_PHASES = ("Succeeded", "Failed", "Cancelled")
_TENANT = f"uid of {NAMESPACE}"


def is_over(server: ApiServer) -> bool:
    """Whether every execution has come to an end: its own, or that of a fork that has nothing to start from."""
    return all(_has_ended(e) for e in server.all(EXECUTION))


def _has_ended(execution: Body) -> bool:
    status = execution.get("status", {})
    restore = status.get("restore", {}).get("phase", "")
    if restore in ("Preparing", "Stopping"):
        return False
    refused = restore in ("Refused", "Planned") or status.get("reason") == "NotAccepted"
    return status.get("phase") in _PHASES or (refused and "startedAt" not in status)


def check_end(server: ApiServer, judge: Judge, rows: MemoryStore | None, *, sharded: bool) -> None:
    """Nothing is lost, nothing is there twice, nothing hangs."""
    for kind in WATCHED:
        hanging = [b["metadata"]["name"] for b in server.all(kind) if "deletionTimestamp" in b["metadata"]]
        require(not hanging, f"invariant 8: {kind} {hanging} are being deleted, and never go")
    for execution in server.all(EXECUTION):
        _check_execution(server, judge, execution)
        begun, shard = "startedAt" in execution.get("status", {}), shard_of(execution["metadata"])
        require(bool(shard) or begun or not sharded, f"{execution['metadata']['name']} was given to no shard")
    uids = {e["metadata"]["uid"] for e in server.all(EXECUTION)}
    for kind in (JOB, POD):
        theirs = uids | {"nobody"}
        left = [b["metadata"]["name"] for b in server.all(kind) if attempt_of(b)[0] not in theirs]
        require(not left, f"invariant 8: {kind} {left} are of no execution")
    running = [p["metadata"]["name"] for p in server.all(POD) if not has_ended(p)]
    require(not running, f"{running} still run")
    shard_by_uid = {e["metadata"]["uid"]: shard_of(e["metadata"]) for e in server.all(EXECUTION)}
    for checkpoint in server.all(CHECKPOINT):
        _check_checkpoint(checkpoint, rows)
        meta, uid = checkpoint["metadata"], checkpoint["status"].get("executionUid", "")
        shard = shard_of(meta)
        right = shard == shard_by_uid.get(uid, shard)
        require(right or not sharded, f"{meta['name']} is left with shard {shard!r}, and not with its execution")
    if rows is not None:
        _check_rows(server, judge, rows)


def _check_execution(server: ApiServer, judge: Judge, execution: Body) -> None:
    name, uid, status = execution["metadata"]["name"], execution["metadata"]["uid"], execution.get("status", {})
    pending = status.get("checkpointing", {}).get("pending", ())
    require(not pending, f"checkpoints of {name} were decided and never taken: {pending}")
    for record in status.get("jobs", ()):
        require(record["state"] in ENDED or "startedAt" not in status, f"{name} has ended, and {record} has not")
        attempt = (uid, record["id"], record.get("attempt", 0))
        kept = "restoredFrom" in status and name.startswith("fork") and not judge.started[attempt]  # its origin's
        by_hand = record.get("reason") == "CompletedByHand"
        if record["state"] == "Completed" and not kept and not by_hand:
            once = judge.started[attempt] == 1 or attempt in judge.excused
            require(once, f"invariant 4: {name}/{record['id']} is Completed, and ran {judge.started[attempt]} times")
    recorded = {r["uid"] for r in status.get("jobs", ()) if "uid" in r}
    there = {j["metadata"]["uid"]: j for j in server.all(JOB) if attempt_of(j)[0] == uid}
    loose = [there[u]["metadata"]["name"] for u in there.keys() - recorded if _is_loose(there[u], status)]
    require(not loose, f"invariant 8: {loose} are of no attempt that {name} knows of")


def _is_loose(job: Body, status: Body) -> bool:
    """Whether nothing says that there was such an attempt."""
    _, id, attempt = attempt_of(job)
    record: Body = next((r for r in status.get("jobs", ()) if r["id"] == id), {})
    return attempt > last_of(record) and not job["spec"].get("suspend")


def _check_checkpoint(body: Body, rows: MemoryStore | None) -> None:
    name, status = body["metadata"]["name"], body.get("status", {})
    require(status.get("phase") in ("Ready", "Failed"), f"{name} was never answered: {status.get('phase')}")
    if status["phase"] != "Ready":
        return
    if "state" in status:
        objects.stored(body, _TENANT)
    if rows is None:
        return
    row = at_once(rows.get([_TENANT], status["checkpointId"]))
    require(row is not None, f"{name} is Ready, and has no row")
    assert row is not None
    require(row.checkpoint.digest == status["digest"], f"the row of {name} is not what its object holds")
    stored = {c["type"]: c["status"] for c in status["conditions"]}.get("Stored")
    require(stored == "True", f"{name} has a row and says {stored}")
    pinned = bool(body["spec"].get("pinned"))
    require(row.checkpoint.pinned == pinned, f"{name} is{'' if pinned else ' not'} pinned, and its row otherwise")


def _check_rows(server: ApiServer, judge: Judge, rows: MemoryStore) -> None:
    there = {c["status"].get("checkpointId") for c in server.all(CHECKPOINT)}
    for found in at_once(rows.list(Query([_TENANT], limit=1000))).items:
        require(found.id in there, f"invariant 8: the row of {found.object_name} has no object, and stays")
    maps = server.all(CONFIG_MAP)
    remembered = [b["metadata"]["name"] for b in maps if names.LABEL_REMEMBERED in b["metadata"].get("labels", {})]
    require(not remembered, f"{remembered} are remembered, and never carried out")
