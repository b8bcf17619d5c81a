"""Finding a checkpoint for a restore: in its object or its row, every copy checked, and what has happened since."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytest import param

from cairn import names
from cairn.adapters.memory import MemoryStore
from cairn.app import restores as module
from cairn.app.executions import ExecutionView
from cairn.app.restores import Restores
from cairn.app.views import Views
from cairn.config import Settings
from cairn.core import status_wire
from cairn.core.checkpoint import objects, payload, serializer
from cairn.core.checkpoint.state import CheckpointState, Parent, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity
from cairn.core.restore.source import Found, NotFound
from cairn.core.spec import Restore, Source
from cairn.core.status import JobRecord, JobState, Phase, Status
from cairn.core.times import format_time
from cairn.errors import DamagedPayload, NotMigrated, StoreUnavailable
from simulation.build import NOW, after
from support.states import a_label, at, completed, pending, state_of
from support.stored import Tenant
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]
DEFAULT = Tenant("default", "uid-of-namespace-default")
ELSEWHERE = Tenant("elsewhere", "uid-of-namespace-elsewhere")
AWAY = StoreUnavailable(names.DATABASE_UNAVAILABLE, "no answer")
LIVE = [JobRecord("a", JobState.COMPLETED, 1, finished_at=at(3)), JobRecord("b", JobState.RUNNING, 1)]


def saved(n: int, *jobs: Any, **fields: Any) -> CheckpointState:
    """The state in checkpoint number `n`; later ones have higher ids."""
    label = a_label(id=f"checkpoint_{n:013}_x", name=f"label {n}", created_at=at(n), parent=fields.pop("parent", None))
    written = {"jobs": [{"id": "a", "image": "x"}, {"id": "b", "image": "x", "dependsOn": ["a"]}], "params": {"n": n}}
    return state_of(*(jobs or (completed("a"), pending("b"))), label=label, **{"spec": written} | fields)


class Bench:
    """Something that looks for checkpoints, and places to find them in."""

    def __init__(self, *, database: bool = True, **settings: Any) -> None:
        self.cluster = FakeCluster()
        self.views = Views(Settings(**settings).selection)
        self.rows = MemoryStore()
        self.restores = Restores(
            self.cluster, self.views, self.rows if database else None, self.cluster.get_namespace_uid, lambda: NOW,
            Settings(**settings),
        )  # fmt: skip
        spec = {"restoreFrom": {"checkpointName": "before"}, "jobs": [{"id": "a", "image": "x"}]}
        labels = {"labels": {"cairn.dev/shard": settings["shard"]}} if settings.get("shard") else {}
        self.views.see_execution(self.cluster.add_execution("fork", spec, **labels))

    @property
    def asking(self) -> ExecutionView:
        view = self.views.execution("uid-of-fork")
        assert view is not None
        return view

    async def object(
        self, name: str, state: CheckpointState | None = None, *, execution: str = "run", tenant: Tenant = DEFAULT,
        seen: bool = True, has_state: bool = True, **status: Any,
    ) -> Stored:  # fmt: skip
        """A Checkpoint object that is Ready, unless said."""
        stored = tenant.of(state or saved(1), name, execution)
        found = stored.checkpoint
        identity = Identity(tenant.name, execution, found.execution_uid)
        body = objects.manifest(identity, name, Trigger.MANUAL, found.name, {}, guarded=False)
        told: Body = {
            "phase": "Ready", "checkpointId": found.id, "createdAt": format_time(found.created_at),
            "executionUid": found.execution_uid, "digest": found.digest, "stateDigest": found.state_digest,
        }  # fmt: skip
        if has_state:
            told["state"] = payload.to_text(stored.content)
        if found.parent:
            told["parent"] = {"checkpointId": found.parent.id, "digest": found.parent.digest}
        created = await self.cluster.create(body)
        self.cluster.objects["Checkpoint", name]["status"] = told | status
        if seen:
            self.views.checkpoints.see(created | {"status": told | status})
        return stored

    async def row(
        self, name: str, state: CheckpointState | None = None, *, execution: str = "run", tenant: Tenant = DEFAULT
    ) -> Stored:
        stored = tenant.of(state or saved(1), name, execution)
        await self.rows.put(stored)
        return stored

    async def both(self, name: str, state: CheckpointState | None = None, **where: Any) -> Stored:
        await self.object(name, state, **where)
        return await self.row(name, state, **where)

    def damage_object(self, name: str, old: str, new: str) -> None:
        """Change what an object holds, without its knowledge."""
        status = self.cluster.objects["Checkpoint", name]["status"]
        content = payload.from_text(status["state"], status["digest"])
        document = content.document.replace(old.encode(), new.encode())
        assert document != content.document
        status["state"] = payload.to_text(replace(content, document=document))

    def damage_row(self, id: str, old: str, new: str) -> None:
        stored = self.rows._rows[id]
        document = stored.content.document.replace(old.encode(), new.encode())
        assert document != stored.content.document
        self.rows._rows[id] = replace(stored, content=replace(stored.content, document=document))

    def unreadable(self, monkeypatch: pytest.MonkeyPatch, error: Exception, *methods: str) -> None:
        async def fails(*_: Any, **__: Any) -> Any:
            raise error

        for method in methods or ("read", "list"):
            monkeypatch.setattr(self.rows, method, fails)

    async def ask(self, *, force: bool = False, **source: str) -> Found | NotFound:
        return await self.restores.find(self.asking, Restore(Source(**source), force=force))

    async def find(self, *, force: bool = False, **source: str) -> Found:
        found = await self.ask(force=force, **source)
        assert isinstance(found, Found), found
        return found

    async def miss(self, *, force: bool = False, **source: str) -> NotFound:
        found = await self.ask(force=force, **source)
        assert isinstance(found, NotFound)
        return found


BEFORE = {"checkpoint_name": "before"}
BY = [
    param(BEFORE, id="by name"),
    param({"checkpoint_id": saved(1).label.id}, id="by id"),
    param({"latest_of": "run"}, id="the newest"),
]


# --- Which one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", BY)
@pytest.mark.parametrize("place", ["object", "row", "both"])
async def test_a_checkpoint_is_found_wherever_it_is(source: dict[str, str], place: str) -> None:
    bench = Bench()
    stored = await getattr(bench, place)("before")
    found = await bench.find(**source)
    state = saved(1)
    assert (found.status, found.attempts, found.spec) == (state.status, state.attempts, state.spec)
    assert (found.origin.id, found.origin.name, found.origin.digest) == (
        state.label.id, "before", stored.checkpoint.digest,
    )  # fmt: skip
    assert (found.origin.execution, found.origin.execution_uid) == ("run", stored.checkpoint.execution_uid)
    assert (found.wanted.source, found.warning) == (Source(**source), "")
    assert (list(found.saved.jobs), dict(found.saved.params)) == (["a", "b"], {"n": 1})


@pytest.mark.parametrize("source", BY)
async def test_without_a_database_the_object_will_do(source: dict[str, str]) -> None:
    bench = Bench(database=False)
    await bench.object("before")
    assert (await bench.find(**source)).origin.name == "before"


async def test_the_state_of_a_large_one_is_in_its_row_alone() -> None:
    bench = Bench()
    await bench.object("before", has_state=False)
    await bench.row("before")
    assert (await bench.find(**BEFORE)).origin.name == "before"


async def test_the_newest_is_the_newest_of_objects_and_rows_of_that_name() -> None:
    bench = Bench()
    await bench.both("one")
    await bench.object("three", saved(3))
    await bench.row("two", saved(2))
    await bench.object("other", saved(9), execution="another")
    await bench.object("pending", saved(8), phase="Pending")
    assert (await bench.find(latest_of="run")).origin.name == "three"
    await bench.row("four", saved(4))
    assert (await bench.find(latest_of="run")).origin.name == "four"


@pytest.mark.parametrize("source", BY)
async def test_a_checkpoint_of_another_shard_is_found_too(source: dict[str, str]) -> None:
    bench = Bench(database=False, shard="a")
    await bench.object("before", seen=False)
    await bench.object("other", saved(2), execution="another", seen=False)
    assert (await bench.find(**source)).origin.name == "before"
    assert not bench.cluster.called("list_checkpoints"), "with all their states"
    assert "before (of run, label 1)" in (await bench.miss(checkpoint_name="none")).message


async def test_what_another_shard_has_saved_since_is_known_too() -> None:
    bench = Bench(database=False, shard="a")
    await bench.object("before", seen=False)
    await bench.object("after", saved(2), seen=False)
    await bench.find(**BEFORE)
    assert bench.cluster.called("get_checkpoint") == ["before", "after"]


async def test_of_rows_whose_objects_had_one_name_it_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beyond the first page."""
    monkeypatch.setattr(module, "PAGE", 2)
    bench = Bench()
    for n in range(1, 6):
        await bench.row("before" if n in (1, 2) else "other", saved(n))
    assert (await bench.find(**BEFORE)).origin.id == saved(2).label.id


