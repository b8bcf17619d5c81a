"""The metrics that the code defines, as Prometheus names them, and those that a query uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client.metrics import MetricWrapperBase

from cairn.adapters import metrics as calls
from cairn.api import metrics as api
from cairn.app import metrics as operator
from cairn.app.census import Census
from cairn.app.queue import WorkQueue
from cairn.app.views import Views

Described = tuple[str, tuple[str, ...]]  # type and labels
_SUFFIX = {"counter": "_total", "info": "_info"}
_INFO_LABELS = ("version", "commit")


def defined() -> dict[str, Described]:
    """Type and labels of every metric, by its name."""
    found: dict[str, Described] = {}
    for module in (calls, api, operator):
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                kind = str(metric._type)
                labels = _INFO_LABELS if kind == "info" else tuple(metric._labelnames)
                name = metric._name + _SUFFIX.get(kind, "")
                found[name] = ("gauge" if kind == "info" else kind, labels)
    return found | _census()


def _census() -> dict[str, Described]:
    queue: WorkQueue[str] = WorkQueue("test", _nothing)
    families = Census(Views(), _now, lambda: Busy((queue,))).collect()
    return {family.name: (family.type, tuple(getattr(family, "_labelnames", ()))) for family in families}


@dataclass(frozen=True)
class Busy:
    """A replica that leads, with some queues."""

    queues: tuple[WorkQueue[str], ...]
    unstored: int = 0

    def backlog(self) -> int:
        return self.unstored


def _now() -> datetime:
    return datetime(2026, 1, 31, tzinfo=UTC)


async def _nothing(key: str) -> None:
    return None


def series() -> set[str]:
    """The names of all time series, those of histograms included."""
    found = set()
    for name, (kind, _) in defined().items():
        found |= {f"{name}{part}" for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return found


def used(query: str) -> set[str]:
    """The metrics of Cairn that a query uses; what is quoted are values of labels."""
    return set(re.findall(r"\bcairn_[a-z0-9_]+", re.sub(r'"[^"]*"', "", query)))
