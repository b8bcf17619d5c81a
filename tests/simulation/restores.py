"""The invariants of restores, judged from outside: what a status write of a rewind or a fork must never be.

As in `simulation.rules`, none of the planner's own functions is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulation.rules import ENDED, Wire, last_of, require

# The records that a checkpoint holds, given where a status says that it is: its id, or the name of its object alone.
Saved = Callable[[Wire], Mapping[str, Wire]]

_REMEMBERED = 200  # answers
UNDER_WAY = ("Preparing", "Stopping")
# What a record says of what an operator has under way; the rest is kept by a restore as it is.
_UNDER_WAY_FIELDS = ("used", "retryAt", "stopping", "pausedFor")


def phase(status: Wire) -> str:
    """How far the newest restore has come."""
    return str(status.get("restore", {}).get("phase", ""))


def goes_back(old: Wire, new: Wire) -> bool:
    """Whether this write swaps the records."""
    return phase(old) == "Stopping" and phase(new) == "Done"


def begins_fork(old: Wire, new: Wire) -> bool:
    """Whether a fork begins by this write."""
    return "startedAt" not in old and new.get("restoredFrom", {}).get("mode") == "Fork"


def check_restore(spec: Wire, old: Wire, new: Wire, saved: Saved, pods: Iterable[tuple[str, int]]) -> None:
    """A status write; `pods` are the attempts that have a pod which has not ended."""
    swaps = goes_back(old, new)
    require(new["epoch"] - old.get("epoch", 0) == swaps, "the epoch changes with a rewind, and only then")
    fresh = old.get("restoredFrom") == new.get("restoredFrom")
    require(fresh or swaps or begins_fork(old, new), "where the state comes from was changed without a restore")
    _check_answers(old, new)
    if phase(old) == "Stopping":
        _check_stopping(old, new)
    elif phase(new) == "Stopping":
        _check_commit(spec, old, new, saved)
    for record in new.get("jobs", ()):
        marked = record.get("stopping") == "Rewind"
        require(not marked or phase(new) == "Stopping", f"{record['id']} is stopped for a rewind that is not committed")
    if phase(new) in UNDER_WAY:
        _check_nothing_starts(old, new)
    if swaps:
        _check_swap(old, new, saved(old["restore"]["from"]), set(pods))
    if begins_fork(old, new):
        _check_fork(new, saved(new["restoredFrom"]))


def _check_answers(old: Wire, new: Wire) -> None:
    """Every request is answered once; of the answers, only the oldest are forgotten."""
    before = [r["id"] for r in old.get("requests", ())]
    after = [r["id"] for r in new.get("requests", ())]
    fresh = [id for id in after if id not in before]
    require(after == [*before, *fresh][-_REMEMBERED:] and len(set(after)) == len(after), f"{before} became {after}")
    rewinds = {r["id"]: r["outcome"] for r in new.get("requests", ()) if r["id"] in fresh and r["type"] == "Restore"}
    done = [id for id, outcome in rewinds.items() if outcome == "Done"]
    if goes_back(old, new):
        require(done == [old["restore"].get("requestId")], f"{done} was answered by a rewind")
    else:
        require(not done or begins_fork(old, new), f"{done} is done, and nothing has gone back")


def _check_stopping(old: Wire, new: Wire) -> None:
    """From the commit point on a rewind completes, as it was committed."""
    require(phase(new) in ("Stopping", "Done"), f"a committed rewind became {phase(new)}")
    fixed = ("requestId", "from", "undo", "mode") + (("target", "plan") if phase(new) == "Stopping" else ())
    for field in fixed:
        require(old["restore"].get(field) == new["restore"].get(field), f"{field} of a committed rewind was changed")


def _check_commit(spec: Wire, old: Wire, new: Wire, saved: Saved) -> None:
    """The commit point: what is given up is saved first, as it is."""
    restore = new["restore"]
    request, asked = restore["requestId"], spec.get("restoreFrom", {})
    require(asked.get("requestId") == request and not asked.get("dryRun"), f"{request} is not what is asked for")
    require(request not in [r["id"] for r in old.get("requests", ())], f"{request} was answered before")
    require(not restore["plan"]["problems"], "a plan with problems was committed")
    require(restore["from"]["checkpointName"] != restore.get("undo"), "it goes back to what it is about to give up")
    if not restore.get("undo"):
        require(asked.get("force", False), "a rewind was committed without a checkpoint of the state before it")
        return
    given_up = {r["id"]: _work(r) for r in new["jobs"]}
    kept = {name: _work(r) for name, r in saved({"checkpointName": restore["undo"]}).items()}
    require(given_up == kept, f"the checkpoint before the rewind holds {kept}, and {given_up} is given up")


def _work(record: Wire) -> list[Any]:
    return [record["state"], *(record.get(f) for f in ("attempt", "used", "result", "exitCode", "failures"))]


def _check_nothing_starts(old: Wire, new: Wire) -> None:
    before = {r["id"]: last_of(r) for r in old.get("jobs", ())}
    by_hand = ("CompletedByHand",) if phase(new) == "Preparing" else ()
    begun = [
        r["id"] for r in new["jobs"] if last_of(r) > before.get(r["id"], 0) and r.get("reason") not in by_hand
    ]  # fmt: skip
    require(not begun, f"{begun} was launched while a rewind is {phase(new)}")


def _check_swap(old: Wire, new: Wire, saved: Mapping[str, Wire], pods: set[tuple[str, int]]) -> None:
    """The records are those of the checkpoint, or begin anew, or go on; and nothing else runs."""
    before = {r["id"]: r for r in old["jobs"]}
    after = {r["id"]: r for r in new["jobs"]}
    plans = {j["id"]: j for j in old["restore"]["plan"]["jobs"]}
    lost = [name for name, r in before.items() if last_of(r) > last_of(after.get(name, {}))]
    require(not lost, f"attempt numbers of {lost} were lost")
    for name, record in after.items():
        planned = plans.get(name, {"action": "Run", "reason": "Removed"})
        if planned["reason"] == "StillRuns":
            live = before[name]
            same = live["attempt"] == saved[name]["attempt"] and saved[name].get("uid", "") in ("", live.get("uid"))
            goes_on = same and live["attempt"] == record["attempt"] and live.get("stopping") != "Rewind"
            ended = live["state"] != "Running" and record != live
            require(goes_on and not ended, f"{name} was to go on: {live} -> {record}")
        elif planned["action"] in ("Keep", "Skip") and (planned["action"], planned["reason"]) != ("Skip", "Removed"):
            same = _kept(record) == _kept(saved[name])
            require(same, f"{name} was to be kept as {saved[name]}, and became {record}")
        else:
            require(not record.get("attempt"), f"{name} was to begin anew, and became {record}")
            require(record["state"] == "Pending" or record.get("reason") == "Removed", f"{name} became {record}")
    left = {"cancel", "timedOutAt", "finishedAt"} & new.keys()
    require(not left and new["phase"] == "Running", f"{new['phase']} after a rewind, with {sorted(left)}")
    running = {(name, r["attempt"]) for name, r in after.items() if r["state"] == "Running"}
    require(pods <= running, f"{sorted(pods - running)} still run after a rewind")


def _check_fork(new: Wire, saved: Mapping[str, Wire]) -> None:
    """What has ended when a fork begins is kept as it was."""
    for record in new["jobs"]:
        by_hand = record.get("reason") == "CompletedByHand"  # by a request before it began
        if record["state"] in ENDED and record.get("attempt") and not by_hand:
            granted = {"extraRetries": record.get("extraRetries")}  # by a request before it began
            same = record["id"] in saved and _kept(record) | granted == _kept(saved[record["id"]]) | granted
            require(same, f"a fork began with {record}, and {saved.get(record['id'])} was saved")


def _kept(record: Wire) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in _UNDER_WAY_FIELDS}
