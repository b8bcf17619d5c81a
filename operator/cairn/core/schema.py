"""The structure of a DAGExecution's `spec` as the operator reads it: names, types and bounds of every field.

The API server has usually checked all of this; the linter has not. Rules:

1. Nothing is converted: "5" is no number and 1 is no string. An unknown field is a violation naming the closest one.
2. Pod templates belong to Kubernetes: only what Cairn itself reads or merges by is described, the rest passes through.
3. No field of a job has a default here, since what is not set comes from `jobDefaults`; `core.spec` holds the defaults.
4. What is wrong hides as little as possible: jobs are read one by one, and a job less its wrong fields is read again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from cairn.core.checkpoint.settings import DeletionPolicy, OnError, Profile, Trigger
from cairn.core.spec import FailurePolicy, OutputsFrom, PauseMode, Replay, RequestType, RunOn, Scheduling
from cairn.core.times import in_utc
from cairn.errors import Violation

MAX_DEPTH = 100
MAX_JOBS = 2000
MAX_DEPENDENCIES = 100
MAX_REQUESTS = 50
MAX_RETENTION_SECONDS = 3_153_600_000  # a hundred years
MAX_INT64 = 2**63 - 1
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
ID_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$"


def _timestamp(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        at = in_utc(at) if at.tzinfo else at  # without a zone it is refused by its type
        return at.replace(microsecond=at.microsecond // 1000 * 1000)  # as the status keeps it
    except (TypeError, ValueError):
        raise PydanticCustomError("timestamp", "should be a time such as 2026-01-31T18:00:00Z") from None


_FROM_TEXT = Field(strict=False)  # strict mode would only take enum members

Id = Annotated[str, Field(pattern=ID_PATTERN, max_length=63)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Timestamp = Annotated[AwareDatetime, BeforeValidator(_timestamp)]
Text = Annotated[str, Field(max_length=1024)]
CriticalJob = Annotated[str, Field(min_length=1, max_length=63)]
RequestId = Annotated[str, Field(min_length=1, max_length=253)]


class Model(BaseModel):
    """Strict, closed and in the camelCase of the API."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class Open(Model):
    """Part of a Kubernetes object: fields that Cairn does not read pass through."""

    model_config = ConfigDict(extra="allow")


class EnvVar(Open):
    name: Annotated[str, Field(min_length=1)]
    value: str | None = None


class VolumeMount(Open):
    name: str
    mount_path: str


class Named(Open):
    name: str


class Container(Open):
    name: str
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    resources: dict[str, Any] | None = None
    volume_mounts: list[VolumeMount] | None = None


class PodSpec(Open):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Named] | None = None
    image_pull_secrets: list[Named] | None = None
    restart_policy: str | None = None
    active_deadline_seconds: int | None = None


class Metadata(Open):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class PodTemplate(Model):
    metadata: Metadata | None = None
    spec: PodSpec | None = None


class Retry(Model):
    limit: Count | None = None
    backoff_seconds: Seconds | None = None
    factor: Annotated[float, Field(ge=1)] | None = None
    max_seconds: Seconds | None = None
    on_exit_codes: list[Annotated[int, Field(ge=1, le=255)]] | None = None


class JobDefaults(Model):
    """What `jobDefaults` and a job have in common."""

    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    resources: dict[str, Any] | None = None
    pod_template: PodTemplate | None = None
    retry: Retry | None = None
    timeout_seconds: Count | None = None
    outputs: Annotated[OutputsFrom, _FROM_TEXT] | None = None
    replay: Annotated[Replay, _FROM_TEXT] | None = None


class Job(JobDefaults):
    id: Id
    group: Id | None = None
    depends_on: Annotated[list[str], Field(max_length=MAX_DEPENDENCIES)] | None = None
    run_on: Annotated[RunOn, _FROM_TEXT] | None = None
    when: str | None = None


class Pause(Model):
    mode: Annotated[PauseMode, _FROM_TEXT] = PauseMode.DRAIN
    reason: Text = ""
    until: Timestamp | None = None
    checkpoint: bool = True


class Cancel(Model):
    request_id: RequestId
    reason: Text = ""


class Request(Model):
    id: RequestId
    type: Annotated[RequestType, _FROM_TEXT]
    job: str
    outputs: Any = None
    limit: Count | None = None
    by: Text = ""
    reason: Text = ""


class RestoreFrom(Model):
    checkpoint_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    checkpoint_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    latest_of: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    rerun: Annotated[list[str], Field(max_length=MAX_JOBS)] = []
    confirm: Annotated[list[str], Field(max_length=MAX_JOBS)] = []
    force: bool = False
    dry_run: bool = False
    plan_digest: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    request_id: RequestId | None = None


class Retention(Model):
    max_age_seconds: Annotated[int, Field(ge=0, le=MAX_RETENTION_SECONDS)] | None = None
    max_bytes: Annotated[int, Field(ge=0, le=MAX_INT64)] | None = None
    after_deletion_seconds: Annotated[int, Field(ge=0, le=MAX_RETENTION_SECONDS)] | None = None


