"""Who a process is: a pid alone says nothing, because the kernel gives it to somebody else after a while.

Rules: a process is ours only while its start time (and the boot it belongs to) is the one that was written down when it
was started; the rest of its process group is ours only if it carries our mark in its environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARK = "CAIRN_CLUSTER"


@dataclass(frozen=True)
class Stat:
    """What `/proc/<pid>/stat` says that matters here."""

    pid: int
    state: str
    group: int
    started: int


@dataclass(frozen=True)
class Identity:
    """A pid together with what keeps it from being mistaken for another process."""

    pid: int
    started: int
    boot: str


def boot_id(proc: Path = PROC) -> str:
    """Differs after every boot: start times are counted from there."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def parse_stat(text: str) -> Stat:
    """Read one stat line; the command's name is in parentheses and may itself contain spaces and parentheses."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    return Stat(pid=int(pid), state=fields[0], group=int(fields[2]), started=int(fields[19]))


def stat_of(pid: int, proc: Path = PROC) -> Stat | None:
    """The process with that pid; None if there is none or it is dead and only waits to be reaped."""
    try:
        stat = parse_stat((proc / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if stat.state in "ZX" else stat


def identify(pid: int, proc: Path = PROC) -> Identity | None:
    """Note down who `pid` is at this moment."""
    stat = stat_of(pid, proc)
    return None if stat is None else Identity(pid, stat.started, boot_id(proc))


def is_same(identity: Identity, proc: Path = PROC) -> bool:
    """Is the process still alive, and still the one that was noted down?"""
    stat = stat_of(identity.pid, proc)
    return stat is not None and stat.started == identity.started and boot_id(proc) == identity.boot


def _carries(pid: int, mark: str, proc: Path) -> bool:
    try:
        entries = (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in entries


def group_members(identity: Identity, mark: str, proc: Path = PROC) -> list[int]:
    """The living processes of the group that `identity` leads or led, and that are certainly ours."""
    if boot_id(proc) != identity.boot:
        return []
    members = []
    for stat in _all(proc):
        if stat.group != identity.pid:
            continue
        if stat.pid == identity.pid:
            ours = stat.started == identity.started
        else:
            ours = stat.started >= identity.started and _carries(stat.pid, mark, proc)
        if ours:
            members.append(stat.pid)
    return members


def marked(mark: str, proc: Path = PROC) -> list[int]:
    """Every living process that carries our mark, whether it was written down or not."""
    return [stat.pid for stat in _all(proc) if _carries(stat.pid, mark, proc)]


def _all(proc: Path) -> Iterator[Stat]:
    for entry in proc.iterdir():
        if entry.name.isdecimal() and (stat := stat_of(int(entry.name), proc)) is not None:
            yield stat


def children(pid: int, proc: Path = PROC) -> list[int]:
    """The direct children of a process."""
    return [int(child) for child in (proc / str(pid) / "task" / str(pid) / "children").read_text().split()]


def reap(pid: int) -> None:
    """Let go of a dead child; of no effect where the process is not our child or still runs."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
