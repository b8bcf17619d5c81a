"""Cairn installed with Helm into a cluster of the tests, as a platform engineer has it: pods, Services, a database."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster import Cluster
from cluster.layout import BIN, CHECKOUT
from support.kube import Kube, Object, Objects, until

NAMESPACE = "cairn-system"
CHART = CHECKOUT / "charts" / "cairn"
VALUES = CHECKOUT / "tests" / "demo" / "values.yaml"
MINUTES = 3


class Release:
    """The release `cairn`, and what it has made."""

    def __init__(self, there: Cluster, namespace: str = NAMESPACE) -> None:
        self.kube = Kube(there.bin / "kubectl", there.kubeconfig, namespace)
        self._home = there.kubeconfig.parent / "helm"

    def helm(self, version: int, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a Helm of that major version; a failure shows what it said."""
        where = [f"--kubeconfig={self.kube.kubeconfig}", f"--namespace={self.kube.namespace}"]
        home = {f"HELM_{kind}_HOME": str(self._home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        command = [str(BIN / f"helm{version}"), *args, *where]
        done = subprocess.run(command, env=os.environ | home, text=True, capture_output=True, check=False)
        assert not check or done.returncode == 0, f"helm{version} {' '.join(args)}: {done.stdout}{done.stderr}"
        return done

    def upgrade(self, version: int, chart: Path, *sets: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`helm upgrade --install`, and wait until all is ready."""
        values = [f"--values={VALUES}", *(f"--set={each}" for each in sets)]
        more = ["--install", "--wait", f"--timeout={MINUTES}m"]
        return self.helm(version, "upgrade", "cairn", str(chart), *values, *more, check=check)

    def pods(self, component: str) -> Objects:
        """The pods of a component that are not being deleted."""
        found = self.kube.list("pods", f"--selector=app.kubernetes.io/component={component}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The operator's pod that holds the Lease; empty while nobody does."""
        of = ("lease", "cairn-operator", "-o", "jsonpath={.spec.holderIdentity}")
        holder = self.kube.kubectl("get", *of, check=False).stdout
        return next((name for name in names(self.pods("operator")) if holder.startswith(name)), "")

    def sql(self, query: str) -> list[str]:
        """What the database answers, line by line."""
        return self.run_in_database("psql", "--set=ON_ERROR_STOP=1", "-At", "cairn", "--command", query).splitlines()

    def run_in_database(self, program: str, *args: str) -> str:
        """Run a program of Postgres in its pod, as the superuser; what it prints."""
        command = (program, "--host=/tmp", "--username=postgres", *args)
        return self.kube.kubectl("exec", "cairn-database-0", "-c", "postgres", "--", *command).stdout

    def dump(self) -> str:
        """The whole database, as text; what it keeps as bytes too."""
        text = self.run_in_database("pg_dump", "--inserts", "cairn")
        return "\n".join([text, *map(_legible, re.findall(r"'\\x([0-9a-f]+)'", text))])

    def logs(self) -> str:
        """What all pods of Cairn have logged."""
        told = [self.kube.kubectl("logs", name, "--all-containers", check=False).stdout for name in names(self.all())]
        return "".join(told)

    def all(self) -> Objects:
        """All pods of the release."""
        return self.kube.list("pods", "--selector=app.kubernetes.io/instance=cairn")

    def kill(self, pod: str) -> None:
        """SIGKILL the main process of a pod: no farewell to anybody; the kubelet starts its container again."""
        [status] = self.kube.get("pod", pod)["status"]["containerStatuses"]
        container = str(status["containerID"]).rpartition("/")[2]
        os.kill(min(pid for pid, groups in _processes() if container in groups), signal.SIGKILL)


def _legible(digits: str) -> str:
    """Bytes, compressed or not, as text."""
    raw = bytes.fromhex(digits)
    try:
        raw = zlib.decompress(raw)
    except zlib.error:
        pass  # it was not
    return raw.decode(errors="replace")


def _processes() -> Iterator[tuple[int, str]]:
    """The processes of this machine, those in containers among them, with their control groups."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            yield int(path.name), (path / "cgroup").read_text()
        except OSError:
            continue  # it has ended meanwhile


def names(found: Objects) -> list[str]:
    """Their names, in order."""
    return sorted(str(each["metadata"]["name"]) for each in found)


def ready(pod: Object) -> bool:
    """Whether a pod takes requests."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def leads(release: Release, but: str = "") -> str:
    """Wait for a leader, other than one."""

    def another() -> str:
        found = release.leader()
        return "" if found == but else found

    ask: Callable[[], str | None] = another
    return until(ask, "an operator leads")
