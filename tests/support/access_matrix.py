"""Which rights each operation of the REST API needs: the table that tests, and docs/api.md, are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

V1 = "/api/v1"
OF_NAMESPACE = V1 + "/namespaces/{namespace}"
OF_EXECUTION = OF_NAMESPACE + "/executions/{name}"
OF_CHECKPOINT = OF_NAMESPACE + "/checkpoints/{ref}"
TRAINING = "/api/training/dag"
JOBS = {"jobs": [{"id": "a", "image": "fake"}]}


@dataclass(frozen=True)
class Case:
    """One thing that can be asked. In path, query and body, `{namespace}` and such stand for what there is or not."""

    operation: str
    method: str
    path: str
    needs: tuple[str, ...]  # as `verb resource`, all of them
    granted: int  # the status for who has these rights, where no object is there
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    anywhere: bool = False  # it is answered for the namespaces where they have the rights

    def filled(self, **names: str) -> tuple[str, Any, dict[str, Any]]:
        """Path, body and query, for those names."""
        path, body, query = (_filled(each, names) for each in (self.path, self.body, dict(self.query)))
        return path, body, query

    def row(self) -> str:
        """Its row in the documentation."""
        more = ", where you may" if self.anywhere else ""
        needs = " and ".join(f"`{right}`" for right in self.needs) + more if self.needs else "any valid token"
        return f"| `{self.operation}` | `{self.method} {self.path}` | {needs} |"


def _filled(given: Any, names: Mapping[str, str]) -> Any:
    if isinstance(given, dict):
        return {key: _filled(value, names) for key, value in given.items()}
    return given.format(**names) if isinstance(given, str) else given


GET, PATCH = ("get dagexecutions",), ("patch dagexecutions",)
RESULTS = (*GET, "get jobresults")
CASES = (
    Case("createCheckpoint", "POST", TRAINING + "/checkpoint", ("create checkpoints",), 404, {"executionId": "{id}"}),
    Case("pause", "POST", TRAINING + "/pause", PATCH, 404, {"executionId": "{id}"}),
    Case("resume", "POST", TRAINING + "/resume", PATCH, 404, {"executionId": "{id}"}),
    Case("resume", "POST", TRAINING + "/resume", ("get checkpoints", *PATCH, "create dagexecutions"), 404,
         {"checkpointId": "{checkpoint}"}),
    Case("listCheckpoints", "GET", TRAINING + "/checkpoints/list", ("list checkpoints",), 200, anywhere=True),
    Case("listCheckpoints", "GET", TRAINING + "/checkpoints/list", ("list checkpoints",), 404,
         query={"executionId": "{id}"}),
    Case("getVersion", "GET", V1 + "/version", (), 200),
    Case("getMe", "GET", V1 + "/me", (), 200),
    Case("listExecutions", "GET", V1 + "/executions", ("list dagexecutions",), 200, anywhere=True),
    Case("listExecutions", "GET", V1 + "/executions", ("list dagexecutions",), 200, query={"namespace": "{namespace}"}),
    Case("createExecution", "POST", OF_NAMESPACE + "/executions", ("create dagexecutions",), 201, {"spec": JOBS}),
    Case("getExecution", "GET", OF_EXECUTION, GET, 404),
    Case("deleteExecution", "DELETE", OF_EXECUTION, ("delete dagexecutions",), 404),
    Case("watchExecution", "GET", OF_EXECUTION + "/events", ("watch dagexecutions",), 404),
    Case("pauseExecution", "POST", OF_EXECUTION + "/pause", PATCH, 404, {}),
    Case("resumeExecution", "POST", OF_EXECUTION + "/resume", PATCH, 404),
    Case("cancelExecution", "POST", OF_EXECUTION + "/cancel", PATCH, 404, {}),
    Case("holdJobs", "POST", OF_EXECUTION + "/hold", PATCH, 404, {"add": ["a"]}),
    Case("repairJob", "POST", OF_EXECUTION + "/repairs", PATCH, 404, {"type": "Retry", "job": "a"}),
    Case("planRewind", "POST", OF_EXECUTION + "/plan", (*GET, "get checkpoints"), 404, {"checkpoint": "{ref}"}),
    Case("rewindExecution", "POST", OF_EXECUTION + "/rewind", (*PATCH, "get checkpoints"), 404,
         {"checkpoint": "{ref}"}),
    Case("planFork", "POST", OF_NAMESPACE + "/forks/plan", ("get checkpoints",), 404, {"checkpoint": "{ref}"}),
    Case("forkCheckpoint", "POST", OF_NAMESPACE + "/forks", ("create dagexecutions", "get checkpoints"), 404,
         {"checkpoint": "{ref}"}),
    Case("getOutputs", "GET", OF_EXECUTION + "/outputs", RESULTS, 404),
    Case("getOutputsOfJob", "GET", OF_EXECUTION + "/jobs/{job}/outputs", RESULTS, 404),
    Case("getLog", "GET", OF_EXECUTION + "/jobs/{job}/log", (*GET, "get pods/log"), 404),
    Case("listAllCheckpoints", "GET", V1 + "/checkpoints", ("list checkpoints",), 200, anywhere=True),
    Case("listCheckpointsOfNamespace", "GET", OF_NAMESPACE + "/checkpoints", ("list checkpoints",), 200),
    Case("takeCheckpoint", "POST", OF_NAMESPACE + "/checkpoints", ("create checkpoints",), 404,
         {"execution": "{name}"}),
    Case("countCheckpoints", "GET", OF_NAMESPACE + "/checkpoints/stats", ("list checkpoints",), 200),
    Case("diffCheckpoints", "GET", OF_NAMESPACE + "/checkpoints/diff", ("get checkpoints",), 404,
         query={"from": "{ref}", "to": "{ref}"}),
    Case("diffCheckpoints", "GET", OF_NAMESPACE + "/checkpoints/diff", ("get checkpoints", *RESULTS), 404,
         query={"from": "{ref}", "now": "{name}"}),
    Case("verifyCheckpoints", "GET", OF_EXECUTION + "/verify", ("list checkpoints",), 404),
    Case("getCheckpoint", "GET", OF_CHECKPOINT, ("get checkpoints",), 404),
    Case("getState", "GET", OF_CHECKPOINT + "/state", ("get checkpoints",), 404),
    Case("pinCheckpoint", "PATCH", OF_CHECKPOINT, ("patch checkpoints",), 404, {"pinned": True}),
    Case("deleteCheckpoint", "DELETE", OF_CHECKPOINT, ("delete checkpoints",), 404),
)  # fmt: skip