class Checkpoint(Model):
    """`spec.checkpoint`: no field has a default here, since what is not set comes from the profile."""

    enabled: bool | None = None
    profile: Annotated[Profile, _FROM_TEXT] | None = None
    triggers: list[Annotated[Trigger, _FROM_TEXT]] | None = None
    time_interval_ms: Annotated[int, Field(ge=1000, le=604_800_000)] | None = None
    retention_count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    retention: Retention | None = None
    critical_job_ids: Annotated[list[CriticalJob], Field(max_length=MAX_JOBS)] | None = None
    on_error: Annotated[OnError, _FROM_TEXT] | None = None
    deletion_policy: Annotated[DeletionPolicy, _FROM_TEXT] | None = None


class Execution(Model):
    """The whole spec; its jobs, its jobDefaults and its checkpoint settings are read on their own."""

    paused: bool = False
    pause: Pause = Pause()
    hold: list[str] = []
    cancel: Cancel | None = None
    scheduling: Annotated[Scheduling, _FROM_TEXT] = Scheduling.DEPENDENCIES
    parallelism: Count = 0
    failure_policy: Annotated[FailurePolicy, _FROM_TEXT] = FailurePolicy.STOP
    timeout_seconds: Count = 0
    ttl_seconds_after_finished: Count | None = None
    params: dict[str, Any] = {}
    checkpoint: dict[str, Any] = {}
    job_defaults: dict[str, Any] = {}
    jobs: Annotated[list[Any], Field(max_length=MAX_JOBS)] = []
    restore_from: RestoreFrom | None = None
    requests: Annotated[list[Request], Field(max_length=MAX_REQUESTS)] = []


M = TypeVar("M", bound=Model)


def plain(value: Any, path: str) -> tuple[Any, list[Violation]]:
    """A copy that is JSON for certain (what is none becomes null), and what was none."""
    found: list[Violation] = []
    return _plain(value, path, found, 0), found


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """What could be read of a value: without the fields that are wrong, and None if it is nothing without them."""

    value: M | None
    raw: dict[str, Any]
    dropped: frozenset[str]
    violations: list[Violation]


def read(model: type[M], raw: Any, path: str) -> Reading[M]:
    """The value as the model, as far as its structure is right, and everything that is wrong with that."""
    try:
        return Reading(model.model_validate(raw), raw, frozenset(), [])
    except ValidationError as error:
        dropped = frozenset(str(item["loc"][0]) for item in error.errors() if item["loc"])
        violations = [Violation(field_path(path, *item["loc"]), _message(item)) for item in error.errors()]
    rest = {key: value for key, value in raw.items() if key not in dropped} if isinstance(raw, dict) else {}
    try:
        return Reading(model.model_validate(rest), rest, dropped, violations)
    except ValidationError:
        return Reading(None, rest, dropped, violations)


def field_path(path: str, *parts: str | int) -> str:
    """A field path as Kubernetes writes it: `spec.jobs[3].podTemplate.metadata.labels[example.com/team]`."""
    for part in parts:
        path += f".{part}" if isinstance(part, str) and part.isidentifier() else f"[{part}]"
    return path


def closest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, if there is something alike."""
    alike = get_close_matches(word, known, n=1)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _plain(value: Any, path: str, found: list[Violation], depth: int) -> Any:
    match value:
        case str() | bool() | int() | None:
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping() | list() if depth >= MAX_DEPTH:
            found.append(Violation(path, f"is nested deeper than {MAX_DEPTH} levels"))
        case Mapping() if not all(isinstance(key, str) for key in value):
            found.append(Violation(path, "has a key that is no string: put it in quotes"))
        case Mapping() if any(_HALF.search(key) for key in value):
            found.append(Violation(path, "has a key with half a surrogate pair, which no reader takes: rename it"))
        case Mapping():
            return {key: _plain(item, field_path(path, key), found, depth + 1) for key, item in value.items()}
        case list():
            return [_plain(item, f"{path}[{place}]", found, depth + 1) for place, item in enumerate(value)]
        case float():
            found.append(
                Violation(path, f"is {value}, which JSON does not have: use a finite number, null or a string")
            )
        case _:
            found.append(Violation(path, f"is a {type(value).__name__}, which JSON does not have: put it in quotes"))
    return None


def _message(item: ErrorDetails) -> str:
    match item["type"]:
        case "extra_forbidden":
            return f"is no field of this object{closest(str(item['loc'][-1]), _FIELDS)}"
        case "missing":
            return "is required"
        case "string_pattern_mismatch":
            return "should be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


_FIELDS = {
    str(field.alias)
    for model in (Execution, Job, Retry, Pause, Cancel, Request, RestoreFrom, Checkpoint, Retention, PodTemplate)
    for field in model.model_fields.values()
}