async def test_an_object_that_is_being_deleted_is_not_chosen() -> None:
    bench = Bench(database=False)
    await bench.object("before")
    body = bench.cluster.objects["Checkpoint", "before"]
    body["metadata"] |= {"deletionTimestamp": "2026-01-31T09:00:00Z", "resourceVersion": "999"}
    bench.views.checkpoints.see(body)
    assert (await bench.miss(latest_of="run")).reason == names.CHECKPOINT_NOT_FOUND


async def test_a_spec_that_could_not_run_is_kept_but_has_no_jobs() -> None:
    bench = Bench()
    await bench.both("before", saved(1, spec={"jobs": [{"id": "a"}, {"id": "a"}]}))
    found = await bench.find(**BEFORE)
    assert (found.saved.jobs, len(found.spec["jobs"])) == ({}, 2)


async def test_a_large_one_is_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 10)
    bench = Bench()
    await bench.both("before")
    assert (await bench.find(**BEFORE)).origin.name == "before"


# --- None ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        param(BEFORE, "there is no checkpoint before in namespace default", id="by name"),
        param({"checkpoint_id": "checkpoint_1"}, "there is no checkpoint checkpoint_1 in namespace", id="by id"),
        param({"latest_of": "run"}, "execution run in namespace default has no checkpoint that is", id="the newest"),
    ],
)
@pytest.mark.parametrize("database", [True, False])
async def test_where_there_is_none_it_is_told_how_to_take_one(source: Any, said: str, database: bool) -> None:
    found = await Bench(database=database).miss(**source)
    assert (found.reason, found.retry_at) == (names.CHECKPOINT_NOT_FOUND, after(10))
    assert found.message.startswith(said)
    assert "; there are none in it; a checkpoint is taken by creating a Checkpoint object" in found.message


