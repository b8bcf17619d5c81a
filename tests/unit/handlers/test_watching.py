"""What Kopf's events become."""

from __future__ import annotations

from typing import Any

import pytest

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
