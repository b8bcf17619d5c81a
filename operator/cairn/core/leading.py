"""Which of several replicas acts: the rules of a Lease, without the calls that read and write it.

Rules, after client-go's `leaderelection`:
- Clocks of two machines are never compared: how long a Lease has stood as it does is counted from when it was first
  seen so, by one's own steady clock. The times written in it are for people to read.
- Every write names the version that it was decided on, so of two that take a Lease one is refused.
- Whoever holds it acts only until a deadline, counted from before the renewal was sent; the others count a longer time
  from when they saw it. So the holder has stopped before anyone else begins, however late answers are, or none comes.
- A Lease that vanishes counts as held until it would have run out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import inf


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things may take, in seconds."""

    lease: int  # others wait so long for a holder who is not heard of
    renew: float  # the holder acts so long after a renewal was sent
    retry: float  # between looks

    @classmethod
    def of(cls, lease: int) -> Terms:
        """Those for a Lease of so many seconds: 8 come to 5 and 1."""
        return cls(lease, lease * 5 / 8, lease / 8)


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as the API server has it, or as it is to be written."""

    holder: str = ""  # empty: nobody, it was released
    seconds: int = 0
    transitions: int = 0
    acquired_at: datetime | None = None
    renewed_at: datetime | None = None
    version: str = ""  # empty: it does not exist


@dataclass(frozen=True, slots=True)
class Acquire:
    """Nobody holds it: try to write this."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Renew:
    """It is one's own: write this, to go on holding it."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """Another holds it: look again in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What one candidate knows. `now` is always a time of its own steady clock, in seconds."""

    me: str  # different for every start of every process
    terms: Terms
    lease: Lease | None = None  # as it was seen last
    since: float = -inf  # when it was first seen so
    until: float = -inf  # how long one may act, unless the Lease is seen to be another's

    @property
    def leader(self) -> str:
        """Who holds the Lease, as far as is known; empty: nobody."""
        return self.lease.holder if self.lease else ""

    def leads(self, now: float) -> bool:
        """Whether this one may act."""
        return self.leader == self.me and now < self.until

    def left(self, now: float) -> float:
        """How many seconds one who holds it may act yet."""
        return max(self.until - now, 0.0) if self.leader == self.me else 0.0

    def observed(self, found: Lease | None, now: float) -> Standing:
        """The Lease was read; None: there is none."""
        if found is None and self._held_by_another(now):
            return self
        if found is not None and self.lease is not None and found.version == self.lease.version:
            return self
        return replace(self, lease=found, since=now)

    def wrote(self, written: Lease, sent: float, now: float) -> Standing:
        """One's own write, sent at `sent`, has succeeded."""
        return replace(self, lease=written, since=now, until=sent + self.terms.renew)

    def decide(self, now: float, at: datetime) -> Acquire | Renew | Wait:
        """What to do next. `at` is the time of day."""
        lease = self.lease
        if lease is not None and lease.holder == self.me:
            return Renew(replace(lease, seconds=self.terms.lease, renewed_at=at))
        if self._held_by_another(now):
            return Wait(min(self._runs_out() - now, self.terms.retry))
        before = lease or Lease(transitions=-1)
        return Acquire(
            replace(
                before, holder=self.me, seconds=self.terms.lease, transitions=before.transitions + 1, acquired_at=at,
                renewed_at=at,
            )
        )  # fmt: skip

    def release(self, at: datetime) -> Lease | None:
        """What to write so that a successor need not wait; None where there is nothing to release."""
        if self.lease is None or self.lease.holder != self.me:
            return None
        return replace(self.lease, holder="", seconds=1, renewed_at=at)

    def _held_by_another(self, now: float) -> bool:
        return self.leader not in ("", self.me) and now < self._runs_out()

    def _runs_out(self) -> float:
        return self.since + (self.lease.seconds if self.lease else 0)
