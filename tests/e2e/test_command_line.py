"""`kubectl cairn`, as kubectl finds it, and the REST API with real containers: what only they have is their logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.api_process import ApiProcess
from support.kube import Kube, Object, Objects, until

pytestmark = pytest.mark.e2e

LOGS = Path(__file__).resolve().parents[2] / "build" / "logs"
IMAGE = "localhost/cairn-busybox:dev"
TALKS = "trap 'echo released; exit 0' TERM; echo line 1; while :; do sleep 0.2; done"


def _file(folder: Path, name: str, script: str) -> Path:
    """A file with an execution of two jobs, the first of which runs a script."""
    count = {"id": "count", "command": ["sh", "-c", f"{script}; echo '{{\"lines\": 4}}' > /dev/termination-log"]}
    tell = {"id": "tell", "dependsOn": ["count"], "command": ["sh", "-c", "echo it was $(jobs.count.outputs.lines)"]}
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name},
            "spec": {"jobDefaults": {"image": IMAGE}, "jobs": [count, tell]}}  # fmt: skip
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(body))
    return file


class Plugin:
    """kubectl with Cairn's plugin on its path."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = os.environ | {"KUBECONFIG": str(kube.kubeconfig), "PATH": path, "CAIRN_API_URL": ""}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command."""
        command = [str(self._kube.binary), "cairn", *words, "-n", self._kube.namespace]
        return subprocess.Popen(command, env=self._environment, text=True, stdout=subprocess.PIPE)

    def run(self, *words: str) -> str:
        """What a command prints that succeeds."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said


@pytest.fixture
def plugin(real: Kube, tmp_path: Path) -> Plugin:
    """The plugin, with an execution that talks until it is told to end."""
    found = Plugin(real)
    found.run("run", str(_file(tmp_path, "talk", TALKS)), "--no-follow")
    return found


def test_a_log_is_followed_while_it_is_written(plugin: Plugin, real: Kube) -> None:
    until(lambda: _runs(real), "its container runs")
    with plugin.start("logs", "talk", "count", "-f") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "line 1\n"  # which goes on until it is told to end
        plugin.run("cancel", "talk", "--yes")
        assert following.stdout.read() == "released\n"
    assert following.returncode == 0


def _runs(real: Kube) -> bool:
    return any("running" in (c.get("state") or {}) for p in real.list("pods") for c in _statuses(p))


def _statuses(pod: Object) -> Objects:
    found: Objects = pod["status"].get("containerStatuses") or []
    return found


def test_a_run_is_followed_and_its_outputs_and_logs_read(plugin: Plugin, tmp_path: Path) -> None:
    said = plugin.run("run", str(_file(tmp_path, "brief", "true")))
    assert "brief/tell" in said and "Succeeded" in said
    assert "brief/tell" in plugin.run("watch", "brief")
    assert json.loads(plugin.run("outputs", "brief", "count")) == {"lines": 4}
    assert plugin.run("logs", "brief", "tell") == "it was 4\n"


def test_a_log_is_followed_through_the_rest_api(plugin: Plugin, real: Kube) -> None:
    account = f"--serviceaccount={real.namespace}:default"
    real.kubectl("create", "rolebinding", "reads", "--clusterrole=cluster-admin", account)
    token = real.kubectl("create", "token", "default").stdout.strip()
    api = ApiProcess(real.kubeconfig, LOGS / f"api-{real.namespace}.log").start()
    path = f"/api/v1/namespaces/{real.namespace}/executions/talk/jobs/count/log"
    try:
        until(lambda: _runs(real), "its container runs")
        with api.client(token) as client, client.stream("GET", path, params={"follow": "true"}) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()
            assert next(lines) == "line 1"
            plugin.run("cancel", "talk", "--yes")
            assert list(lines) == ["released"]
    finally:
        assert api.stop() == 0
