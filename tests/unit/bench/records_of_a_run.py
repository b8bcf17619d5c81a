"""Raw records as a run writes them, small."""

from __future__ import annotations

from typing import Any

from bench.rounds import BARE_JOBS, BARE_PODS, CAIRN, FULL_JOBS, PLAIN

ABOUT = {"date": "2026-01-31", "commit": "abc", "quick": False, "cores": 2, "load": 0.5, "architecture": "x86_64",
         "python": "3.11.7"}  # fmt: skip
SPREAD = {"count": 9, "median": 20.0, "p95": 30.0, "p99": 40.0, "most": 50.0}
LAG = {"+Inf": 40, "0.05": 40, "0.02": 39, "0.001": 10}


def run(contender: str, seconds: float, cpu: float = 0.0, **sent: int) -> dict[str, Any]:
    """One run of 10 jobs."""
    return {
        "contender": contender, "round": 0, "seconds": seconds, "load": 1.0,
        "cpu_seconds": {"operator": cpu, "etcd": 0.1}, "peak_megabytes": {"operator": 100.0, "etcd": 50.0},
        "answered": {"create jobs": 10, "update jobs/status": 30, "list jobs": 1}, "sent": dict(sent),
        "lag": dict(LAG),
    }  # fmt: skip


def workloads() -> dict[str, Any]:
    """One workload of 10 jobs, two rounds."""
    sent = {"create jobs": 10, "update dagexecutions/status": 5}
    runs = [run(CAIRN, seconds, 0.04, **sent) for seconds in (3.0, 1.0)]
    runs += [run(PLAIN, 2.0, 0.02, **sent), run(BARE_JOBS, 4.0), run(FULL_JOBS, 5.0), run(BARE_PODS, 1.0)]
    parts = {"pod succeeded → Kubernetes Job created": SPREAD, "started → succeeded": SPREAD}
    trace = {"parts": parts, "means": {"operator: one look": [7, 1.5]}, "loop": SPREAD}
    work = {"name": "W1", "title": "ten", "jobs": 10, "rounds": 2, "runs": runs, "trace": trace}
    return {"about": ABOUT, "workloads": [work]}


def scale() -> dict[str, Any]:
    """Two sizes of everything, one crowd."""
    point = {"executions": 1, "jobs": 10, "seconds": 1.0, "object_bytes": 4000, "status_bytes": 2000, "looks": 5,
             "look_ms": 2.0, "operator_cpu_seconds": 0.1, "operator_peak_megabytes": 90.0}  # fmt: skip
    planned = {"jobs": 10, "calls": 400, "median_ms": 0.5, "most_ms": 0.7}
    watched = {"watchers": 0, "jobs": 100, "seconds": 4.0, "megabytes": 0.0,
               "cpu_seconds": {"operator": 1.0, "kube-apiserver": 3.0}}  # fmt: skip
    filled = {"rows": 1000, "put": SPREAD, "get": SPREAD, "list": SPREAD, "table_megabytes": 1.0,
              "index_megabytes": 0.5, "fill_seconds": 0.1}  # fmt: skip
    return {
        "about": ABOUT, "jobs": [point, point | {"jobs": 20, "seconds": 2.0}], "executions": [point],
        "planner": [planned, planned | {"jobs": 20, "median_ms": 1.0}],
        "watchers": [watched, watched | {"watchers": 50, "megabytes": 9.0}],
        "rows": [filled, filled | {"rows": 10000}],
    }  # fmt: skip


def known() -> dict[str, Any]:
    """Ten executions, and one restart."""
    rest = {"known": 0, "seconds": 20.0, "cpu_percent": {"operator": 0.5}, "sent": {}, "answered_lists": {}}
    restart = {"ready": 1.0, "all_known": 2.0, "serving": 3.0, "nothing_queued": 4.0}
    return {"about": ABOUT, "known": {
        "executions": 10, "running": 1, "jobs": 20, "megabytes": 90.0, "peak_megabytes": 95.0, "idle": rest,
        "rest": rest | {"known": 10, "sent": {"get leases": 2}}, "restarts": [restart],
        "peak_megabytes_restarted": 99.0,
    }}  # fmt: skip


def pauses() -> dict[str, Any]:
    """Three pauses."""
    found = {"late_launches": 0, "late_milliseconds": [], "visible_milliseconds": [10.0, 30.0, 20.0], "lag": LAG}
    return {"about": ABOUT, "pauses": found}


def saves() -> dict[str, Any]:
    """Two checkpoints."""
    return {"about": ABOUT, "saves": {"jobs": 1000, "taken": [100.0, 200.0], "loop": [1.0, 5.0], "lag": LAG}}


EVERYTHING = {"workloads": workloads, "scale": scale, "known": known, "pauses": pauses, "saves": saves}
