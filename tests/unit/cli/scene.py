"""Executions as the tests of the command line find them, and what is written in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cairn.core.times import format_time
from support.fake_desk import FakeDesk
from support.states import at

Body = dict[str, Any]
JOBS = [{"id": "fit", "image": "x"}, {"id": "eval", "image": "x", "dependsOn": ["fit"]}]


def five() -> FakeDesk:
    """Executions a, b and c of the team ml, d of nobody, and `done`, which has finished."""
    desk = FakeDesk()
    for name in "abcd":
        labels = {"team": "ml"} if name != "d" else {}
        desk.put({"metadata": {"name": name, "labels": labels}, "spec": {"jobs": JOBS}, "status": status()})
    desk.put({"metadata": {"name": "done"}, "spec": {"jobs": JOBS}, "status": status("Succeeded")})
    return desk


def status(phase: str = "Running", **fields: Any) -> Body:
    """What the operator says of an execution."""
    return {"phase": phase, "observedGeneration": 9, "startedAt": format_time(at(0))} | fields


def record(id: str, state: str, **fields: Any) -> Body:
    """What a status says of a job."""
    return {"id": id, "state": state} | fields


FIT = record("fit", "Completed", attempt=1, startedAt=format_time(at(1)), finishedAt=format_time(at(63)))


def new(name: str = "new", **meta: Any) -> Body:
    """An execution as somebody writes it."""
    return {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name} | meta,
            "spec": {"jobs": JOBS}}  # fmt: skip


def written(tmp_path: Path, *bodies: Body) -> str:
    """A file of them."""
    file = tmp_path / "dag.yaml"
    file.write_text(yaml.safe_dump_all(bodies))
    return str(file)
