"""A resource, listed and then watched for ever, as Kubernetes' own controllers do it.

Rules (of *Efficient detection of changes* in the API's concepts):
- A watch goes on where the one before it ended. Only what the API server has forgotten (410) is listed anew.
- A list begun anew shows what there is, never what went meanwhile: that it was, whoever listens is told.
- A watch that brings nothing for a while, not even a bookmark, is taken for dead and opened anew.
- Nothing that an API server answers ends it. What cannot be taken in is logged without a word of it, and left out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Protocol

import orjson

from cairn.adapters.kube.api import Api, Body
from cairn.errors import ApiError, Unavailable

logger = logging.getLogger(__name__)

_OPEN_SECONDS = 600  # after which the API server ends a watch
_ANSWER_SECONDS = 60.0  # more, after which nobody waits for that
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds; the last one again and again
_REOPEN = 0.1  # seconds
_AT_ONCE = 50  # events after which others have their turn


class Listener(Protocol):
    """Who is told."""

    def see(self, body: Body) -> None:
        """An object is there, or has changed."""
        ...

    def forget(self, body: Body) -> None:
        """An object was deleted."""
        ...

    def listed_anew(self) -> None:
        """What went before the list that follows is not told."""
        ...

    def listed(self) -> None:
        """All that there is has been told."""
        ...


class _Expired(Exception):
    """The API server has forgotten what came after the version that a watch asked for."""


class Reflector:
    """Tells a listener of everything that becomes of a resource's objects."""

    def __init__(
        self, api: Api, path: str, query: Mapping[str, str], listener: Listener, silence: float,
        listed: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._api = api
        self._path = path
        self._query = dict(query)
        self._listed = self._query if listed is None else dict(listed)  # of what there is when it begins, what is told
        self._listener = listener
        self._silence = silence  # seconds
        self._version = ""  # up to which everything was told
        self._was_listed = False
        self._failures = 0  # since the last thing that was heard

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                wait = _REOPEN
            except _Expired:
                self._version = ""
                wait = self._back_off()
            except ApiError as error:
                wait = self._back_off(error)
                if error.status == HTTPStatus.GONE:
                    self._version = ""
                else:
                    logger.warning("%s: %s; again in %.1f s", self._path, error, wait)
            await asyncio.sleep(wait)

    def _back_off(self, error: ApiError | None = None) -> float:
        """Seconds until the next try: as many as the API server says, or more each time."""
        if error is not None and error.retry_after is not None:
            return min(error.retry_after, _BACKOFF[-1]) * random.uniform(1.0, 1.5)
        wait = _BACKOFF[min(self._failures, len(_BACKOFF) - 1)] * random.uniform(0.8, 1.2) if self._failures else 0.0
        self._failures += 1
        return wait

    async def _list(self) -> None:
        """Tell of what there is."""
        if self._was_listed:
            self._listener.listed_anew()
        version = ""
        async for page in self._api.pages(self._path, **self._listed):
            for body in page["items"]:
                self._tell("ADDED", body)
            version = version or page["metadata"]["resourceVersion"]  # all pages are of the first one's
            await asyncio.sleep(0)
        self._version, self._was_listed = version, True
        self._listener.listed()

    async def _watch(self) -> None:
        """Tell of what happens until the watch ends; raises _Expired, and the errors of the API."""
        told, rest = 0, b""
        chunks: Any = self._api.stream(
            self._path, _OPEN_SECONDS + _ANSWER_SECONDS, watch="true", allowWatchBookmarks="true",
            resourceVersion=self._version, timeoutSeconds=str(_OPEN_SECONDS), **self._query,
        )  # fmt: skip
        async with aclosing(chunks):  # and with it the connection, whatever ends the watch
            while (chunk := await self._next(chunks)) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
                    told += 1
                    if told % _AT_ONCE == 0:
                        await asyncio.sleep(0)

    async def _next(self, chunks: Any) -> bytes | None:
        """What comes next; None: the watch has ended, or is silent."""
        try:
            async with asyncio.timeout(self._silence):
                chunk: bytes | None = await anext(chunks, None)
                return chunk
        except TimeoutError:
            logger.debug("%s: the watch is silent, and opened anew", self._path)
            return None

    def _take(self, line: bytes) -> None:
        """One event of the watch."""
        try:
            event = orjson.loads(line)
            kind, body = event["type"], event["object"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable("a watch brought what is no event") from None
        if kind == "ERROR":
            code = body.get("code") or 0
            raise _Expired if code == HTTPStatus.GONE else Unavailable(f"the watch has failed ({code})", status=code)
        self._failures = 0
        if kind != "BOOKMARK":
            self._tell(kind, body)
        self._version = body["metadata"]["resourceVersion"]

    def _tell(self, kind: str, body: Body) -> None:
        try:
            (self._listener.forget if kind == "DELETED" else self._listener.see)(body)
        except Exception:
            logger.exception("%s: an object cannot be taken in", self._path)
