"""Structured logs: one JSON object a line, or plain text for a terminal."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from cairn.app.logfields import AboutFilter, trace
from cairn.config import LogSettings
from cairn.core.times import format_time

_FIELDS = (
    "namespace", "execution", "job", "attempt", "checkpoint", "reason", "leader", "transitions",
    "requestId", "user", "method", "route", "status", "milliseconds",
)  # fmt: skip


class PlainFormatter(logging.Formatter):
    """A log record as text; of an exception no more than may be logged, whoever logs it."""

    def formatException(self, ei: Any) -> str:
        """Where it came from."""
        return trace(ei[1]) if ei[1] is not None else ""


class JsonFormatter(PlainFormatter):
    """A log record as one JSON object; never a payload, only what the code put there by name."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(settings: LogSettings, *filters: logging.Filter) -> None:
    """Log to standard error, as the settings say; filters may add fields to each record.

    Whatever else would write there goes the same way: what libraries log, warnings, the exception that ends a process.
    """
    handler = logging.StreamHandler(sys.stderr)
    for each in (AboutFilter(), *filters):
        handler.addFilter(each)
    plain = PlainFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else plain)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    logging.getLogger("cairn").critical("the process ends: %s", kind.__name__, exc_info=(kind, error, trace))
