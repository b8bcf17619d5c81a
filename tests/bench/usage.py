"""CPU time and memory of processes, from /proc.

A part is a process with all below it. CPU is in seconds, that of children that have ended included. Memory is in
megabytes (10^6 bytes): of a single process the peak that the kernel keeps, begun anew for each measurement; of several
(Postgres), which share memory, the highest sum of proportional shares among samples taken four times a second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cluster.procfs import PROC, children

SAMPLE_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"  # see proc(5), clear_refs


@dataclass(frozen=True, slots=True)
class Usage:
    """What each part has used."""

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_megabytes: dict[str, float] = field(default_factory=dict)


def parse_cpu(stat: str) -> float:
    """Seconds of CPU in a line of /proc/<pid>/stat: user and system, of the process and the children it waited for."""
    fields = stat.rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def parse_memory(text: str, key: str) -> float:
    """Megabytes of one line of /proc/<pid>/status or smaps_rollup."""
    line = next(line for line in text.splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024 / 1e6


def tree(pid: int, others: Collection[int] = (), proc: Path = PROC) -> Iterator[int]:
    """A process and all below it, but for other parts; those that end meanwhile may be missing."""
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in children(pid, proc):
            if child not in others:
                yield from tree(child, others, proc)


def cpu(pid: int, others: Collection[int] = (), proc: Path = PROC) -> float:
    """Seconds of CPU that a process and all below it, but for other parts, have used since their start."""
    found = 0.0
    for member in tree(pid, others, proc):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += parse_cpu((proc / str(member) / "stat").read_text())
    return found


def resident(pid: int, proc: Path = PROC) -> float:
    """Megabytes of a process that are in memory now."""
    return parse_memory((proc / str(pid) / "status").read_text(), "VmRSS")


def peak(pid: int, proc: Path = PROC) -> float:
    """The most megabytes of a process that were in memory since its peak was reset."""
    return parse_memory((proc / str(pid) / "status").read_text(), "VmHWM")


def reset_peak(pid: int, proc: Path = PROC) -> None:
    """Let the kernel's peak begin anew."""
    (proc / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def share(pid: int, others: Collection[int] = (), proc: Path = PROC) -> float:
    """Megabytes of a process and all below it, but for other parts; a shared page is divided among its users."""
    found = 0.0
    for member in tree(pid, others, proc):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += parse_memory((proc / str(member) / "smaps_rollup").read_text(), "Pss")
    return found


@asynccontextmanager
async def measured(parts: Mapping[str, int]) -> AsyncIterator[Usage]:
    """Measure parts (name, pid) while the context lasts; the answer is filled in at its end."""
    pids = frozenset(parts.values())
    usage, before = Usage(), {name: cpu(pid, pids) for name, pid in parts.items()}
    several = {name: pid for name, pid in parts.items() if len(list(tree(pid, pids))) > 1}
    for pid in parts.values():
        reset_peak(pid)
    usage.peak_megabytes.update({name: share(pid, pids) for name, pid in several.items()})
    sampling = asyncio.create_task(_sample(several, pids, usage.peak_megabytes))
    try:
        yield usage
    finally:
        sampling.cancel()
    for name, pid in parts.items():
        usage.cpu_seconds[name] = round(cpu(pid, pids) - before[name], 2)
        usage.peak_megabytes[name] = round(usage.peak_megabytes[name] if name in several else peak(pid), 1)


async def _sample(parts: Mapping[str, int], others: Collection[int], highest: dict[str, float]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        for name, pid in parts.items():
            highest[name] = max(highest[name], share(pid, others))
