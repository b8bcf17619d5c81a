"""References to params and outputs in command lines: `$(params.NAME)`, `$(jobs.ID.outputs)`, `$(jobs.ID.outputs.KEY)`.

They stand in `command`, `args` and `env[].value` of containers and init containers, exactly where Kubernetes expands
its own `$(VAR)` and reads `$$` as an escaped `$`. Kubernetes does so after Cairn, which makes the rules:

1. A job id may contain dots: it ends at the first `.outputs` that a dot or the end follows. KEY is a dotted path into
   objects.
2. `$$(params.x)` is an escape and stays one: Kubernetes makes `$(params.x)` of it.
3. A value arrives in the container as it is: every `$` in it is doubled, so that Kubernetes cannot expand it again.
4. A string without a reference is not touched. In one with a reference `$$` and `$(VAR)` keep their Kubernetes meaning,
   and any other `$` is doubled too, since in `$(cat $(params.file))` Kubernetes would otherwise take all up to the
   first `)` for a variable and leave the doubled `$` of the value standing.
5. Strings are put in as they are, everything else as compact JSON. U+0000 and lone surrogates are an error, as no
   command line can carry them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cairn.errors import CairnError

_TOKEN = re.compile(r"\$\$|\$\(((?:params|jobs)\.[^()$]*)\)|\$\([^()$]*\)|\$")
_PARAM = re.compile(r"params\.(?P<name>.+)", re.DOTALL)
_OUTPUT = re.compile(r"jobs\.(?P<name>.+?)\.outputs(?:\.(?P<path>[^.]+(?:\.[^.]+)*))?", re.DOTALL)

Substitute = Callable[[str, str], str]


class Kind(StrEnum):
    """What a reference names."""

    PARAM = "param"
    OUTPUT = "output"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference and where it stands, relative to the pod template; a malformed one has its text as name."""

    field_path: str
    kind: Kind
    name: str
    path: tuple[str, ...] = ()


class TemplateError(CairnError):
    """A reference that has no value now."""

    def __init__(self, field_path: str, message: str) -> None:
        super().__init__(f"{field_path}: {message}")
        self.field_path = field_path
        self.message = message


def references(pod_template: Mapping[str, Any]) -> list[Reference]:
    """Every reference of a pod template, in reading order, malformed ones included."""
    found: list[Reference] = []

    def note(text: str, field_path: str) -> str:
        found.extend(_read(match[1], field_path) for match in _TOKEN.finditer(text) if match[1])
        return text

    _rewritten(pod_template, note)
    return found


def resolve(
    pod_template: Mapping[str, Any], *, params: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """The pod template with every reference replaced; `outputs` holds those of the jobs that handed some out."""

    def replace(text: str, field_path: str) -> str:
        def token(match: re.Match[str]) -> str:
            if match[1]:
                return _text(_read(match[1], field_path), params, outputs).replace("$", "$$")
            return "$$" if match[0] == "$" else match[0]

        return _TOKEN.sub(token, text) if any(match[1] for match in _TOKEN.finditer(text)) else text

    return _rewritten(pod_template, replace)


def _read(text: str, field_path: str) -> Reference:
    if match := _PARAM.fullmatch(text):
        return Reference(field_path, Kind.PARAM, match["name"])
    if match := _OUTPUT.fullmatch(text):
        path = match["path"].split(".") if match["path"] else ()
        return Reference(field_path, Kind.OUTPUT, match["name"], tuple(path))
    return Reference(field_path, Kind.MALFORMED, text)


def _text(reference: Reference, params: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    value = _value(reference, params, outputs)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if re.search("[\0\ud800-\udfff]", text):
        raise TemplateError(
            reference.field_path,
            f"the value of {reference.kind} {'.'.join((reference.name, *reference.path))!r} holds a character that no"
            " command line can carry (U+0000 or half a surrogate pair); read it from a file below /cairn instead",
        )
    return text


def _value(reference: Reference, params: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    match reference.kind:
        case Kind.PARAM if reference.name in params:
            return params[reference.name]
        case Kind.PARAM:
            raise TemplateError(reference.field_path, f"there is no param {reference.name!r}")
        case Kind.OUTPUT if reference.name in outputs:
            return _at(reference, outputs[reference.name])
        case Kind.OUTPUT:
            raise TemplateError(reference.field_path, f"job {reference.name!r} has handed out no outputs")
    raise TemplateError(reference.field_path, malformed(reference))


def _at(reference: Reference, value: Any) -> Any:
    for depth, key in enumerate(reference.path, start=1):
        if not isinstance(value, Mapping) or key not in value:
            missing = ".".join(reference.path[:depth])
            raise TemplateError(reference.field_path, f"the outputs of job {reference.name!r} have no {missing!r}")
        value = value[key]
    return value


def malformed(reference: Reference) -> str:
    """What to do about a malformed reference."""
    return (
        f"$({reference.name}) is no reference: write $(params.NAME), $(jobs.ID.outputs) or $(jobs.ID.outputs.KEY),"
        f" or $$({reference.name}) to hand the text over as it is"
    )


def _rewritten(pod_template: Mapping[str, Any], change: Substitute) -> dict[str, Any]:
    """A pod template with every string in which references count changed; the rest is shared, not copied."""
    spec = dict(pod_template.get("spec", {}))
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [_container(item, f"spec.{kind}[{place}]", change) for place, item in enumerate(spec[kind])]
    return {**pod_template, "spec": spec}


def _container(container: Mapping[str, Any], path: str, change: Substitute) -> dict[str, Any]:
    changed = dict(container)
    for field in ("command", "args"):
        if field in container:
            changed[field] = [change(text, f"{path}.{field}[{place}]") for place, text in enumerate(container[field])]
    if "env" in container:
        changed["env"] = [
            {**item, "value": change(item["value"], f"{path}.env[{place}].value")} if "value" in item else item
            for place, item in enumerate(container["env"])
        ]
    return changed
