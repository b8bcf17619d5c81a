"""What a log record is about: named once by whoever begins a piece of work, and in every record written meanwhile.

Tasks that the work starts take it over. A record's own `extra` wins. Names and numbers only, never what objects hold;
so of an exception where it came from, and its text only if that is known to quote nothing.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from cairn.errors import ApiError, NotConfigured, StoreError

Fields = Mapping[str, str | int]  # of `namespace`, `execution`, `job`, `attempt`, `checkpoint`

_QUOTING_NOTHING = (ApiError, StoreError, NotConfigured, OSError)

_fields: ContextVar[Fields] = ContextVar("cairn_log_fields", default={})  # noqa: B039 - a Mapping, never changed


@contextmanager
def about(fields: Fields) -> Iterator[None]:
    """Within it, log records have these fields too."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


class AboutFilter(logging.Filter):
    """Adds to each record what it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record through."""
        for name, value in _fields.get().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def trace(error: BaseException) -> str:
    """An exception as it may be logged, after what it came of; the texts of most quote what they were about."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    before = [f"{trace(each)}, and then\n" for each in (*parts, *([cause] if cause else ()))]
    text = f": {error}" if isinstance(error, _QUOTING_NOTHING) else ""
    return "".join((*before, *traceback.format_tb(error.__traceback__), type(error).__name__, text))
