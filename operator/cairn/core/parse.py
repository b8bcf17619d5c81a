"""From what the user wrote to an `ExecutionSpec`, or to everything that is wrong with it.

Rules:

1. Every violation is found at once and names its field; nothing is launched while there is one.
2. Nothing is reported that merely follows from something else: a job that cannot be read still counts as one that
   others may depend on, and what rests on a field that is wrong is not judged.
3. null means not set, everywhere. Templates and conditions are checked here and filled in at launch.
4. Checks are made where the user wrote the text, so a mistake in `jobDefaults` is reported once, not once per job.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any

from cairn.core import conditions, podrules, schema, templates
from cairn.core.checkpoint.settings import CheckpointSettings, resolve
from cairn.core.graph import find_cycles
from cairn.core.merge import merge, pod_template, short_form, without_nulls
from cairn.core.schema import field_path
from cairn.core.spec import (
    Cancel,
    ExecutionSpec,
    JobSpec,
    OutputsFrom,
    Pause,
    Replay,
    Request,
    RequestType,
    Restore,
    Retry,
    RunOn,
    Source,
)
from cairn.errors import InvalidSpec, Violation
from cairn.names import OUTPUTS_LIMIT

GROUP = "group:"
MAX_SUGGESTIONS = 20  # looking for a similar id takes milliseconds among 2,000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A job as far as it can be read: as written, free of nulls, and as a model, both without the dropped fields."""

    index: int
    path: str
    raw: Mapping[str, Any]
    dropped: frozenset[str]
    job: schema.Job


class _Known:
    """The ids and groups that may be named, including those of jobs that cannot be read."""

    def __init__(self, jobs: Iterable[Any]) -> None:
        self.groups: dict[str, list[str]] = {}
        self.ids: dict[str, None] = {}
        self._suggestions: dict[str, str] = {}
        for job in jobs:
            match job:
                case {"id": str(job_id), **rest}:
                    self.ids[job_id] = None
                    if isinstance(group := rest.get("group"), str):
                        self.groups.setdefault(group, []).append(job_id)

    def members(self, dependency: str) -> Collection[str]:
        """The jobs that an entry of `dependsOn` stands for."""
        if dependency.startswith(GROUP):
            return self.groups.get(dependency.removeprefix(GROUP), ())
        return (dependency,) if dependency in self.ids else ()

    def wrong(self, dependency: str, job_id: str) -> str:
        """What is wrong with an entry of `dependsOn` that stands for no job, or for the job itself."""
        group = dependency.removeprefix(GROUP)
        if self.members(dependency):
            through = "" if group == dependency else f" through its own group {group!r}"
            return f"job {job_id!r} depends on itself{through}: it would never start"
        if group == dependency:
            return self.unknown(dependency)
        return f"no job is in group {group!r}{schema.closest(group, self.groups)}"

    def unknown(self, job_id: str) -> str:
        """That there is no such job, and which one may be meant."""
        if job_id not in self._suggestions and len(self._suggestions) < MAX_SUGGESTIONS:
            self._suggestions[job_id] = schema.closest(job_id, self.ids)
        return f"there is no job {job_id!r}{self._suggestions.get(job_id, '')}"


def parse(spec: Mapping[str, Any]) -> ExecutionSpec:
    """The accepted spec; raises `InvalidSpec` with every violation."""
    copy, violations = schema.plain(spec, "spec")
    if copy is None:
        raise InvalidSpec(tuple(violations))
    places = {violation.field for violation in violations}  # what stood there has become null
    parsed, wrong = _parse({key: value for key, value in copy.items() if value is not None})
    violations += (violation for violation in wrong if violation.field not in places)
    if violations:
        raise InvalidSpec(tuple(violations))
    return parsed


