"""The operator as a process, as users run it, to be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from support.kube import until
from support.nursery import Nursery


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running(Protocol):
    """A process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...

    def terminate(self) -> None: ...


class OperatorProcess:
    """One operator; `namespace` may be a pattern such as `test-*`. With a nursery it is a fork of that."""

    def __init__(
        self, kubeconfig: Path, log: Path, namespace: str, nursery: Nursery | None = None, **settings: str
    ) -> None:  # fmt: skip
        self._kubeconfig = kubeconfig
        self.log = log
        self._namespace = namespace
        self._settings = settings
        self._nursery = nursery
        self._process: Running | None = None
        self.port = free_port()

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        self.spawn()
        until(self.ready, "the operator is ready", 30, lambda: self.log.read_text()[-2000:])
        return self

    def command(self) -> list[str]:
        """What runs it."""
        return [sys.executable, "-m", "cairn", "operator"]

    def spawn(self) -> None:
        """Start it, and wait for nothing."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._begun({
            "KUBECONFIG": str(self._kubeconfig), "CAIRN_HEALTH_PORT": str(self.port),
            "CAIRN_NAMESPACES": self._namespace,
            "DATABASE_URL": "",  # none, unless a test gives one
        } | self._settings)  # fmt: skip

    def _begun(self, environment: Mapping[str, str]) -> Running:
        if self._nursery is not None:
            return self._nursery.fork(self._kubeconfig.parent, environment, self.log)
        with self.log.open("ab") as out:
            environment = {**os.environ, **environment}
            return subprocess.Popen(self.command(), env=environment, stderr=out, start_new_session=True)

    @property
    def running(self) -> bool:
        """Whether there is a process, be it a stopped one."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """That of its process."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Whether it is still the process that was started, and alive."""
        assert self.running, self.log.read_text()[-4000:]
        assert self.alive(), "does not answer /livez"

    def ready(self) -> bool:
        """Whether /readyz says so."""
        assert self.running, self.log.read_text()[-4000:]
        return self._answers("readyz")

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def describe(self) -> dict[str, int]:
        """What /readyz tells besides."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
            told: dict[str, int] = json.load(answer)
            return told

    def alive(self) -> bool:
        """Whether /livez says so."""
        return self._answers("livez")

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, and how it exited."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        return self._process.wait(timeout=20)
