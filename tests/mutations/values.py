"""Values for a field: at the bounds of its schema, beyond them, and such as it takes though they mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mutations.schemas import Field, Schema

LIST_LIMIT = 300  # longer lists of what counts are made by no mutation: the object would be too large for many
TEXT_LIMIT = 70_000
PAST, FUTURE = "2001-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
TIMES = (
    PAST, FUTURE, "2026-02-28T23:59:59.999999999+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:00",
    "0001-01-01T00:00:00+23:00", "0000-01-01T00:00:00Z",
)  # fmt: skip
NO_TIMES = ("yesterday", "2026-02-30T00:00:00Z", "", 7)
NASTY = ("", " ", "a\nb", "\u0000", "žluťoučký 🚀", "$(params.n)", "${HOME}", "'\"\\`$(id)", "../../etc", "null", "-")

# What each pattern of the schemas lets through, and what it does not.
PATTERNS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "^[A-Za-z0-9]": (("A", "a_b", "a-b", "9.9", "a" * 63), ("", "-a", "a b", "a/b", "ä", "a" * 64)),
    "^(group:)?": (("a", "group:nobody", "nobody", "group:g"), ("", "group:", "group: a", "x:y", "a" * 70)),
    "^[a-z0-9]": (("default", "no-such-namespace"), ("", "Default", "a_b", "a" * 64)),
    "^[ -<>-~]": (("A", "a.b-c", "0", "CAIRN_X", "a" * 253), ("", "a=b", "ä", "a" * 254)),
    "^[+-]?": (("0", "1", "100m", "1Gi", "1e3", "-1", "0.000001"), ("", "lots", "1 Gi", "1GiB")),
    "^\\d{4}": (TIMES, NO_TIMES),
    "^([a-z0-9]": (("Odd", "example.com/Odd"), ("", "-", "a b")),
    "^[A-Za-z]([": (("Odd", "A", "A:b,c"), ("", "9", "a b")),
}  # fmt: skip

# By the whole of a path or its last word: what the schema takes, and only the operator can judge, or not even that.
MEANINGLESS: dict[str, tuple[Any, ...]] = {
    "when": ("no CEL at all", "params.nobody > 1", "jobs['nobody'].outputs == 1", "1 + 1", "jobs.exists(j, true)",
             "jobs['a'].state == 'Completed'", "true", "params.n.all(x, params.n.all(y, true))", "\u0000"),
    "hold": (["nobody"], ["a", "b", "c"], ["a", "nobody"]),
    "criticalJobIds": (["nobody"], ["a"], ["a", "b", "c"]),
    "dependsOn": (["group:nobody"], ["nobody"], ["b", "b"], ["group:g"], ["a", "b"], ["c"]),
    "until": (PAST, FUTURE),
    "spec.restoreFrom": ({"checkpointName": "nobody"}, {"checkpointId": "checkpoint_1_x"}, {"latestOf": "nobody"},
                    {"latestOf": "nobody", "namespace": "nowhere", "requestId": "r1"},
                    {"checkpointName": "nobody", "rerun": ["nobody"], "force": True, "planDigest": "x"}),
    "spec.requests": ([{"id": "q", "type": "Retry", "job": "nobody"}], [{"id": "q", "type": "Skip", "job": "b"}],
                 [{"id": "q", "type": "Complete", "job": "b", "outputs": {"n": [1e300, -0.0, None]}}],
                 [{"id": "q", "type": "ExtendRetries", "job": "b", "limit": 100}],
                 [{"id": "q", "type": "Retry", "job": "b", "limit": 3, "outputs": None}]),
    "spec.cancel": ({"requestId": "c1", "reason": "enough"},),
    "args": (["$(params.nobody)"], ["$(jobs.nobody.outputs)"], ["$(params.)", "$(", "$$(params.n)", "$(jobs.x)"]),
    "command": (["$(params.n)"], ["\u0000"]),
    "podTemplate": (
        {"spec": {"containers": "none"}}, {"spec": {"containers": [{"name": "X Y", "image": "i"}]}},
        {"spec": {"containers": [{"image": "i"}]}}, {"spec": {"restartPolicy": "Always"}},
        {"spec": {"volumes": [{"name": "cairn"}]}}, {"spec": {"activeDeadlineSeconds": -1}},
        {"spec": {"nodeSelector": {"no": "where"}}}, {"spec": {"nonsense": True, "hostNetwork": "yes"}},
        {"metadata": {"labels": {"not a label": "x"}}}, {"metadata": {"labels": {"cairn.dev/job": "x"}}},
        {"metadata": {"labels": {"a": "not a value!"}}}, {"spec": {"initContainers": [{"name": "main"}]}},
    ),
    "spec.params": ({}, {"n": None}, {"n": {"deep": [[[[{}]]]]}}, {"n": 2**63 - 1, "": "", "a b": "\u0000"},
                    {"n": "x" * 65536}),
    "resources": ({"requests": {"cpu": "-1"}}, {"limits": {"no such": "1"}},
                  {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
    "valueFrom": ({"nonsense": 1}, {"secretKeyRef": {"name": "nobody", "key": "x"}}),
    "target": ("{}", "zlib:AAAA", "nonsense", "zlib:" + "eJw" * 1000),
    "state": ("", "nonsense", "zlib:not base64!", "zlib:eJwDAAAAAAE=", "brotli:AAAA", 'json:{"schemaVersion":99}\n{}',
              "json:" + "[" * 50_000, "json:" + "9" * 5000, 'json:{"schemaVersion":2,"checkpoint":NaN}\n{}'),
    "digest": ("0" * 64, "nonsense"),
    "pack": ("nonsense", "zlib:AAAA"),
    "conditions": ([],),
    "status.jobs": ([{"id": "nobody", "state": "Running", "attempt": 1}],
             [{"id": "a", "state": "Running"}, {"id": "a", "state": "Completed"}],
             [{"id": "b", "state": "Completed", "attempt": 7, "result": "f" * 64}],
             [{"id": "", "state": "Failed"}]),
}  # fmt: skip


class Kind(StrEnum):
    """What is expected of the API server."""

    ALLOWED = "allowed"  # by the schema; other rules may still refuse it
    MEANINGLESS = "meaningless"  # allowed by the schema, and for the operator to judge
    REFUSED = "refused"


@dataclass(frozen=True)
class Value:
    """A value for a field."""

    kind: Kind
    value: Any


def values(field: Field) -> list[Value]:
    """All values that a field is tried with."""
    found = [Value(Kind.ALLOWED, value) for value in _allowed(field.schema)]
    found += [Value(Kind.MEANINGLESS, value) for value in _meaningless(field)]
    return found + [Value(Kind.REFUSED, value) for value in _refused(field.schema)]


def _meaningless(field: Field) -> tuple[Any, ...]:
    known = MEANINGLESS.get(str(field), MEANINGLESS.get(field.path[-1], ()))
    text = field.schema.get("type") == "string" and not field.schema.keys() & {"pattern", "enum", "format"}
    limits = (field.schema.get("minLength", 0), field.schema.get("maxLength", TEXT_LIMIT))
    return (*known, *(word for word in NASTY if text and limits[0] <= len(word) <= limits[1]))


def _allowed(schema: Schema) -> Iterator[Any]:
    match schema:
        case {"enum": words}:
            yield from words
        case {"x-kubernetes-int-or-string": True}:
            yield from (0, 7, *_pattern(schema)[0])
        case {"pattern": _}:
            yield from _pattern(schema)[0]
        case {"format": "date-time"}:
            yield from TIMES
        case {"type": "string", **rest}:
            yield "x" * rest.get("minLength", 0)
            yield "x" * min(rest.get("maxLength", TEXT_LIMIT), TEXT_LIMIT)
        case {"type": "boolean"}:
            yield from (True, False)
        case {"type": "integer" | "number"}:
            yield from _numbers(schema)
        case {"type": "array", "items": items, **rest}:
            yield []
            yield _many(items, rest, 1)
            yield _many(items, rest, min(rest["maxItems"], LIST_LIMIT))
        case {"type": "object", **rest}:
            yield example(schema)
            yield {name: example(inner) for name, inner in rest.get("properties", {}).items()}
        case _:
            yield from (None, 0, -1.5, "text", [], {}, [[1], {"a": [None]}])


def _numbers(schema: Schema) -> Iterator[int | float]:
    low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1)
    yield from (low, low + 1, high)
    if schema.get("format") == "int64" and "maximum" not in schema:
        yield 2**63 - 1
    if schema["type"] == "number":
        yield from (low + 0.5, low + 1e-9)


def _refused(schema: Schema) -> Iterator[Any]:
    match schema:
        case {"enum": _}:
            yield from ("Nonsense", "", 7)
        case {"x-kubernetes-int-or-string": True}:
            yield from (1.5, [], *_pattern(schema)[1])
        case {"pattern": _}:
            yield from _pattern(schema)[1]
        case {"format": "date-time"}:
            yield from NO_TIMES
        case {"type": "string", **rest}:
            yield from (7, ["x"], {"x": "y"})
            if rest.get("minLength"):
                yield ""
            if rest.get("maxLength", TEXT_LIMIT) < TEXT_LIMIT:
                yield "x" * (rest["maxLength"] + 1)
        case {"type": "boolean"}:
            yield from ("yes", 1, [])
        case {"type": "integer" | "number", **rest}:
            yield from ("7", [], *([rest["minimum"] - 1] if "minimum" in rest else []))
            yield from [rest["maximum"] + 1] if "maximum" in rest else []
            yield from [1.5] if schema["type"] == "integer" else []
        case {"type": "array", "items": items, **rest}:
            yield from ("x", {})
            if rest.get("x-kubernetes-list-type") == "set":
                yield [example(items)] * 2
            if rest["maxItems"] <= LIST_LIMIT:
                yield _many(items, rest, rest["maxItems"] + 1)
        case {"type": "object", **rest}:
            yield from ("x", 7, [])
            if "properties" in rest and "x-kubernetes-preserve-unknown-fields" not in rest:
                yield {"noSuchField": 1}
            if rest.get("required"):
                yield {}


def _pattern(schema: Schema) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The words for a pattern; the most specific beginning of it that is known."""
    known = (start for start in sorted(PATTERNS, key=len, reverse=True) if schema["pattern"].startswith(start))
    return PATTERNS[next(known)]


def _many(items: Schema, schema: Schema, count: int) -> list[Any]:
    """So many different items, as far as the items can differ."""
    one = example(items)
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        return [one | {keys[0]: f"x{n}"} for n in range(count)]
    if schema.get("x-kubernetes-list-type") != "set" and "enum" not in items:
        return [one] * count
    if "enum" in items:
        return list(items["enum"])[:count] + list(items["enum"])[:1] * max(count - len(items["enum"]), 0)
    return [n + 1 for n in range(count)] if items.get("type") == "integer" else [f"x{n}" for n in range(count)]


def example(schema: Schema) -> Any:
    """Something plain that the schema takes, with what it requires."""
    match schema:
        case {"enum": [first, *_]}:
            return first
        case {"pattern": _}:
            return _pattern(schema)[0][0]
        case {"format": "date-time"}:
            return PAST
        case {"type": "string"}:
            return "x"
        case {"type": "boolean"}:
            return True
        case {"type": "integer" | "number", **rest}:
            return max(rest.get("minimum", 1), 1)
        case {"type": "array", "items": items, **rest}:
            return _many(items, rest, 1)
        case {"type": "object", **rest}:
            return {name: example(rest["properties"][name]) for name in rest.get("required", ())}
    return "x"