def _parse(spec: Mapping[str, Any]) -> tuple[ExecutionSpec, list[Violation]]:
    """What can be made of a spec that is JSON, and everything that is wrong with it."""
    reading = schema.read(schema.Execution, spec, "spec")
    execution, violations = reading.value, reading.violations
    if execution is None or reading.dropped & {"jobs", "params"}:
        return ExecutionSpec(), violations  # nothing else can be judged
    defaults = schema.read(schema.JobDefaults, execution.job_defaults, "spec.jobDefaults")
    violations += defaults.violations
    settings = schema.read(schema.Checkpoint, execution.checkpoint, "spec.checkpoint")
    violations += settings.violations
    checkpoint = settings.value or schema.Checkpoint()
    entries = _entries(execution.jobs, violations)
    known = _Known(execution.jobs)
    depends_on = [_dependencies(entry, known, violations) for entry in entries]
    layer = without_nulls(defaults.raw)
    jobs = [_job(entry, ids, layer) for entry, ids in zip(entries, depends_on, strict=True)]
    violations += chain(
        _outside(execution, known),
        _checkpoint(checkpoint, known if execution.jobs else None),
        _duplicates(entries),
        _written(layer, "spec.jobDefaults", execution.params, None),
        *(_inside(entry, job, execution.params, known) for entry, job in zip(entries, jobs, strict=True)),
        *(_whole(entry, job) for entry, job in zip(entries, jobs, strict=True) if not defaults.dropped | entry.dropped),
        _cycles(jobs),
    )
    return _execution(execution, jobs, resolve(checkpoint.model_dump(by_alias=True))), violations


def digest(pod_template: Mapping[str, Any], timeout_seconds: int, outputs: OutputsFrom) -> str:
    """What an attempt runs, as 16 hex digits that do not depend on the order of keys."""
    parts = {"outputs": outputs, "podTemplate": pod_template, "timeoutSeconds": timeout_seconds}
    return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _execution(execution: schema.Execution, jobs: Iterable[JobSpec], checkpoint: CheckpointSettings) -> ExecutionSpec:
    cancel = execution.cancel
    return ExecutionSpec(
        jobs=tuple(jobs),
        paused=execution.paused,
        pause=Pause(**dict(execution.pause)),
        hold=frozenset(execution.hold),
        cancel=Cancel(cancel.request_id, cancel.reason) if cancel else None,
        scheduling=execution.scheduling,
        parallelism=execution.parallelism,
        failure_policy=execution.failure_policy,
        timeout_seconds=execution.timeout_seconds,
        ttl_seconds_after_finished=execution.ttl_seconds_after_finished,
        params=execution.params,
        checkpoint=checkpoint,
        requests=tuple(_request(request) for request in execution.requests),
        restore=_restore(execution.restore_from) if execution.restore_from else None,
    )


def _request(request: schema.Request) -> Request:
    fields = dict(request) | {"limit": request.limit or 0, "has_outputs": "outputs" in request.model_fields_set}
    return Request(**fields)


def _restore(given: schema.RestoreFrom) -> Restore:
    return Restore(
        source=Source(
            given.checkpoint_name or "", given.checkpoint_id or "", given.latest_of or "", given.namespace or ""
        ),
        rerun=frozenset(given.rerun),
        confirm=frozenset(given.confirm),
        force=given.force,
        dry_run=given.dry_run,
        plan_digest=given.plan_digest or "",
        request_id=given.request_id or "",
    )


def _job(entry: _Entry, depends_on: tuple[str, ...], defaults: Mapping[str, Any]) -> JobSpec:
    """The job with the defaults under it."""
    job = schema.Job.model_validate(merge(defaults, entry.raw))
    template = pod_template(defaults, entry.raw)
    timeout, outputs = job.timeout_seconds or 0, job.outputs or OutputsFrom.TERMINATION
    retry = {name: value for name, value in job.retry or () if value is not None}
    return JobSpec(
        id=job.id,
        index=entry.index,
        depends_on=depends_on,
        group=job.group,
        run_on=job.run_on or RunOn.SUCCESS,
        when=job.when,
        pod_template=template,
        retry=Retry(**retry | {"on_exit_codes": tuple(retry.get("on_exit_codes", ()))}),
        timeout_seconds=timeout,
        outputs=outputs,
        replay=job.replay or Replay.SAFE,
        digest=digest(template, timeout, outputs),
    )


