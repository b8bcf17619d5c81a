"""Which checkpoints go, in what order and why; and what never goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.checkpoint.retention import FAILED_STAYS_SECONDS, Kept, Phase, Retired, plan
from cairn.core.checkpoint.settings import CheckpointSettings

NOW = datetime(2026, 1, 31, 14, tzinfo=UTC)
FAILED = {"phase": Phase.FAILED}
PENDING = {"phase": Phase.PENDING}


def kept(name: str, age: float = 1000, **fields: Any) -> Kept:
    """A checkpoint taken so many seconds ago."""
    return Kept(name, f"checkpoint_{name}", NOW - timedelta(seconds=age), **fields)


def row(*fields: dict[str, Any]) -> list[Kept]:
    """Checkpoints c1, c2, … from the oldest on, a minute apart, the newest old enough for failures to count."""
    first = 1000 + 60 * len(fields)
    return [kept(f"c{place}", first - 60 * place, **given_) for place, given_ in enumerate(fields, 1)]


def gone(checkpoints: Iterable[Kept], needed: Iterable[str] = (), **limits: int) -> dict[str, str]:
    """What goes under these limits, with the reasons."""
    settings = CheckpointSettings(**{"retention_count": 10_000, **limits})  # type: ignore[arg-type]
    return {one.name: one.reason for one in plan(checkpoints, settings, now=NOW, needed=frozenset(needed))}


# --- One rule at a time ----------------------------------------------------------------------------------------------


def test_what_goes_names_itself_and_the_reason() -> None:
    settings = CheckpointSettings(retention_count=1)
    assert plan(row({}, {}), settings, now=NOW, needed=()) == (
        Retired("c1", "checkpoint_c1", "beyond retentionCount 1"),
    )


COUNT = [
    pytest.param([], 1, [], id="nothing there"),
    pytest.param([{}, {}, {}], 3, [], id="just as many"),
    pytest.param([{}, {}, {}, {}], 2, ["c1", "c2"], id="the oldest go"),
    pytest.param([{"pinned": True}, {}, {}], 2, [], id="a pinned one takes up no place"),
    pytest.param([{"pinned": True}, {}, {}, {}], 2, ["c2"], id="a pinned one stays however old"),
    pytest.param([{}, {}, PENDING, PENDING], 2, [], id="a pending one takes up no place and stays"),
    pytest.param([{}, {}, FAILED], 2, ["c3"], id="a failed one counts and goes first"),
    pytest.param([FAILED, {}, FAILED, {}], 3, ["c1"], id="of the failed, the oldest"),
    pytest.param([{}, FAILED, {}, {}], 2, ["c1", "c2"], id="then the oldest that is ready"),
    pytest.param([{}, FAILED, FAILED], 1, ["c2", "c3"], id="a failed one is not the newest"),
    pytest.param([{}, PENDING], 1, [], id="a pending one is not the newest"),
    pytest.param([{}, {"pinned": True}], 1, [], id="a place is left beside a pinned newest"),
    pytest.param([{}, {}, {"pinned": True}], 1, ["c1"], id="the newest may be pinned"),
    pytest.param([FAILED], 1, [], id="a failed one within the limit stays"),
]


@pytest.mark.parametrize(("fields", "count", "expected"), COUNT)
def test_by_number(fields: list[dict[str, Any]], count: int, expected: list[str]) -> None:
    assert gone(row(*fields), retention_count=count) == dict.fromkeys(expected, f"beyond retentionCount {count}")


def test_one_that_is_needed_stays_and_another_goes_in_its_place() -> None:
    assert list(gone(row({}, {}, {}, {}), needed=["c1"], retention_count=3)) == ["c2"]
    assert list(gone(row({}, {}, {}), needed=["c1", "c2"], retention_count=1)) == []
    assert list(gone(row({}, FAILED), needed=["c2"], retention_count=1)) == []


def test_by_age() -> None:
    there = [kept("old", 3601), kept("just", 3600), kept("pin", 9999, pinned=True), kept("fail", 5000, **FAILED),
             kept("wait", 5000, **PENDING), kept("new", 10)]  # fmt: skip
    assert gone(there, max_age_seconds=3600) == dict.fromkeys(["old", "fail"], "older than 3600 s")
    assert list(gone(there, needed=["old"], max_age_seconds=3600)) == ["fail"]


def test_the_newest_stays_however_old() -> None:
    assert gone([kept("a", 9000), kept("b", 8000), kept("c", 7000, **FAILED)], max_age_seconds=60) == {
        "a": "older than 60 s", "c": "older than 60 s",
    }  # fmt: skip


def test_one_from_the_future_is_not_old() -> None:
    assert gone([kept("a", -60), kept("b", -120)], max_age_seconds=1) == {}


BYTES = [
    pytest.param([5, 5], 10, [], id="just as many"),
    pytest.param([5, 5, 1], 10, ["c1"], id="the oldest goes"),
    pytest.param([5, 5, 9], 10, ["c1", "c2"], id="until the rest fits"),
    pytest.param([5, 5, 11], 10, ["c1", "c2"], id="the newest stays however large"),
    pytest.param([0, 5, 6], 10, ["c2"], id="one of no size is spared"),
]


@pytest.mark.parametrize(("sizes", "limit", "expected"), BYTES)
def test_by_bytes(sizes: list[int], limit: int, expected: list[str]) -> None:
    there = row(*({"size_bytes": size} for size in sizes))
    assert gone(there, max_bytes=limit) == dict.fromkeys(expected, f"beyond maxBytes {limit}")


def test_bytes_of_pinned_and_of_failed_ones_do_not_count() -> None:
    there = row({"size_bytes": 90, "pinned": True}, {"size_bytes": 90} | FAILED, {"size_bytes": 5}, {"size_bytes": 5})
    assert gone(there, max_bytes=10) == {}


def test_no_limit_is_no_limit() -> None:
    assert gone([kept(str(i), 10**9 + i, size_bytes=10**15) for i in range(60)]) == {}


def test_the_first_limit_gives_the_reason_and_what_went_by_it_counts_no_more() -> None:
    there = [kept(f"c{i}", 1000 - i, size_bytes=10) for i in range(1, 6)]
    there[0] = kept("c1", 4000, size_bytes=10)
    assert gone(there, max_age_seconds=3600, retention_count=3, max_bytes=25) == {
        "c1": "older than 3600 s", "c2": "beyond retentionCount 3", "c3": "beyond maxBytes 25",
    }  # fmt: skip


@pytest.mark.parametrize(("age", "stays"), [(FAILED_STAYS_SECONDS - 1, True), (FAILED_STAYS_SECONDS, False)])
def test_the_answer_to_a_failed_one_can_be_read_for_a_while(age: int, stays: bool) -> None:
    there = [kept("ready", 5000), kept("also", 4000), kept("failed", age, **FAILED)]
    assert list(gone(there, retention_count=2)) == ([] if stays else ["failed"])
    assert ("failed" in gone(there, max_age_seconds=1)) is not stays


def test_more_than_fifty() -> None:
    there = [kept(f"c{i:03}", 100_000 - i) for i in range(500)]
    assert list(gone(there, retention_count=50)) == [f"c{i:03}" for i in range(450)]


def test_of_one_moment_the_ids_decide() -> None:
    assert list(gone([kept("b"), kept("a"), kept("c")], retention_count=2)) == ["a"]


# --- Whatever there is -----------------------------------------------------------------------------------------------

SETTINGS = st.builds(
    CheckpointSettings,
    enabled=st.booleans(),
    retention_count=st.integers(1, 8),
    max_age_seconds=st.sampled_from([0, 1, 600, 1500]),
    max_bytes=st.sampled_from([0, 1, 10, 30]),
)
FIELDS = st.tuples(
    st.integers(-5, 2000), st.integers(0, 12), st.sampled_from([Phase.READY, *Phase]),
    st.sampled_from([False, False, False, True]),
)  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Kept], frozenset[str]]:
    """Checkpoints, and those that are needed."""
    drawn = draw(st.lists(FIELDS, max_size=70))
    there = [
        kept(f"c{place}", age, size_bytes=size, phase=phase, pinned=pinned)
        for place, (age, size, phase, pinned) in enumerate(drawn)
    ]
    return there, frozenset(draw(st.lists(st.sampled_from([one.name for one in there] or ["other"]), max_size=4)))


def newest_ready(there: Iterable[Kept]) -> str | None:
    ready = [one for one in there if one.phase is Phase.READY]
    return max(ready, key=lambda one: (one.created_at, one.id)).name if ready else None


def safe(there: list[Kept], needed: frozenset[str]) -> set[str]:
    """What must never go, in the words of the rules."""
    found = {one.name for one in there if one.pinned or one.phase is Phase.PENDING} | needed
    found |= {one.name for one in there if one.phase is Phase.FAILED and NOW - one.created_at < timedelta(minutes=10)}
    return found | {newest_ready(there) or ""}


def names(there: Iterable[Kept], settings: CheckpointSettings, needed: frozenset[str]) -> set[str]:
    return {one.name for one in plan(there, settings, now=NOW, needed=needed)}


@given(histories(), SETTINGS)
def test_what_is_protected_never_goes(history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings) -> None:
    there, needed = history
    assert not names(there, settings, needed) & safe(there, needed)


@given(histories(), SETTINGS)
def test_afterwards_every_limit_holds_unless_only_protected_ones_are_left(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings
) -> None:
    there, needed = history
    going = names(there, settings, needed)
    left = [one for one in there if one.name not in going]
    loose = [one for one in left if one.name not in safe(there, needed)]
    young = NOW - timedelta(seconds=FAILED_STAYS_SECONDS)
    counted = [
        one for one in left
        if not one.pinned and (one.phase is Phase.READY or (one.phase is Phase.FAILED and one.created_at <= young))
    ]  # fmt: skip
    assert len(counted) <= settings.retention_count or not loose
    if age := settings.max_age_seconds:
        assert not [one for one in loose if NOW - one.created_at > timedelta(seconds=age)]
    if limit := settings.max_bytes:
        total = sum(one.size_bytes for one in counted if one.phase is Phase.READY)
        assert total <= limit or not [one for one in loose if one.phase is Phase.READY and one.size_bytes]


@given(histories(), SETTINGS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings, chance: Any
) -> None:
    there, needed = history
    shuffled = chance.sample(there, len(there))
    assert plan(shuffled, settings, now=NOW, needed=needed) == plan(there, settings, now=NOW, needed=needed)


@given(histories(), SETTINGS)
def test_planning_again_gives_nothing(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings
) -> None:
    there, needed = history
    going = names(there, settings, needed)
    assert not names([one for one in there if one.name not in going], settings, needed)


@given(histories(), SETTINGS)
def test_a_ready_one_goes_by_number_only_when_no_failed_one_could(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings
) -> None:
    there, needed = history
    going = {one.name: one.reason for one in plan(there, settings, now=NOW, needed=needed)}
    by_number = {name for name, reason in going.items() if reason.startswith("beyond retentionCount")}
    if any(one.name in by_number and one.phase is Phase.READY for one in there):
        left = [one for one in there if one.phase is Phase.FAILED and one.name not in going]
        assert {one.name for one in left} <= safe(there, needed)


CREATED = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(Phase), st.booleans()), max_size=5)


@given(histories(), SETTINGS, CREATED)
def test_one_created_meanwhile_spares_nothing(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings, new: list[tuple[int, Phase, bool]]
) -> None:
    there, needed = history
    created = [
        kept(f"n{place}", -10 - place, size_bytes=size, phase=phase, pinned=pinned)
        for place, (size, phase, pinned) in enumerate(new)
    ]
    assert names(there, settings, needed) <= names([*there, *created], settings, needed)


@given(histories(), SETTINGS, st.data())
def test_planners_with_different_views_together_never_take_what_is_protected(
    history: tuple[list[Kept], frozenset[str]], settings: CheckpointSettings, data: st.DataObject
) -> None:
    """Each sees the list at some moment: what was created later, or has gone already, is not in it."""
    there, needed = history
    views = [
        [one for one, seen in zip(there, data.draw(st.lists(st.booleans(), min_size=len(there), max_size=len(there))),
                                  strict=True) if seen]
        for _ in range(2)
    ]  # fmt: skip
    together = set().union(*(names(view, settings, needed) for view in views))
    assert not together & safe(there, needed)