@pytest.mark.parametrize(
    ("count", "listed"),
    [
        (2, "; there are: c2 (of other, label 2), c1 (of other, label 1); a checkpoint"),
        (7, "; there are: c7 (of other, label 7), c6 (of other, label 6), c5 (of other, label 5), "
            "c4 (of other, label 4), c3 (of other, label 3) and 2 more; a checkpoint"),
    ],
)  # fmt: skip
async def test_what_there_is_instead_is_listed(count: int, listed: str) -> None:
    bench = Bench()
    for n in range(1, count + 1):
        await bench.object(f"c{n}", saved(n), execution="other")
    await bench.object("pending", saved(9), phase="Pending")
    assert listed in (await bench.miss(**BEFORE)).message


async def test_one_without_a_label_is_listed_as_such() -> None:
    bench = Bench(database=False)
    await bench.object("c1")
    body = bench.cluster.objects["Checkpoint", "c1"]
    body["spec"]["name"], body["metadata"]["resourceVersion"] = "", "999"
    bench.views.checkpoints.see(body)
    assert "c1 (of run, no label)" in (await bench.miss(**BEFORE)).message


async def test_one_that_is_pending_is_waited_for() -> None:
    bench = Bench()
    await bench.object("before", phase="Pending")
    found = await bench.miss(**BEFORE)
    assert (found.reason, found.retry_at) == (names.CHECKPOINT_NOT_READY, after(10))


