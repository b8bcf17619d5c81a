"""What a crash may change in the end, and what it may not."""

from __future__ import annotations

from collections import Counter

from reliability.facts import missing, surplus

LEVEL = "progress work level-completed {} Ready, row too"
EXPECTED = Counter({"record work/a": 1, "pod work/a/1 Succeeded": 1, LEVEL.format(1): 1})


def test_what_is_lost_is_named_but_for_a_level_that_is_saved_with_a_later_one() -> None:
    assert missing(EXPECTED, Counter({"pod work/a/1 Succeeded": 1})) == ["record work/a"]


def test_what_is_doubled_is_named_but_for_a_level_that_one_checkpoint_more_tells_of() -> None:
    found = EXPECTED + Counter({"pod work/a/1 Succeeded": 1, LEVEL.format(1): 1, LEVEL.format(2): 1})
    assert surplus(EXPECTED, found) == ["pod work/a/1 Succeeded"]
