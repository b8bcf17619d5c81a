"""The gate before everything under /api/: who calls, and not too often. No body is read before.

Rules:
- What is under /api/ is closed whether or not an endpoint remembers to ask; what is not, tells nobody's data.
- A caller has a quota, whatever addresses they come from. Requests without a valid token count against their address,
  and an address that has used that up is not even asked about, unless the token is known already: guessing is slow,
  and does not burden the API server, and somebody behind the same address can go on.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping

import limits
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cairn.api import kinds
from cairn.api.problems import Problem
from cairn.api.tracing import trace_of
from cairn.app.access import Access
from cairn.errors import Unauthenticated
from cairn.ports import Caller, Clock

PROTECTED = "/api/"


class Quota:
    """How many requests each may send: a sliding window in the memory of this process."""

    def __init__(self, name: str, rate: str, clock: Clock) -> None:
        self._name = name
        self._rate = limits.parse(rate)
        self._clock = clock
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, who: str) -> Mapping[str, str]:
        """Count a request; the headers that tell how many are left. Raises Problem if none is."""
        if not self._limiter.hit(self._rate, who):
            self._refuse(who)
        return self._headers(who)

    def look(self, who: str) -> None:
        """Count nothing. Raises Problem if none is left."""
        if not self._limiter.test(self._rate, who):
            self._refuse(who)

    def _refuse(self, who: str) -> None:
        headers = self._headers(who)
        wait = headers["RateLimit"].rpartition("=")[2]
        detail = f"no more than {self._rate.amount} requests in {self._rate.get_expiry()} s"
        raise Problem(kinds.TOO_MANY, detail, headers={"Retry-After": wait, **headers})

    def _headers(self, who: str) -> Mapping[str, str]:
        reset, left = self._limiter.get_window_stats(self._rate, who)
        wait = max(1, math.ceil(reset - self._clock().timestamp()))
        return {
            "RateLimit-Policy": f'"{self._name}";q={self._rate.amount};w={self._rate.get_expiry()}',
            "RateLimit": f'"{self._name}";r={max(0, left)};t={wait}',
        }


class Gate:
    """Lets in whom the API server vouches for, and not too often."""

    def __init__(self, app: ASGIApp, access: Access, callers: Quota, strangers: Quota) -> None:
        self._app = app
        self._access = access
        self._callers = callers
        self._strangers = strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PROTECTED):
            trace = trace_of(scope)
            trace.called_by(await self._caller(scope))
            trace.headers += self._callers.take(trace.user).items()
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        address = _address(scope)
        try:
            token = _token(Headers(scope=scope).get("authorization", ""))
            if not self._access.recalls(token):
                self._strangers.look(address)
            return await self._access.caller(token)
        except Unauthenticated:
            self._strangers.take(address)
            raise


def _token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not (token := token.strip()):
        raise Unauthenticated("the request has no bearer token")
    return token


def _address(scope: Scope) -> str:
    """Who is held to be one sender: an IPv4 address, or the 64 bits of IPv6 that are given to one site."""
    host = (scope.get("client") or ("-", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host
