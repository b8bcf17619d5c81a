"""An event loop whose time is simulated: where everything waits, the clock goes on to the next timer at once.

Nothing else differs from asyncio's own loop, and nothing that runs on it knows. There is no input or output, and no
second thread, so that one seed makes one history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Stuck(AssertionError):
    """Everybody waits for somebody else, and no timer is set."""


class _Clock:
    """Where the real loop would sleep until there is input, time passes."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing will ever happen again")
        self.now += timeout
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready, and never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = _Clock()
        self._selector = self._clock  # what the base class asks for input

    def time(self) -> float:
        """Simulated seconds since the beginning."""
        return self._clock.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """What would go to another thread is done here and now."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def _process_events(self, event_list: list[Any]) -> None:
        """There is no input."""

    def _write_to_self(self) -> None:
        """No other thread has to wake this one."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own until it has ended; what it leaves behind is cancelled."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise AssertionError("it waits for something")