async def test_one_that_has_failed_holds_nothing_and_never_will() -> None:
    bench = Bench()
    condition = {"type": "Ready", "status": "False", "reason": "ResultLost", "message": "gone"}
    await bench.object("before", phase="Failed", conditions=[condition])
    found = await bench.miss(**BEFORE)
    assert (found.reason, found.retry_at) == (names.CHECKPOINT_HOLDS_NOTHING, None)
    assert "ResultLost: gone" in found.message


# --- Another namespace -----------------------------------------------------------------------------------------------


async def test_another_namespace_is_not_looked_into_unless_that_is_allowed() -> None:
    bench = Bench()
    await bench.both("before", tenant=ELSEWHERE)
    found = await bench.miss(**BEFORE, namespace="elsewhere")
    assert (found.reason, found.retry_at) == (names.NAMESPACE_NOT_ALLOWED, None)
    assert "CAIRN_FORK_ACROSS_NAMESPACES" in found.message
    assert "get_checkpoint" not in {call for call, _ in bench.cluster.calls}


@pytest.mark.parametrize("source", BY)
async def test_where_it_is_allowed_it_is_found_there(source: dict[str, str]) -> None:
    bench = Bench(fork_across_namespaces=True)
    await bench.both("before", tenant=ELSEWHERE)
    assert (await bench.find(**source, namespace="elsewhere")).origin.namespace == "elsewhere"


async def test_the_own_namespace_may_be_named() -> None:
    bench = Bench()
    await bench.both("before")
    assert (await bench.find(**BEFORE, namespace="default")).origin.namespace == "default"


async def test_rows_of_another_namespace_are_not_found_by_their_ids() -> None:
    bench = Bench()
    await bench.row("before", tenant=ELSEWHERE)
    assert (await bench.miss(checkpoint_id=saved(1).label.id)).reason == names.CHECKPOINT_NOT_FOUND


async def test_a_namespace_that_is_not_watched_is_read() -> None:
    bench = Bench(database=False, fork_across_namespaces=True, namespaces=("default",))
    await bench.object("before", tenant=ELSEWHERE, seen=False)
    assert (await bench.find(latest_of="run", namespace="elsewhere")).origin.name == "before"
    assert bench.cluster.called("list_checkpoints") == ["elsewhere"]


# --- Copies that are not as they were written ------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True], ids=["refused", "force takes the intact one"])
async def test_a_damaged_object_beside_an_intact_row(force: bool) -> None:
    bench = Bench()
    await bench.both("before")
    bench.damage_object("before", '"n":1', '"n":2')
    found = await bench.ask(**BEFORE, force=force)
    if isinstance(found, NotFound):
        assert (found.reason, found.retry_at, force) == (names.CHECKPOINT_DAMAGED, None, False)
        assert found.message.startswith("its object is damaged: ")
        assert "the row is intact: force restores it all the same" in found.message
    else:
        assert (force, dict(found.saved.params)) == (True, {"n": 1})
        assert found.warning.startswith("its object is damaged: ")


@pytest.mark.parametrize("force", [False, True], ids=["refused", "force takes the intact one"])
async def test_a_damaged_row_beside_an_intact_object(force: bool) -> None:
    bench = Bench()
    stored = await bench.both("before")
    bench.damage_row(stored.checkpoint.id, '"n":1', '"n":2')
    found = await bench.ask(**BEFORE, force=force)
    if isinstance(found, NotFound):
        assert (found.reason, force) == (names.CHECKPOINT_DAMAGED, False)
        assert "its row is damaged: " in found.message and "the object is intact" in found.message
    else:
        assert (force, dict(found.saved.params)) == (True, {"n": 1})
        assert found.warning.startswith("its row is damaged: ")


