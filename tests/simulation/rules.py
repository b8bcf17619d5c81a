"""The invariants, judged from outside: what a status write, a create or a container's start must never be.

These rules are written down a second time on purpose, without the planner's own functions, so that a mistake there is
not made twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Wire = Mapping[str, Any]

ENDED = ("Completed", "Failed", "Skipped")


class Broken(AssertionError):
    """An invariant does not hold."""


def check_write(spec: Wire, old: Wire, new: Wire) -> None:
    """A status write, against the spec on whose version it is made; none by which the execution goes back."""
    before = {r["id"]: r for r in old.get("jobs", ())}
    after = {r["id"]: r for r in new.get("jobs", ())}
    jobs = {j["id"]: j for j in spec["jobs"]}
    new_attempts = [r for r in after.values() if last_of(r) > last_of(before.get(r["id"], {}))]
    repaired = len(new.get("requests", ())) > len(old.get("requests", ()))
    # Completed by hand and asked for again in one step, a job has used a number and begun nothing.
    begun = [r for r in new_attempts if r.get("attempt", 0) == last_of(r)]
    launched = [r for r in begun if r.get("reason") != "CompletedByHand"]
    for record in launched:
        _check_launch(spec, jobs, record, after, new)
        if not repaired:
            _check_again(before.get(record["id"], {}), record)
    if launched and spec.get("parallelism"):
        running = sum(r["state"] == "Running" for r in after.values())
        require(running <= spec["parallelism"], f"{running} attempts run, more than parallelism allows")
    for record in new_attempts:
        _check_number(before.get(record["id"], {}), record, repaired)
    for record in before.values():
        require(record["id"] in after or record["id"] not in jobs, f"{record['id']} was forgotten")
        _check_attempts(record, after.get(record["id"]))
        if not repaired:
            _check_ended(record, after.get(record["id"]))


def _check_again(old: Wire, record: Wire) -> None:
    """Invariant 4: what has ended is not run again, unless a request says so."""
    again = old.get("state") in ENDED and old.get("reason") != "Removed"
    require(not again, f"invariant 4: {record['id']} had ended and was launched again")


def _check_number(old: Wire, record: Wire, repaired: bool) -> None:
    """Attempts are numbered one after the other, and no number is used twice; two requests at once may use two."""
    expected = last_of(old) + 1
    fits = record.get("attempt", 0) == expected or (repaired and last_of(record) > expected - 1)
    require(fits, f"{record['id']} should have begun attempt {expected}: {record}")


def last_of(record: Wire) -> int:
    """The highest number that an attempt of the job was ever given."""
    return max(int(record.get("attempt", 0)), int(record.get("used", 0)))


def _check_launch(spec: Wire, jobs: Wire, record: Wire, after: Wire, status: Wire) -> None:
    name = record["id"]
    require(not spec.get("paused"), f"invariant 1: {name} was launched while paused")
    require(name not in spec.get("hold", ()), f"{name} was launched while on hold")
    run_on = jobs[name].get("runOn", "Success")
    ending = "cancel" in status or "timedOutAt" in status
    require(not ending or run_on == "Done", f"{name} was launched although the execution ends")
    above = [after[d] for d in jobs[name].get("dependsOn", ())]
    require(all(r["state"] in ENDED for r in above), f"invariant 2: {name} was launched before its dependencies ended")
    if run_on == "Success":
        require(all(r["state"] == "Completed" for r in above), f"invariant 2: {name} needs its dependencies' success")
    if run_on == "Failure":
        require(any(_failed(r) for r in above), f"invariant 2: {name} was launched though nothing had failed")
    if spec.get("scheduling") == "Levels":
        _check_level(jobs, name, after)


def _check_level(jobs: Wire, name: str, after: Wire) -> None:
    """Nothing below runs; what waits there is what a failure keeps from starting."""
    failed = any(r["state"] == "Failed" for r in after.values())
    for other, level in levels(jobs).items():
        if level >= levels(jobs)[name]:
            continue
        state = after[other]["state"]
        waits = state == "Pending" and failed and jobs[other].get("runOn", "Success") == "Success"
        require(state in ENDED or waits, f"invariant 2: {name} was launched while {other}, a level below, is {state}")


def _failed(record: Wire) -> bool:
    return record["state"] == "Failed" or (record["state"], record.get("reason")) == ("Skipped", "DependencyFailed")


def _check_attempts(old: Wire, new: Wire | None) -> None:
    """No attempt is forgotten, and no number used twice."""
    require(new is not None or not old.get("attempt"), f"{old['id']} was forgotten")
    require(last_of(new or {}) >= last_of(old), f"the numbers of {old['id']} went back")


def _check_ended(old: Wire, new: Wire | None) -> None:
    """Invariant 4: what has ended stays as it is, unless a request says otherwise."""
    if old["state"] not in ENDED:
        return
    if old.get("reason") == "Removed" or (new is None and not old.get("attempt")):
        return  # taken out of the spec by the user
    same = new is not None and _told(new) == _told(old)
    require(same, f"invariant 4: {old['id']} had ended and was changed: {old} -> {new}")


def _told(record: Wire) -> dict[str, Any]:
    """What a record tells of its attempt; which pause was for it is not part of that."""
    return {key: value for key, value in record.items() if key != "pausedFor"}


def levels(jobs: Wire) -> dict[str, int]:
    """The longest distance of each job from a root."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = max((level(d) + 1 for d in jobs[name].get("dependsOn", ())), default=0)
        return found[name]

    return {name: level(name) for name in jobs}


