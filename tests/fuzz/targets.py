"""What is fuzzed: parsers and readers, each behind a function that takes bytes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cairn.api.cursors import decode_cursor
from cairn.core import conditions, naming, outputs, templates, times
from cairn.core.checkpoint import filed, payload, reading, serializer
from cairn.core.checkpoint.canonical import canonical
from cairn.core.checkpoint.state import Serialized
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.observed import Observed, kube_job, kube_pod
from cairn.core.outputs import LogBlockParser, Outputs, OutputsError
from cairn.core.parse import parse
from cairn.core.planner import plan
from cairn.core.spec import ExecutionSpec
from cairn.core.status import Status
from cairn.core.status_wire import from_wire, to_wire
from cairn.errors import InvalidSpec, Unreadable
from fuzz import rest
from mutations.schemas import schema

SECONDS = 5.0  # for one input: the slowest condition that is allowed takes 3 s on a slow machine
NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
WHO = Identity("default", "fuzzed", "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de")


@dataclass(frozen=True)
class Target:
    """Something that reads foreign input."""

    name: str
    what: str  # for the page
    check: Callable[[bytes], None]


@contextmanager
def bounded() -> Iterator[None]:
    """Fails if it takes too long."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < SECONDS, f"took {took:.1f} s"


def _json(data: bytes) -> Any:
    """The JSON that the input is; None if it is none that could have reached Cairn."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _object(given: dict[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key)
    return value if isinstance(value, dict) else {}


# --- Checkpoints -----------------------------------------------------------------------------------------------------


def payloads(data: bytes) -> None:
    """The text of an object's state: read or refused; what is read is written again as the same state."""
    text = data.decode("latin-1")
    try:
        content = payload.from_text(text, "")
        parent = reading.parent_of(reading.head(content.document))
        digest = serializer.document_digest(content.document, parent.digest if parent else None)
        state = serializer.deserialize(replace(content, digest=digest))
    except Unreadable:
        return
    again = serializer.serialize(state)
    assert serializer.deserialize(again) == state
    assert serializer.serialize(serializer.deserialize(again)) == again
    assert payload.from_text(payload.to_text(again), again.digest) == again


def documents(data: bytes) -> None:
    """Any bytes as a document, with texts and digests that hold or not: the documented errors, and no other."""
    for content in (
        Serialized(data, {}, "", ""), Serialized(data, {"x": "y"}, serializer.document_digest(data, None), ""),
    ):  # fmt: skip
        for read in (serializer.deserialize, serializer.salvage, lambda c: serializer.verify(c, None)):
            try:
                read(content)
            except Unreadable:
                continue


def files(data: bytes) -> None:
    """A file to import, of whatever JSON: taken, or refused with what is wrong."""
    document = _json(data)
    try:
        filed.from_file(document, namespace="default", pinned=False)
    except (InvalidSpec, Unreadable) as error:
        assert str(error)


def jsonb(data: bytes) -> None:
    """What jsonb is given can be parsed, holds nothing it refuses, and says truly whether it comes back the same."""
    try:
        document = canonical(json.loads(data))
    except (ValueError, RecursionError):
        return
    text, same = payload.jsonb_form(document)
    value = json.loads(text, parse_float=_in_jsonb)
    assert "\\u0000" not in text.replace("\\\\", "")
    if same:
        assert payload.from_jsonb(value) == document


def _in_jsonb(number: str) -> int | float:
    """What jsonb makes of a number with a point or an exponent: a decimal, which has no -0."""
    value = Decimal(number)
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value) + 0.0


# --- Specs and statuses ----------------------------------------------------------------------------------------------


def specs(data: bytes) -> None:
    """Any object as a spec: accepted, and then it can be planned; or refused, and every complaint names a place."""
    written = _json(data)
    if not isinstance(written, dict):
        return
    try:
        spec = parse(written)
    except InvalidSpec as error:
        assert error.violations and all(v.field.startswith("spec") and v.message for v in error.violations)
        return
    _planned(spec, Status())


