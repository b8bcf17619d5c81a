"""kubectl in one namespace, as a person uses it, and waiting without sleeping on hope."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Object = dict[str, Any]
Objects = list[Object]
POLL = 0.1

T = TypeVar("T")


class Kube:
    """One namespace of one cluster."""

    def __init__(self, binary: Path, kubeconfig: Path, namespace: str) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace; a failure shows what it said."""
        command = [str(self.binary), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *args]
        done = subprocess.run(command, input=input, text=True, capture_output=True, check=False)
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done

    def apply(self, *manifests: Object) -> None:
        """Server-side apply."""
        self.kubectl("apply", "--server-side", "-f", "-", input="\n---\n".join(map(json.dumps, manifests)))

    def run(self, name: str, *jobs: Object, **spec: Any) -> Object:
        """Apply an execution of those jobs, each with an image unless it says more."""
        given = [{"image": "fake"} | job if "podTemplate" not in job else job for job in jobs]
        body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}}
        self.apply(body | {"spec": {"jobs": given} | spec})
        return self.get("dagx", name)

    def patch(self, kind: str, name: str, patch: Object, *more: str) -> None:
        """Merge-patch an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *more)

    def get(self, kind: str, name: str) -> Object:
        """An object as it is stored."""
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json").stdout)
        return found

    def list(self, kind: str, *more: str) -> Objects:
        """The objects of a kind."""
        found: Objects = json.loads(self.kubectl("get", kind, "-o", "json", *more).stdout)["items"]
        return found

    def wait(self, name: str, condition: str, timeout: int = 60) -> Object:
        """`kubectl wait` for a condition of an execution; what it is then."""
        wanted = (f"--for=condition={condition}", f"--timeout={timeout}s")
        done = self.kubectl("wait", f"dagx/{name}", *wanted, check=False)
        found = self.get("dagx", name)
        assert done.returncode == 0, f"{done.stderr}\n{json.dumps(found.get('status'), indent=1)}"
        return found

    def saved(self, name: str) -> Object:
        """Wait until no decided checkpoint of an execution is pending any more; what it is then."""

        def found() -> Object | None:
            body = self.get("dagx", name)
            return None if body["status"].get("checkpointing", {}).get("pending") else body

        return until(found, f"the checkpoints of {name} are taken")

    def job(self, execution: str, job: str) -> Object:
        """The record of a job, empty while there is none."""
        records = self.get("dagx", execution).get("status", {}).get("jobs", [])
        return next((r for r in records if r["id"] == job), {})

    def wait_job(self, execution: str, job: str, timeout: float = 60, **wanted: Any) -> Object:
        """Wait until a job's record has those values."""

        def found() -> Object | None:
            record = self.job(execution, job)
            return record if all(record.get(key) == value for key, value in wanted.items()) else None

        return until(found, f"job {job} with {wanted}", timeout, lambda: self.job(execution, job))

    def pods(self, execution: str, job: str | None = None) -> Objects:
        """The pods of an execution, or of one of its jobs."""
        selector = f"cairn.dev/execution={execution}" + (f",cairn.dev/job={job}" if job else "")
        return self.list("pods", "-l", selector)

    def jobs(self, execution: str, job: str | None = None) -> Objects:
        """The Kubernetes Jobs of an execution, or of one of its jobs."""
        selector = f"cairn.dev/execution={execution}" + (f",cairn.dev/job={job}" if job else "")
        return self.list("jobs", "-l", selector)

    def events(self, execution: str) -> Objects:
        """The Events about an execution, oldest first."""
        about = f"involvedObject.kind=DAGExecution,involvedObject.name={execution}"
        found = self.list("events", f"--field-selector={about}")
        return sorted(found, key=lambda e: str(e["firstTimestamp"]))


def until(ask: Callable[[], T | None], what: str, timeout: float = 60, show: Callable[[], Any] | None = None) -> T:
    """Ask until there is an answer; when there is none in time, say what was waited for and how things stand."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(POLL)
    raise AssertionError(f"not after {timeout:.0f} s: {what}" + (f"; now: {show()}" if show else ""))
