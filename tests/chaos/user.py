"""A person who works with executions all the time and notices outages only by errors: they try something else then."""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Callable
from random import Random

from chaos import shapes
from chaos.api import Api, Away, Refused
from chaos.recorder import Recorder
from chaos.shapes import Shape
from support.kube import Object

_HEAD = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution"}
FINISHED = ("Succeeded", "Failed", "Cancelled")


class User:
    """Keeps some executions running, and does to them whatever can be done."""

    def __init__(self, api: Api, recorder: Recorder, random: Random, active: int) -> None:
        self._api = api
        self._seen = recorder
        self._random = random
        self._active = active
        self._stop = threading.Event()
        self._serial = 0
        self.shapes: dict[str, Shape] = {}  # by execution
        self.created: set[str] = set()  # what the API server has confirmed
        self.cancelled: set[str] = set()
        self.redone: set[str] = set()  # by a rewind, a fork, a retry by hand
        self.rests: set[str] = set()  # what is to stay paused
        self.did: Counter[str] = Counter()
        self.trouble: list[str] = []  # of the user itself
        self._actions: list[tuple[Callable[[], None], int]] = [
            (self._pause, 3), (self._resume, 5), (self._cancel, 1), (self._save, 3), (self._rewind, 2), (self._fork, 1),
            (self._retry, 1), (self._delete, 1), (self._pin, 1),
        ]  # fmt: skip

    def start(self) -> None:
        """Begin to work, in a thread."""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stop.set()
        self._thread.join()

    def resume_all(self) -> None:
        """Let go of everything that is paused and is not to stay so. Raises Away."""
        for name, found in list(self._seen.executions.items()):
            if found["spec"].get("paused") and name not in self.rests:
                self._api.patch("dagexecutions", name, {"spec": {"paused": False}})

    def pause_some(self, count: int) -> None:
        """Pause some that run, for good. Raises Away."""
        names = self._names(lambda found: _runs(found))
        for name in self._random.sample(names, min(count, len(names))):
            self._api.patch("dagexecutions", name, {"spec": {"paused": True, "pause": {"reason": "to stay"}}})
            self.rests.add(name)

    # --- One step after the other

    def _work(self) -> None:
        while not self._stop.wait(self._random.uniform(0.1, 0.9)):
            try:
                self._step()
            except Away:
                self.did["unanswered"] += 1
            except Refused:
                self.did["refused"] += 1
            except Exception:  # a bug of the user: it is said in the end, and the rest goes on
                self.trouble.append(traceback.format_exc())

    def _step(self) -> None:
        if len(self._names(_runs)) < self._active:
            self._create()
            return
        actions, weights = zip(*self._actions, strict=True)
        self._random.choices(actions, weights)[0]()

    def _names(self, which: Callable[[Object], bool]) -> list[str]:
        return sorted(name for name, found in list(self._seen.executions.items()) if which(found))

    def _one(self, which: Callable[[Object], bool]) -> str | None:
        names = self._names(which)
        return self._random.choice(names) if names else None

    def _next(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}-{self._serial:04}"

    # --- What can be done

    def _create(self, spec: Object | None = None, shape: Shape | None = None) -> None:
        name, shape = self._next("run"), shape or shapes.draw(self._random)
        self.shapes[name] = shape
        self._api.create("dagexecutions", _HEAD | {"metadata": {"name": name}, "spec": spec or shape.spec})
        self.created.add(name)
        self.did["fork" if spec else "create"] += 1

    def _change(self, what: str, name: str | None, spec: Object) -> None:
        if name is not None:
            self._api.patch("dagexecutions", name, {"spec": spec})
            self.did[what] += 1

    def _pause(self) -> None:
        mode = self._random.choice(["Drain", "Stop"])
        self._change("pause", self._one(_goes_on), {"paused": True, "pause": {"mode": mode, "reason": "chaos"}})

    def _resume(self) -> None:
        self._change("resume", self._one(lambda found: bool(found["spec"].get("paused"))), {"paused": False})

    def _cancel(self) -> None:
        if (name := self._one(_goes_on)) is not None:
            self.cancelled.add(name)
            self._change("cancel", name, {"cancel": {"requestId": self._next("cancel"), "reason": "chaos"}})

    def _rewind(self) -> None:
        if (found := self._checkpoint()) is not None:
            name = found["spec"]["executionRef"]["name"]
            self.redone.add(name)
            asked = {"checkpointName": found["metadata"]["name"], "requestId": self._next("rewind")}
            self._change("rewind", name, {"restoreFrom": asked})

    def _fork(self) -> None:
        if (found := self._checkpoint()) is not None:
            origin = found["spec"]["executionRef"]["name"]
            name = f"run-{self._serial + 1:04}"
            self.redone.add(name)
            self.cancelled |= {name} if origin in self.cancelled else set()
            spec = {"restoreFrom": {"checkpointName": found["metadata"]["name"]}}
            self._create(spec, self.shapes[origin])

    def _retry(self) -> None:
        name = self._one(lambda found: found.get("status", {}).get("phase") == "Failed")
        if name is not None and (failing := next(iter(self.shapes[name].failing), None)):
            self.redone.add(name)
            request = {"id": self._next("retry"), "type": "Retry", "job": failing, "by": "chaos", "reason": "again"}
            self._change("retry", name, {"requests": [request]})

    def _save(self) -> None:
        if (execution := self._one(_runs)) is not None:
            body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": self._next("save")}}
            self._api.create("checkpoints", body | {"spec": {"executionRef": {"name": execution}}})
            self.did["checkpoint"] += 1

    def _delete(self) -> None:
        if (found := self._checkpoint()) is not None:
            self._api.delete("checkpoints", found["metadata"]["name"])
            self.did["delete checkpoint"] += 1

    def _pin(self) -> None:
        if (found := self._checkpoint()) is not None:
            self._api.patch("checkpoints", found["metadata"]["name"], {"spec": {"pinned": True}})
            self.did["pin"] += 1

    def _checkpoint(self) -> Object | None:
        """One that is Ready, of one of the newest executions."""
        newest = set(sorted(self._seen.executions)[-2 * self._active :])
        found = [c for _, c in sorted(list(self._seen.checkpoints.items()))
                 if c.get("status", {}).get("phase") == "Ready" and "deletionTimestamp" not in c["metadata"]
                 and c["spec"]["executionRef"]["name"] in newest]  # fmt: skip
        return self._random.choice(found) if found else None


def _runs(found: Object) -> bool:
    return found.get("status", {}).get("phase") not in FINISHED


def _goes_on(found: Object) -> bool:
    return _runs(found) and not found["spec"].get("paused")
