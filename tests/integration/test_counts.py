"""How much an operator asks of the API server, and how often it looks: counts, which no noise of a machine changes.

Bounds are about a third above what was counted when they were set. Where it is chance how many ends of pods one look
finds, they are twice that. What a job costs in requests bounds how many jobs a cluster can run: who raises a bound
should know why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import pytest

from bench import counters
from bench.workloads import chain, fan
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.postgres import PostgresServer

pytestmark = pytest.mark.cluster

SAVED = {"triggers": ["level-completed"]}
REQUIRED = 6.0  # requests a job, for levels of jobs
QUIET_SECONDS = 5.0
MOST_SERIES = 480  # counted: 358
LOOKS = "looks"
ALL = "requests in all"

CHAIN_OF_10 = {
    ALL: 11.3, LOOKS: 8.0, "create jobs": 1, "create checkpoints": 1, "update checkpoints/status": 1.3,
    "patch checkpoints/status": 1.3, "get pods/log": 1, "create events": 3.2, "update dagexecutions/status": 2.4,
}  # fmt: skip
"""A job, at most. Counted: 8.7 requests, 3.4 to 4.4 looks."""
LEVELS_OF_10 = {
    ALL: 3.7, LOOKS: 2.3, "create jobs": 1, "create checkpoints": 0.1, "update checkpoints/status": 0.13,
    "patch checkpoints/status": 0.13, "get pods/log": 1, "create events": 0.7, "update dagexecutions/status": 0.36,
}  # fmt: skip
"""A job, at most. Counted: 2.8 requests, 1.1 looks."""

Start = Callable[..., OperatorProcess]


@dataclass(frozen=True)
class Counted:
    """What an operator has done so far, or between two moments."""

    requests: counters.Counts
    """But for watches: one that ends is begun anew, whenever the API server likes."""
    looks: counters.Counts
    """By queue."""

    @classmethod
    def of(cls, operator: OperatorProcess) -> Counted:
        """So far."""
        text = page(operator)
        requests = counters.operator_requests(text)
        looks = {
            s.labels["queue"]: int(s.value) for s in counters.samples(text, "cairn_reconcile_duration_seconds_count")
        }
        return cls(
            counters.Counts({name: n for name, n in requests.items() if not name.startswith("watch ")}),
            counters.Counts(looks),
        )

    def since(self, before: Counted) -> Counted:
        """After another moment."""
        return Counted(self.requests - before.requests, self.looks - before.looks)

    def a_job(self, jobs: int) -> dict[str, float]:
        """By the names that bounds have."""
        counts = {ALL: sum(self.requests.values()), LOOKS: self.looks["executions"]} | self.requests
        return {name: round(count / jobs, 3) for name, count in counts.items()}


def page(operator: OperatorProcess) -> str:
    """Its metrics."""
    return httpx.get(f"http://127.0.0.1:{operator.port}/metrics", timeout=10).text


def at_rest(operator: OperatorProcess) -> Counted:
    """What it has done, once that is all for a while."""
    last = Counted.of(operator)

    def found() -> Counted | None:
        nonlocal last
        time.sleep(1)
        before, last = last, Counted.of(operator)
        return last if last == before else None

    return until(found, "the operator is at rest")


def run(kube: Kube, *names: str, spec: Mapping[str, list[dict[str, object]]]) -> None:
    """Executions side by side, until all has come of them that will."""
    for name in names:
        kube.run(name, *spec["jobs"], checkpoint=SAVED)
    for name in names:
        kube.wait(name, "Succeeded")
        kube.saved(name)


def exceeded(found: Mapping[str, float], bounds: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """What is above its bound, with that; what has none may not be at all."""
    pairs = {name: (value, bounds.get(name, 0)) for name, value in found.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] > pair[1]}


def test_requests_and_looks_are_bounded(solo: Kube, postgres: PostgresServer, start_operator: Start) -> None:
    operator = start_operator(solo, DATABASE_URL=postgres.migrated())
    run(solo, "first", spec=chain(2))  # from here on Kubernetes Jobs and pods of the namespace are watched
    begun = at_rest(operator)

    run(solo, "chain", spec=chain(10))
    after_chain = at_rest(operator)
    assert exceeded(after_chain.since(begun).a_job(10), CHAIN_OF_10) == {}

    run(solo, "levels-0", "levels-1", spec=fan(3, 10))
    after_levels = at_rest(operator)
    levels = after_levels.since(after_chain).a_job(60)
    assert exceeded(levels, LEVELS_OF_10) == {} and levels[ALL] <= REQUIRED
    assert levels["create jobs"] == 1

    done = after_levels.since(begun)
    assert not [name for name in done.requests if name.startswith("list ")], "what is watched is not listed"

    time.sleep(QUIET_SECONDS)
    assert Counted.of(operator).since(after_levels) == Counted(counters.Counts(), counters.Counts()), "an idle operator"
    series = [line for line in page(operator).splitlines() if not line.startswith("#")]
    assert len(series) <= MOST_SERIES
    assert counters.total(page(operator), "cairn_event_loop_lag_seconds", {}).observed > QUIET_SECONDS


def test_what_has_no_bound_is_told() -> None:
    assert exceeded({"create jobs": 1.0, "list pods": 0.1}, {"create jobs": 1}) == {"list pods": (0.1, 0)}
