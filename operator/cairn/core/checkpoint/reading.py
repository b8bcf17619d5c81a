"""The document of a checkpoint, read back into values; `core.checkpoint.serializer` has the rules.

Nothing is assumed of a document but that it is JSON: every key must be there, with a value of its type, and none more.
What is wrong is told with its place, such as ``jobs[3].attempts[0].exitCode``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from cairn.core.checkpoint.canonical import digest_of, parse, utf8
from cairn.core.checkpoint.state import Attempt, CheckpointState, Label, Origin, Parent, Trigger
from cairn.core.outputs import Outputs
from cairn.core.status import (
    Acknowledged,
    CancelState,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)
from cairn.core.times import parse_time
from cairn.errors import DamagedPayload, NewerSchema, WrongDigest

SCHEMA_VERSION = 2  # 2 has `used` in each job: after a rewind attempt numbers go on
SPEC_PARTS = {"jobs": "jobConfigs", "params": "params"}  # what of the spec stands by itself in the document
JOB_STATES = {state.value.lower(): state for state in JobState}
PHASES = {phase.value.lower(): phase for phase in Phase if phase is not Phase.SUCCEEDED} | {
    "completed": Phase.SUCCEEDED,  # the word for it outside of Kubernetes
}
_PAUSE_PHASES = {phase.value.lower(): phase for phase in PausePhase}
_TRIGGERS = {trigger.value: trigger for trigger in Trigger}
_STOPPING: dict[str, Stopping | None] = {why.value: why for why in Stopping}

_T = TypeVar("_T")
_NONE: frozenset[str] = frozenset()


def _keys(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DOCUMENT = _keys("schemaVersion checkpoint execution specDigest stateDigest spec pause jobs")
_LABEL = _keys("id name trigger createdAt createdBy metadata parent")
_PARENT = _keys("id digest")
_EXECUTION = _keys(
    "id namespace name generation resourceVersion status reason message observedGeneration startedAt finishedAt"
    " pausedMillis epoch cancel timedOutAt requests"
)
_CANCEL = _keys("requestId reason at")
_REQUEST = _keys("id type at outcome job message by")
_PAUSE = _keys("phase since generation by reason mode until running count")
_JOB = _keys(
    "id status attempt reason message launchedAt startedAt finishedAt uid podUid definition result exitCode failures"
    " disruptions retryAt stopping extraRetries pausedFor used attempts"
)
_JOB_1 = _JOB - {"used"}
_ATTEMPT = _keys("number status startedAt finishedAt exitCode uid")
_ATTEMPT_MAY = _keys("error reason message outputs logTail")
_ERROR = _keys("reason message")
_TEXT = _keys("sha256 bytes")


class _Fields:
    """One object of the document, whose keys are known to be right; each method gives a value of its type."""

    __slots__ = ("_values", "place")

    def __init__(self, values: Any, place: str, keys: frozenset[str], optional: frozenset[str] = _NONE) -> None:
        if type(values) is not dict:
            raise DamagedPayload(f"{place or 'the document'}: not an object")
        there = values.keys() - optional if optional else values.keys()
        if there != keys:
            wrong = ", ".join(sorted(there ^ keys))
            raise DamagedPayload(f"{place or 'the document'}: missing or unknown: {wrong[:256]}")
        self._values = values
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def wrong(self, key: str, what: str) -> DamagedPayload:
        return DamagedPayload(f"{self.at(key)}: {what}")

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def get(self, key: str) -> Any:
        return self._values[key]

    def typed(self, key: str, kind: type[_T]) -> _T:
        value = self._values[key]
        if type(value) is not kind:  # exactly: true is an int to Python
            raise self.wrong(key, f"not of type {kind.__name__}")
        return value

    def text(self, key: str) -> str:
        return self.typed(key, str)

    def number(self, key: str) -> int:
        return self.typed(key, int)

    def maybe(self, key: str, kind: type[_T]) -> _T | None:
        return None if self._values[key] is None else self.typed(key, kind)

    def time(self, key: str) -> datetime:
        if (value := self.maybe_time(key)) is None:
            raise self.wrong(key, "no time")
        return value

    def maybe_time(self, key: str) -> datetime | None:
        text = self._values[key]
        if text is None:
            return None
        try:
            return parse_time(self.text(key))
        except ValueError as error:
            raise self.wrong(key, str(error)) from error

    def word(self, key: str, words: Mapping[str, _T]) -> _T:
        value = words.get(self.text(key))
        if value is None:
            raise self.wrong(key, "not a word that is known there")
        return value

    def object(self, key: str, keys: frozenset[str]) -> _Fields:
        return _Fields(self._values[key], self.at(key), keys)

    def maybe_object(self, key: str, keys: frozenset[str]) -> _Fields | None:
        return None if self._values[key] is None else self.object(key, keys)

    def each(self, key: str, keys: frozenset[str], optional: frozenset[str] = _NONE) -> Iterator[_Fields]:
        place = self.at(key)
        for index, values in enumerate(self.typed(key, list)):
            yield _Fields(values, f"{place}[{index}]", keys, optional)


class _Texts:
    """The texts beside a document: each is checked, and whether the document names it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._sizes: dict[str, int] = {}
        self._unnamed = set(texts)
        for name, text in texts.items():
            data = utf8(text)
            if digest_of(data) != name:
                raise WrongDigest(f"texts[{name}]: not the text of that digest")
            self._sizes[name] = len(data)

    def named_by(self, fields: _Fields) -> str:
        name, size = fields.text("sha256"), fields.number("bytes")
        if name not in self._texts:
            raise fields.wrong("sha256", f"there is no text {name[:64]}")
        if size != self._sizes[name]:
            raise fields.wrong("bytes", f"{size}, but the text has {self._sizes[name]}")
        self._unnamed.discard(name)
        return self._texts[name]

    def check_all_named(self) -> None:
        if self._unnamed:
            raise DamagedPayload(f"texts[{min(self._unnamed)}]: a text that the document does not name")


