"""`cairn api` as a process, as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from support.kube import until
from support.operator_process import free_port


class ApiProcess:
    """One API, over plain HTTP unless the settings say otherwise."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self._kubeconfig = kubeconfig
        self.log = log
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> ApiProcess:
        """Start it and wait until it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "KUBECONFIG": str(self._kubeconfig), "CAIRN_API_PORT": str(self.port), "DATABASE_URL": "",
        } | self._settings  # fmt: skip
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cairn", "api"], env=environment, stderr=out, start_new_session=True
            )
        until(self.ready, "the API is ready", 30, lambda: self.log.read_text()[-2000:])
        return self

    def ready(self) -> bool:
        """Whether /readyz says so."""
        assert self._process is not None and self._process.poll() is None, self.log.read_text()[-4000:]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def client(self, token: str) -> httpx.Client:
        """A client with a token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def stop(self) -> int:
        """SIGTERM, and how it exited."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(timeout=20)
