"""The moments of a run: every write to the API server and every commit, counted by name, and death at one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from support.proxies.api import Answer, Dropped, Meddler
from support.proxies.points import Call
from support.proxies.postgres import PostgresProxy


@dataclass(frozen=True, order=True)
class Moment:
    """Before or after the nth time that a point is passed."""

    point: str
    number: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.point} #{self.number}"


class Moments(Meddler):
    """Counts the points that an operator passes; at one moment it is killed.

    Before: the write was sent and is not passed on. After: it was done, and its answer never arrives.
    """

    def __init__(self, kill: Callable[[], None], target: Moment | None = None) -> None:
        self._kill = kill
        self._target = target
        self._numbers: dict[int, int] = {}  # of calls under way
        self.passed: Counter[str] = Counter()
        self.met = False

    def listen(self, database: PostgresProxy) -> None:
        """Count the commits too."""
        database.before, database.after = self._before_commit, self._after_commit
        self._committing: Counter[str] = Counter()

    async def asked(self, call: Call) -> Answer | None:
        if call.writes:
            self.passed[call.point] += 1
            self._numbers[id(call)] = self.passed[call.point]
            self._strike(Moment(call.point, self.passed[call.point], after=False), Dropped())
        return None

    async def answered(self, call: Call, answer: Answer) -> Answer:
        if call.writes:
            self._strike(Moment(call.point, self._numbers.pop(id(call)), after=True), Dropped())
        return answer

    async def _before_commit(self, point: str) -> None:
        self.passed[point] += 1
        self._strike(Moment(point, self.passed[point], after=False), ConnectionAbortedError())

    async def _after_commit(self, point: str) -> None:
        self._committing[point] += 1
        self._strike(Moment(point, self._committing[point], after=True), ConnectionAbortedError())

    def _strike(self, now: Moment, cut: Exception) -> None:
        if now == self._target and not self.met:
            self.met = True
            self._kill()
            raise cut
