"""The execution as it changes, from `kubectl get --watch`."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from demo.errors import DemoError
from demo.execution import Execution
from demo.shell import Shell

_RESTARTS = 5


class Watch:
    """A context in which `next` gives the newest state of one execution."""

    def __init__(self, shell: Shell, name: str) -> None:
        self._shell = shell
        # `exec` makes the process that is stopped in the end kubectl itself and not a shell around it.
        self._command = f"exec kubectl get dagx {name} --output json --watch"
        self._seen: SimpleQueue[Execution | None] = SimpleQueue()
        self._starts = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def next(self, timeout: float) -> Execution | None:
        """The newest state if it has changed, None if it has not changed within `timeout` seconds."""
        newest = None
        try:
            while True:
                newest = self._take(0 if newest else timeout) or newest
        except Empty:
            return newest

    def _take(self, timeout: float) -> Execution | None:
        found = self._seen.get(timeout=timeout) if timeout else self._seen.get_nowait()
        if found is None:
            self._stop()
            time.sleep(1)
            self._start()
        return found

    def _start(self) -> None:
        if self._starts > _RESTARTS:
            raise DemoError(f"The watch ends again and again: {self._command}")
        self._starts += 1
        self._process = self._shell.start(self._command)
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for body in objects(lines):
                self._seen.put(Execution.from_object(body))
        self._seen.put(None)


def objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The indented JSON objects in a stream of lines; what stands between them is dropped."""
    gathered: list[str] = []
    for line in lines:
        if line.startswith("{"):
            gathered = []
        gathered.append(line)
        if line.startswith("}"):
            yield json.loads("".join(gathered))
