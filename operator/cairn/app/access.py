"""Who calls, and what they may do: asked of the API server, remembered for seconds.

Rules:
- Nothing is decided here: a token is good, and an act allowed, if the API server says so.
- Fails closed: without an answer there is an error, never a permission. Errors are not remembered.
- An answer is remembered for so many seconds (`Remembering`), so a right that is taken away holds on for that long at
  most. A denial is forgotten sooner, since whoever was just granted a right tries again.
- Tokens are remembered by their SHA-256 alone. Equal questions at one time are asked once.
- Answers never depend on what exists: who may not see a namespace learns the same of one that does not exist.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from cachetools import TLRUCache

from cairn import names
from cairn.core.borrowing import Credentials
from cairn.errors import Forbidden, Unauthenticated
from cairn.ports import Attributes, Caller, Reviewer

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_AT_ONCE = 16  # reviews of single namespaces that are under way at one time
_NOBODY = Caller("system:anonymous", groups=("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Remembering:
    """How long answers hold, in seconds, and how many are kept of each kind."""

    positive: float = 5.0
    negative: float = 2.0
    tokens: int = 4096
    rights: int = 16384


@dataclass(frozen=True, slots=True)
class Visible:
    """Where a caller may do a thing."""

    everywhere: bool  # in every namespace there is and will be
    uids: Mapping[str, str] = field(default_factory=dict)  # of those namespaces, by name

    @property
    def tenants(self) -> frozenset[str]:
        """Their UIDs, as stores of checkpoints know them."""
        return frozenset(self.uids.values())


class _Answers(Generic[K, V]):
    """Remembers answers for a time that depends on them, and asks each question once at a time."""

    def __init__(self, size: int, seconds: Callable[[V], float], timer: Callable[[], float]) -> None:
        self._kept: TLRUCache[K, V] = TLRUCache(size, lambda _, value, now: now + seconds(value), timer)
        self._asked: dict[K, asyncio.Task[V]] = {}

    def knows(self, key: K) -> bool:
        return key in self._kept

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            return self._kept[key]
        except KeyError:
            pass
        if (task := self._asked.get(key)) is None:
            task = self._asked[key] = asyncio.ensure_future(self._answer(key, ask))
            task.add_done_callback(lambda _: self._asked.pop(key))
        return await asyncio.shield(task)  # whoever asked may go away; the others still wait for the answer

    async def _answer(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        answer = self._kept[key] = await ask()
        return answer


class Access:
    """What the endpoints ask. Times are seconds of `timer`."""

    def __init__(
        self, reviewer: Reviewer, remembering: Remembering = Remembering(), timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._reviewer = reviewer
        self._fan = asyncio.Semaphore(_AT_ONCE)

        def seconds(answer: object) -> float:
            return remembering.positive if answer else remembering.negative

        self._callers: _Answers[str, Caller | None] = _Answers(remembering.tokens, seconds, timer)
        self._rights: _Answers[tuple[Caller, Attributes], bool] = _Answers(remembering.rights, seconds, timer)
        self._namespaces: _Answers[None, Mapping[str, str]] = _Answers(1, seconds, timer)

    def recalls(self, token: str) -> bool:
        """Whether it is remembered what a token is good for, so that asking again costs nothing."""
        return self._callers.knows(_digest(token))

    async def caller(self, token: str) -> Caller:
        """Whose token that is. Raises Unauthenticated, Refused, Unavailable."""
        found = await self._callers.get(_digest(token), lambda: self._reviewer.authenticate(token))
        if found is None:
            raise Unauthenticated("the token is not valid here, or no longer")
        return found

    async def allowed(self, caller: Caller, attributes: Attributes) -> bool:
        """Whether the caller may do that. Raises Refused, Unavailable."""
        return await self._rights.get((caller, attributes), lambda: self._reviewer.allowed(caller, attributes))

    async def require(
        self, caller: Caller, verb: str, resource: str, namespace: str, name: str = "",
        *, subresource: str = "", group: str = names.GROUP,
    ) -> None:  # fmt: skip
        """Do nothing if the caller may do that. Raises Forbidden, Refused, Unavailable."""
        wanted = Attributes(verb, resource, namespace, name, subresource, group)
        if not await self.allowed(caller, wanted):
            raise Forbidden(_refusal(caller, wanted))

    async def require_borrowed(self, caller: Caller, namespace: str, borrowed: Credentials) -> None:
        """Do nothing if the caller could use all that without Cairn. Raises Forbidden, Refused, Unavailable.

        As the admission policy `borrowing` asks it of who writes executions with kubectl.
        """
        if borrowed == Credentials() or await self.allowed(caller, Attributes("create", "pods", namespace, group="")):
            return
        for name in borrowed.secrets:
            if not await self.allowed(caller, Attributes("get", "secrets", namespace, name, group="")):
                raise Forbidden(_not_theirs(caller, namespace, f"Secret {name} is named", "get it"))
        for name in borrowed.accounts:
            token = Attributes("create", "serviceaccounts", namespace, name, "token", group="")
            impersonate = Attributes("impersonate", "serviceaccounts", namespace, name, group="")
            if not (await self.allowed(caller, token) or await self.allowed(caller, impersonate)):
                what = "impersonate it nor create tokens for it"
                raise Forbidden(_not_theirs(caller, namespace, f"service account {name} is used", what))

    async def visible(self, caller: Caller, attributes: Attributes) -> Visible:
        """Where the caller may do that (its namespace is not looked at). Raises Refused, Unavailable.

        One question if they may do it everywhere, else one for each namespace; nowhere is no error.
        """
        uids = await self._namespaces.get(None, self._reviewer.namespaces)
        if await self.allowed(caller, replace(attributes, namespace="")):
            return Visible(True, uids)
        may = await _all(self._allowed_at(caller, attributes, name) for name in uids)
        return Visible(False, {name: uid for (name, uid), yes in zip(uids.items(), may, strict=True) if yes})

    async def uid_of(self, namespace: str) -> str | None:
        """The UID of a namespace, None if there is none; only for whoever has a right there."""
        known = await self._namespaces.get(None, self._reviewer.namespaces)
        if namespace in known:
            return known[namespace]
        return (await self._reviewer.namespaces()).get(namespace)  # it may be newer than what is remembered

    async def check(self) -> None:
        """Do nothing if the API server answers reviews. Raises Refused, Unavailable."""
        await self.allowed(_NOBODY, Attributes("get", names.EXECUTIONS))

    async def _allowed_at(self, caller: Caller, attributes: Attributes, namespace: str) -> bool:
        wanted = replace(attributes, namespace=namespace)
        if self._rights.knows((caller, wanted)):
            return await self.allowed(caller, wanted)
        async with self._fan:
            return await self.allowed(caller, wanted)


async def _all(asked: Iterable[Coroutine[Any, Any, V]]) -> list[V]:
    """All answers, in order; at the first error the others are not waited for, nor asked."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _not_theirs(caller: Caller, namespace: str, used: str, rights: str) -> str:
    return f"spec.jobs: {used}, and {caller.username} may neither {rights} nor create pods in namespace {namespace}"


def _refusal(caller: Caller, wanted: Attributes) -> str:
    resource = wanted.resource + (f"/{wanted.subresource}" if wanted.subresource else "")
    where = f"in the namespace {wanted.namespace}" if wanted.namespace else "in all namespaces"
    return f"{caller.username} may not {wanted.verb} {resource} of {wanted.group or 'the core group'} {where}"
