"""The operator killed right before and right after each write that it makes for a checkpoint, then started anew.

Whatever the moment: one object for each cause, one id, one row, both stores alike, nothing that hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cairn.core.checkpoint import objects
from cairn.core.checkpoint.trigger import Trigger
from cairn.errors import Conflict
from unit.app.checkpoints.bench import LANE, TENANT, Bench

WRITES = frozenset({
    "create", "write_checkpoint_status", "patch_checkpoint", "delete_checkpoint", "delete_config_map", "put", "bury",
    "pin",
})  # fmt: skip
Scenario = Callable[[Bench], Coroutine[Any, Any, None]]


class Killed(BaseException):
    """The process is killed here."""


class Moment:
    """Counts writes, and is the end of the process before or after one of them."""

    def __init__(self, number: int, after: bool) -> None:
        self.left = number
        self.after = after
        self.passed = 0

    def around(self, target: Any) -> Any:
        """The same object, whose writes are counted."""
        return _Counted(target, self)


class _Counted:
    def __init__(self, target: Any, moment: Moment) -> None:
        self._target = target
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in WRITES:
            return found

        async def counted(*given: Any, **named: Any) -> Any:
            moment = self._moment
            moment.passed += 1
            if moment.passed == moment.left and not moment.after:
                raise Killed
            answer = await found(*given, **named)
            if moment.passed == moment.left:
                raise Killed
            return answer

        return counted


def started(before: Bench, moment: Moment, **settings: Any) -> Bench:
    """Another process, on the same cluster and database; it has listed everything once."""
    bench = Bench(**settings)
    bench.now = before.now
    bench.cluster, bench.rows = before.cluster, before.rows
    cluster, rows = moment.around(before.cluster), moment.around(before.rows)
    for part in (bench.keeper, bench.outbox, bench.archive, bench.keeper.lifetimes, bench.outbox.farewells):
        part._cluster = cluster  # type: ignore[attr-defined]
    bench.outbox._rows = rows
    bench.sweeper._rows = rows
    bench.hear()
    return bench


async def settle(bench: Bench) -> None:
    """Look until nothing changes any more."""
    for _ in range(8):
        bench.hear()
        await bench.look()
    bench.outbox.gate.succeed()
    await bench.sweeper.sweep()
    await bench.carry()


async def take(bench: Bench) -> None:
    """A decision is taken up; it is still pending in the status, so every start asks for it again."""
    bench.decide("c", Trigger.LEVEL_COMPLETED, "1")
    await settle(bench)


async def take_and_delete(bench: Bench) -> None:
    """Somebody deletes it as soon as it is Ready."""
    if not bench.rows.buried and not bench.cluster.executions["sample"].get("deleted"):
        await take(bench)
        body = bench.cluster.objects.get(("Checkpoint", "c"))
        if body is not None and body.get("status", {}).get("phase") == "Ready":
            bench.cluster.executions["sample"]["deleted"] = True
            meta = body["metadata"]
            await bench.cluster.delete_checkpoint("default", "c", meta["uid"], meta["resourceVersion"])
    await settle(bench)


async def answer(bench: Bench) -> None:
    """Somebody has created one."""
    await settle(bench)


async def retire(bench: Bench) -> None:
    """Three decisions, of which retention keeps one."""
    for name in ("c1", "c2", "c3"):
        if name not in bench.cluster.executions["sample"].setdefault("done", []):
            bench.decide(name, Trigger.LEVEL_COMPLETED, name)
            await settle(bench)
            bench.cluster.executions["sample"]["done"].append(name)
    await settle(bench)


def check_pair(bench: Bench, name: str) -> None:
    body = bench.body(name)
    assert body["status"]["phase"] == "Ready"
    assert bench.condition(name, "Stored") == ("True", "Stored")
    row = bench.rows.rows[body["status"]["checkpointId"]]
    assert row.content.digest == body["status"]["digest"]
    if "state" in body["status"]:
        assert objects.stored(body, TENANT).content == row.content


def check_taken(bench: Bench) -> None:
    assert bench.names() == ["c"]
    assert len(bench.rows.rows) == 1
    check_pair(bench, "c")


def check_deleted(bench: Bench) -> None:
    assert (bench.names(), bench.rows.rows, len(bench.rows.buried)) == ([], {}, 1)
    assert not [1 for kind, _ in bench.cluster.objects if kind == "ConfigMap"]


def check_retired(bench: Bench) -> None:
    assert bench.names() == ["c3"]
    assert len(bench.rows.rows) == 1
    check_pair(bench, "c3")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("scenario", "check", "settings"),
    [
        pytest.param(take, check_taken, {}, id="take"),
        pytest.param(take, check_taken, {"limit": 10}, id="take a large one"),
        pytest.param(answer, check_taken, {}, id="answer a user"),
        pytest.param(take_and_delete, check_deleted, {}, id="delete"),
        pytest.param(retire, check_retired, {"checkpoint": {"retentionCount": 1}}, id="retire"),
    ],
)
async def test_killed_at_every_write(
    scenario: Scenario, check: Callable[[Bench], None], settings: dict[str, Any], after: bool
) -> None:
    points = 0
    for number in range(1, 60):
        first = Bench(**settings)
        if scenario is answer:
            await first.ask("c")
        moment = Moment(number, after)
        try:
            await scenario(started(first, moment, **settings))
        except Killed:
            points += 1
        except Conflict:  # the scenario's own hand came too late
            points += 1
        else:
            check(first)
            assert points == number - 1 >= 3, "every write was a point"
            return
        last = started(first, Moment(0, after), **settings)
        await scenario(last)
        check(last)
        assert LANE in last.views.checkpoints.lanes() or scenario is take_and_delete
    raise AssertionError("it never comes to its end")
