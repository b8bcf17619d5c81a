"""The bookkeeping of checkpoints: stored and read again, it is the same."""

from __future__ import annotations

import pytest
from pytest import param

from cairn.core.checkpoint import book
from cairn.core.checkpoint.book import Book, Failure, Last, Pending
from cairn.core.checkpoint.trigger import Trigger
from simulation.build import EARLIER, NOW

PENDING = Pending("p", Trigger.BEFORE_CRITICAL, "before critical job a", ("a", "b"), NOW, more=3)
OTHER = Pending("q", Trigger.LEVEL_COMPLETED, "after level 1", ("1",), NOW)
FULL = Book(
    settings={"enabled": True, "triggers": ["manual"]},
    last=Last("l", "checkpoint_1_a", Trigger.MANUAL, EARLIER, "f" * 64, 7),
    failed=Failure("f", "ResultLost", "gone", EARLIER),
    pending=(PENDING, OTHER),
    next=NOW,
    unsaved=2,
)


@pytest.mark.parametrize("given", [param(Book(), id="empty"), param(FULL, id="full"),
                                   param(Book(pending=(OTHER,)), id="one pending")])  # fmt: skip
def test_what_is_stored_is_read_again(given: Book) -> None:
    assert book.from_wire(book.to_wire(given)) == given


def test_an_empty_book_takes_no_room() -> None:
    assert book.to_wire(Book()) == {}


def test_a_pending_one_is_found_by_its_cause_and_taken_out_by_its_name() -> None:
    assert FULL.awaited(Trigger.BEFORE_CRITICAL, "b") == PENDING
    assert FULL.awaited(Trigger.BEFORE_CRITICAL, "1") is None
    assert FULL.awaited(Trigger.JOB_COMPLETED, "b") is None
    assert FULL.without("p").pending == (OTHER,)
