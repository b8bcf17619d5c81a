"""What a log record is about: named once by whoever begins a piece of work, and in every record written meanwhile.

Tasks that the work starts take it over. A record's own `extra` wins. Names and numbers only, never what objects hold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Fields = Mapping[str, str | int]  # of `namespace`, `execution`, `job`, `attempt`, `checkpoint`

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