def head(document: bytes) -> dict[str, Any]:
    """The document parsed, of a schema that this version knows, and no more looked at than that."""
    value = parse(document, "the document")
    version = value.get("schemaVersion") if isinstance(value, dict) else None
    if type(version) is not int or version < 1:
        raise DamagedPayload("schemaVersion: not the version of a schema")
    if version > SCHEMA_VERSION:
        raise NewerSchema(f"schema {version}, but this version of Cairn reads schemas up to {SCHEMA_VERSION}")
    assert isinstance(value, dict)
    return value


def state_digest_of(document: dict[str, Any]) -> str:
    """What a parsed document says of its `state_digest`."""
    return _document(document).text("stateDigest")


def parent_of(document: dict[str, Any]) -> Parent | None:
    """The parent that a parsed document names."""
    parent = _document(document).object("checkpoint", _LABEL).maybe_object("parent", _PARENT)
    return Parent(parent.text("id"), parent.text("digest")) if parent else None


def state_of(document: dict[str, Any], texts: Mapping[str, str]) -> CheckpointState:
    """The state that a parsed document and its texts hold; whether it can be is for `validate` to say."""
    fields = _document(document)
    fields.text("specDigest")
    fields.text("stateDigest")
    known = _Texts(texts)
    jobs: dict[str, JobRecord] = {}
    attempts: dict[str, tuple[Attempt, ...]] = {}
    for job in _jobs(fields):
        record = _record(job)
        if record.id in jobs:
            raise job.wrong("id", f"{record.id[:64]} is there twice")
        jobs[record.id] = record
        if tries := tuple(_attempt(attempt, known) for attempt in job.each("attempts", _ATTEMPT, _ATTEMPT_MAY)):
            attempts[record.id] = tries
    known.check_all_named()
    execution = fields.object("execution", _EXECUTION)
    return CheckpointState(
        label=_label(fields.object("checkpoint", _LABEL), parent_of(document)),
        origin=_origin(execution),
        spec=_spec(fields),
        status=_status(execution, _pause(fields.maybe_object("pause", _PAUSE)), jobs),
        attempts=attempts,
    )


def check_texts(document: dict[str, Any], texts: Mapping[str, str]) -> None:
    """Whether the texts are those that a parsed document names, no less and no more."""
    known = _Texts(texts)
    for job in _jobs(_document(document)):
        for attempt in job.each("attempts", _ATTEMPT, _ATTEMPT_MAY):
            _outputs(attempt, known)
            _log_tail(attempt, known)
    known.check_all_named()


def _outputs(fields: _Fields, texts: _Texts) -> str | None:
    return texts.named_by(fields.object("outputs", _TEXT)) if "outputs" in fields else None


def _log_tail(fields: _Fields, texts: _Texts) -> str | None:
    return texts.named_by(fields.object("logTail", _TEXT)) if "logTail" in fields else None


def _document(document: dict[str, Any]) -> _Fields:
    return _Fields(document, "", _DOCUMENT, frozenset(SPEC_PARTS.values()))


def _jobs(fields: _Fields) -> Iterator[_Fields]:
    return fields.each("jobs", _JOB if fields.number("schemaVersion") > 1 else _JOB_1)


