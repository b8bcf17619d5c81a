"""One more run of a workload that is watched closely; its seconds count for nothing, since the watching costs CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import executions, hops
from bench.counters import Total, total
from bench.loop_probe import probing
from bench.quantiles import Spread
from bench.stage import Stage
from bench.workloads import Workload

_REQUESTS = "cairn_kubernetes_request_duration_seconds"
# What is told beside the watches: name, whose metric, which one, of which labels.
_MEANS: Mapping[str, tuple[bool, str, Mapping[str, str]]] = {
    "operator: one look at an execution (observe, plan, apply)": (
        True, "cairn_reconcile_duration_seconds", {"queue": "executions"},
    ),
    "operator: update of a status, as sent": (True, _REQUESTS, {"verb": "update", "resource": "dagexecutions/status"}),
    "operator: create of a Kubernetes Job, as sent": (True, _REQUESTS, {"verb": "create", "resource": "jobs"}),
    "operator: creates of any kind, as sent": (True, _REQUESTS, {"verb": "create"}),
    "operator: hop, by its own histogram": (True, "cairn_hop_duration_seconds", {}),
    "operator: launch recorded to container started, by its own histogram": (True, "cairn_start_duration_seconds", {}),
    "operator: gathering a state and writing it down": (True, "cairn_checkpoint_duration_seconds", {}),
    "operator: a call to the database": (True, "cairn_database_call_duration_seconds", {}),
    "API server: update of a status, as answered": (
        False, "apiserver_request_duration_seconds", {"verb": "PUT", "resource": "dagexecutions"},
    ),
    "API server: create of a Kubernetes Job, as answered": (
        False, "apiserver_request_duration_seconds", {"verb": "POST", "resource": "jobs"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen. Times in milliseconds."""

    parts: dict[str, Spread] = field(default_factory=dict)
    """Of hops, each part's spread; see `hops.PARTS`."""
    means: dict[str, tuple[int, float]] = field(default_factory=dict)
    """What metrics tell of steps that are not seen outside: how many, and the mean."""
    loop: Spread | None = None
    """Answers to /livez."""


async def trace(stage: Stage, work: Workload) -> Trace:
    """Run Cairn with checkpoints, and watch."""
    namespace = await executions.new_namespace(stage.api)
    spec = work.spec(checkpoints=True)
    before = await _totals(stage)
    async with (
        hops.watching(stage.api, namespace, spec, work.executions) as timeline,
        probing(stage.session, stage.operator.port) as answers,
    ):
        await executions.run_all(stage.api, namespace, spec, work.executions)
    await executions.settled(stage.api, namespace)
    after = await _totals(stage)
    added = {name: after[name].since(before[name]) for name in _MEANS}
    means = {name: (int(t.observed), round(t.mean * 1000, 3)) for name, t in added.items() if t.mean is not None}
    return Trace(hops.spreads(timeline.hops()), means, Spread.of(answers))


async def _totals(stage: Stage) -> dict[str, Total]:
    pages = {True: await stage.operator_metrics(), False: await stage.server_metrics()}
    return {name: total(pages[own], metric, labels) for name, (own, metric, labels) in _MEANS.items()}
