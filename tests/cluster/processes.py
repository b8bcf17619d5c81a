"""Start the parts of a cluster so that any later command can find, judge, restart and stop exactly them.

Rules: each part runs in a session and process group of its own; what was started is written down with its identity
before anything waits for it; readiness is asked for, never slept for; nothing is signalled that is not provably ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from cluster import procfs
from cluster.errors import ClusterError
from cluster.layout import Layout

_POLL = 0.05


@dataclass(frozen=True)
class Part:
    """What to run: enough to start it again without knowing why it runs."""

    name: str
    argv: tuple[str, ...]
    ready: str = ""
    """`http(s)://…` answering 200, `unix:<path>` accepting a connection, or empty: running is enough."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A part and the process that it last became."""

    part: Part
    identity: procfs.Identity | None
    since: int
    """When a part of this name was started for the first time: parts are stopped in the opposite order."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        part = Part(**{**raw["part"], "argv": tuple(raw["part"]["argv"])})
        identity = raw["identity"]
        return cls(part, None if identity is None else procfs.Identity(**identity), raw["since"])

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


class Processes:
    """The parts of one cluster, as written down in its directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._mark = str(layout.root)

    def names(self) -> list[str]:
        """The parts ever started, in the order of their start."""
        records = [Record.from_json(path.read_text()) for path in self._layout.processes.glob("*.json")]
        return [record.part.name for record in sorted(records, key=lambda record: record.since)]

    def record(self, name: str) -> Record | None:
        """What is written down about a part."""
        try:
            return Record.from_json(self._path(name).read_text())
        except FileNotFoundError:
            return None

    def pid(self, name: str) -> int | None:
        """The pid of a part that runs now."""
        record = self.record(name)
        if record is None or record.identity is None:
            return None
        procfs.reap(record.identity.pid)
        return record.identity.pid if procfs.is_same(record.identity) else None

    def start(self, part: Part, timeout: float = 60) -> None:
        """Start a part, unless this very part runs already, and wait until it is ready."""
        record = self.record(part.name)
        if self.pid(part.name) is not None and record is not None and record.part == part:
            self.wait_ready(part.name, timeout)
            return
        self.stop(part.name)
        since = time.time_ns() if record is None else record.since
        self._write(Record(part, None, since))
        pid = self._spawn(part)
        self._write(Record(part, procfs.identify(pid), since))
        self.wait_ready(part.name, timeout)

    def stop(self, name: str, *, kill: bool = False, grace: float = 20) -> None:
        """Stop a part and what is left of its group; politely first unless told otherwise."""
        record = self.record(name)
        if record is None or record.identity is None:
            return
        attempts = [(signal.SIGKILL, 10.0)] if kill else [(signal.SIGTERM, grace), (signal.SIGKILL, 10.0)]
        for number, patience in attempts:
            if self._signal(record.identity, number, patience):
                self._write(replace(record, identity=None))
                return
        raise ClusterError(f"{name} (pid {record.identity.pid}) survives SIGKILL")

    def stop_all(self) -> None:
        """Kill every part, the last one first, and what a start that was killed itself had no time to write down."""
        for name in reversed(self.names()):
            self.stop(name, kill=True)
        for pid in procfs.marked(self._mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not wait_until(lambda: not procfs.marked(self._mark), 10):
            raise ClusterError(f"processes of {self._layout.name} survive SIGKILL: {procfs.marked(self._mark)}")

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop a part, start it as before, and wait until it is ready."""
        record = self.record(name)
        if record is None:
            raise ClusterError(f"{self._layout.name} has no part {name!r}; it has {', '.join(self.names()) or 'none'}")
        self.stop(name, kill=kill)
        self.start(record.part)

    def is_ready(self, name: str) -> bool:
        """Does the part run and answer?"""
        record = self.record(name)
        return record is not None and self.pid(name) is not None and _answers(record.part.ready)

    def wait_ready(self, name: str, timeout: float) -> None:
        """Wait until a part answers; a part that dies meanwhile is reported with the end of its log."""

        def dead_or_ready() -> bool:
            if self.pid(name) is None:
                raise ClusterError(f"{name} ended; the end of {self.log(name)}:\n{self._tail(name)}")
            return self.is_ready(name)

        if not wait_until(dead_or_ready, timeout):
            raise ClusterError(f"{name} is not ready after {timeout:.0f} s; the end of its log:\n{self._tail(name)}")

    def log(self, name: str) -> Path:
        """The file that holds a part's output, of all its starts."""
        return self._layout.logs / f"{name}.log"

    def _path(self, name: str) -> Path:
        return self._layout.processes / f"{name}.json"

    def _write(self, record: Record) -> None:
        path = self._path(record.part.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(record.as_json())
        scratch.replace(path)

    def _spawn(self, part: Part) -> int:
        # Not subprocess: its Popen object complains when it is dropped while the process runs, as it must here.
        self.log(part.name).parent.mkdir(parents=True, exist_ok=True)
        environment = {**without_proxies(os.environ), **part.env, procfs.MARK: self._mark}
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawnp(
            part.argv[0],
            part.argv,
            environment,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log(part.name)), flags, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )

    def _signal(self, identity: procfs.Identity, number: signal.Signals, patience: float) -> bool:
        for pid in procfs.group_members(identity, self._mark):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

        def gone() -> bool:
            left = procfs.group_members(identity, self._mark)
            procfs.reap(identity.pid)  # afterwards: else one that dies in between stays, and its pid looks alive
            return not left

        return wait_until(gone, patience)

    def _tail(self, name: str, lines: int = 15) -> str:
        try:
            text = self.log(name).read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for programs that talk to this machine only."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Ask until the answer is yes; False when time is up."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _answers(ready: str) -> bool:
    if not ready:
        return True
    if ready.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(ready.removeprefix("unix:")) == 0
    # The question is whether the process that was just started serves; whom it trusts is not asked here.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(ready, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