def _label(fields: _Fields, parent: Parent | None) -> Label:
    return Label(
        id=fields.text("id"),
        name=fields.text("name"),
        trigger=fields.word("trigger", _TRIGGERS),
        created_at=fields.time("createdAt"),
        created_by=fields.maybe("createdBy", str),
        metadata=fields.typed("metadata", dict),
        parent=parent,
    )


def _origin(fields: _Fields) -> Origin:
    return Origin(
        fields.text("namespace"),
        fields.text("name"),
        fields.text("id"),
        fields.number("generation"),
        fields.text("resourceVersion"),
    )


def _spec(fields: _Fields) -> dict[str, Any]:
    rest = fields.typed("spec", dict)
    parts = {key: fields.get(name) for key, name in SPEC_PARTS.items() if name in fields}
    if twice := rest.keys() & SPEC_PARTS.keys():
        raise fields.wrong("spec", f"holds {', '.join(sorted(twice))}, which stands by itself")
    return rest | parts


def _status(fields: _Fields, pause: PauseState | None, jobs: dict[str, JobRecord]) -> Status:
    cancel = fields.maybe_object("cancel", _CANCEL)
    return Status(
        phase=fields.word("status", PHASES),
        reason=fields.text("reason"),
        message=fields.text("message"),
        observed_generation=fields.number("observedGeneration"),
        started_at=fields.maybe_time("startedAt"),
        finished_at=fields.maybe_time("finishedAt"),
        pause=pause,
        paused_millis=fields.number("pausedMillis"),
        epoch=fields.number("epoch"),
        cancel=CancelState(cancel.text("requestId"), cancel.text("reason"), cancel.time("at")) if cancel else None,
        timed_out_at=fields.maybe_time("timedOutAt"),
        requests=tuple(_request(answer) for answer in fields.each("requests", _REQUEST)),
        jobs=jobs,
    )


def _request(fields: _Fields) -> Acknowledged:
    return Acknowledged(
        id=fields.text("id"),
        type=fields.text("type"),
        at=fields.time("at"),
        outcome=fields.text("outcome"),
        job=fields.text("job"),
        message=fields.text("message"),
        by=fields.text("by"),
    )


def _pause(fields: _Fields | None) -> PauseState | None:
    if fields is None:
        return None
    running = fields.typed("running", list)
    if not all(isinstance(job, str) for job in running):
        raise fields.wrong("running", "not a list of job ids")
    return PauseState(
        phase=fields.word("phase", _PAUSE_PHASES),
        since=fields.time("since"),
        generation=fields.number("generation"),
        by=fields.text("by"),
        reason=fields.text("reason"),
        mode=fields.text("mode"),
        until=fields.maybe_time("until"),
        running=tuple(running),
        count=fields.number("count"),
    )


def _record(fields: _Fields) -> JobRecord:
    return JobRecord(
        id=fields.text("id"),
        state=fields.word("status", JOB_STATES),
        attempt=fields.number("attempt"),
        reason=fields.text("reason"),
        message=fields.text("message"),
        launched_at=fields.maybe_time("launchedAt"),
        started_at=fields.maybe_time("startedAt"),
        finished_at=fields.maybe_time("finishedAt"),
        uid=fields.text("uid"),
        pod_uid=fields.text("podUid"),
        definition=fields.text("definition"),
        result=fields.text("result"),
        exit_code=fields.maybe("exitCode", int),
        failures=fields.number("failures"),
        disruptions=fields.number("disruptions"),
        retry_at=fields.maybe_time("retryAt"),
        stopping=None if fields.get("stopping") is None else fields.word("stopping", _STOPPING),
        extra_retries=fields.number("extraRetries"),
        paused_for=fields.typed("pausedFor", bool),
        used=fields.number("used") if "used" in fields else 0,
    )


def _attempt(fields: _Fields, texts: _Texts) -> Attempt:
    state = fields.word("status", JOB_STATES)
    failed = state is JobState.FAILED
    if any((key in fields) is failed for key in _ERROR) or ("error" in fields) is not failed:
        raise fields.wrong("status", "failed has an `error`, every other one `reason` and `message`")
    said = fields.object("error", _ERROR) if failed else fields
    outputs = _outputs(fields, texts)
    return Attempt(
        number=fields.number("number"),
        state=state,
        reason=said.text("reason"),
        message=said.text("message"),
        started_at=fields.maybe_time("startedAt"),
        finished_at=fields.maybe_time("finishedAt"),
        exit_code=fields.maybe("exitCode", int),
        uid=fields.text("uid"),
        outputs=None if outputs is None else Outputs(outputs),
        log_tail=_log_tail(fields, texts),
    )
