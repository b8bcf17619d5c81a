"""What differs between two JSON values, and that no more of it is shown than can be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from cairn.core.checkpoint.changes import (
    ABSENT,
    SHOWN_CHANGES,
    SHOWN_CHARACTERS,
    Change,
    Changes,
    Value,
    bounded,
    changes,
    readable,
)
from support.states import JSON, TEXTS


def told(before: Any, after: Any, depth: int = 8) -> list[tuple[str, str | None, str | None]]:
    """Path and texts of what differs."""
    found = changes("x", before, after, depth)
    return [(c.path, c.before and c.before.text, c.after and c.after.text) for c in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(1, 1, [], id="the same"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, [], id="the order of keys is nothing"),
        pytest.param(1, 1.0, [("x", "1", "1.0")], id="an integer and a float"),
        pytest.param(1, True, [("x", "1", "true")], id="a number and a truth"),
        pytest.param(0.0, -0.0, [("x", "0.0", "-0.0")], id="the sign of zero"),
        pytest.param(ABSENT, None, [("x", None, "null")], id="nothing and null"),
        pytest.param(None, ABSENT, [("x", "null", None)], id="null and nothing"),
        pytest.param(ABSENT, ABSENT, [], id="nothing on either side"),
        pytest.param({"a": 1}, {"b": 2}, [("x.b", None, "2"), ("x.a", "1", None)], id="those of after come first"),
        pytest.param({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [("x.a.b", "[1,2]", "[1,3]")], id="lists are whole"),
        pytest.param({"a": 1}, [1], [("x", '{"a":1}', "[1]")], id="another kind"),
        pytest.param({}, {"a.b": 1, "": 2, "ž": 3}, [('x["a.b"]', None, "1"), ('x[""]', None, "2"),
                                                     ('x["ž"]', None, "3")], id="keys that are no plain words"),
    ],
)  # fmt: skip
def test_changes(before: Any, after: Any, expected: list[tuple[str, str | None, str | None]]) -> None:
    assert told(before, after) == expected


def test_only_so_deep() -> None:
    before, after = {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}
    assert told(before, after, 2) == [("x.a.b", '{"c":1}', '{"c":2}')]
    assert told(before, after, 0) == [("x", '{"a":{"b":{"c":1}}}', '{"a":{"b":{"c":2}}}')]


def test_a_path_without_a_beginning() -> None:
    assert [c.path for c in changes("", {}, {"a": 1, " ": 2})] == ["a", '[" "]']


def test_a_long_value_is_cut_and_says_so() -> None:
    [change] = changes("x", ABSENT, "y" * 1000)
    assert change == Change("x", None, Value('"' + "y" * (SHOWN_CHARACTERS - 1) + "…", 1002))
    [back] = changes("x", "y" * 1000, ABSENT)
    assert (back.before, back.after) == (change.after, None)


def test_one_that_just_fits_is_whole() -> None:
    [change] = changes("x", ABSENT, "y" * (SHOWN_CHARACTERS - 2))
    assert change.after == Value('"' + "y" * (SHOWN_CHARACTERS - 2) + '"')


@pytest.mark.parametrize("at", [0, 79, 80, 81, 500, 998, 999])
def test_of_two_long_ones_the_difference_is_seen(at: int) -> None:
    before = "a" * 1000
    after = before[:at] + "b" + before[at + 1 :]
    [change] = changes("x", before, after)
    assert change.before is not None and change.after is not None
    assert change.before.text != change.after.text and "b" in change.after.text
    assert len(change.after.text) <= SHOWN_CHARACTERS + 2
    assert change.after.text.startswith("…") is (at >= 80)


def test_one_is_the_beginning_of_the_other() -> None:
    [change] = changes("x", ["a"] * 500, ["a"] * 501)
    assert change.before is not None and change.after is not None
    assert change.before.text != change.after.text


def test_a_short_one_beside_a_long_one_is_whole() -> None:
    [change] = changes("x", "a" * 100, "a" * 1000)
    assert change.before == Value(json.dumps("a" * 100))


def test_a_long_key_is_cut() -> None:
    [change] = changes("x", {}, {"k" * 1000: 1})
    assert len(change.path) < SHOWN_CHARACTERS + 10


@pytest.mark.parametrize("count", [0, SHOWN_CHANGES, SHOWN_CHANGES + 1, 1000])
def test_no_more_are_shown_than_can_be_read(count: int) -> None:
    found = bounded(changes("x", {}, {f"k{n}": n for n in range(count)}))
    assert (len(found.items), found.more) == (min(count, SHOWN_CHANGES), max(0, count - SHOWN_CHANGES))
    assert found != Changes() or not count


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("žluťoučký 😀", "žluťoučký 😀"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b\u202e\ud800\x7f", "\\u009b\\u202e\\ud800\\u007f"),
        ("\U000e0001", "\\udb40\\udc01"),
    ],
)
def test_nothing_acts_on_a_terminal(text: str, shown: str) -> None:
    assert readable(text) == shown


@given(TEXTS)
def test_what_is_shown_can_be_written(text: str) -> None:
    assert readable(text).isprintable()
    [change] = changes("x", ABSENT, text)
    assert change.after is not None and json.loads(change.after.text) == text
    change.after.text.encode()


@given(JSON, JSON)
def test_there_and_back(before: Any, after: Any) -> None:
    there = {(c.path, c.before, c.after) for c in changes("x", before, after)}
    back = {(c.path, c.after, c.before) for c in changes("x", after, before)}
    assert there == back
    assert list(changes("x", before, before)) == []
    assert bool(there) == (json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True))
