"""The command line at a desk in memory: the real verbs, in process, at a fixed time, with ids that are counted.

`Cli(desk).run("pause", "train")` is what a person types. What an operator would make of it, a test says by
`desk.react`; what a watch tells, by `desk.later`. `golden` compares the whole of what was printed with a file.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from cairn.cli import main, session
from cairn.core.checkpoint import objects, payload
from cairn.core.checkpoint.state import CheckpointState, Stored
from cairn.core.manifests import Identity
from cairn.core.times import format_time
from cairn.errors import AlreadyExists, Conflict, Gone
from cairn.ports import Listed
from support.stored import Tenant
from unit.app.fake_cluster import FakeCluster

Body = dict[str, Any]
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cli"
REWRITE = "CAIRN_WRITE_GOLDEN"  # set to 1, the files are written instead of compared
_WATCHES_IN_VAIN = 3


class FakeDesk(FakeCluster):
    """`ports.Desk` in memory. Names of executions and checkpoints must differ, also between namespaces."""

    def __init__(self, user: str = "jane@example.com") -> None:
        super().__init__()
        self.user = user
        self.namespaces = {"default": "uid-of-namespace-default"}
        self.react: Callable[[Body], None] = lambda body: None  # what the operator makes of what was just written
        self.later: dict[str, list[Body | BaseException]] = defaultdict(list)  # what a watch tells next, by name
        self.created: dict[str, Body] = {}  # executions as they were when somebody created them
        self._in_vain = 0

    # --- For tests

    def put(self, body: Body) -> Body:
        """Keep an execution or a checkpoint as it stands, status included; its metadata is made complete."""
        name, kind = body["metadata"]["name"], body.get("kind", "DAGExecution")
        given = {"namespace": "default", "uid": f"uid-of-{name}", "generation": 1, "labels": {},
                 "creationTimestamp": "2026-01-31T08:00:00Z"}  # fmt: skip
        whole = {"apiVersion": "cairn.dev/v1alpha1", "kind": kind, **copy.deepcopy(body)}
        whole["metadata"] = given | whole["metadata"] | {"resourceVersion": self._version()}
        if kind == "DAGExecution":
            self.executions[name] = whole
        else:
            self.objects[kind, name] = whole
        return copy.deepcopy(whole)

    def put_checkpoint(
        self, name: str, state: CheckpointState, *, execution: str = "train", **status: Any
    ) -> Stored:  # fmt: skip
        """Keep a checkpoint that is Ready; `status` overwrites what its status says."""
        uid = f"uid-of-{execution}"
        stored = Tenant("default", self.namespaces["default"]).of(state, name, execution)
        found = stored.checkpoint
        body = objects.manifest(Identity("default", execution, uid), name, found.trigger, found.name, {}, guarded=False)
        told: Body = {
            "phase": "Ready", "checkpointId": found.id, "createdAt": format_time(found.created_at),
            "executionUid": uid, "digest": found.digest, "stateDigest": found.state_digest,
            "jobCount": found.job_count, "executionStatus": found.execution_status, "sizeBytes": found.size_bytes,
            "state": payload.to_text(stored.content),
        }  # fmt: skip
        self.put(body | {"status": told | status})
        return stored

    def answer(self, outcome: str = "Done", **fields: Any) -> None:
        """From now on, requests of repair and cancel are answered like that as soon as they are written."""

        def react(body: Body) -> None:
            spec = body["spec"]
            asked = [*spec.get("requests", ()), *([{"id": spec["cancel"]["requestId"]}] if "cancel" in spec else ())]
            status = body.setdefault("status", {})
            told = {"type": "Cancel", "at": "2026-01-31T09:00:00Z", "outcome": outcome} | fields
            status["requests"] = [told | {k: r[k] for k in ("id", "type", "job") if k in r} for r in asked]
            status["observedGeneration"] = body["metadata"]["generation"]

        self.react = react

    def spec(self, name: str) -> Body:
        """The spec of an execution as it is now."""
        spec: Body = self.executions[name]["spec"]
        return spec

    def _execution(self, name: str, namespace: str | None = None) -> Body:
        body = super()._execution(name)
        if namespace is not None and body["metadata"]["namespace"] != namespace:
            raise Gone("there is no such execution", status=404)
        return body

    # --- ports.Cluster, where it matters more here

    async def get_execution(self, namespace: str, name: str) -> Body:
        self._call("get_execution", name)
        return copy.deepcopy(self._execution(name, namespace))

    async def create(self, manifest: Body) -> Body:
        if manifest["kind"] != "DAGExecution":
            created = await super().create(manifest)
            self.react(self.objects[manifest["kind"], created["metadata"]["name"]])
            return created
        name = manifest["metadata"]["name"]
        self._call("create DAGExecution", name)
        if name in self.executions:
            raise AlreadyExists(f"{name} exists", status=409)
        self.created[name] = self.put(manifest)
        self.react(self.executions[name])
        return copy.deepcopy(self.executions[name])

    # --- ports.Desk

    async def list_executions(
        self, namespace: str = "", *, selector: str = "", limit: int = 250, cursor: str = ""
    ) -> Listed:
        self._call("list_executions", selector)
        every = [b for b in self.executions.values() if namespace in ("", b["metadata"]["namespace"])]
        found = sorted(filter(lambda b: _matches(b, selector), every), key=lambda b: str(b["metadata"]["name"]))
        begin = int(cursor or 0)
        more = str(begin + limit) if len(found) > begin + limit else ""
        return Listed(tuple(copy.deepcopy(found[begin : begin + limit])), more)

    async def locate_execution(self, uid: str) -> tuple[str, str] | None:
        self._call("locate_execution", uid)
        metas = (b["metadata"] for b in self.executions.values())
        return next(((m["namespace"], m["name"]) for m in metas if m["uid"] == uid), None)

    async def apply(self, body: Body, *, force: bool = False, dry_run: bool = False) -> Body:
        name = body["metadata"]["name"]
        self._call("apply dry" if dry_run else "apply", name)
        kept: Any = self.executions if body["kind"] == "DAGExecution" else self.objects
        key: Any = name if body["kind"] == "DAGExecution" else (body["kind"], name)
        old = copy.deepcopy(kept.get(key))
        made = self.put({**(old or {}), **body, "metadata": {**(old or {}).get("metadata", {}), **body["metadata"]}})
        if not dry_run:
            self.react(kept[key])
            return dict(copy.deepcopy(kept[key]))
        if old is None:
            del kept[key]
        else:
            kept[key] = old
        return made

    async def patch_execution(self, namespace: str, name: str, patch: Body) -> Body:
        self._call("patch_execution", name)
        body = self._execution(name, namespace)
        meta, wanted = body["metadata"], dict(patch["metadata"])
        if any(wanted.pop(key, meta[key]) != meta[key] for key in ("uid", "resourceVersion")):
            raise Conflict("another UID or version", status=409)
        changed = merged(body["spec"], patch.get("spec", {}))
        meta["generation"] += changed != body["spec"]
        body["spec"], body["metadata"] = changed, merged(meta, wanted) | {"resourceVersion": self._version()}
        self.react(body)
        return copy.deepcopy(body)

    async def watch_execution(self, namespace: str, name: str) -> AsyncGenerator[Body, None]:
        self._call("watch_execution", name)
        yield copy.deepcopy(self._execution(name, namespace))
        self._in_vain += not self.later[name]
        assert self._in_vain < _WATCHES_IN_VAIN, f"nothing more happens to {name}, and it is still being watched"
        while self.later[name]:
            told = self.later[name].pop(0)
            if isinstance(told, BaseException):
                raise told
            yield self.put(told)

    async def find_checkpoints(self, namespace: str, **fields: str) -> list[Body]:
        self._call("find_checkpoints", ",".join(f"{key}={value}" for key, value in fields.items()))
        every = (body for (kind, _), body in self.objects.items() if kind == "Checkpoint")
        found = (b for b in every if namespace in ("", b["metadata"]["namespace"]))
        return [copy.deepcopy(b) for b in found if all(_at(b, key) == value for key, value in fields.items())]

    async def list_pods_of(self, namespace: str, execution_uid: str, job: str) -> list[Body]:
        self._call("list_pods_of", job)
        wanted = {"cairn.dev/execution-uid": execution_uid, "cairn.dev/job": job}
        return [copy.deepcopy(p) for p in self.pods if wanted.items() <= (p["metadata"].get("labels") or {}).items()]

    async def follow_log(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail_lines: int | None
    ) -> AsyncIterator[bytes]:
        self._call("follow_log", pod)
        if pod not in self.logs:
            raise Gone(f"there is no pod {pod}", status=404)
        lines = b"".join(self.logs[pod]).splitlines(keepends=True)
        for chunk in self.logs[pod] if tail_lines is None else lines[max(len(lines) - tail_lines, 0) :]:
            yield chunk

    async def list_namespaces(self) -> dict[str, str]:
        self._call("list_namespaces", "")
        return dict(self.namespaces)

    async def whoami(self) -> str:
        self._call("whoami", "")
        return self.user


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> Body:
    """A merge patch carried out (RFC 7386)."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            old = result.get(key)
            result[key] = merged(old if isinstance(old, Mapping) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _matches(body: Body, selector: str) -> bool:
    labels = body["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        key, _, value = term.replace("!=", "=").partition("=")
        if (labels.get(key) == value) is ("!=" in term):
            return False
    return True


def _at(body: Body, path: str) -> Any:
    for key in path.split("."):
        body = body.get(key) or {}
    return body


# --- The command line ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a verb came to."""

    code: int
    out: str
    error: str

    @property
    def whole(self) -> str:
        """All that was said, as golden files have it."""
        error = f"--- standard error\n{self.error}" if self.error else ""
        return f"{self.out}{error}--- exit code {self.code}\n"


class Cli:
    """The command line, as a person uses it who is known to the desk, in the namespace `default` unless they say -n."""

    def __init__(self, desk: FakeDesk, now: datetime = NOW) -> None:
        self._desk = desk
        self._now = now
        self._serial = itertools.count(1)

    def run(self, *words: str, typed: str | None = None) -> Said:
        """Run a verb. `typed` is what is typed on a terminal; without it there is none to ask on."""
        environment = {"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"}
        with self.connected(), mock.patch.object(session, "asks_on_a_terminal", lambda: typed is not None):
            done = CliRunner().invoke(main.app, list(words), input=typed, env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Whatever asks for a cluster gets the desk."""

        @asynccontextmanager
        async def connected(namespace: str | None, context: str | None) -> AsyncIterator[session.Session]:
            yield session.Session(
                self._desk, namespace or "default", session.console(), lambda: self._now,
                lambda: f"{next(self._serial):04}",
            )  # fmt: skip

        with mock.patch.object(session, "connected", connected):
            yield


def golden(name: str, text: str) -> None:
    """Compare what was printed with `tests/golden/cli/<name>.txt`; with CAIRN_WRITE_GOLDEN=1 it is written there."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get(REWRITE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.exists(), f"there is no {file.name} yet: run the test with {REWRITE}=1, and read what it has written"
    assert text == file.read_text()
