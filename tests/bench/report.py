"""docs/performance.md and its plots, out of the raw records that are kept. Pure: the same records, the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import plots
from bench.hops import PARTS
from bench.loop_probe import Lag
from bench.markdown import Body, Files, figure_table, picture, run_of, table
from bench.report_scale import scale
from bench.results import figures_of, medians, of_contender, seconds
from bench.rounds import BARE_JOBS, CAIRN, CONTENDERS, PLAIN

HEAD = """\
# Performance

<!-- Made of docs/performance/*.json by `make docs`; `python -m bench --keep` writes those. Do not edit. -->

What Cairn costs, beside what the same work costs without it, measured in the same run on the same cluster: a script
that creates bare Kubernetes Jobs (or bare pods) and creates the next level when the one before is done. Nodes are fake,
and their pods take no time: everything measured is overhead. etcd, the API server, the controllers and the scheduler
are real, their client throttling is raised to 500 requests a second, bursts of 1,000. These machines are shared and
noisy; what counts are the ratios of figures taken side by side.

`make bench` measures all of it; `python -m bench --quick` the first part, smaller, in under three minutes.

"""

FINDINGS = Path(__file__).with_name("findings.md")
"""What is told besides, written by hand."""


def page(records: Mapping[str, Body]) -> tuple[str, Files]:
    """The page, and its plots by their names."""
    text = HEAD
    files: Files = {}
    for part, record in records.items():
        told, drawn = SECTIONS[part](record)
        text += told
        files |= drawn
    return text.rstrip() + "\n\n" + FINDINGS.read_text(encoding="utf-8"), files


# --- Workloads -------------------------------------------------------------------------------------------------------


def _workloads(record: Body) -> tuple[str, Files]:
    works = record["workloads"]
    text = "## Four workloads\n\n" + run_of(record)
    text += "Seconds from creation to the last success, medians; in brackets the multiple of bare Kubernetes Jobs.\n\n"
    rows = [(f"{w['name']}: {w['title']}", *(_beside(w, contender) for contender in CONTENDERS)) for w in works]
    text += table(("work", *CONTENDERS), rows)
    ratios = {w["name"]: {c: seconds(w, c) / seconds(w, BARE_JOBS) for c in CONTENDERS} for w in works}
    files = {"ratios": plots.bars("Seconds as a multiple of bare Kubernetes Jobs", "", ratios)}
    text += picture("ratios", "Seconds as a multiple of bare Kubernetes Jobs")
    text += _processes(works)
    costs = {f"{w['name']}, {c}": _cpu_per_job(w, c) for w in works for c in CONTENDERS}
    files["cpu"] = plots.stacks("CPU of every process, milliseconds a job", "ms", costs)
    text += picture("cpu", "CPU of every process")
    text += _requests(works)
    told, drawn = _traces(works)
    return text + told, files | drawn


def _beside(work: Body, contender: str) -> str:
    return f"{seconds(work, contender):.2f} ({seconds(work, contender) / seconds(work, BARE_JOBS):.2f})"


def _cpu_per_job(work: Body, contender: str) -> dict[str, float]:
    cpu = medians(of_contender(work, contender), "cpu_seconds")
    return {process: value * 1000 / work["jobs"] for process, value in cpu.items()}


def _processes(works: Sequence[Body]) -> str:
    text = "### CPU and memory\n\n"
    text += "CPU in milliseconds a job, from the first create until all is at rest; peak memory.\n\n"
    processes = list(medians(of_contender(works[0], CAIRN), "cpu_seconds"))
    for contender in (CAIRN, BARE_JOBS):
        rows = []
        for work in works:
            cpu, peak = _cpu_per_job(work, contender), medians(of_contender(work, contender), "peak_megabytes")
            rows.append((work["name"], *(f"{cpu.get(p, 0):.1f} ms, {peak.get(p, 0):.0f} MB" for p in processes)))
        text += f"{contender}:\n\n" + table(("work", *processes), rows)
    return text


def _requests(works: Sequence[Body]) -> str:
    text = "### Requests\n\nRequests a job. `sent`: by the operator, as it counts itself (Kopf's watches are not among "
    text += "them); the others: answered by the API server to everybody, the script that measures included.\n\n"
    for work in works:
        kinds = {f"{c}, sent": medians(of_contender(work, c), "sent") for c in (CAIRN, PLAIN)}
        kinds |= {c: medians(of_contender(work, c), "answered") for c in (CAIRN, BARE_JOBS)}
        names = {name: 0.0 for found in kinds.values() for name, count in found.items() if count >= work["jobs"] / 50}
        order = sorted(names, key=lambda name: -max(found.get(name, 0) for found in kinds.values()))
        rows = [(f"`{name}`", *(_per_job(found.get(name, 0), work) for found in kinds.values())) for name in order]
        rows.append(("**all**", *(_per_job(sum(found.values()), work) for found in kinds.values())))
        text += f"{work['name']}:\n\n" + table(("request", *kinds), rows)
    return text


def _per_job(count: float, work: Body) -> str:
    return f"{count / work['jobs']:.2f}" if count else ""


def _traces(works: Sequence[Body]) -> tuple[str, Files]:
    traced = [work for work in works if work.get("trace")]
    with_hops = {w["name"]: w["trace"]["parts"] for w in traced if w["trace"]["parts"]}
    text = "### A hop in its parts\n\n"
    text += "From one more run of each, with watches on everything; milliseconds, median (p95).\n\n"
    names = list(dict.fromkeys(part for parts in with_hops.values() for part in parts))
    rows = [(part, *(_median(parts.get(part)) for parts in with_hops.values())) for part in names]
    text += table(("part", *with_hops), rows)
    stacked = {name: {p: parts[p]["median"] for p in PARTS.values() if p in parts} for name, parts in with_hops.items()}
    files = {"hops": plots.stacks("A hop in its parts, medians", "ms", stacked)} if stacked else {}
    text += picture("hops", "A hop in its parts") if stacked else ""
    text += "What metrics tell of what no watch shows; milliseconds in the mean (how many).\n\n"
    means = list(dict.fromkeys(name for work in traced for name in work["trace"]["means"]))
    rows = [(name, *(_mean(work["trace"]["means"].get(name)) for work in traced)) for name in means]
    rows.append(("answer to /livez, p99 (the longest)", *(_loop(work["trace"]["loop"]) for work in traced)))
    rows.append(("the operator's own probes of its loop, later than 20 ms (the latest)", *map(_own_lag, traced)))
    return text + table(("", *(work["name"] for work in traced)), rows), files


def _median(spread: Body | None) -> str:
    return f"{spread['median']:.1f} ({spread['p95']:.1f})" if spread else ""


def _mean(found: Sequence[float] | None) -> str:
    return f"{found[1]:.1f} ({found[0]:.0f})" if found else ""


def _own_lag(work: Body) -> str:
    """Of all rounds, which nobody has watched closely."""
    lag = Lag.of(run["lag"] for run in of_contender(work, CAIRN))
    return f"{lag.late_percent:.2f} % ({lag.most})"


def _loop(spread: Body | None) -> str:
    return f"{spread['p99']:.1f} ({spread['most']:.1f})" if spread else ""


# --- The others ------------------------------------------------------------------------------------------------------


def _known(record: Body) -> tuple[str, Files]:
    known = record["known"]
    text = "## Many executions known, rest, restart\n\n" + run_of(record) + figure_table(figures_of("known", record))
    rows = [
        (process, *(f"{rest['cpu_percent'].get(process, 0):.2f} %" for rest in (known["idle"], known["rest"])))
        for process in known["idle"]["cpu_percent"]
    ]
    text += "CPU while nothing happens:\n\n"
    return text + table(("process", "nothing known", f"{known['executions']} executions known"), rows), {}


def _pauses(record: Body) -> tuple[str, Files]:
    text = "## Pauses under load\n\n" + run_of(record)
    text += "Executions of W4, paused one after the other while all of them run.\n\n"
    return text + figure_table(figures_of("pauses", record)), {}


def _saves(record: Body) -> tuple[str, Files]:
    text = "## Checkpoints under load\n\n" + run_of(record)
    text += f"Manual checkpoints of an execution of {record['saves']['jobs']:,} jobs while executions of W4 run.\n\n"
    return text + figure_table(figures_of("saves", record)), {}


SECTIONS: dict[str, Callable[[Body], tuple[str, Files]]] = {
    "workloads": _workloads, "scale": scale, "known": _known, "pauses": _pauses, "saves": _saves,
}  # fmt: skip
