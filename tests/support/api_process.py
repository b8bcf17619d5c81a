"""The REST API as a process, as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.kube import until
from support.operator_process import free_port


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class ApiProcess:
    """One `cairn api`, without TLS, on this machine alone."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self._environment = os.environ | {"KUBECONFIG": str(kubeconfig), "DATABASE_URL": ""} | settings
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> ApiProcess:
        """Start it and wait until it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = self._environment | {"CAIRN_API_PORT": str(self.port)}
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cairn", "api"], env=environment, stderr=out, start_new_session=True
            )
        until(self._ready, "the API is ready", 30, lambda: self.log.read_text()[-2000:])
        return self

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Answer:
        """Ask it something; an error is an answer too."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {"Authorization": f"Bearer {token}"} if token else {}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            given = {"Content-Type": "application/json"} | given
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return _answer(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.read(), dict(error.headers))

    def stop(self) -> int:
        """SIGTERM, and how it exited."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(timeout=20)


def _answer(status: int, data: bytes, headers: dict[str, str]) -> Answer:
    is_json = "json" in headers.get("content-type", headers.get("Content-Type", ""))
    return Answer(status, json.loads(data) if is_json and data else data.decode(), headers)
