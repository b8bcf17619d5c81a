"""The loop of leader election: hold a Lease, work while one holds it, stop before anyone else may begin.

Rules:
- `core.leading` decides; this reads, writes, and starts and stops the work.
- A term begins when a write of the Lease succeeds, and ends for good once its deadline has passed, even if a renewal
  succeeds after that: what was refused meanwhile is only decided anew in a new term.
- `check` is asked before each write of the work, so that a process which slept through its deadline writes nothing.
- Whoever ends in good order gives the Lease back when the work has stopped, so that a successor need not wait.
- Work that does not stop when it is told to ends the process: no other work may begin beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from cairn.app import metrics
from cairn.core.leading import Standing, Terms, Wait
from cairn.errors import AlreadyExists, ApiError, Conflict, Gone, NotLeading
from cairn.ports import Clock, Leases

logger = logging.getLogger(__name__)

STOP_SECONDS = 15.0  # a query that is being cancelled may take 5 of these

Work = Callable[[], Coroutine[Any, Any, None]]


class Election(Protocol):
    """Whether and when this replica may work."""

    @property
    def leads(self) -> bool:
        """Whether it may now."""
        ...

    async def run(self, work: Work) -> None:
        """Work whenever this replica may, until cancelled; raises what the work raises."""
        ...


class Alone:
    """No election: this replica always works, whoever else does."""

    leads = True

    async def run(self, work: Work) -> None:
        """Work until cancelled."""
        metrics.LEADER.set(1)
        try:
            await work()
        finally:
            metrics.LEADER.set(0)


def _abort() -> None:
    """End the process as it stands: an end in good order would wait for the work, too."""
    logger.critical("the work has not stopped within %s s of the end of a term: this process ends", STOP_SECONDS)
    os._exit(1)


class Leadership:
    """An election by a Lease. `steady` tells seconds that only ever grow."""

    def __init__(self, leases: Leases, standing: Standing, clock: Clock, steady: Callable[[], float]) -> None:
        self._leases = leases
        self._standing = standing
        self._clock = clock
        self._steady = steady
        self._in_term = False
        self._told = ""  # who leads, as was logged last
        self._trouble = ""  # likewise
        self._refused = False  # whether the last write was, by what others had written
        metrics.LEADER.set(0)

    @property
    def leads(self) -> bool:
        """Whether a term is under way."""
        return self._in_term and self._standing.leads(self._steady())

    def check(self) -> None:
        """Raises NotLeading unless this one may write; the term is over then."""
        if not self.leads:
            self._in_term = False
            raise NotLeading("not sent: this replica does not hold the Lease")

    async def run(self, work: Work) -> None:
        """Work whenever the Lease is held, until cancelled; raises what the work raises."""
        try:
            while True:
                wait = await self._look()
                if self._standing.leads(self._steady()):
                    await self._serve_term(work)
                else:
                    await asyncio.sleep(wait)
        finally:
            await self._release()

    async def _serve_term(self, work: Work) -> None:
        self._begin()
        task, wait = asyncio.create_task(work()), self._terms.retry
        try:
            while self.leads and not task.done():
                await asyncio.wait({task}, timeout=min(wait, self._standing.left(self._steady())))
                if self.leads and not task.done():
                    wait = await self._look()
        finally:
            self._end()
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)
            if not task.done():
                _abort()
        if not task.cancelled():
            task.result()

    # --- One look at the Lease

    async def _look(self) -> float:
        """Renew the Lease, or take it if nobody holds it; in how many seconds to look again."""
        wait = self._terms.retry
        try:
            async with asyncio.timeout(self._patience()):
                if self._standing.leader != self._standing.me:
                    await self._read()
                wait = await self._write()
        except (Conflict, AlreadyExists, Gone) as error:
            again = await self._read_again() and not self._refused
            wait = 0.0 if again else wait
            if self._refused:
                self._complain(str(error))
            self._refused = True
        except (ApiError, TimeoutError) as error:
            self._complain(str(error) or "no answer in time")
        else:
            self._trouble, self._refused = "", False
        self._tell()
        return wait

    def _patience(self) -> float:
        """How long to wait for answers: never past the deadline, when all must have stopped."""
        some = self._terms.renew / 2
        return min(self._standing.left(self._steady()), some) if self._in_term else some

    async def _read_again(self) -> bool:
        """The Lease is not as it was believed to be; whether it was read."""
        try:
            async with asyncio.timeout(self._patience()):
                await self._read()
        except (ApiError, TimeoutError):
            return False
        return self._standing.leader in ("", self._standing.me)

    async def _read(self) -> None:
        found = await self._leases.get()
        self._standing = self._standing.observed(found, self._steady())

    async def _write(self) -> float:
        sent = self._steady()
        decision = self._standing.decide(sent, self._clock())
        if isinstance(decision, Wait):
            return decision.seconds
        lease = decision.lease
        written = await (self._leases.update(lease) if lease.version else self._leases.create(lease))
        self._standing = self._standing.wrote(written, sent, self._steady())
        return self._terms.retry

    # --- Terms

    @property
    def _terms(self) -> Terms:
        return self._standing.terms

    def _begin(self) -> None:
        self._in_term = True
        metrics.LEADER.set(1)
        lease = self._standing.lease
        logger.info("this replica leads now", extra={"leader": self._standing.me,
                                                     "transitions": lease.transitions if lease else 0})  # fmt: skip

    def _end(self) -> None:
        self._in_term = False
        metrics.LEADER.set(0)
        logger.info("this replica leads no longer", extra={"leader": self._standing.leader})

    def _complain(self, trouble: str) -> None:
        """Log what is in the way, once as long as it stays the same: there is a look every second."""
        if trouble != self._trouble:
            logger.warning("the Lease cannot be read or written: %s", trouble)
        self._trouble = trouble

    def _tell(self) -> None:
        """Log who leads, if that has changed; one's own terms are told where they begin and end."""
        leader = self._standing.leader
        if leader != self._told and leader != self._standing.me:
            logger.info("%s leads now" if leader else "nobody leads now%s", leader, extra={"leader": leader})
        self._told = leader

    async def _release(self) -> None:
        """Give the Lease back. The work has stopped; what it had sent has been answered or given up."""
        lease = self._standing.release(self._clock())
        if lease is None:
            return
        try:
            async with asyncio.timeout(self._terms.renew / 2):
                await self._leases.update(lease)
            logger.info("the Lease was given back")
        except (ApiError, TimeoutError) as error:
            logger.info("the Lease could not be given back, it will run out: %s", error or "no answer in time")
