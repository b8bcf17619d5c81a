"""What an API server, or something before it, may do to an operator: each a `Meddler` of its own.

`told` counts how often it has lied: a run in which nobody lied proves nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable

from support.proxies.api import Answer, Dropped, Meddler
from support.proxies.points import LIST, Call
from support.proxies.postgres import PostgresProxy

GONE = b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410,"metadata":{}}}\n'
NO_JSON = Answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})


class Silence(Meddler):
    """Watches that were open when it fell bring nothing any more, and are not closed; later ones work.

    `at`: it falls when that point is passed for the first time.
    """

    def __init__(self, at: str = "") -> None:
        self._at = at
        self._fallen = 0
        self.told = 0

    def fall(self) -> None:
        """Be silent from here on."""
        self._fallen += 1

    async def asked(self, call: Call) -> Answer | None:
        if call.point == self._at and not self._fallen:
            self.fall()
        return None

    async def events(self, call: Call, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        mine = self._fallen
        async for line in lines:
            if mine == self._fallen:
                yield line
            else:
                self.told += 1


class Echo(Meddler):
    """Every event comes twice, and each is followed by the version of its object before that one."""

    def __init__(self) -> None:
        self.told = 0

    async def events(self, call: Call, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        before: dict[str, bytes] = {}
        async for line in lines:
            yield line
            event = json.loads(line)
            if event["type"] not in ("ADDED", "MODIFIED"):
                continue
            yield line
            uid = event["object"]["metadata"]["uid"]
            if uid in before:
                self.told += 1
                yield before[uid]
            before[uid] = line


class Breaks(Meddler):
    """Every watch ends after every few writes."""

    def __init__(self, every: int = 4) -> None:
        self._broken = asyncio.Event()
        self._every = every
        self._writes = 0
        self.told = 0

    async def answered(self, call: Call, answer: Answer) -> Answer:
        self._writes += call.writes
        if call.writes and self._writes % self._every == 0:
            self._broken.set()
            self._broken = asyncio.Event()
            self.told += 1
        return answer

    async def events(self, call: Call, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for line in _lines_until(self._broken, lines):
            yield line


class Expired(Breaks):
    """After a break the version that a watch asks for is too old (410), so that everything is listed anew.

    `old`: and the list is as it was when it was asked for first; the watch after it brings what has happened since.
    `plain`: the 410 is the answer's status, not an event in the stream.
    """

    def __init__(self, every: int = 4, *, old: bool = False, plain: bool = False) -> None:
        super().__init__(every)
        self._old = old
        self._plain = plain
        self._lists: dict[str, Answer] = {}
        self._breaks: dict[str, int] = {}  # that a watch was told of

    async def asked(self, call: Call) -> Answer | None:
        if call.watch and self._breaks.setdefault(call.path, self.told) < self.told:
            self._breaks[call.path] = self.told
            return Answer.refusal(410, "Expired") if self._plain else Answer(200, GONE)
        return self._lists.get(call.path) if self._old and call.point.startswith(LIST) else None

    async def answered(self, call: Call, answer: Answer) -> Answer:
        if self._old and call.point.startswith(LIST) and answer.status == 200:
            self._lists[call.path] = answer
        return await super().answered(call, answer)


class Refusals(Meddler):
    """The first calls of each point get another answer: so many each, of the calls that are meant."""

    def __init__(self, answer: Answer, times: int = 2, of: Callable[[Call], bool] = lambda call: True) -> None:
        self._answer = answer
        self._times = times
        self._of = of
        self._refused: Counter[str] = Counter()
        self.told = 0

    async def asked(self, call: Call) -> Answer | None:
        if not self._of(call) or self._refused[call.point] >= self._times:
            return None
        self._refused[call.point] += 1
        self.told += 1
        return self._answer


class LostAnswers(Meddler):
    """Of every `each` writes and commits of a point, the answer of the first never arrives, although it was done."""

    def __init__(self, each: int = 2) -> None:
        self._each = each
        self._passed: Counter[str] = Counter()
        self.told = 0

    def listen(self, database: PostgresProxy) -> None:
        """Lose the answers of commits too."""
        database.after = self._committed

    async def answered(self, call: Call, answer: Answer) -> Answer:
        if call.writes and answer.status < 300 and self._loses(call.point):
            raise Dropped
        return answer

    async def _committed(self, point: str) -> None:
        if self._loses(point):
            raise ConnectionAbortedError

    def _loses(self, point: str) -> bool:
        self._passed[point] += 1
        lose = self._passed[point] % self._each == 1
        self.told += lose
        return lose


class Held(Meddler):
    """Every list of a namespace waits until it is let go."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.held: set[str] = set()
        self.let_go = asyncio.Event()

    async def asked(self, call: Call) -> Answer | None:
        if call.namespace == self._namespace and call.point.startswith(LIST):
            self.held.add(call.kind)
            await self.let_go.wait()
        return None


class Gap(Meddler):
    """While it lasts, lists and watches of a kind fail; after it, the API server has forgotten what happened in it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._began = asyncio.Event()
        self._lasts = False
        self._forgotten = 0  # versions up to this one

    def begin(self) -> None:
        """From here on."""
        self._began.set()
        self._lasts = True

    def end(self, version: int) -> None:
        """Up to here, and the version that there is now."""
        self._lasts, self._forgotten = False, version

    async def asked(self, call: Call) -> Answer | None:
        if call.kind != self._kind:
            return None
        if self._lasts:
            return Answer.refusal(503, "ServiceUnavailable")
        return Answer(200, GONE) if call.watch and int(call.query["resourceVersion"]) < self._forgotten else None

    async def events(self, call: Call, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        until = self._began if call.kind == self._kind and not self._began.is_set() else asyncio.Event()
        async for line in _lines_until(until, lines):
            yield line


async def _lines_until(over: asyncio.Event, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What a watch brings, until something has happened."""
    ended = asyncio.ensure_future(over.wait())
    try:
        while True:
            line = asyncio.ensure_future(anext(lines, b""))
            await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or not (found := await line):
                line.cancel()
                return
            yield found
    finally:
        ended.cancel()
