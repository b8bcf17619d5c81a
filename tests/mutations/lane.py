"""One namespace with an operator over it: objects to mutate in it, and what is asked of each after a mutation."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mutations.api import Api, Object, Refused
from support.jobs import condition, hanging, job
from support.operator_process import OperatorProcess

ANSWER_SECONDS = 15.0  # within which whatever was done to an object is answered; more is called a hang
POLL = 0.03
KIND = "dagexecutions"


class Finding(Exception):
    """Something that must not be."""


@dataclass
class Lane:
    """Where mutations are tried one after the other."""

    api: Api
    operator: OperatorProcess
    prefix: str = ""  # of all its names: lanes may share a namespace
    waits: dict[str, list[float]] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def name(self, word: str) -> str:
        """One that was not there before."""
        return f"{self.prefix}{word}-{next(self._serial)}"

    @property
    def train(self) -> str:
        """The execution that checkpoints are taken of."""
        return f"{self.prefix}train"

    # --- Executions

    def body(self, name: str, spec: Object) -> Object:
        """An execution as it is written."""
        return {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}, "spec": spec}

    def execution(self, name: str) -> Object:
        """The execution as it is."""
        return self.api.get(KIND, name)

    def gone(self, name: str) -> bool:
        """Whether there is no such execution (any more)."""
        try:
            self.execution(name)
        except Refused as error:
            return error.code == 404
        return False

    def answered(self, name: str) -> Object:
        """The execution once the operator has seen what was written last; empty if that was its end."""

        def found() -> Object | None:
            try:
                body = self.execution(name)
            except Refused as error:
                return {} if error.code == 404 else None
            seen = (body.get("status") or {}).get("observedGeneration")
            return body if seen == body["metadata"]["generation"] else None

        answer: Object = self.wait("answered", found, lambda: self.execution(name).get("status"))
        return answer

    def finish(self, name: str) -> Object:
        """Release what hangs, until the execution has finished or waits for its next attempt; what it is then."""

        def found() -> Object | None:
            for pod in self.api.list("pods", f"cairn.dev/execution={name}"):
                if pod["metadata"].get("annotations", {}).get("fake.cairn.dev/hang") == "true":
                    self.release(pod)
            body = self.execution(name)
            ended = condition(body, "Finished").get("status") == "True"
            return body if ended or any("retryAt" in record for record in body["status"].get("jobs", ())) else None

        ended: Object = self.wait("finished", found, lambda: self.execution(name).get("status"))
        return ended

    def release(self, pod: Object) -> None:
        """Let a pod end."""
        off = {"metadata": {"annotations": {"fake.cairn.dev/hang": "false"}}}
        try:
            self.api.merge("pods", pod["metadata"]["name"], off)
        except Refused as error:
            if error.code != 404:
                raise

    def touch(self, name: str) -> Object:
        """Edit what changes nothing, and wait until that is answered."""
        limit = self.execution(name)["spec"].get("timeoutSeconds", 0)
        self.api.merge(KIND, name, {"spec": {"timeoutSeconds": limit + 1 if limit else 100_000}})
        return self.answered(name)

    # --- What is asked after each mutation

    def healthy(self) -> Callable[[], None]:
        """Begin a healthy execution; whoever calls the answer waits for its success, and for the operator to live."""
        name = self.name("healthy")
        self.api.create(KIND, self.body(name, {"jobs": [job("a")], "checkpoint": {"triggers": ["manual"]}}))

        def succeeded() -> bool:
            return condition_of(self.execution(name), "Succeeded") == "True"

        def end() -> None:
            self.wait("healthy beside it", succeeded, lambda: self.execution(name).get("status"))
            self.api.delete(KIND, name)
            self.operator.check()

        return end

    def wait(self, what: str, ask: Callable[[], Any], show: Callable[[], Any]) -> Any:
        """Ask until there is an answer; that it took too long is a finding."""
        began = time.monotonic()
        while (answer := ask()) is None or answer is False:
            if time.monotonic() - began > ANSWER_SECONDS:
                raise Finding(f"not {what} within {ANSWER_SECONDS:.0f} s: {show()}")
            time.sleep(POLL)
        self.waits.setdefault(what, []).append(time.monotonic() - began)
        return answer


def condition_of(body: Object, kind: str) -> str:
    """The status of a condition, empty where there is none."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((c["status"] for c in conditions if c["type"] == kind), "")


def pipeline(*, hangs: bool) -> list[Object]:
    """Three jobs one after the other, the first of which hangs or does not."""
    first = hanging("a") if hangs else job("a", fake={"message": '{"n": 1}'})
    return [first, job("b", "a", group="g"), job("c", "b")]
