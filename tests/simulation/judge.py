"""Watches every write and every container that starts, and says so when what never may happen has happened.

It knows what is stored, never what an operator believes; its rules are those of `rules` and `restores`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from cairn import names
from cairn.core.checkpoint import objects, serializer
from cairn.core.checkpoint.state import Grave, Serialized, Stored
from cairn.core.outputs import Outputs
from cairn.core.sharding import Selection, shard_of
from cairn.core.status_wire import record_to_wire
from simulation import restores, rules
from simulation.rules import require
from simulation.server import CHECKPOINT, EXECUTION, JOB, POD, RESULT, ApiServer, Body

Attempt = tuple[str, str, int]  # execution UID, job, number
Records = dict[str, Body]

Known = Callable[[str], int]  # the version of an execution that whoever acts has heard of, by UID


class Judge:
    """One for a history."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.created: set[str] = set()  # names of Kubernetes Jobs, ever
        self.started: Counter[Attempt] = Counter()  # containers
        self.excused: set[Attempt] = set()  # whose pod somebody has taken by force
        self.excused_jobs: set[str] = set()  # that somebody has deleted by hand
        self.held: dict[str, Records] = {}  # what a checkpoint has saved, by its id
        self.specs: dict[str, Body] = {}  # likewise
        self._ids: dict[str, str] = {}  # of the newest by its object's name, which may be used again
        self.settled: dict[str, Body] = {}  # phases of checkpoints, ever
        self.deleted: set[str] = set()  # ids of checkpoints that somebody has deleted
        self.statuses: dict[str, list[Records]] = {}  # every version that was stored, by execution UID
        self._recorded: dict[str, int] = {}  # by name of a Kubernetes Job: since which version its UID is
        self.quota = 0  # how many of the next Kubernetes Jobs are refused
        self._borrowed: dict[str, list[Body]] = {}  # the jobs of forks that name none
        self._paused: dict[str, int] = {}  # executions that are, since which version
        self._needed: dict[str, tuple[str, int]] = {}  # checkpoints that an execution refers to, since which version

    def refuses(self) -> bool:
        """Whether the next Kubernetes Job is refused."""
        self.quota -= self.quota > 0
        return self.quota > 0

    # --- Writes of operators

    def check_create(self, kind: str, body: Body, heard: int) -> None:
        """An object is about to be created, by who had heard of its execution up to that version when they sent it."""
        if (owner := self._execution(_uid_of(body))) is not None:
            same = shard_of(body["metadata"]) == shard_of(owner["metadata"])
            require(same, f"{kind} {body['metadata']['name']} is not labelled for the shard of its execution")
        if kind == JOB:
            uid, job, attempt = attempt_of(body)
            if (held := self._execution(uid)) is None:
                return  # it was deleted: what comes late, nothing can fence, and the garbage collector takes it
            rules.check_create(held.get("status", {}), job, attempt)
            self._check_name(body["metadata"]["name"], heard, (uid, job, attempt))
        elif kind == CHECKPOINT and (held := self._execution(_uid_of(body))) is not None:
            rules.check_checkpoint(held.get("status", {}), body["metadata"]["name"])

    def _check_name(self, name: str, heard: int, attempt: Attempt) -> None:
        """Invariant 3, but where somebody else has freed the name before whoever creates could know it was taken."""
        taken = self._server.find(JOB, name) is not None
        if name in self.excused_jobs and not taken and heard < self._recorded.get(name, heard + 1):
            self.excused.add(attempt)
        else:
            require(taken or name not in self.created, f"invariant 3: a second Kubernetes Job was made for {name}")
        self.created.add(name)

    def check_turn(self, kind: str, held: Body, selection: Selection, version: str = "") -> None:
        """An operator is about to change or delete an object: it has to be one of those that it works on."""
        meta = held["metadata"]
        if kind in (EXECUTION, CHECKPOINT) and version in ("", meta["resourceVersion"]):
            whose, who = shard_of(meta), selection.shard
            require(selection.takes(meta), f"{kind} {meta['name']} of shard {whose!r} was changed by that of {who!r}")

    def check_replace(self, kind: str, held: Body, body: Body) -> None:
        """An object, or its status, is about to be replaced."""
        if kind == EXECUTION:
            self._check_status(held, body["status"])
        elif kind == CHECKPOINT:
            self._check_settled(held, body["status"])

    def check_patch(self, kind: str, held: Body, body: Body) -> None:
        """An object is about to be patched."""
        if kind == JOB and body.get("spec", {}).get("parallelism") == 0:
            uid, job, attempt = attempt_of(held)
            if (execution := self._execution(uid)) is not None:
                rules.check_stop(execution.get("status", {}), job, attempt)
        if kind == EXECUTION and "labels" in body.get("metadata", {}):
            begun = "startedAt" in held.get("status", {})
            require(not begun, f"{held['metadata']['name']} has begun and was given away")
        if kind == EXECUTION and body.get("spec", {}).get("paused") is False:
            until = held["spec"].get("pause", {}).get("until")
            since = held.get("status", {}).get("pause", {}).get("since")
            require(bool(until and since and until > since), f"a pause of {since} was ended by an `until` of {until}")
        if kind == CHECKPOINT and held.get("status", {}).get("phase") == "Ready":
            fixed = ("state", "digest", "checkpointId", "parent", "createdAt")
            changed = [f for f in fixed if f in body.get("status", {}) and body["status"][f] != held["status"].get(f)]
            require(not changed, f"invariant 5: {changed} of a checkpoint that was Ready was changed")

    def check_delete(self, kind: str, held: Body, version: str, heard: Mapping[str, int]) -> None:
        """An operator that had heard of executions up to those versions, by UID, is about to delete an object."""
        if kind != CHECKPOINT or version != held["metadata"]["resourceVersion"]:
            return  # another version: it is refused
        name, spec = held["metadata"]["name"], held["spec"]
        require(not spec.get("pinned"), f"{name} is pinned and was removed")
        user, since = self._needed.get(name, ("", 0))
        require(not user or heard.get(user, 0) < since, f"{name} was removed, and {user} needs it")
        mine = [c for c in self._server.all(CHECKPOINT) if c.get("status", {}).get("phase") == "Ready"
                and c["status"].get("executionUid") == held.get("status", {}).get("executionUid")]  # fmt: skip
        self._check_pause(held, [c for c in mine if "deletionTimestamp" not in c["metadata"]], heard)
        newest = max(mine, key=lambda c: (c["status"]["createdAt"], c["status"]["checkpointId"]), default=None)
        alive = self._execution(held.get("status", {}).get("executionUid", "")) is not None
        is_newest = newest is not None and newest["metadata"]["name"] == name
        require(not (alive and is_newest), f"{name} is the newest and was removed")

    # --- The database

    def check_row(self, stored: Stored) -> None:
        """A row is there: its object holds the same, or is bound to be what the row is of."""
        found = stored.checkpoint
        serializer.verify(stored.content, stored.parent_digest)
        body = self._server.find(CHECKPOINT, found.object_name)
        if body is not None and body.get("status", {}).get("checkpointId") == found.id:
            same = body["status"].get("digest") in ("", None, found.digest)
            require(same, f"the row of {found.object_name} is not what its object holds")
        else:
            known = found.object_name in self.settled
            require(known, f"row before object: {found.object_name} was written to the database alone")
        if found.id not in self.held:  # too large for an object
            self._keep(found.object_name, found.id, found.execution_uid, stored.content)

    def check_burial(self, grave: Grave) -> None:
        """A row is about to be deleted."""
        require(grave.id in self.deleted, f"the row of {grave.id} was deleted, which nobody has deleted")

    def note_deleted(self, body: Body) -> None:
        """A Checkpoint was deleted, by whomever."""
        if id := body.get("status", {}).get("checkpointId"):
            self.deleted.add(id)

    # --- Containers

    def start(self, pod: Body) -> None:
        """A container starts."""
        uid, job, attempt = attempt_of(pod)
        self.started[uid, job, attempt] += 1
        held = self._execution(uid)
        if held is None:
            return  # its execution was deleted, and the garbage collector has not come yet
        rules.check_start(self.whole_spec(held), held.get("status", {}), job, attempt)
        again = self.started[uid, job, attempt] > 1 and (uid, job, attempt) not in self.excused
        require(not again, f"invariant 3: attempt {attempt} of {job} ran twice")

    # --- Statuses

    def whole_spec(self, held: Body) -> Body:
        """The spec, with the jobs of a fork that names none."""
        spec: Body = held["spec"]
        jobs = spec.get("jobs") or self._borrowed.get(held["metadata"]["uid"], [])
        return spec | {"jobs": jobs}

    def _check_status(self, held: Body, new: Body) -> None:
        uid, old = held["metadata"]["uid"], held.get("status", {})
        if restores.begins_fork(old, new) and not held["spec"].get("jobs"):
            self._borrowed[uid] = self.specs[new["restoredFrom"]["checkpointId"]].get("jobs", [])
            require(bool(self._borrowed[uid]), f"{held['metadata']['name']} began without any job")
        spec = self.whole_spec(held)
        restores.check_restore(held["spec"], old, new, self._saved, self._live(uid))
        if not restores.goes_back(old, new):
            kept = self._kept(old, new)
            rules.check_write(spec, kept, new)
            rules.check_decided(kept, new)
        rules.check_critical(spec, old, new, self.settled.values())
        there = {job["metadata"]["uid"] for job in self._jobs_of(uid)}
        rules.check_paused(new, self._settled_attempts(uid), there | self._busy(uid))
        if not restores.begins_fork(old, new) and not restores.goes_back(old, new):
            self._check_adopted(uid, old, new)
            self._check_ended(uid, old, new)
        self.statuses.setdefault(uid, []).append({r["id"]: r for r in new.get("jobs", ())})

    def _check_adopted(self, uid: str, old: Body, new: Body) -> None:
        """A Kubernetes Job that is recorded as an attempt's is of this execution, and of that attempt."""
        known = {r.get("uid") for r in old.get("jobs", ())}
        fresh = {r["uid"]: r for r in new.get("jobs", ()) if r.get("uid") and r["uid"] not in known}
        for job in self._server.all(JOB) if fresh else ():
            if (record := fresh.get(job["metadata"]["uid"])) is not None:
                owners = [owner["uid"] for owner in job["metadata"].get("ownerReferences", ())]
                mine = owners == [uid] and attempt_of(job) == (uid, record["id"], record.get("attempt"))
                require(mine, f"{job['metadata']['name']} was taken for an attempt of {record['id']}")
                self._recorded[job["metadata"]["name"]] = self._server.version + 1

    def _check_ended(self, uid: str, old: Body, new: Body) -> None:
        """Deleted is not ended; and what an attempt has handed out is stored before its end is."""
        after = {r["id"]: r for r in new.get("jobs", ())}
        for record in old.get("jobs", ()):
            now = after.get(record["id"], record)
            if record["state"] != "Running" or (now["state"] == "Running" and now["attempt"] == record["attempt"]):
                continue
            attempt = (uid, record["id"], record["attempt"])
            live = [p for p in self.pods_of(uid) if attempt_of(p) == attempt and p["status"]["phase"] == "Running"]
            require(not live or self._is_excused(attempt), f"{record['id']} is {now['state']}, and its container runs")
            if now["state"] == "Completed" and now.get("result") and now.get("reason") != "CompletedByHand":
                texts = [r["spec"].get("outputs") for r in self._server.all(RESULT) if _is_of(r, attempt)]
                stored = any(text is not None and Outputs(text).digest == now["result"] for text in texts)
                require(stored, f"{record['id']} is Completed, and its result is not stored")

    def _is_excused(self, attempt: Attempt) -> bool:
        """Whether somebody has taken its pod, or its Job, by force."""
        jobs = [j for j in self._server.all(JOB) if attempt_of(j) == attempt]
        return attempt in self.excused or not jobs

    def _kept(self, old: Body, new: Body) -> Body:
        """The status before: of a fork that begins, with what it has kept."""
        if not restores.begins_fork(old, new):
            return old
        return old | {"jobs": [r for r in new["jobs"] if r["state"] in rules.ENDED]}

    def _saved(self, origin: Mapping[str, str]) -> Records:
        id = origin.get("checkpointId") or self._ids.get(origin["checkpointName"], "")
        require(id in self.held, f"{origin} was restored, and was never Ready")
        return self.held[id]

    def _live(self, uid: str) -> set[tuple[str, int]]:
        return {attempt_of(pod)[1:] for pod in self.pods_of(uid) if not has_ended(pod)}

    def _settled_attempts(self, uid: str) -> set[tuple[str, int]]:
        """The attempts that are provably not started: their Job is there, suspended, and has no pod."""
        busy = self._busy(uid)
        suspended = (job for job in self._jobs_of(uid) if job["spec"].get("suspend"))
        return {attempt_of(job)[1:] for job in suspended if job["metadata"]["uid"] not in busy}

    def _busy(self, uid: str) -> set[str]:
        """The UIDs of the Jobs, there or gone, that have a pod which lives."""
        return {owner_of(pod) for pod in self.pods_of(uid) if not has_ended(pod)}

    def _jobs_of(self, uid: str) -> Iterator[Body]:
        return (job for job in self._server.all(JOB) if attempt_of(job)[0] == uid)

    def pods_of(self, uid: str) -> Iterator[Body]:
        """The pods of an execution."""
        return (pod for pod in self._server.all(POD) if attempt_of(pod)[0] == uid)

    # --- Checkpoints

    def _check_settled(self, held: Body, status: Body) -> None:
        """The status of a Checkpoint object is written as a whole: bound, Ready or Failed."""
        name, before = held["metadata"]["name"], held.get("status", {})
        self.settled[name] = {"metadata": {"name": name}, "status": {"phase": status["phase"]}}
        require(before.get("phase") != "Ready", f"invariant 5: {name} was Ready and was written again")
        known = before.get("checkpointId", "")
        require(known in ("", status.get("checkpointId")), f"the id of {name} was changed")
        if status["phase"] == "Ready" and "state" in status:
            content = objects.stored(held | {"status": status}, "").content
            self._keep(name, status["checkpointId"], status["executionUid"], content)

    def _keep(self, name: str, id: str, uid: str, content: Serialized) -> None:
        """Invariant 5: what a checkpoint holds is a status that was stored at one moment, whole."""
        state = serializer.deserialize(content)
        records = {job: dict(record_to_wire(record)) for job, record in state.status.jobs.items()}
        ever = [{}, *self.statuses.get(uid, ())]
        require(records in ever, f"invariant 5: {name} holds what was never stored: {records}, but {ever[-1]}")
        self.held[id], self.specs[id], self._ids[name] = records, dict(state.spec), id

    def note_execution(self, body: Body) -> None:
        """An execution was written, by whomever: what its restore and its pause go back to may not go."""
        uid, version, status = body["metadata"]["uid"], int(body["metadata"]["resourceVersion"]), body.get("status", {})
        paused = body["spec"].get("paused") and status.get("pause", {}).get("phase") == "Paused"
        self._paused = {**self._paused, uid: self._paused.get(uid, version)} if paused else _without(self._paused, uid)
        needed = _needed_by_restore(status) if "deletionTimestamp" not in body["metadata"] else set()
        before = {name for name, (user, _) in self._needed.items() if user == uid}
        for name in before - needed:
            del self._needed[name]
        for name in needed - self._needed.keys():
            self._needed[name] = (uid, version)

    def _check_pause(self, held: Body, mine: Sequence[Body], heard: Mapping[str, int]) -> None:
        """Of a pause, one checkpoint stays that was taken since it began."""
        uid = held.get("status", {}).get("executionUid", "")
        execution = self._execution(uid)
        if execution is None or uid not in self._paused or heard.get(uid, 0) < self._paused[uid]:
            return
        since = execution["status"]["pause"]["since"]
        taken = [c["metadata"]["name"] for c in mine if c["status"]["createdAt"] >= since]
        require(taken != [held["metadata"]["name"]], f"{taken} was removed, and a pause needs it")

    def note_gone(self, uid: str) -> None:
        """An execution is gone, and needs nothing any more."""
        self._needed = {name: found for name, found in self._needed.items() if found[0] != uid}
        self._paused = _without(self._paused, uid)

    def recorded_jobs(self) -> list[Body]:
        """The Kubernetes Jobs whose UID a stored status holds."""
        uids = {r.get("uid") for e in self._server.all(EXECUTION) for r in e.get("status", {}).get("jobs", ())}
        return [job for job in self._server.all(JOB) if job["metadata"]["uid"] in uids]

    def _execution(self, uid: str) -> Body | None:
        found = (e for e in self._server.all(EXECUTION) if e["metadata"]["uid"] == uid)
        return next(found, None)


