"""What only the database knows, asked of Cairn's REST API, where there is one to ask.

Rules:
- CAIRN_API_URL names it. The token is CAIRN_API_TOKEN, else that of the kubeconfig's user; CAIRN_API_CA is a file with
  the authority of its certificate.
- A token goes nowhere unencrypted, but to this very machine, and follows no redirect.
- That it is not there, or away, is said, and is not in the way of what the objects can tell. That it refuses is an
  error: somebody meant it to be asked.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import typer

from cairn.cli.session import Session, plain
from cairn.core.checkpoint import chain, diff
from cairn.core.checkpoint.chain import Report
from cairn.core.checkpoint.diff import Diff
from cairn.errors import ApiError, CairnError, NotConfigured, NotFound, Refused, Rejected, Unavailable
from cairn.ports import Body

URL, TOKEN, CA = "CAIRN_API_URL", "CAIRN_API_TOKEN", "CAIRN_API_CA"
_SECONDS = 30.0
_PAGE = 500
_ITSELF = ("localhost", "127.0.0.1", "::1")

T = TypeVar("T")


class Rest:
    """The REST API, as one user asks it. Each call raises NotFound, Refused, Rejected or Unavailable."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http = http
        self._base = base

    async def verify(self, namespace: str, execution: str) -> Report:
        """Whether the checkpoints of an execution are sound, in both stores."""
        return _read(chain.from_wire, await self._get(f"{_in(namespace)}/executions/{_part(execution)}/verify"))

    async def diff(self, namespace: str, before: str, *, to: str = "", now: str = "") -> Diff:
        """What differs between a checkpoint and another one, or an execution as it is now."""
        other = {"to": to} if to else {"now": now}
        return _read(diff.from_wire, await self._get(f"{_in(namespace)}/checkpoints/diff", **{"from": before}, **other))

    async def checkpoints(self, namespace: str, **query: str) -> list[Body]:
        """All checkpoints of a namespace, or of all, that a query (`execution`, `trigger`) asks for, newest first."""
        path = f"{_in(namespace)}/checkpoints" if namespace else "/api/v1/checkpoints"
        found: list[Body] = []
        asked = {key: value for key, value in query.items() if value} | {"limit": str(_PAGE)}
        while True:
            page = await self._get(path, **asked)
            found += _read(lambda wire: [dict(item) for item in wire["items"]], page)
            if not page.get("next"):
                return found
            asked["cursor"] = str(page["next"])

    async def version(self) -> tuple[str, str]:
        """The version of Cairn that answers, and its commit; empty if it is too old to tell that."""
        wire = await self._get("/api/v1/version")
        return _read(lambda wire: (str(wire["version"]), str(wire.get("commit", ""))), wire)

    async def _get(self, path: str, **query: str) -> Any:
        try:
            async with self._http.get(self._base + path, params=query, allow_redirects=False) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the REST API at {self._base} does not answer: {type(error).__name__}") from error
        except ValueError as error:
            raise Unavailable(f"what answers at {self._base} is no REST API of Cairn's") from error
        if answer.status != 200:
            raise _error(answer.status, body)
        return body


def _part(text: str) -> str:
    return quote(text, safe="")


def _in(namespace: str) -> str:
    return f"/api/v1/namespaces/{_part(namespace)}"


def _read(make: Callable[[Any], T], wire: Any) -> T:
    try:
        return make(wire)
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("the REST API answers in a form that this version of Cairn does not know") from error


def _error(status: int, body: Any) -> CairnError:
    told = body if isinstance(body, Mapping) else {}
    text = str(told.get("detail") or told.get("title") or f"the REST API answered with {status}")
    if status == 404:
        return NotFound(text)
    kind: type[ApiError] = Unavailable
    if status in (401, 403, 429):
        kind = Refused
    elif 400 <= status < 500:
        kind = Rejected
    return kind(text, status=status)


# --- Whether there is one --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the REST API has answered, or why there is no answer."""

    value: T | None
    away: bool = False  # there should be one
    why: str = ""


async def ask(session: Session, question: Callable[[Rest], Awaitable[T]]) -> Answer[T]:
    """The REST API's answer. Raises NotConfigured, NotFound, Refused, Rejected."""
    if not os.environ.get(URL):
        return Answer(None, why=f"the database was not asked: set {URL} to the address of Cairn's REST API")
    try:
        async with _connected(session) as rest:
            return Answer(await question(rest))
    except Unavailable as error:
        return Answer(None, away=True, why=f"the database was not asked: {error}")


def note(answer: Answer[Any]) -> None:
    """Say on standard error that only the objects were looked at, and why."""
    if answer.why:
        typer.echo(plain(f"note: {answer.why}"), err=True)


@asynccontextmanager
async def _connected(session: Session) -> AsyncIterator[Rest]:
    base = os.environ[URL].rstrip("/")
    to = urlsplit(base)
    if to.scheme not in ("http", "https") or not to.hostname:
        raise NotConfigured(f"{URL} is no address such as https://cairn.example.com")
    if to.scheme == "http" and to.hostname not in _ITSELF:
        raise NotConfigured(f"{URL} is not encrypted, and would show your token to others: use https")
    token = os.environ.get(TOKEN)
    authorization = f"Bearer {token}" if token else await session.authorization()
    if not authorization:
        raise NotConfigured(f"the kubeconfig's user has no token, which the REST API needs: set {TOKEN}")
    headers = {"Authorization": authorization, "Accept": "application/json"}
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    connector = aiohttp.TCPConnector(ssl=_tls(os.environ.get(CA)))
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as http:
        yield Rest(http, base)


def _tls(authority: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority or None)
    except OSError as error:  # SSLError is one
        raise NotConfigured(f"{CA}: {error.strerror or 'that holds no certificate'}") from error
