"""Names of Kubernetes objects: readable, short enough, never two things under one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.checkpoint.settings import Trigger
from cairn.core.naming import (
    attempt_name,
    checkpoint_id,
    checkpoint_name,
    fork_name,
    inputs_name,
    manual_name,
    pack_name,
    run_name,
    slug,
    telling_name,
)

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("train", 24, "train"),
        ("Train_Large.Model", 24, "train-large-model"),
        ("a" * 40, 24, "a" * 24),
        ("abc-" * 10, 4, "abc"),
        ("日本語", 24, "x"),
        ("--", 24, "x"),
    ],
    ids=["as it is", "what no label takes becomes a dash", "cut", "no dash at the end", "nothing left", "only dashes"],
)
def test_slug(text: str, limit: int, expected: str) -> None:
    assert slug(text, limit) == expected


@pytest.mark.parametrize("attempt", [1, 999_999])
@pytest.mark.parametrize("text", ["a", "A.b_C-d" * 9, "x" * 63])
def test_a_name_is_a_dns_label_of_at_most_63_characters(text: str, attempt: int) -> None:
    for name in (attempt_name(text * 4, "uid", text, attempt), inputs_name(text * 4, "uid", "digest", attempt)):
        assert len(name) <= 63
        assert DNS_LABEL.fullmatch(name)


def test_what_differs_never_has_one_name() -> None:
    things = [
        ("x", "uid", "a_b", 1), ("x", "uid", "a-b", 1), ("x", "uid", "A-b", 1), ("x", "uid", "a.b", 1),
        ("x", "uid", "a-b", 2), ("x", "uid", "a-b-1", 1), ("x", "uid", "a-b", 11), ("x", "uid2", "a-b", 1),
        ("x", "uid", "a" * 62 + "b", 1), ("x", "uid", "a" * 62 + "c", 1),
    ]  # fmt: skip
    assert all(attempt_name(*one) != attempt_name(*two) for one, two in combinations(things, 2))
    assert inputs_name("x", "uid", "digest", 0) != inputs_name("x", "uid", "digest", 1)


def test_a_name_stays_what_it_is() -> None:
    """An operator of another version must find the same name occupied."""
    assert attempt_name("sample", "uid", "train_model", 2) == "sample-train-model-2-243b205523"


# --- Checkpoints -----------------------------------------------------------------------------------------------------

AT = datetime(2026, 1, 31, 14, 5, 0, 250_999, tzinfo=UTC)
TIMES = st.datetimes(datetime(2001, 9, 10), datetime(2286, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("execution", ["a", "model-selection", "x" * 253, "a.b"])
def test_a_checkpoint_has_a_dns_label_that_names_execution_and_trigger(execution: str, trigger: Trigger) -> None:
    name = checkpoint_name(execution, "uid", trigger, "j" * 63)
    assert len(name) <= 63
    assert DNS_LABEL.fullmatch(name)
    assert name.startswith(f"{slug(execution, 20)}-{trigger}-")


def test_checkpoints_for_different_causes_never_have_one_name() -> None:
    things = [
        ("x", "uid", Trigger.JOB_COMPLETED, "a"), ("x", "uid", Trigger.JOB_COMPLETED, "A"),
        ("x", "uid2", Trigger.JOB_COMPLETED, "a"), ("x", "uid", Trigger.BEFORE_CRITICAL, "a"),
        ("x", "uid", Trigger.LEVEL_COMPLETED, "1"), ("x", "uid", Trigger.LEVEL_COMPLETED, "11"),
    ]  # fmt: skip
    assert all(checkpoint_name(*one) != checkpoint_name(*two) for one, two in combinations(things, 2))


def test_the_name_and_id_of_a_checkpoint_stay_what_they_are() -> None:
    """An operator of another version must find the same name occupied, and give the same id."""
    assert checkpoint_name("sample", "uid", Trigger.LEVEL_COMPLETED, "2") == "sample-level-completed-c89adbb042"
    assert checkpoint_id(AT, "uid") == "checkpoint_1769868300250_glfw5qp2"


@given(TIMES, TIMES, st.text(), st.text())
def test_ids_sort_by_time(one: datetime, two: datetime, uid: str, other: str) -> None:
    first, second = checkpoint_id(one, uid), checkpoint_id(two, other)
    assert re.fullmatch(r"checkpoint_[0-9]{13}_[a-z0-9]{8}", first)
    if abs(two - one) >= timedelta(milliseconds=1):
        assert (first < second) is (one < two)


def test_ids_of_one_moment_differ_by_their_objects() -> None:
    assert len({checkpoint_id(AT, f"uid-{number}") for number in range(10_000)}) == 10_000


def test_an_early_id_sorts_too() -> None:
    assert checkpoint_id(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "u").startswith("checkpoint_0000000001000_")


def test_the_id_of_a_moment_does_not_depend_on_its_zone() -> None:
    assert checkpoint_id(AT.astimezone(timezone(timedelta(hours=9))), "u") == checkpoint_id(AT, "u")


TELLING = [
    (Trigger.JOB_COMPLETED, ["train"], 0, "Auto checkpoint after job train"),
    (Trigger.JOB_COMPLETED, ["a", "b"], 0, "Auto checkpoint after jobs a, b"),
    (Trigger.JOB_COMPLETED, ["a", "b", "c"], 0, "Auto checkpoint after jobs a, b, c"),
    (Trigger.JOB_COMPLETED, ["a", "b", "c", "d", "e"], 0, "Auto checkpoint after jobs a, b and 3 more"),
    (Trigger.JOB_COMPLETED, ["a", "b", "c"], 97, "Auto checkpoint after jobs a, b and 98 more"),
    (Trigger.JOB_COMPLETED, ["a"], 1, "Auto checkpoint after jobs a and 1 more"),
    (Trigger.LEVEL_COMPLETED, ["2"], 0, "Auto checkpoint after level 2"),
    (Trigger.LEVEL_COMPLETED, ["1", "2"], 0, "Auto checkpoint after levels 1, 2"),
    (Trigger.BEFORE_CRITICAL, ["deploy"], 0, "Auto checkpoint before critical job deploy"),
    (Trigger.BEFORE_CRITICAL, ["a", "b"], 0, "Auto checkpoint before critical jobs a, b"),
    (Trigger.TIME_BASED, ["2026-01-31T23:05:59.000+09:00"], 0, "Auto checkpoint at 14:05"),
    (Trigger.TIME_BASED, [], 0, "Auto checkpoint"),
    (Trigger.MANUAL, [], 0, "Checkpoint of the pause"),
    (Trigger.MANUAL, [""], 0, "Checkpoint of the pause"),
    (Trigger.MANUAL, ["job a failed"], 0, "Checkpoint of the pause: job a failed"),
    (Trigger.MANUAL, ["two\n lines"], 0, "Checkpoint of the pause: two lines"),
]


@pytest.mark.parametrize(("trigger", "causes", "more", "expected"), TELLING)
def test_an_automatic_checkpoint_says_what_it_was_taken_for(
    trigger: Trigger, causes: list[str], more: int, expected: str
) -> None:
    assert telling_name(trigger, causes, more) == expected


@pytest.mark.parametrize("trigger", [t for t in Trigger if t not in (Trigger.TIME_BASED, Trigger.MANUAL)])
@pytest.mark.parametrize("count", [1, 3, 4, 2000])
def test_a_label_has_room_for_the_longest_ids(trigger: Trigger, count: int) -> None:
    label = telling_name(trigger, ["j" * 63] * count)
    assert len(label) <= 253
    assert "…" not in label


def test_a_label_that_is_too_long_is_cut_and_shows_it() -> None:
    label = telling_name(Trigger.MANUAL, ["r" * 1024])
    assert (len(label), label[-2:]) == (253, "r…")


def test_a_manual_checkpoint_without_a_label_gets_its_time() -> None:
    assert manual_name(AT.astimezone(timezone(timedelta(hours=-5)))) == "Manual checkpoint at 2026-01-31 14:05:00"


def test_a_pack_is_named_by_whose_it_is_and_what_is_in_it() -> None:
    name = pack_name("sample", "uid", "digest")
    assert name.startswith("sample-restored-") and len(pack_name("x" * 253, "uid", "digest")) <= 63
    others = {pack_name("sample", "uid", "other"), pack_name("sample", "uid-2", "digest"), pack_name("b", "uid", "d")}
    assert len({name} | others) == 4


def test_a_run_that_nobody_named_is_known_by_its_key() -> None:
    assert run_name("key") == run_name("key") != run_name("other")
    assert re.fullmatch(r"run-[0-9a-f]{10}", run_name("key"))


def test_a_fork_that_nobody_named_is_known_by_its_key() -> None:
    name = fork_name("A very long name of an execution that would not fit", "key")
    assert name == fork_name("A very long name of an execution that would not fit", "key")
    assert name != fork_name("A very long name of an execution that would not fit", "other")
    assert name.startswith("a-very-long-name-of-an-execution") and len(name) <= 63