def statuses(data: bytes) -> None:
    """Any object as a status: read, or found unreadable with a reason; either can be planned on, and is stored."""
    wire = _json(data)
    if not isinstance(wire, dict) or not _SCHEMA.is_valid(wire):
        return  # the API server would not let it in
    status = from_wire(wire)
    if not status.unreadable:
        assert from_wire(to_wire(status)) == status
    _planned(_SPEC, status, wire)


_SCHEMA = Draft202012Validator(schema("dagexecutions", "status"))
_SPEC = parse({"jobs": [{"id": "a", "image": "i"}, {"id": "b", "image": "i", "dependsOn": ["a"]}], "timeoutSeconds": 60,
               "ttlSecondsAfterFinished": 60})  # fmt: skip


def _planned(spec: ExecutionSpec, status: Status, found: dict[str, Any] | None = None) -> None:
    execution = Execution(WHO, 1, status, spec, found=found if found and status.unreadable else {})
    made = plan(execution, Observed(), now=NOW)
    json.dumps(made.wire)


# --- Languages -------------------------------------------------------------------------------------------------------


def whens(data: bytes) -> None:
    """A condition and what it is judged on: true, false or one line that says what is wrong."""
    given = _json(data)
    if not isinstance(given, dict) or not isinstance(given.get("when"), str):
        return
    params, jobs = _object(given, "params"), _object(given, "jobs")
    try:
        conditions.references(given["when"])
        condition = conditions.compile(given["when"])
        assert isinstance(conditions.evaluate(condition, params=params, jobs=jobs), bool)
    except conditions.ConditionError as error:
        assert str(error) and "\n" not in str(error)


def references(data: bytes) -> None:
    """Templates: what has no reference is left alone; what has one carries the value through Kubernetes unchanged."""
    given = _json(data)
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        return
    params, out = _object(given, "params"), _object(given, "outputs")
    template = {"spec": {"containers": [{"name": "main", "args": [given["text"]]}]}}
    found = templates.references(template)
    try:
        resolved = templates.resolve(template, params=params, outputs=out)
    except templates.TemplateError as error:
        assert found and error.field_path == "spec.containers[0].args[0]" and error.message
        return
    [text] = resolved["spec"]["containers"][0]["args"]
    assert found or text == given["text"]
    whole = f"$({_named(found[0])})" if len(found) == 1 else ""
    if whole and whole == given["text"]:
        assert _in_container(text) == _as_text(found[0], params, out)


def _in_container(text: str) -> str:
    """What Kubernetes makes of a text when it expands variables; there is one, HOME."""
    return re.sub(r"\$\$|\$\(HOME\)", lambda match: {"$$": "$"}.get(match[0], "/root"), text)


def _named(reference: templates.Reference) -> str:
    if reference.kind is templates.Kind.PARAM:
        return f"params.{reference.name}"
    return ".".join(("jobs", reference.name, "outputs", *reference.path))


