"""Which Cairn this is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn import build


@pytest.mark.parametrize(
    ("written", "told"),
    [
        pytest.param("4f0c\n", "4f0c", id="a-build-says-which"),
        pytest.param("", "unknown", id="an-empty-file-says-nothing"),
        pytest.param(None, "unknown", id="a-checkout-has-none"),
    ],
)
def test_the_commit(tmp_path: Path, written: str | None, told: str) -> None:
    if written is not None:
        (tmp_path / "COMMIT").write_text(written)
    assert build.commit_in(tmp_path) == told


def test_a_checkout_does_not_guess() -> None:
    assert build.COMMIT == build.UNKNOWN