def check_paused(status: Wire, settled: set[tuple[str, int]], under_way: set[str]) -> None:
    """`Paused` is stored once every attempt is settled: held, or ended, be it that somebody has deleted its Job."""
    if status.get("pause", {}).get("phase") == "Paused":
        running = [r for r in status.get("jobs", ()) if r["state"] == "Running"]
        deleted = {(r["id"], r["attempt"]) for r in running if r.get("uid", "") not in {"", *under_way}}
        open_ = [r["id"] for r in running if (r["id"], r["attempt"]) not in settled | deleted]
        require(not open_, f"invariant 1: Paused, but {open_} have not been settled")


def check_critical(spec: Wire, old: Wire, new: Wire, checkpoints: Iterable[Wire]) -> None:
    """A critical job's launch is recorded only once a checkpoint before it is durable."""
    given = spec.get("checkpoint", {})
    if not given.get("enabled", True) or "before-critical" not in given.get("triggers", ()):
        return
    before = {r["id"]: r.get("attempt", 0) for r in old.get("jobs", ())}
    running = [r for r in new.get("jobs", ()) if r["state"] == "Running"]
    launched = [r["id"] for r in running if r["attempt"] > before.get(r["id"], 0)]
    settled = {c["metadata"]["name"]: c["status"]["phase"] for c in checkpoints if "status" in c}
    ends = "cancel" in new or "timedOutAt" in new  # then it is not paused any more, and goes on without
    good = ("Ready",) if given.get("onError") == "Pause" and not ends else ("Ready", "Failed")
    for name in set(launched) & set(given.get("criticalJobIds", ())):
        pending = old.get("checkpointing", {}).get("pending", ())
        mine = [p["name"] for p in pending if p["trigger"] == "before-critical" and name in p["causes"]]
        require(any(settled.get(p) in good for p in mine), f"{name} was launched before its checkpoint was durable")


def check_decided(old: Wire, new: Wire) -> None:
    """Whatever ends is followed by a decided checkpoint, in the same write, where that is asked for."""
    settings = new.get("checkpointing", {}).get("settings", {})
    if not settings.get("enabled") or "job-completed" not in settings.get("triggers", ()):
        return
    before = {r["id"]: (r["state"], r.get("attempt", 0)) for r in old.get("jobs", ())}
    ended = [r["id"] for r in new.get("jobs", ()) if r["state"] in ("Completed", "Failed")
             and before.get(r["id"]) != (r["state"], r.get("attempt", 0))]  # fmt: skip
    known = {p["name"] for p in old.get("checkpointing", {}).get("pending", ())}
    fresh = [p for p in new["checkpointing"].get("pending", ()) if p["name"] not in known]
    require(not ended or bool(fresh), f"{ended} have ended, and no checkpoint of that was decided")


def check_checkpoint(status: Wire, name: str) -> None:
    """A Checkpoint object is made."""
    decided = {p["name"] for p in status.get("checkpointing", {}).get("pending", ())}
    # A stale operator may make one that was decided and has been settled since; it was decided all the same.
    require(bool(decided) or "checkpointing" in status, f"intent before effect: {name} was made before it was decided")


def check_create(status: Wire, job: str, attempt: int) -> None:
    """A Kubernetes Job is created."""
    record: Wire = next((r for r in status.get("jobs", ()) if r["id"] == job), {})
    require(last_of(record) >= attempt, f"intent before effect: {job} was created before that was recorded")


def check_stop(status: Wire, job: str, attempt: int) -> None:
    """A Kubernetes Job is suspended for good."""
    record: Wire = next((r for r in status.get("jobs", ()) if r["id"] == job), {})
    alive = record.get("state") == "Running" and record["attempt"] == attempt
    require(not alive or "stopping" in record, f"intent before effect: {job} was stopped before that was recorded")
    committed = status.get("restore", {}).get("phase") == "Stopping"
    rewinds = alive and record.get("stopping") == "Rewind"
    require(not rewinds or committed, f"{job} was stopped for a rewind that is not committed")


def check_start(spec: Wire, status: Wire, job: str, attempt: int) -> None:
    """A container starts."""
    drained = spec.get("paused") and status.get("pause", {}).get("phase") == "Paused"
    require(not drained, f"invariant 1: a container of {job} started after Paused")
    record = next((r for r in status.get("jobs", ()) if r["id"] == job), None)
    require(record is not None, f"a container of {job} started without a record")
    assert record is not None
    require(last_of(record) >= attempt, f"a container of {job} started before its intent was recorded")
    given_up = attempt != record.get("attempt", 0) and attempt <= record.get("used", 0)
    require(not given_up, f"a container of {job} started in attempt {attempt}, which a rewind has given up")


def require(holds: bool, message: str) -> None:
    """That it holds."""
    if not holds:
        raise Broken(message)
