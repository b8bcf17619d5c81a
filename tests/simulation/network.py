"""How an operator's calls travel: each takes its time there and back, may be lost, repeated or late, or be its last.

A call that was sent arrives, whatever becomes of who has sent it. So a killed operator's last write may still be done,
long after its successor has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol, TypeVar

from cairn import names
from cairn.errors import CairnError, Refused, StoreUnavailable, Unavailable
from simulation.faults import Fault, Faults

T = TypeVar("T")

TIMEOUT = 15.0  # seconds that a caller waits
_LATE = (20.0, 40.0)
_FROZEN = (2.0, 20.0)


class Caller(Protocol):
    """The process that calls."""

    dead: bool

    async def thawed(self) -> None:
        """Wait while it is stopped."""
        ...

    def kill(self) -> None:
        """End it here and now."""
        ...

    def freeze(self, seconds: float) -> None:
        """Stop it, for so long."""
        ...


class Network:
    """Between the operators and a server: the API's, or the database's."""

    def __init__(
        self, random: Random, faults: Faults, stepped: Callable[[str], None], broken: Callable[[Exception], None], *,
        database: bool = False,
    ) -> None:  # fmt: skip
        self._random = random
        self._faults = faults
        self._stepped = stepped  # told of each call that arrives
        self._broken = broken  # told of what never may happen
        self._database = database
        self.away_until = 0.0  # the server, for everybody
        self.cut_off: dict[int, float] = {}  # callers that nothing of arrives, by identity, until when

    async def call(self, caller: Caller, action: str, work: Callable[[], T]) -> T:
        """Do some work at the server, which takes no time there; its result, or the error that it raises."""
        loop = asyncio.get_running_loop()
        if caller.dead:
            raise asyncio.CancelledError
        fault = self._faults.strike(action)
        if fault is Fault.FROZEN:
            caller.freeze(self._random.uniform(*_FROZEN))
        await caller.thawed()
        if fault is Fault.CRASH_BEFORE:
            caller.kill()
            raise asyncio.CancelledError
        answer: asyncio.Future[T] = loop.create_future()
        if fault is not Fault.LOST and not self._is_cut_off(caller):
            there = self._random.uniform(*_LATE) if fault is Fault.LATE else self._latency()
            loop.call_later(there, self._arrive, caller, action, fault, work, answer)
        outcome = await self._answered(answer)
        await caller.thawed()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _answered(self, answer: asyncio.Future[T]) -> T | Exception:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await answer
        except TimeoutError:
            return self._unavailable("no answer")
        except CairnError as error:
            return error

    def _latency(self) -> float:
        return self._random.choice((0.001, 0.002, 0.005, 0.02))

    def _is_cut_off(self, caller: Caller) -> bool:
        return asyncio.get_running_loop().time() < self.cut_off.get(id(caller), 0.0)

    def _arrive(
        self, caller: Caller, action: str, fault: Fault | None, work: Callable[[], T], answer: asyncio.Future[T]
    ) -> None:
        self._stepped(action)
        outcome = self._outcome(fault, work)
        if fault is Fault.CRASH_AFTER:
            caller.kill()
        elif fault is not Fault.ANSWER_LOST and not self._is_cut_off(caller):
            asyncio.get_running_loop().call_later(self._latency(), _deliver, answer, outcome)

    def _outcome(self, fault: Fault | None, work: Callable[[], T]) -> T | Exception:
        if asyncio.get_running_loop().time() < self.away_until:
            return self._unavailable("away")
        if fault is Fault.ERROR:
            return self._unavailable("internal error")
        if fault is Fault.BUSY:
            return Refused("too many requests", status=429, retry_after=1.0)
        try:
            return work()
        except CairnError as error:
            return error
        except Exception as error:
            self._broken(error)
            return self._unavailable("the history ends here")

    def _unavailable(self, why: str) -> CairnError:
        if self._database:
            return StoreUnavailable(names.DATABASE_UNAVAILABLE, why)
        return Unavailable(why)


def _deliver(answer: asyncio.Future[T], outcome: T | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