def attempt_of(body: Body) -> Attempt:
    """Which attempt a Kubernetes Job, or a pod, is of."""
    labels = body["metadata"]["labels"]
    return labels[names.LABEL_EXECUTION_UID], labels[names.LABEL_JOB], int(labels[names.LABEL_ATTEMPT])


def owner_of(pod: Body) -> str:
    """The UID of a pod's Kubernetes Job."""
    return str(pod["metadata"]["ownerReferences"][0]["uid"])


def has_ended(pod: Body) -> bool:
    """Whether all of its containers have."""
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _uid_of(body: Body) -> str:
    return str((body["metadata"].get("labels") or {}).get(names.LABEL_EXECUTION_UID, ""))


def _is_of(result: Body, attempt: Attempt) -> bool:
    spec = result["spec"]
    return (spec.get("executionUid"), spec.get("job"), spec.get("attempt")) == attempt


def _needed_by_restore(status: Body) -> set[str]:
    """What a restore that is under way goes back to, and what it saves before."""
    restore = status.get("restore", {})
    if restore.get("phase") not in restores.UNDER_WAY:
        return set()
    return {restore.get("from", {}).get("checkpointName", ""), restore.get("undo", "")} - {""}


def _without(versions: dict[str, int], uid: str) -> dict[str, int]:
    return {key: version for key, version in versions.items() if key != uid}
