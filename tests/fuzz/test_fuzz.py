"""Every kept input again, and the same new ones each time; `make fuzz` looks further."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import corpus
from fuzz.inputs import inputs
from fuzz.targets import TARGETS, bounded

EXAMPLES = 150
NAMES = sorted(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_kept_holds(name: str) -> None:
    kept = corpus.kept(name)
    assert kept, f"no corpus of {name}: make fuzz"
    for file, data in kept:
        try:
            with bounded():
                TARGETS[name].check(data)
        except Exception as error:
            raise AssertionError(f"{name}/{file}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
@given(chance=st.data())
def test_what_nobody_would_write_holds(name: str, chance: st.DataObject) -> None:
    data = chance.draw(inputs(name))
    with bounded():
        TARGETS[name].check(data)


def test_no_corpus_lies_about_that_no_target_reads() -> None:
    assert {path.name for path in corpus.FOLDER.iterdir()} == set(TARGETS)
