"""What every store of checkpoints does, whatever it keeps them in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.adapters.memory import MemoryStore
from cairn.adapters.postgres.store import PostgresStore
from cairn.core.checkpoint.serializer import deserialize
from cairn.core.checkpoint.state import CheckpointState, Grave, Parent, Stored, Trigger
from cairn.core.outputs import Outputs
from cairn.errors import IdTaken, WrongDigest
from cairn.ports import CheckpointStore, Query, Stats
from support.states import a_state, at, checkpoint_states, completed, five_states, realistic_state, state_of
from support.stored import Damage, Tenant, same

AWKWARD = r'{"a":"\u0000 \ud800 \"\\","b":-0.0,"c":1e16,"d":[1.0,1],"e":18446744073709551617,"f":null}'


async def test_what_is_put_is_given_back(store: CheckpointStore, tenant: Tenant) -> None:
    put = tenant.stored(five_states())
    await store.put(put)
    assert same(await store.get([tenant.uid], put.checkpoint.id), put)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(state_of(), id="no jobs"),
        pytest.param(state_of(completed("a", Outputs(AWKWARD))), id="awkward outputs"),
        pytest.param(state_of(completed("a", Outputs("null")), completed("b")), id="null and none"),
        pytest.param(
            state_of(spec={"jobs": [], "params": {"a": "\0 \ud800", "b": [-0.0, 1e16, 1.0, 1, 2**64 + 1]}}),
            id="awkward params",
        ),
        pytest.param(realistic_state(100), id="a hundred jobs"),
    ],
)
async def test_it_is_exact(store: CheckpointStore, tenant: Tenant, state: CheckpointState) -> None:
    put = tenant.stored(state)
    await store.put(put)
    found = await store.get([tenant.uid], put.checkpoint.id)
    assert found is not None
    assert found.content == put.content
    assert deserialize(found.content) == replace(state, label=deserialize(put.content).label)


async def test_any_state_survives(store: CheckpointStore, tenant: Tenant) -> None:
    """Drawn beforehand, as a loop runs here already: what the engine can reach, and much that it cannot."""
    drawn: list[CheckpointState] = []

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(checkpoint_states(), min_size=1, max_size=2))
    def draw(states: list[CheckpointState]) -> None:
        drawn.extend(states)

    await asyncio.to_thread(draw)
    for number, state in enumerate(drawn):
        put = tenant.stored(replace(state, label=a_state().label), number=number)
        await store.put(put)
        found = await store.get([tenant.uid], put.checkpoint.id)
        assert found is not None and found.content == put.content


async def test_putting_it_again_does_nothing(store: CheckpointStore, tenant: Tenant) -> None:
    put = tenant.stored()
    await asyncio.gather(*(store.put(put) for _ in range(3)), return_exceptions=True)
    await store.put(put)
    assert [c.id for c in (await store.list(Query([tenant.uid]))).items] == [put.checkpoint.id]


async def test_an_id_that_another_checkpoint_has_is_refused(
    store: CheckpointStore, tenant: Tenant, other: Tenant
) -> None:
    first = tenant.stored()
    await store.put(first)
    id, made = first.checkpoint.id, first.checkpoint.created_at
    for second in (other.stored(id=id, created_at=made), tenant.stored(five_states(), id=id, created_at=made)):
        with pytest.raises(IdTaken):
            await store.put(second)
    assert same(await store.get([tenant.uid], id), first)
    assert await store.get([other.uid], id) is None


async def test_a_tenant_sees_and_changes_its_own(store: CheckpointStore, tenant: Tenant, other: Tenant) -> None:
    mine, theirs = tenant.stored(), other.stored()
    await store.put(mine)
    await store.put(theirs)
    id = theirs.checkpoint.id
    for tenants in ([], [tenant.uid], ["no-such-tenant"]):
        assert await store.get(tenants, id) is None
        assert await store.read(tenants, id) is None
        assert not await store.delete(tenants, id)
        assert not await store.pin(tenants, id, True)
        assert id not in {c.id for c in (await store.list(Query(tenants))).items}
    assert (await store.stats([tenant.uid])).total_checkpoints == 1
    assert {c.id for c in (await store.list(Query([tenant.uid, other.uid]))).items} == {mine.checkpoint.id, id}
    assert same(await store.get([other.uid], id), theirs)


async def several(store: CheckpointStore, tenant: Tenant) -> list[Stored]:
    """Six checkpoints of two executions and two triggers, oldest first."""
    put = [
        tenant.stored(number=n, execution="ab"[n % 2], trigger=Trigger.MANUAL if n < 3 else Trigger.TIME_BASED)
        for n in range(6)
    ]
    for each in put:
        await store.put(each)
    return put


async def test_lists_are_newest_first_and_filtered(store: CheckpointStore, tenant: Tenant) -> None:
    put = await several(store, tenant)

    async def numbers(**asked: object) -> list[int]:
        page = await store.list(replace(Query([tenant.uid]), **asked))  # type: ignore[arg-type]
        return [next(n for n, s in enumerate(put) if s.checkpoint.id == c.id) for c in page.items]

    assert await numbers() == [5, 4, 3, 2, 1, 0]
    assert await numbers(execution_uid=put[0].checkpoint.execution_uid) == [4, 2, 0]
    assert await numbers(execution="b") == [5, 3, 1]
    assert await numbers(execution="b", execution_uid=put[0].checkpoint.execution_uid) == []
    assert await numbers(execution="b", limit=1, after=put[5].checkpoint.id) == [3]
    assert await numbers(trigger=Trigger.TIME_BASED) == [5, 4, 3]
    assert await numbers(since=at(2), until=at(4)) == [3, 2]
    assert await numbers(limit=2, offset=1) == [4, 3]
    assert await numbers(execution_uid="none") == await numbers(execution="none") == []
    told = (await store.list(Query([tenant.uid], limit=1))).items[0]
    assert replace(told, object_uid="") == put[5].checkpoint


async def test_a_cursor_is_stable_while_others_are_created(store: CheckpointStore, tenant: Tenant) -> None:
    put = await several(store, tenant)
    first = await store.list(Query([tenant.uid], limit=4))
    await store.put(tenant.stored(number=100))
    rest = await store.list(Query([tenant.uid], limit=4, after=first.next))
    assert [c.id for c in (*first.items, *rest.items)] == [s.checkpoint.id for s in reversed(put)]
    assert rest.next is None


async def test_a_page_that_is_just_full_has_no_next(store: CheckpointStore, tenant: Tenant) -> None:
    put = await several(store, tenant)
    assert (await store.list(Query([tenant.uid], limit=len(put)))).next is None


async def test_a_deleted_one_is_gone_and_does_not_come_back(store: CheckpointStore, tenant: Tenant) -> None:
    put = tenant.stored()
    await store.put(put)
    id = put.checkpoint.id
    assert await store.delete([tenant.uid], id)
    assert not await store.delete([tenant.uid], id)
    assert await store.get([tenant.uid], id) is None
    assert (await store.list(Query([tenant.uid]))).items == ()


async def test_pins(store: CheckpointStore, tenant: Tenant) -> None:
    put = tenant.stored()
    await store.put(put)
    id = put.checkpoint.id
    for pinned in (True, False):
        assert await store.pin([tenant.uid], id, pinned)
        found = await store.get([tenant.uid], id)
        assert found is not None and found.checkpoint.pinned is pinned


async def test_stats(store: CheckpointStore, tenant: Tenant) -> None:
    put = await several(store, tenant)
    found = await store.stats([tenant.uid])
    assert (found.total_checkpoints, found.triggers) == (6, {Trigger.MANUAL: 3, Trigger.TIME_BASED: 3})
    assert (found.oldest_checkpoint, found.newest_checkpoint) == (at(0), at(5))
    assert found.bytes == sum(s.checkpoint.size_bytes for s in put)
    assert (await store.stats([tenant.uid], put[0].checkpoint.execution_uid)).total_checkpoints == 3
    nothing = await store.stats([tenant.uid], "none")
    assert nothing == Stats(0, {}, None, None, 0)


async def test_what_was_changed_is_refused_and_can_be_read_as_it_is(
    store: CheckpointStore, tenant: Tenant, damage: Damage
) -> None:
    put = tenant.stored(a_state(1))
    await store.put(put)
    id = put.checkpoint.id
    assert same(await store.read([tenant.uid], id), put)
    await damage(put, "starting", "startled")
    with pytest.raises(WrongDigest, match=r"texts\[[0-9a-f]{64}\]"):
        await store.get([tenant.uid], id)
    found = await store.read([tenant.uid], id)
    assert found is not None and found.content.document == put.content.document
    assert sorted(found.content.texts.values()) == ["job-0: startled\njob-0: done\n", '{"rows":0}']


async def test_the_graves_of_an_execution_and_of_ids(store: CheckpointStore, tenant: Tenant, other: Tenant) -> None:
    if not isinstance(store, MemoryStore | PostgresStore):
        return  # objects leave nothing behind
    put = await several(store, tenant)
    ids = [each.checkpoint.id for each in put]
    for id in ids:
        assert await store.delete([tenant.uid], id)
    uid = put[0].checkpoint.execution_uid
    assert [g.id for g in await store.graves([tenant.uid], uid)] == [ids[4], ids[2], ids[0]]
    assert [g.id for g in await store.graves([tenant.uid], uid, [ids[1], "none"])] == [ids[4], ids[2], ids[1], ids[0]]
    assert await store.graves([other.uid], uid, ids) == await store.graves([tenant.uid], None) == ()
    grave, was = (await store.graves([tenant.uid], None, [ids[0]]))[0], put[0].checkpoint
    assert grave == Grave(was.id, tenant.uid, uid, was.digest, was.parent)


async def test_a_chain_keeps_its_links(store: CheckpointStore, tenant: Tenant) -> None:
    first = tenant.stored()
    second = tenant.stored(number=1, parent=Parent(first.checkpoint.id, first.checkpoint.digest))
    for each in (first, second):
        await store.put(each)
    found = await store.get([tenant.uid], second.checkpoint.id)
    assert found is not None and found.checkpoint.parent == Parent(first.checkpoint.id, first.checkpoint.digest)
