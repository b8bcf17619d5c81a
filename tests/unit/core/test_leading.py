"""Which replica acts: the rules of a Lease, each in turn, then under arbitrary delays, pauses and lost answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.core.leading import Acquire, Lease, Renew, Standing, Terms, Wait

AT = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms.of(8)
ME = Standing("me", TERMS)
MINE = Lease("me", 8, 3, AT, AT, "5")
OTHERS = Lease("other", 8, 3, AT, AT, "5")
FREE = Lease("", 1, 3, AT, AT, "5")


def seen(lease: Lease | None, now: float = 100.0) -> Standing:
    return ME.observed(lease, now)


def leading(sent: float = 100.0) -> Standing:
    return ME.wrote(MINE, sent, sent + 0.5)


def test_the_terms_of_eight_seconds() -> None:
    assert Terms.of(8) == Terms(lease=8, renew=5.0, retry=1.0)


@pytest.mark.parametrize(
    ("standing", "now", "decision"),
    [
        pytest.param(ME, 100.0, Acquire(Lease("me", 8, 0, AT, AT)), id="there is none: create it"),
        pytest.param(seen(FREE), 100.0, Acquire(Lease("me", 8, 4, AT, AT, "5")), id="it was released: take it at once"),
        pytest.param(seen(Lease(version="1")), 100.0, Acquire(Lease("me", 8, 1, AT, AT, "1")), id="it was never held"),
        pytest.param(seen(OTHERS), 100.0, Wait(1.0), id="another holds it: look again soon"),
        pytest.param(seen(OTHERS), 107.6, Wait(pytest.approx(0.4)), id="it runs out: look again just then"),
        pytest.param(seen(OTHERS), 108.0, Acquire(Lease("me", 8, 4, AT, AT, "5")), id="it has run out"),
        pytest.param(seen(replace(OTHERS, seconds=30)), 129.0, Wait(1.0), id="the holder's own time counts"),
        pytest.param(leading(), 101.0, Renew(MINE), id="it is mine: renew it"),
        pytest.param(leading(), 999.0, Renew(MINE), id="it is mine still, though I was away"),
        pytest.param(seen(MINE), 100.0, Renew(MINE), id="it is mine, though I never heard that I got it"),
    ],
)
def test_decisions(standing: Standing, now: float, decision: Acquire | Renew | Wait) -> None:
    assert standing.decide(now, AT) == decision


def test_a_lease_is_counted_from_when_it_was_first_seen_so() -> None:
    first = seen(OTHERS, 100.0)
    assert first.observed(OTHERS, 107.0) == first
    again = first.observed(replace(OTHERS, version="6"), 107.0)
    assert isinstance(again.decide(114.9, AT), Wait)
    assert isinstance(again.decide(115.0, AT), Acquire)


@pytest.mark.parametrize(
    ("standing", "now", "leads"),
    [
        pytest.param(ME, 0.0, False, id="who knows nothing does not"),
        pytest.param(leading(), 104.9, True, id="until the deadline"),
        pytest.param(leading(), 105.0, False, id="and not after it, counted from when the write was sent"),
        pytest.param(seen(MINE), 100.0, False, id="a lease with my name is not enough: a write must have succeeded"),
        pytest.param(leading().observed(replace(OTHERS, version="6"), 101.0), 101.0, False, id="another has it"),
        pytest.param(leading().observed(None, 101.0), 101.0, False, id="it is gone"),
    ],
)
def test_who_leads(standing: Standing, now: float, leads: bool) -> None:
    assert standing.leads(now) is leads
    assert (standing.left(now) > 0) is leads


def test_a_vanished_lease_counts_as_held_until_it_would_have_run_out() -> None:
    held = seen(OTHERS, 100.0)
    gone = held.observed(None, 103.0)
    assert isinstance(gone.decide(103.0, AT), Wait)
    assert gone.leader == "other"
    assert isinstance(gone.observed(None, 108.0).decide(108.0, AT), Acquire)
    assert gone.observed(None, 108.0).lease is None


@pytest.mark.parametrize(
    ("standing", "written"),
    [
        pytest.param(leading(), Lease("", 1, 3, AT, AT, "5"), id="one's own: the holder goes, the count stays"),
        pytest.param(seen(OTHERS), None, id="another's: nothing"),
        pytest.param(ME, None, id="none: nothing"),
    ],
)
def test_release(standing: Standing, written: Lease | None) -> None:
    assert standing.release(AT) == written


# --- Any number of delays, pauses and lost answers -------------------------------------------------------------------


@dataclass
class Server:
    """One Lease, with optimistic locking."""

    lease: Lease | None = None
    versions: count[int] = field(default_factory=lambda: count(1))

    def write(self, lease: Lease) -> Lease | None:
        """The Lease as it is then; None: refused."""
        if (self.lease.version if self.lease else "") != lease.version:
            return None
        self.lease = replace(lease, version=str(next(self.versions)))
        return self.lease


Answer = Callable[[float], Standing]


@dataclass
class Candidate:
    """One replica, with a clock of its own, and what it has on the way."""

    standing: Standing
    skew: float
    requests: list[Callable[[], Answer]] = field(default_factory=list)  # not yet at the server
    answers: list[Answer] = field(default_factory=list)


class Election:
    """At no moment two act, whatever is late or lost. Not to step a candidate for long is a SIGSTOP."""

    def __init__(self, skews: list[int]) -> None:
        self.now = 0.0
        self.server = Server()
        self.candidates = [Candidate(Standing(f"c{n}", TERMS), skew) for n, skew in enumerate(skews)]

    def _one(self, number: int) -> tuple[Candidate, float]:
        """A candidate, and its time."""
        one = self.candidates[number % len(self.candidates)]
        return one, self.now + one.skew

    def step(self, name: str, number: int, more: int) -> None:
        """One thing happens; what `more` means depends on what."""
        match name:
            case "time":
                self.now += 0.5 * (number + 1) * (more + 1)
            case "ask" | "act":
                getattr(self, name)(number)
                if more:
                    self.serve(number, 0)
            case "serve" | "start_again":
                getattr(self, name)(number, more)
            case _:
                getattr(self, name)(number)
        self.at_most_one_acts()

    def go_round(self, number: int) -> None:
        """Ask, decide, write and hear of it without a delay: most of the time it is like that."""
        one, now = self._one(number)
        one.standing = one.standing.observed(self.server.lease, now)
        decision = one.standing.decide(now, AT)
        if not isinstance(decision, Wait) and (written := self.server.write(decision.lease)) is not None:
            one.standing = one.standing.wrote(written, now, now)

    def ask(self, number: int) -> None:
        """Read; the request and its answer may be late."""
        one, _ = self._one(number)

        def serve() -> Answer:
            found = self.server.lease
            return lambda now: one.standing.observed(found, now)

        one.requests.append(serve)

    def act(self, number: int) -> None:
        """Write what is decided; an earlier request of the same one may still be under way."""
        one, sent = self._one(number)
        decision = one.standing.decide(sent, AT)
        if isinstance(decision, Wait):
            return

        def serve() -> Answer:
            written = self.server.write(decision.lease)
            return lambda now: one.standing.wrote(written, sent, now) if written else one.standing

        one.requests.append(serve)

    def serve(self, number: int, late: int) -> None:
        """A request reaches the server; not always the first that was sent."""
        one, _ = self._one(number)
        if one.requests:
            one.answers.append(one.requests.pop(-1 - late % len(one.requests))())

    def answer(self, number: int) -> None:
        one, now = self._one(number)
        if one.answers:
            one.standing = one.answers.pop(0)(now)

    def lose(self, number: int) -> None:
        """An answer never comes."""
        one, _ = self._one(number)
        if one.answers:
            one.answers.pop()

    def start_again(self, number: int, released: int) -> None:
        """End, with or without a farewell, and begin as somebody else; what was sent may still arrive."""
        one, _ = self._one(number)
        ended = one.standing
        if released and (lease := ended.release(AT)) is not None:
            self.server.write(lease)
        at = number % len(self.candidates)
        self.candidates[at] = Candidate(Standing(ended.me + "+", TERMS), one.skew)
        self.candidates[at].requests = [_unheard(serve, self.candidates[at]) for serve in one.requests]

    def at_most_one_acts(self) -> None:
        acting = [c.standing.me for c in self.candidates if c.standing.leads(self.now + c.skew)]
        assert len(acting) <= 1, acting


def _unheard(serve: Callable[[], Answer], successor: Candidate) -> Callable[[], Answer]:
    """The same request, whose answer nobody waits for any more."""

    def served() -> Answer:
        serve()
        return lambda now: successor.standing

    return served


STEPS = ["time", "time", "go_round", "go_round", "go_round", "ask", "act", "serve", "answer", "lose", "start_again"]
STEP = st.tuples(st.sampled_from(STEPS), st.integers(0, 5), st.integers(0, 2))
SKEWS = st.lists(st.integers(-100_000, 100_000), min_size=2, max_size=3)


@settings(max_examples=400)
@given(skews=SKEWS, steps=st.lists(STEP, min_size=60, max_size=60))
def test_at_no_moment_two_act(skews: list[int], steps: list[tuple[str, int, int]]) -> None:
    election = Election(skews)
    for step in steps:
        election.step(*step)
