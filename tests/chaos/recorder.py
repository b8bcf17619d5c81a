"""What the API server has ever shown: the end alone would not tell what was there twice in between."""

from __future__ import annotations

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable

from chaos.api import Api, Away, Refused
from support.jobs import condition
from support.kube import Object

JOB_OF_POD = "batch.kubernetes.io/controller-uid"  # label of a pod


class Recorder:
    """Watches until it is closed; what it could not see while the API server was away it sees in the next list."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._closed = threading.Event()
        self.trouble: list[str] = []  # of the recorder itself
        self.executions: dict[str, Object] = {}  # by name, as seen last
        self.checkpoints: dict[str, Object] = {}
        self.jobs: set[str] = set()  # UIDs of every Kubernetes Job that was ever seen
        self.pods: defaultdict[str, set[str]] = defaultdict(set)  # UIDs of every pod, by its Kubernetes Job's
        self.succeeded: set[str] = set()  # UIDs of the Kubernetes Jobs whose pod did; a drained node keeps no pod
        self.saved: dict[str, str] = {}  # digests of all checkpoints that were ever Ready, by id
        watches: list[tuple[str, bool, Callable[[str, Object], None]]] = [
            ("dagexecutions", True, self._see_execution), ("checkpoints", True, self._see_checkpoint),
            ("jobs", False, self._see_job), ("pods", True, self._see_pod),
        ]  # fmt: skip
        self._threads = [threading.Thread(target=self._watch, args=watch, daemon=True) for watch in watches]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Watch no longer; the threads end with what they wait for."""
        self._closed.set()

    def _watch(self, kind: str, whole: bool, see: Callable[[str, Object], None]) -> None:
        while not self._closed.is_set():
            try:
                for event, found in self._api.watch(kind, whole=whole):
                    see(event, found)
                    if self._closed.is_set():
                        return
            except (Away, Refused):
                time.sleep(0.5)
            except Exception:  # a bug of the recorder: it is said in the end
                self.trouble.append(traceback.format_exc())
                return

    def _see_execution(self, event: str, found: Object) -> None:
        _keep(self.executions, event, found)

    def _see_checkpoint(self, event: str, found: Object) -> None:
        _keep(self.checkpoints, event, found)
        status = found.get("status", {})
        if status.get("phase") == "Ready":
            self.saved[status["checkpointId"]] = status["digest"]

    def _see_job(self, event: str, found: Object) -> None:
        self.jobs.add(found["metadata"]["uid"])

    def _see_pod(self, event: str, found: Object) -> None:
        if job := found["metadata"].get("labels", {}).get(JOB_OF_POD):
            self.pods[job].add(found["metadata"]["uid"])
            if found["status"]["phase"] == "Succeeded":
                self.succeeded.add(job)

    # --- What one waits for

    def unstored(self) -> set[str]:
        """Names of the checkpoints that are Ready and have no row yet."""
        return {name for name, found in list(self.checkpoints.items())
                if found.get("status", {}).get("phase") == "Ready"
                and condition(found, "Stored").get("status") != "True"}  # fmt: skip


def _keep(kept: dict[str, Object], event: str, found: Object) -> None:
    if event == "DELETED":
        kept.pop(found["metadata"]["name"], None)
    else:
        kept[found["metadata"]["name"]] = found
