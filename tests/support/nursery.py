"""Operators as forks of one process that has loaded the code already, for who starts hundreds of them.

A fork is a process like any other, to be killed at any moment; only the second that Python takes to load everything is
spent once. The kubeconfig is `kubeconfig` in the folder that it runs in, since clients read its path while they load.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class Fork:
    """A process that somebody else has started, with what `subprocess.Popen` offers."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def __del__(self) -> None:
        os.close(self._handle)

    def poll(self) -> int | None:
        """None while it runs."""
        return 0 if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return 0

    def _ended(self, timeout: float | None) -> bool:
        asked = select.poll()  # unlike select.select, for however many files are open
        asked.register(self._handle, select.POLLIN)
        return bool(asked.poll(None if timeout is None else timeout * 1000))

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Nursery:
    """The process that they are forks of."""

    def __init__(self) -> None:
        environment = os.environ | {"KUBECONFIG": "kubeconfig"}
        command = [sys.executable, "-m", "support.nursling"]
        self._process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )  # fmt: skip
        self._lock = threading.Lock()

    def fork(self, folder: Path, environment: Mapping[str, str], log: Path) -> Fork:
        """Start an operator with those variables, in a folder that holds its kubeconfig."""
        order = {"folder": str(folder), "environment": dict(environment), "log": str(log)}
        with self._lock:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return Fork(int(self._process.stdout.readline()))

    def close(self) -> None:
        """Start no more."""
        self._process.communicate()
