"""The work queue: which executions are to be looked at, each by one worker at a time.

Kopf's queues are per watched object; a hundred pods of one execution would reconcile it a hundred times and at once.
Here a key is worked on by one worker only, and whatever arrives meanwhile leads to one more look. Keys can be delayed
(`requeue_after`), and errors back off per key with jitter, so that one bad object never stops the others.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from cairn.app import metrics
from cairn.app.logfields import Fields, about
from cairn.app.together import together
from cairn.errors import NotLeading

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

BACKOFF_FIRST = 0.1  # seconds
BACKOFF_MOST = 30.0


class WorkQueue(Generic[K]):
    """A deduplicated queue of keys with delays; `work(key)` returns in how many seconds to look again, if at all."""

    def __init__(
        self, name: str, work: Callable[[K], Coroutine[Any, Any, float | None]], *, workers: int = 16,
        about: Callable[[K], Fields] = lambda key: {},
    ) -> None:  # fmt: skip
        self.name = name  # for metrics
        self._work = work
        self._workers = workers
        self._about = about  # what log records name that are written while a key is worked on
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: dict[K, float] = {}  # in `_ready`, in its order: since when
        self._busy: dict[K, bool] = {}  # being worked on; True: look again afterwards
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._closed = False
        self._idle = asyncio.Event()  # nothing is being worked on, and nothing will be

    def add(self, key: K) -> None:
        """Look at the key as soon as possible."""
        if self._closed:
            return
        if key in self._busy:
            self._busy[key] = True
        elif key not in self._waiting:
            self._cancel_timer(key)
            self._waiting[key] = asyncio.get_running_loop().time()
            metrics.QUEUE_ADDS.labels(self.name).inc()
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at the key after a delay, unless something leads to it earlier; the earlier delay wins."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self._fire, key)

    def expects(self, key: K) -> bool:
        """Whether a look at the key is to come already."""
        return key in self._waiting or key in self._timers

    def depth(self) -> int:
        """How many keys wait for a worker."""
        return self._ready.qsize()

    def close(self) -> None:
        """Take no more, and forget what waits, now or for a time to come."""
        self._closed = True
        self._waiting.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
        for key in list(self._timers):
            self._cancel_timer(key)

    async def drain(self) -> None:
        """Close, and wait until what is being worked on has ended."""
        self.close()
        if self._busy:
            await self._idle.wait()

    def oldest(self) -> float:
        """For how many seconds the first of them has waited; 0 if none waits."""
        since = next(iter(self._waiting.values()), None)
        return 0.0 if since is None else max(asyncio.get_running_loop().time() - since, 0.0)

    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._busy)

    async def run(self) -> None:
        """Work until cancelled."""
        await together(*(self._loop() for _ in range(self._workers)))

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def _loop(self) -> None:
        while not self._closed:
            key = await self._ready.get()
            self._waiting.pop(key, None)
            if self._closed:  # while this worker was woken up
                return
            self._busy[key] = False
            try:
                with about(self._about(key)):
                    again = await self._attempt(key)
            finally:
                dirty = self._busy.pop(key)
                if self._closed and not self._busy:
                    self._idle.set()
            if dirty:
                self.add(key)
            elif again is not None:
                self.add_after(key, again)

    async def _attempt(self, key: K) -> float | None:
        try:
            with metrics.RECONCILE_SECONDS.labels(self.name).time():
                again = await self._work(key)
        except NotLeading:
            return None  # whoever leads next looks at everything
        except Exception as error:
            metrics.RECONCILE_ERRORS.labels(self.name, metrics.kind_of(error)).inc()
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = min(BACKOFF_FIRST * 2.0 ** min(failures, 16), BACKOFF_MOST) * random.uniform(0.5, 1.0)
            if (told := getattr(error, "retry_after", None)) is not None:
                delay = min(told, BACKOFF_MOST) * random.uniform(1.0, 1.5)  # the API server knows better
            expected = getattr(error, "status", None) is not None
            logger.warning("%s: %s; again in %.1f s", key, error, delay, exc_info=None if expected else error)
            return delay
        self._failures.pop(key, None)
        return again
