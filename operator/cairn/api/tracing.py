"""What becomes known of a request on its way in: for its log line, its metrics, its problem, and its headers.

The id is in `asgi_correlation_id`'s variable, so that it is in every log record that is written meanwhile.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass, field

from asgi_correlation_id import correlation_id
from starlette.types import Scope

from cairn.ports import Caller

_KEY = "cairn.trace"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_user: ContextVar[str | None] = ContextVar("cairn_user", default=None)


@dataclass(slots=True)
class Trace:
    """Of one request; filled in by whoever learns something."""

    caller: Caller | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)  # for the answer, whatever it is

    def called_by(self, caller: Caller) -> None:
        """Note who calls, here and in the log records that follow."""
        self.caller = caller
        _user.set(caller.username)

    @property
    def user(self) -> str:
        """The caller's name; `-` while nobody is known."""
        return self.caller.username if self.caller else "-"


def trace_of(scope: Scope) -> Trace:
    """The trace of a request, begun by the first who asks."""
    trace: Trace = scope.setdefault(_KEY, Trace())
    return trace


def request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return correlation_id.get() or ""


def is_request_id(text: str) -> bool:
    """Whether an id that a client has chosen is taken over: short, and harmless in logs and headers."""
    return _ID.fullmatch(text) is not None


class RequestFilter(logging.Filter):
    """Adds the request's id and its caller to each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record through."""
        for name, value in (("requestId", correlation_id.get()), ("user", _user.get())):
            if value and not hasattr(record, name):
                setattr(record, name, value)
        return True