def _as_text(reference: templates.Reference, params: dict[str, Any], out: dict[str, Any]) -> str:
    value = params[reference.name] if reference.kind is templates.Kind.PARAM else out[reference.name]
    for key in reference.path:
        value = value[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- What jobs say ---------------------------------------------------------------------------------------------------


def logs(data: bytes) -> None:
    """A log in whatever pieces gives what the whole gives, in memory that is bounded."""
    cuts, log = data[:4], data[4:]
    pieces = [LogBlockParser() for _ in range(3)]
    pieces[0].feed(log)
    at = 0
    for number, size in enumerate([*cuts, *[257] * (len(log) // 257 + 1)]):
        piece, at = log[at : at + size], at + size
        pieces[1].feed(piece)
        held = (pieces[1]._line, pieces[1]._block or b"", pieces[1]._last or b"")
        assert max(map(len, held)) <= 2 * outputs.LIMIT + 4096, number
    for byte in log[: 1 << 14] if len(log) <= 1 << 14 else ():
        pieces[2].feed(bytes([byte]))
    told = [_told(parser) for parser in pieces]
    assert told[0] == told[1]
    if len(log) <= 1 << 14:
        assert told[0] == told[2]


def _told(parser: LogBlockParser) -> tuple[str, str] | Outputs | None:
    try:
        found = parser.finish()
    except OutputsError as error:
        return error.reason, error.message
    assert found is None or len(found.text.encode()) <= outputs.LIMIT
    return found


def messages(data: bytes) -> None:
    """A termination message: outputs that are JSON and come back as they were, nothing, or why not."""
    text = data.decode("utf-8", "surrogatepass") if _utf8(data) else data.decode("latin-1")
    try:
        found = outputs.from_termination(text, containers=1 + len(data) % 3)
    except OutputsError as error:
        assert error.message
        return
    if found is not None:
        assert found.text == text.strip() and json.dumps(found.value) and len(found.digest) == 64


def _utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


# --- What Kubernetes says, and small things --------------------------------------------------------------------------


def pods(data: bytes) -> None:
    """A Kubernetes Job and a pod with whatever the API server lets into their statuses."""
    status = _json(data)
    if not isinstance(status, dict):
        return
    meta = {"name": "x", "uid": "u", "resourceVersion": "1", "labels": {}, "creationTimestamp": "2026-01-31T08:00:00Z"}
    try:
        kube_pod({"metadata": meta, "spec": {"containers": [{"name": "main"}]}, "status": status})
        kube_job({"metadata": meta, "spec": {}, "status": status})
    except (AttributeError, KeyError, TypeError, ValueError):
        assert not _typed(status), "a status of the right types is read"


def _typed(status: dict[str, Any]) -> bool:
    """Whether a status is what the API server would let in: texts, and lists of objects where those stand."""
    texts = all(isinstance(status.get(key, ""), str) for key in ("phase", "reason", "message"))
    conditions_ = status.get("conditions", [])
    return texts and status.keys() <= {"phase", "reason", "message", "conditions"} and isinstance(
        conditions_, list
    ) and all(
        isinstance(c, dict) and all(isinstance(v, str) for v in c.values()) and "type" in c for c in conditions_
    )  # fmt: skip


def moments(data: bytes) -> None:
    """A time: read and written again as the same moment, or a ValueError."""
    text = data.decode("latin-1")
    try:
        found = times.parse_time(text)
    except ValueError:
        return
    if found is not None:
        written = times.format_time(found)
        assert times.known_time(written) == found.replace(microsecond=found.microsecond // 1000 * 1000)


def names(data: bytes) -> None:
    """Names of Kubernetes objects are names, whatever they are made of."""
    one, _, other = data.decode("utf-8", "replace").partition("/")
    made = (naming.attempt_name(one, "uid", other, 1), naming.pack_name(one, "uid", other))
    for name in made:
        assert len(name) <= 63 and name.isascii() and name == name.lower() and name[0].isalnum() and name[-1].isalnum()
    if one != other:
        assert naming.attempt_name("x", "uid", one, 1) != naming.attempt_name("x", "uid", other, 1)


def cursors(data: bytes) -> None:
    """A cursor of a list: a position, or a refusal that says what to do."""
    try:
        decode_cursor("executions", data.decode("latin-1"), "key")
    except InvalidSpec as error:
        assert str(error)


TARGETS = {
    target.name: target
    for target in (
        Target("payloads", "the state in a Checkpoint object", payloads),
        Target("documents", "documents of the serializer", documents),
        Target("files", "files of `cairn import`", files),
        Target("jsonb", "what goes into a jsonb column", jsonb),
        Target("specs", "specs of executions, and their first plan", specs),
        Target("statuses", "statuses of executions, and the plan on them", statuses),
        Target("whens", "CEL conditions", whens),
        Target("references", "templates", references),
        Target("logs", "the log-block parser", logs),
        Target("messages", "termination messages", messages),
        Target("pods", "statuses of pods and Kubernetes Jobs", pods),
        Target("moments", "times", moments),
        Target("names", "names of Kubernetes objects", names),
        Target("cursors", "cursors of REST lists", cursors),
        Target("rest", "requests to the REST API", rest.requests),
    )
}  # fmt: skip
