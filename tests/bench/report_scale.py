"""The section of docs/performance.md on how Cairn grows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench import plots
from bench.markdown import Body, Files, picture, run_of, table

_CALLS = {"put": "put", "get": "get by id", "list": "list of an execution"}


def scale(record: Body) -> tuple[str, Files]:
    """Curves over jobs, executions, clients that watch, rows of the database; what was measured of them."""
    text, files = "## Scale\n\n" + run_of(record), Files()
    for name, section in _SECTIONS.items():
        if points := record.get(name):
            told, drawn = section(points)
            text += told
            files |= drawn
    return text, files


def _jobs(points: Sequence[Body]) -> tuple[str, Files]:
    text = "One execution of so many jobs, checkpoints on:\n\n"
    rows = [
        (p["jobs"], f"{p['seconds']:.2f}", f"{p['status_bytes'] / 1000:.1f}", f"{p['object_bytes'] / 1000:.1f}",
         p["looks"], f"{p['look_ms']:.1f}", f"{p['operator_cpu_seconds'] * 1000 / p['jobs']:.1f}",
         f"{p['operator_peak_megabytes']:.0f}")
        for p in points
    ]  # fmt: skip
    text += table(("jobs", "seconds", "status, kB", "object, kB", "looks", "ms a look", "operator, ms CPU a job",
                   "operator, peak MB"), rows)  # fmt: skip
    curves: dict[str, tuple[str, str, Callable[[Body], float]]] = {
        "scale-seconds": ("Seconds of one execution", "seconds", lambda p: p["seconds"]),
        "scale-status": ("Status of one execution", "kB", lambda p: p["status_bytes"] / 1000),
        "scale-looks": ("One look: observe, plan, apply", "ms, mean", lambda p: p["look_ms"]),
        "scale-cpu": ("CPU of the operator for one execution", "seconds", lambda p: p["operator_cpu_seconds"]),
    }  # fmt: skip
    files = {
        name: plots.lines(title, "jobs of the execution", unit, {title: [(p["jobs"], of(p)) for p in points]})
        for name, (title, unit, of) in curves.items()
    }
    return text + "".join(picture(name, curves[name][0]) for name in files), files


def _planner(points: Sequence[Body]) -> tuple[str, Files]:
    text = "### The planner alone\n\nOne plan for an execution of levels of 100 jobs, half of which are done and one "
    text += "of which has just succeeded, in a process that does nothing else. Time is CPU time; calls are "
    text += "those of Python functions, the same on every machine:\n\n"
    rows = [
        (p["jobs"], f"{p['calls']:,}", f"{p['calls'] / p['jobs']:.1f}", f"{p['median_ms']:.2f}", f"{p['most_ms']:.2f}",
         f"{p['median_ms'] * 1000 / p['jobs']:.1f}")
        for p in points
    ]  # fmt: skip
    text += table(("jobs", "calls", "calls a job", "ms, median", "ms, most", "µs a job"), rows)
    title = "One plan, without the API server"
    line = {title: [(p["jobs"], p["median_ms"]) for p in points]}
    counted = "Calls of functions within one plan"
    calls = {counted: [(p["jobs"], p["calls"]) for p in points]}
    files = {
        "scale-planner": plots.lines(title, "jobs of the execution", "ms, median", line),
        "scale-calls": plots.lines(counted, "jobs of the execution", "calls", calls),
    }
    return text + picture("scale-planner", title) + picture("scale-calls", counted), files


def _executions(crowds: Sequence[Body]) -> tuple[str, Files]:
    text = f"### Executions at once\n\nOf {crowds[0]['jobs']} jobs each:\n\n"
    text += table(("executions", "seconds", "operator, ms CPU a job"), [
        (c["executions"], f"{c['seconds']:.2f}", f"{_crowd_cpu(c):.1f}") for c in crowds
    ])  # fmt: skip
    crowd_seconds = {"seconds": [(c["executions"], c["seconds"]) for c in crowds]}
    files = {"scale-executions": plots.lines("Executions at once", "executions", "seconds", crowd_seconds)}
    return text + picture("scale-executions", "Executions at once"), files


def _crowd_cpu(crowd: Body) -> float:
    return float(crowd["operator_cpu_seconds"] * 1000 / crowd["executions"] / crowd["jobs"])


def _watchers(points: Sequence[Body]) -> tuple[str, Files]:
    processes = list(points[0]["cpu_seconds"])
    text = f"### Clients that watch\n\nOne execution of {points[0]['jobs']} jobs, while so many others watch the "
    text += "executions of its namespace; what they cost, the API server bears. CPU in seconds:\n\n"
    rows = [
        (p["watchers"], f"{p['seconds']:.2f}", f"{p['megabytes']:.1f}",
         *(f"{p['cpu_seconds'][process]:.2f}" for process in processes))
        for p in points
    ]  # fmt: skip
    text += table(("watchers", "seconds", "MB sent to them", *(f"CPU of {process}" for process in processes)), rows)
    title = "One execution while others watch"
    lines = {"seconds of the execution": [(p["watchers"], p["seconds"]) for p in points]}
    lines |= {f"CPU of {name}": [(p["watchers"], p["cpu_seconds"][name]) for p in points] for name in processes}
    files = {"scale-watchers": plots.lines(title, "watchers", "seconds", lines)}
    return text + picture("scale-watchers", title), files


def _rows(points: Sequence[Body]) -> tuple[str, Files]:
    text = "### Rows of the database\n\nCalls of the operator among so many rows of checkpoints, one at a time; "
    text += "milliseconds, median (p99). The rows that fill the table are as small as can be.\n\n"
    rows = [
        (f"{p['rows']:,}", *(f"{p[call]['median']:.1f} ({p[call]['p99']:.1f})" for call in _CALLS),
         f"{p['table_megabytes']:.1f}", f"{p['index_megabytes']:.1f}")
        for p in points
    ]  # fmt: skip
    text += table(("rows", *_CALLS.values(), "table, MB", "indexes, MB"), rows)
    lines = {f"{told}, {which}": [(p["rows"], p[call][which]) for p in points]
             for call, told in _CALLS.items() for which in ("median", "p99")}  # fmt: skip
    sizes = {"table": [(p["rows"], p["table_megabytes"]) for p in points],
             "indexes": [(p["rows"], p["index_megabytes"]) for p in points]}  # fmt: skip
    titles = {"scale-rows": "Calls to the database", "scale-rows-size": "Size of the rows"}
    files = {
        "scale-rows": plots.lines(titles["scale-rows"], "rows", "ms", lines),
        "scale-rows-size": plots.lines(titles["scale-rows-size"], "rows", "MB", sizes),
    }
    return text + "".join(picture(name, title) for name, title in titles.items()), files


_SECTIONS: dict[str, Callable[[Sequence[Body]], tuple[str, Files]]] = {
    "jobs": _jobs, "planner": _planner, "executions": _executions, "watchers": _watchers, "rows": _rows,
}  # fmt: skip
