"""Names of Kubernetes objects: readable, short enough, never two things under one."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from cairn.core.naming import attempt_name, inputs_name, slug

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
