"""Times as people give them on the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest
import typer

from cairn.cli.session import moment
from simulation.build import NOW


def test_from_now_on_or_as_it_stands() -> None:
    assert moment("2h", NOW) == NOW + timedelta(hours=2)
    assert moment("2026-01-31T08:00:00Z", NOW) == NOW


@pytest.mark.parametrize("text", ["99999999999d", "9" * 5000 + "d", "2026-02-30T00:00:00Z", "2026-01-31T08:00:00"])
def test_a_time_that_no_calendar_holds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time such as"):
        moment(text, NOW)
