"""Call kubectl against one cluster: the one that was built with it, never the machine's, never its current context."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.processes import wait_until, without_proxies


class Kubectl:
    """kubectl bound to one kubeconfig; what it learns of the cluster it keeps in `cache`, not in the user's home."""

    def __init__(self, binary: Path | str, kubeconfig: Path, cache: Path) -> None:
        self._prefix = [str(binary), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}"]

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command and return what it prints; a failure carries kubectl's own message."""
        result = self._call(arguments, stdin)
        if result.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def works(self, *arguments: str) -> bool:
        """Does the command succeed?"""
        return self._call(arguments, None).returncode == 0

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Server-side apply of the given objects."""
        text = yaml.safe_dump_all(objects, sort_keys=False)
        self.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get` as data."""
        found = json.loads(self.run("get", "-o", "json", *arguments))
        assert isinstance(found, dict)
        return found

    def wait(self, what: str, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until `condition` holds; `what` is said when it does not in time."""
        if not wait_until(condition, timeout):
            raise ClusterError(f"{what}: not after {timeout:.0f} s")

    def _call(self, arguments: Sequence[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
        command = [*self._prefix, *arguments]
        environment = without_proxies(os.environ)
        return subprocess.run(command, input=stdin or "", text=True, capture_output=True, check=False, env=environment)


def wait_usable(kubectl: Kubectl, nodes: int, since: datetime | None = None) -> None:
    """Wait until pods can be created and placed: service account in place, nodes untainted and ready.

    A node whose kubelet was restarted stays ready in name for a while: only what it says of itself `since` then counts.
    """

    def usable() -> bool:
        items = kubectl.get("nodes")["items"]
        ready = [node for node in items if _is_ready(node, since) and not node["spec"].get("taints")]
        return len(ready) >= nodes and kubectl.works("get", "serviceaccount", "default", "--namespace=default")

    kubectl.wait(f"{nodes} nodes ready", usable, timeout=90)


def _is_ready(node: dict[str, Any], since: datetime | None) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = [each for each in conditions if each["type"] == "Ready" and each["status"] == "True"]
    return any(since is None or datetime.fromisoformat(each["lastHeartbeatTime"]) >= since for each in ready)