async def test_when_both_are_damaged_force_takes_what_can_still_be_read() -> None:
    bench = Bench()
    stored = await bench.both("before")
    bench.damage_object("before", '"n":1', '"n":2')
    bench.damage_row(stored.checkpoint.id, '"n":1', '"n":3')
    refused = await bench.miss(**BEFORE)
    assert refused.reason == names.CHECKPOINT_DAMAGED
    assert "its object is damaged" in refused.message and "its row is damaged" in refused.message
    assert "what can be read of it may be wrong" in refused.message
    found = await bench.find(**BEFORE, force=True)
    assert dict(found.saved.params) == {"n": 2}
    assert found.warning.count("is damaged") == 2


@pytest.mark.parametrize("force", [False, True])
async def test_of_what_no_state_can_be_made_nothing_is_restored(force: bool) -> None:
    bench = Bench(database=False)
    await bench.object("before")
    bench.damage_object("before", '"jobs":[', '"jobz":[')
    found = await bench.miss(**BEFORE, force=force)
    assert found.reason == names.CHECKPOINT_DAMAGED
    assert found.message.endswith("nothing can be made of it: restore another checkpoint")


async def test_what_is_no_payload_at_all_is_damaged() -> None:
    bench = Bench(database=False)
    await bench.object("before")
    bench.cluster.objects["Checkpoint", "before"]["status"]["state"] = "zlib:!"
    found = await bench.miss(**BEFORE, force=True)
    assert "nothing can be made of it: restore another checkpoint" in found.message


async def test_a_row_that_cannot_be_read_is_a_damaged_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.both("before")
    bench.unreadable(monkeypatch, DamagedPayload("a text is gone"), "read")
    assert "its row is damaged: a text is gone" in (await bench.miss(**BEFORE)).message
    assert (await bench.find(**BEFORE, force=True)).origin.name == "before"


async def test_two_copies_that_are_intact_but_not_the_same_are_refused() -> None:
    bench = Bench()
    await bench.object("before")
    await bench.row("before", saved(1, completed("a"), completed("b")))
    found = await bench.miss(**BEFORE)
    assert found.reason == names.CHECKPOINT_DAMAGED
    assert found.message.startswith("its object and its row do not hold the same")
    assert (await bench.find(**BEFORE, force=True)).status == saved(1).status


async def test_a_state_that_cannot_be_is_refused_though_its_digests_hold() -> None:
    bench = Bench()
    await bench.both("before", saved(1, phase=Phase.FAILED))
    assert (await bench.miss(**BEFORE)).reason == names.CHECKPOINT_DAMAGED


@pytest.mark.parametrize("force", [False, True])
async def test_what_a_newer_version_wrote_is_not_guessed_at(force: bool) -> None:
    bench = Bench(database=False)
    await bench.object("before")
    version = serializer.SCHEMA_VERSION
    bench.damage_object("before", f'"schemaVersion":{version}', '"schemaVersion":99')
    found = await bench.miss(**BEFORE, force=force)
    assert (found.reason, found.retry_at) == (names.CHECKPOINT_NEWER, None)


async def test_a_checkpoint_is_checked_with_the_digest_of_its_parent() -> None:
    bench = Bench()
    await bench.both("before", saved(2, parent=Parent("checkpoint_0000000000001_x", "ab" * 32)))
    assert (await bench.find(**BEFORE)).warning == ""