def _outside(execution: schema.Execution, known: _Known) -> Iterator[Violation]:
    """What is wrong outside of the jobs. Without jobs, they come from a checkpoint, and their names are not known."""
    if execution.jobs:
        yield from _job_names(execution, known)
    elif execution.restore_from is None:
        yield Violation("spec.jobs", "is empty: add a job, or say with restoreFrom where the jobs come from")
    elif execution.job_defaults:
        text = "has no meaning without jobs: those of the checkpoint bring their own; leave it out, or add the jobs"
        yield Violation("spec.jobDefaults", text)
    yield from _requests(execution.requests)
    if execution.restore_from is not None:
        yield from _sources(execution.restore_from)


def _inside(entry: _Entry, job: JobSpec, params: Collection[str], known: _Known) -> Iterator[Violation]:
    usable = known.ids if "dependsOn" in entry.dropped else job.depends_on
    yield from _written(entry.raw, entry.path, params, usable)
    yield from _condition(entry, usable)


def _written(
    layer: Mapping[str, Any], path: str, params: Collection[str], depends_on: Collection[str] | None
) -> Iterator[Violation]:
    yield from podrules.written(layer, path)
    yield from _references(layer, path, params, depends_on)


def _whole(entry: _Entry, job: JobSpec) -> Iterator[Violation]:
    return podrules.merged(job.pod_template, job.timeout_seconds, entry.path, short="podTemplate" not in entry.raw)


def _entries(jobs: Iterable[Any], violations: list[Violation]) -> list[_Entry]:
    """The jobs that can be read; what is wrong with their structure joins the violations."""
    entries: list[_Entry] = []
    for index, raw in enumerate(jobs):
        path = field_path("spec", "jobs", index)
        reading = schema.read(schema.Job, raw, path)
        violations += reading.violations
        if reading.value is not None:
            entries.append(_Entry(index, path, without_nulls(reading.raw), reading.dropped, reading.value))
    return entries


def _duplicates(entries: Iterable[_Entry]) -> Iterator[Violation]:
    first: dict[str, str] = {}
    for entry in entries:
        if entry.job.id in first:
            yield Violation(f"{entry.path}.id", f"{entry.job.id!r} is the id of {first[entry.job.id]} too")
        first.setdefault(entry.job.id, entry.path)


def _dependencies(entry: _Entry, known: _Known, violations: list[Violation]) -> tuple[str, ...]:
    """The ids that a job depends on, groups expanded where they stand; what is wrong with them joins the violations."""
    found: dict[str, None] = {}
    for place, text in enumerate(entry.job.depends_on or ()):
        members = known.members(text)
        found.update(dict.fromkeys(members))
        if not members or entry.job.id in members:
            field = field_path(entry.path, "dependsOn", place)
            violations.append(Violation(field, known.wrong(text, entry.job.id)))
    found.pop(entry.job.id, None)
    return tuple(found)


def _cycles(jobs: Iterable[JobSpec]) -> Iterator[Violation]:
    edges: dict[str, Sequence[str]] = {}
    for job in jobs:
        edges.setdefault(job.id, job.depends_on)
    for cycle in find_cycles(edges):
        yield Violation("spec.jobs", f"these jobs wait for each other: {' -> '.join(cycle)}; take one dependency away")


def _condition(entry: _Entry, depends_on: Collection[str]) -> Iterator[Violation]:
    if entry.job.when is None:
        return
    field = f"{entry.path}.when"
    try:
        condition = conditions.compile(entry.job.when)
    except conditions.ConditionError as error:
        yield Violation(field, str(error))
        return
    for name in sorted(condition.references.difference(depends_on)):
        yield Violation(field, f"names job {name!r}, which is not in dependsOn: add it there")


