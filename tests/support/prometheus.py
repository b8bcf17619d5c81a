"""A Prometheus of a test: it scrapes the processes that it is told of every second, and answers queries."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from cluster.binaries import build
from cluster.layout import BIN
from support.kube import until
from support.operator_process import free_port

Result = list[dict[str, Any]]


def program(name: str) -> Path:
    """`prometheus` or `promtool`, built if need be."""
    build(name)
    return BIN / name


def promtool(*args: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run([program("promtool"), *args], input=input, text=True, capture_output=True, check=False)


class Prometheus:
    """One server; `targets` are ports of this machine by the name of their job."""

    def __init__(self, directory: Path, targets: Mapping[str, int], rules: Path) -> None:
        self._directory = directory
        self._url = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "prometheus.log"
        labels = {"namespace": "cairn-system"}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]}
                for job, port in targets.items()
            ],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Prometheus:
        command = [
            str(program("prometheus")), f"--config.file={self._directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]  # fmt: skip
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        until(self._ready, "Prometheus is ready", 60, self._log.read_text)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/-/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def query(self, expression: str) -> Result:
        """What an expression comes to now; an error fails the test."""
        answer = httpx.get(f"{self._url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: Result = answer["data"]["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The one number that an expression comes to, if there is one."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> dict[str, dict[str, Any]]:
        """The alerts by name: their health, and how they stand."""
        answer = httpx.get(f"{self._url}/api/v1/rules", timeout=30).json()["data"]["groups"]
        return {rule["name"]: rule for group in answer for rule in group["rules"]}
