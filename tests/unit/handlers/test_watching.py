"""What Kopf's events become."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from cairn.config import Settings
from cairn.handlers import watching


class Told:
    """An operator that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def listed_anew(self) -> None:
        self.told.append("listed anew")

    def see(self, body: Any) -> None:
        self.told.append(f"seen {body['name']}")

    def forget(self, body: Any) -> None:
        self.told.append(f"gone {body['name']}")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("ADDED", ["seen x"]), ("MODIFIED", ["seen x"]), ("DELETED", ["gone x"]), (None, ["listed anew", "seen x"])],
)
def test_each_event_is_passed_on(kind: Any, told: list[str]) -> None:
    operator: Any = Told()
    event: Any = {"type": kind, "object": {"name": "x"}}
    watching._pass_on(operator, event, operator.see, operator.forget)
    assert operator.told == told


@pytest.mark.parametrize(
    ("given", "selectors"),
    [
        ({}, set()), ({"shards": ("a",)}, {"!cairn.dev/shard"}), ({"shard": "a"}, {"cairn.dev/shard=a"}),
    ],
    ids=["alone", "default", "shard"],
)  # fmt: skip
def test_the_api_server_selects_what_is_watched(given: Any, selectors: set[str]) -> None:
    made = kopf.OperatorSettings()
    watching.configure(made, Settings(**given))
    assert set(made.watching.label_selectors.values()) == selectors
    assert len(made.watching.label_selectors) == 2 * len(selectors)