def _references(
    layer: Mapping[str, Any], path: str, params: Collection[str], depends_on: Collection[str] | None
) -> Iterator[Violation]:
    """Wrong references of one layer; in `jobDefaults`, where `depends_on` is None, no job can be named."""
    written = (
        (f"{path}.podTemplate.", "", layer.get("podTemplate", {})),
        (f"{path}.", "spec.containers[0].", {"spec": {"containers": [short_form(layer)]}}),
    )
    for prefix, cut, template in written:
        for reference in templates.references(template):
            if message := _wrong(reference, params, depends_on):
                yield Violation(prefix + reference.field_path.removeprefix(cut), message)


def _wrong(reference: templates.Reference, params: Collection[str], depends_on: Collection[str] | None) -> str:
    name = reference.name
    if reference.kind is templates.Kind.MALFORMED:
        return templates.malformed(reference)
    if reference.kind is templates.Kind.PARAM:
        return "" if name in params else f"there is no param {name!r} in spec.params{schema.closest(name, params)}"
    if depends_on is None:
        return f"only a job that depends on {name!r} can use its outputs: move this into the job"
    return "" if name in depends_on else f"uses the outputs of job {name!r}, which is not in dependsOn: add it there"


def _sources(given: schema.RestoreFrom) -> Iterator[Violation]:
    named = {"checkpointName": given.checkpoint_name, "checkpointId": given.checkpoint_id, "latestOf": given.latest_of}
    there = [field for field, value in named.items() if value is not None]
    if len(there) > 1:
        yield Violation("spec.restoreFrom", f"{' and '.join(there)} are set: say with one of them what to start from")
    if not there:
        yield Violation("spec.restoreFrom", f"one of {', '.join(named)} must be set: what to start from")


def _job_names(execution: schema.Execution, known: _Known) -> Iterator[Violation]:
    """Names of jobs outside of `spec.jobs` that are no jobs."""
    named = [(field_path("spec", "hold", place), job_id) for place, job_id in enumerate(execution.hold)]
    named += [(f"spec.requests[{place}].job", request.job) for place, request in enumerate(execution.requests)]
    return (Violation(field, known.unknown(job_id)) for field, job_id in named if job_id not in known.ids)


def _checkpoint(checkpoint: schema.Checkpoint, known: _Known | None) -> Iterator[Violation]:
    """What is wrong between the settings of checkpoints, and with the jobs they name, where those are known."""
    critical = checkpoint.critical_job_ids or []
    for name, entries in (("triggers", checkpoint.triggers or []), ("criticalJobIds", critical)):
        seen: set[str] = set()
        for place, entry in enumerate(entries):
            if entry in seen:
                yield Violation(f"spec.checkpoint.{name}[{place}]", f"{str(entry)!r} is there already: name it once")
            seen.add(entry)
    for place, job_id in enumerate(critical):
        if known and job_id not in known.ids:
            yield Violation(f"spec.checkpoint.criticalJobIds[{place}]", known.unknown(job_id))


def _requests(requests: Sequence[schema.Request]) -> Iterator[Violation]:
    seen: set[str] = set()
    for place, request in enumerate(requests):
        path = f"spec.requests[{place}]"
        if request.id in seen:
            yield Violation(f"{path}.id", f"{request.id!r} is the id of another request: a known id never acts again")
        seen.add(request.id)
        extends = request.type is RequestType.EXTEND_RETRIES
        if extends and not request.limit:
            yield Violation(f"{path}.limit", "is required, at least 1: how many retries to add")
        if not extends and request.limit is not None:
            yield Violation(f"{path}.limit", f"has no meaning for {request.type}: leave it out")
        if request.type is not RequestType.COMPLETE and "outputs" in request.model_fields_set:
            yield Violation(f"{path}.outputs", f"has no meaning for {request.type}: leave it out")
        if len(json.dumps(request.outputs, ensure_ascii=False).encode(errors="replace")) > OUTPUTS_LIMIT:
            yield Violation(f"{path}.outputs", f"is larger than the {OUTPUTS_LIMIT} bytes that a job may hand out")
