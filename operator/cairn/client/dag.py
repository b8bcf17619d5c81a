"""A DAG written in Python, job by job, and checked as a whole.

Rules:
1. Nothing is judged until `Dag.build`, so that a notebook sees every mistake at once and by the field that it is in,
   as in `cairn lint`. Only a keyword that does not exist is refused where it is written, as Python does.
2. A job is known by its id alone: a `JobRef` is that id, wherever one is meant.
3. A mapping is what stands in YAML, in camelCase; keywords and models are in snake_case.
4. What was added is copied: a list that changes afterwards changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypedDict, Unpack

from pydantic.alias_generators import to_camel

from cairn.client.models import (
    CheckpointSettings,
    DAGExecution,
    ExecutionSpec,
    Job,
    JobDefaults,
    Metadata,
    Pause,
    RestoreFrom,
    Retry,
)
from cairn.client.models.base import Written
from cairn.core import schema
from cairn.core.parse import parse
from cairn.core.spec import FailurePolicy, OutputsFrom, Replay, RunOn, Scheduling
from cairn.errors import InvalidSpec, Violation


class JobRef(str):
    """The id of a job of a DAG."""

    __slots__ = ()

    def output(self, path: str) -> str:
        """What stands, in a text of a job that depends on this one, for a value of its outputs: `"best.score"`."""
        return f"$(jobs.{self}.outputs.{path})"


class JobFields(TypedDict, total=False):
    """The fields of a job, but for its id and what it depends on."""

    image: str
    command: Sequence[str]
    args: Sequence[str]
    env: Mapping[str, str] | Sequence[Mapping[str, Any]]
    resources: Mapping[str, Any]
    pod_template: Mapping[str, Any]
    retry: Retry | Mapping[str, Any]
    timeout_seconds: int
    outputs: OutputsFrom | str
    replay: Replay | str
    group: str
    run_on: RunOn | str
    when: str


class SpecFields(TypedDict, total=False):
    """The fields of an execution that are not its jobs and do not ask for something on the way."""

    paused: bool
    pause: Pause | Mapping[str, Any]
    hold: Sequence[str]
    scheduling: Scheduling | str
    parallelism: int
    failure_policy: FailurePolicy | str
    timeout_seconds: int
    ttl_seconds_after_finished: int
    params: Mapping[str, Any]
    checkpoint: CheckpointSettings | Mapping[str, Any]
    job_defaults: JobDefaults | Mapping[str, Any]
    restore_from: RestoreFrom | Mapping[str, Any]


class Dag:
    """A DAG in the making; `build` makes an execution of it, as often as it is called."""

    def __init__(self, name: str, *, image: str | None = None, **fields: Unpack[SpecFields]) -> None:
        """`image` is that of every job that names none. Raises TypeError for a field that does not exist."""
        _refuse_unknown("Dag", fields, SpecFields.__annotations__)
        self.name = name
        self._image = image
        self._fields = _fields(fields)
        self._jobs: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        return f"<Dag {self.name!r}: {len(self._jobs)} jobs>"

    def job(self, job_id: str, *, after: str | Iterable[str] = (), **fields: Unpack[JobFields]) -> JobRef:
        """Add a job that depends on `after`: jobs, ids, or groups as `"group:train"`.

        `env` may be a mapping of names to texts. Raises TypeError for a field that does not exist.
        """
        _refuse_unknown("job", fields, JobFields.__annotations__)
        depends_on = [after] if isinstance(after, str) else [*after]
        edges = {"dependsOn": depends_on} if depends_on else {}
        return self.add({"id": job_id} | edges | _fields(fields))

    def add(self, job: Job | Mapping[str, Any]) -> JobRef:
        """Add a job that is written already: a `Job`, or a mapping as it stands in YAML; else raises TypeError."""
        if not isinstance(job, (Job, Mapping)):
            raise TypeError(f"add takes a Job or a mapping, not {job!r}: job(...) makes a job of its id and its fields")
        body = _body(job)
        self._jobs.append(body)
        return JobRef(body.get("id", ""))

    def build(self, namespace: str | None = None) -> DAGExecution:
        """The execution; raises `InvalidSpec` with everything that is wrong."""
        metadata = {"name": self.name} | ({"namespace": namespace} if namespace else {})
        spec = self._spec()
        named = schema.read(Metadata, metadata, "metadata")
        bounded = schema.read(ExecutionSpec, schema.plain(spec, "spec")[0], "spec")
        violations = [*named.violations, *_parsed(spec)]
        known = {violation.field for violation in violations}
        violations += (violation for violation in bounded.violations if violation.field not in known)
        if violations or named.value is None or bounded.value is None:
            raise InvalidSpec(tuple(violations))
        return DAGExecution(metadata=named.value, spec=bounded.value)

    def to_yaml(self, namespace: str | None = None) -> str:
        """The execution as a file for `kubectl apply --server-side -f`; raises `InvalidSpec` like `build`."""
        return self.build(namespace).to_yaml()

    def _spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = _body(self._fields)
        defaults = spec.get("jobDefaults", {})
        if self._image is not None and isinstance(defaults, Mapping):
            spec["jobDefaults"] = {"image": self._image, **defaults}
        return spec | ({"jobs": _body(self._jobs)} if self._jobs else {})


def _parsed(spec: Mapping[str, Any]) -> tuple[Violation, ...]:
    """What the operator would find wrong."""
    try:
        parse(spec)
    except InvalidSpec as error:
        return error.violations
    return ()


def _refuse_unknown(where: str, fields: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in fields:
        if name not in known:
            raise TypeError(f"{where} has no field {name!r}{schema.closest(name, known)}")


def _fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as fields of a body; a mapping of variables becomes the list that a pod has."""
    body = {to_camel(name): _body(value) for name, value in fields.items() if value is not None}
    if isinstance(env := body.get("env"), Mapping):
        body["env"] = [{"name": name, "value": value} for name, value in env.items()]
    return body


def _body(value: Any) -> Any:
    """A value as JSON has it, as far as it is a model, an enum or a tuple; what else is wrong is told by `build`."""
    match value:
        case Written():
            return value.to_body()
        case Enum():
            return value.value
        case str():
            return str(value)
        case Mapping():
            return {key: _body(item) for key, item in value.items()}
        case list() | tuple():
            return [_body(item) for item in value]
    return value