# --- The database is away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", BY)
async def test_with_the_database_away_the_object_will_do(monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    bench = Bench()
    await bench.both("before")
    bench.unreadable(monkeypatch, AWAY)
    assert (await bench.find(**source)).warning == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [(AWAY, names.DATABASE_UNAVAILABLE), (NotMigrated("no tables"), names.NOT_MIGRATED)],
    ids=["away", "not migrated yet"],
)
async def test_what_only_the_database_has_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    bench = Bench()
    await bench.object("before", has_state=False)
    bench.unreadable(monkeypatch, error)
    for source in (BEFORE, {"checkpoint_id": "checkpoint_1"}):
        found = await bench.miss(**source)
        assert (found.reason, found.retry_at) == (reason, after(10))


# --- What has happened since -----------------------------------------------------------------------------------------


def run(bench: Bench, records: list[JobRecord], *, uid: str = "", phase: Phase = Phase.RUNNING) -> None:
    """The execution that the checkpoints were taken of, as it is now."""
    body = bench.cluster.add_execution("run", {}, uid=uid or DEFAULT.of(saved(1), "", "run").checkpoint.execution_uid)
    status = Status(phase, jobs={r.id: r for r in records})
    bench.cluster.executions["run"] = body | {"status": status_wire.to_wire(status)}


@pytest.mark.parametrize(("phase", "final"), [(Phase.RUNNING, False), (Phase.SUCCEEDED, True)])
async def test_while_the_original_is_there_its_status_tells(phase: Phase, final: bool) -> None:
    bench = Bench()
    await bench.both("before")
    run(bench, LIVE, phase=phase)
    known = (await bench.find(**BEFORE)).known
    assert (list(known.records.values()), known.final, known.adopt) == (LIVE, final, False)


NEWER = saved(2, completed("a"), completed("b"), phase=Phase.SUCCEEDED, finished_at=at(9))


@pytest.mark.parametrize("place", ["object", "row", "both"])
@pytest.mark.parametrize("successor", [False, True], ids=["gone", "another one has its name"])
async def test_once_it_is_gone_its_newest_checkpoint_tells(place: str, successor: bool) -> None:
    bench = Bench()
    await bench.both("before")
    await getattr(bench, place)("newer", NEWER)
    if successor:
        run(bench, LIVE, uid="another")
    known = (await bench.find(**BEFORE)).known
    assert (known.records, known.final) == (NEWER.status.jobs, True)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.FAILED])
async def test_without_a_newer_one_the_checkpoint_itself_tells(phase: Phase) -> None:
    bench = Bench()
    await bench.both("before", saved(1, phase=phase, finished_at=at(9) if phase is Phase.FAILED else None))
    known = (await bench.find(**BEFORE)).known
    assert (known.records, known.final) == (saved(1).status.jobs, phase is Phase.FAILED)


async def test_a_newer_one_that_is_damaged_tells_nothing() -> None:
    bench = Bench(database=False)
    await bench.object("before")
    await bench.object("newer", NEWER)
    bench.damage_object("newer", '"n":2', '"n":3')
    bench.damage_object("newer", '"status":"completed"', '"status":"complete"')
    known = (await bench.find(**BEFORE)).known
    assert (known.records, known.final) == (saved(1).status.jobs, False)


async def test_a_newer_one_that_cannot_be_read_now_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.object("before")
    await bench.object("newer", NEWER, has_state=False)
    bench.unreadable(monkeypatch, AWAY)
    assert (await bench.find(**BEFORE)).known.records == saved(1).status.jobs


async def test_of_an_own_checkpoint_nothing_is_looked_up() -> None:
    """A rewind knows from its own records what has happened since."""
    bench = Bench()
    uid = DEFAULT.of(saved(1), "", "fork").checkpoint.execution_uid
    bench.views.forget_execution("uid-of-fork")
    bench.views.see_execution(bench.cluster.add_execution("fork", {"jobs": [{"id": "a", "image": "x"}]}, uid=uid))
    await bench.both("before", execution="fork")
    view = bench.views.execution(uid)
    assert view is not None
    found = await bench.restores.find(view, Restore(Source(checkpoint_name="before"), request_id="r"))
    assert isinstance(found, Found)
    assert (found.known.records, found.known.final) == ({}, False)
    assert bench.cluster.called("get_execution") == []
