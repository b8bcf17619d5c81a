"""Figures out of raw records: what `build/bench.json` and the table on the terminal show. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.counters import WRITES, of_verbs
from bench.figures import Figure
from bench.loop_probe import Lag
from bench.quantiles import quantile
from bench.rounds import BARE_JOBS, BARE_PODS, CAIRN, PLAIN
from bench.stage import OPERATOR

Body = Mapping[str, Any]
_NAMES = {CAIRN: "", PLAIN: "-plain"}


def of_contender(work: Body, contender: str) -> list[Body]:
    """The runs of one contender."""
    return [run for run in work["runs"] if run["contender"] == contender]


def seconds(work: Body, contender: str) -> float:
    """The median of the rounds."""
    return float(statistics.median(run["seconds"] for run in of_contender(work, contender)))


def medians(runs: Sequence[Body], key: str) -> dict[str, float]:
    """Of each name below a key, the median of the runs."""
    every = {name: None for run in runs for name in run[key]}
    return {name: statistics.median(run[key].get(name, 0) for run in runs) for name in every}


def of_workloads(record: Body) -> list[Figure]:
    """Of each workload, with checkpoints and without: seconds, CPU, memory, requests."""
    quick = "; a quick run, with less of everything" if record["about"]["quick"] else ""
    return [figure for work in record["workloads"] for figure in _of_workload(work, quick)]


def _of_workload(work: Body, quick: str) -> Iterable[Figure]:
    name, jobs, baseline = work["name"], work["jobs"], seconds(work, BARE_JOBS)
    note = f"{work['title']}; bare pods {seconds(work, BARE_PODS):.2f} s, median of {work['rounds']}{quick}"
    for contender, suffix in _NAMES.items():
        yield Figure.beside(f"{name}{suffix}", seconds(work, contender), "s", baseline, note)
    for contender, suffix in _NAMES.items():
        runs = of_contender(work, contender)
        cpu, peak = medians(runs, "cpu_seconds"), medians(runs, "peak_megabytes")
        sent, answered = medians(runs, "sent"), medians(runs, "answered")
        bare = medians(of_contender(work, BARE_JOBS), "answered")
        yield Figure(f"{name}{suffix}-operator-cpu", round(cpu[OPERATOR] * 1000 / jobs, 2), "ms/job")
        yield Figure(f"{name}{suffix}-operator-memory", peak[OPERATOR], "MB", note="the peak")
        yield Figure(f"{name}{suffix}-requests", round(sum(sent.values()) / jobs, 2), "1/job", note=told(sent, jobs))
        yield Figure.beside(
            f"{name}{suffix}-writes", _writes(answered) / jobs, "1/job", _writes(bare) / jobs, "answered, to everybody"
        )  # fmt: skip
        yield Figure(f"{name}{suffix}-lists", _lists(sent), "", note="lists that the operator has sent meanwhile")
        yield own_lag(f"{name}{suffix}", [run["lag"] for run in runs])
    if work.get("trace"):
        yield from _of_trace(name, work["trace"])


def _of_trace(name: str, trace: Body) -> Iterable[Figure]:
    for part, spread in trace["parts"].items():
        if part == "pod succeeded → Kubernetes Job created":
            yield Figure(f"{name}-hop", spread["median"], "ms", note=f"{part}; p95 {spread['p95']:.1f} ms")
    if loop := trace.get("loop"):
        note = f"answers to /livez: p99, of {loop['count']}; the longest {loop['most']:.1f} ms"
        yield Figure(f"{name}-loop", loop["p99"], "ms", note=note)


def own_lag(name: str, buckets: Sequence[Mapping[str, int]]) -> Figure:
    """How often the operator has seen its own loop to be late."""
    lag = Lag.of(buckets)
    note = f"probes later than 20 ms, of {lag.probes} of the operator's own; the latest {lag.most}"
    return Figure(f"{name}-lag", round(lag.late_percent, 2), "%", note=note)


def told(requests: Mapping[str, float], jobs: int, most: int = 6) -> str:
    """Requests per job, those that are most first."""
    ordered = sorted(requests.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {count / jobs:.2f}" for name, count in ordered)


def _writes(requests: Mapping[str, float]) -> float:
    return of_verbs({name: int(count) for name, count in requests.items()}, *WRITES)


def _lists(requests: Mapping[str, float]) -> int:
    return of_verbs({name: int(count) for name, count in requests.items()}, "list")


def of_scale(record: Body) -> list[Figure]:
    """Of each size: seconds, bytes, CPU."""
    figures = []
    for point in record["jobs"]:
        name, jobs = f"jobs-{point['jobs']}", point["jobs"]
        look = f"{point['looks']} looks of {point['look_ms']:.1f} ms"
        figures += [
            Figure(name, point["seconds"], "s", note=f"{1000 * point['seconds'] / jobs:.1f} ms a job; {look}"),
            Figure(f"{name}-status", round(point["status_bytes"] / 1000, 1), "kB", note=_object(point)),
            Figure(f"{name}-operator-cpu", round(point["operator_cpu_seconds"] * 1000 / jobs, 2), "ms/job"),
        ]
    for point in record["executions"]:
        jobs = point["executions"] * point["jobs"]
        note = f"{point['jobs']} jobs each; operator {point['operator_cpu_seconds'] * 1000 / jobs:.1f} ms CPU a job"
        figures.append(Figure(f"executions-{point['executions']}", point["seconds"], "s", note=note))
    return [*figures, *_of_planner(record), *_of_watchers(record), *_of_rows(record)]


def _of_planner(record: Body) -> Iterable[Figure]:
    for point in record.get("planner", ()):
        each = point["median_ms"] * 1000 / point["jobs"]
        note = f"one plan, CPU, median; {each:.1f} µs a job, {point['calls']} calls"
        yield Figure(f"planner-{point['jobs']}", point["median_ms"], "ms", note=note)


def _of_watchers(record: Body) -> Iterable[Figure]:
    for point in record.get("watchers", ()):
        note = ", ".join(f"{process} {seconds:.2f} s CPU" for process, seconds in point["cpu_seconds"].items())
        note += f"; {point['megabytes']:.1f} MB to those that watch"
        yield Figure(f"watchers-{point['watchers']}", point["seconds"], "s", note=note)


def _of_rows(record: Body) -> Iterable[Figure]:
    for point in record.get("rows", ()):
        for call in ("put", "get", "list"):
            spread = point[call]
            note = f"median of {spread['count']}, p99 {spread['p99']:.1f} ms"
            yield Figure(f"rows-{point['rows']}-{call}", spread["median"], "ms", note=note)
        note = f"the table; indexes {point['index_megabytes']:.1f} MB"
        yield Figure(f"rows-{point['rows']}-size", point["table_megabytes"], "MB", note=note)


def _object(point: Body) -> str:
    return f"the whole object {point['object_bytes'] / 1000:.1f} kB"


def of_known(record: Body) -> list[Figure]:
    """Memory, rest, restart."""
    known = record["known"]
    what = f"{known['executions']} executions of {known['jobs']} jobs, {known['running']} running"
    figures = [Figure("known-memory", known["peak_megabytes"], "MB", note=f"peak, with {what}")]
    for name, rest in (("idle", known["idle"]), ("idle-known", known["rest"])):
        note = f"operator, over {rest['seconds']:.0f} s with {rest['known']} executions; requests: "
        note += ", ".join(f"{request} {count}" for request, count in rest["sent"].items()) or "none"
        figures.append(Figure(f"{name}-cpu", rest["cpu_percent"][OPERATOR], "%", note=note))
    restarts = known["restarts"]
    for moment in ("ready", "all_known", "serving", "nothing_queued"):
        values = [restart[moment] for restart in restarts]
        name = f"restart-{moment.replace('_', '-')}"
        figures.append(Figure(name, statistics.median(values), "s", note=f"median of {len(values)}, with {what}"))
    return figures


def of_pauses(record: Body) -> list[Figure]:
    """Whether a pause holds, and how soon it is seen."""
    pauses = record["pauses"]
    visible = pauses["visible_milliseconds"]
    note = f"p99 of {len(visible)} pauses, median {quantile(visible, 0.5):.1f} ms; from the patch's answer"
    return [
        Figure("pause-late-launches", pauses["late_launches"], "", note="recorded after the patch's answer"),
        Figure("pause-visible", round(quantile(visible, 0.99), 1), "ms", note=note),
        own_lag("pause", [pauses["lag"]]),
    ]


def of_saves(record: Body) -> list[Figure]:
    """Checkpoints under load."""
    saves = record["saves"]
    taken, loop, name = saves["taken"], saves["loop"], f"checkpoint-load-{record['saves']['jobs']}"
    note = f"p99 of {len(taken)}, median {quantile(taken, 0.5):.1f} ms; from the create until seen Ready"
    lag = f"answers to /livez meanwhile: p99, of {len(loop)}; the longest {max(loop):.1f} ms"
    return [
        Figure(name, round(quantile(taken, 0.99), 1), "ms", note=note),
        Figure(f"{name}-loop", round(quantile(loop, 0.99), 1), "ms", note=lag),
        own_lag(name, [saves["lag"]]),
    ]


FIGURES = {
    "workloads": of_workloads, "scale": of_scale, "known": of_known, "pauses": of_pauses, "saves": of_saves,
}  # fmt: skip


def figures_of(part: str, record: Body) -> list[Figure]:
    """The figures of one part."""
    return FIGURES[part](record)


def usage_table(record: Body) -> str:
    """CPU and memory of every process, for each workload and contender, as lines of text."""
    lines = []
    for work in record["workloads"]:
        contenders = list(dict.fromkeys(run["contender"] for run in work["runs"]))
        lines += ["", f"{work['name']}: CPU seconds and peak MB of each process"]
        lines.append(f"{'':<26}" + "".join(f"{contender:>28}" for contender in contenders))
        found = {c: of_contender(work, c) for c in contenders}
        cpu = {c: medians(runs, "cpu_seconds") for c, runs in found.items()}
        peak = {c: medians(runs, "peak_megabytes") for c, runs in found.items()}
        for process in cpu[contenders[0]]:
            cells = (f"{cpu[c].get(process, 0):>14.2f} s{peak[c].get(process, 0):>9.0f} MB" for c in contenders)
            lines.append(f"{process:<26}" + "".join(cells))
    return "\n".join(lines)
