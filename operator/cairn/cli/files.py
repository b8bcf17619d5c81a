"""Files of executions and checkpoints, as kubectl reads them, and everything that is wrong in them.

Rules:
- Everything is judged before anything is applied, and every violation is told, each with its document and field.
- What is of another kind is refused rather than left out: half of a file that was meant whole helps nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml

from cairn import names
from cairn.core.parse import parse
from cairn.errors import InvalidSpec, Violation
from cairn.ports import Body

_KINDS = (names.EXECUTION_KIND, names.CHECKPOINT_KIND)


class _Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: a time stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> Iterator[Any]:
    """The documents of a YAML (or JSON) text, those of a List one by one. Raises YAMLError."""
    for document in yaml.load_all(text, Loader=_Loader):
        items = document.get("items") if isinstance(document, dict) else None
        if isinstance(items, list) and str(document.get("kind", "")).endswith("List"):
            yield from items
        elif document is not None:
            yield document


def read_text(file: str) -> str:
    """What is in a file, or for `-` on standard input. Raises typer's error."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file}: that is no text in UTF-8") from None


def read_manifests(file: str) -> list[Body]:
    """The executions and checkpoints in a file, each of which can be applied. Raises InvalidSpec, and typer's error."""
    try:
        found = list(documents(read_text(file)))
    except yaml.YAMLError as error:
        raise InvalidSpec((Violation(file, f"that is no YAML: {' '.join(str(error).split())}"),)) from None
    place = "standard input" if file == "-" else file
    violations = [violation for n, body in enumerate(found) for violation in _wrong(body, f"{place}[{n}]")]
    if violations:
        raise InvalidSpec(tuple(violations))
    if not found:
        raise InvalidSpec((Violation(file, f"there is no {' and no '.join(_KINDS)} in it"),))
    return found


def read_execution(file: str) -> Body:
    """The one execution in a file. Raises as `read_manifests`."""
    found = read_manifests(file)
    if len(found) > 1 or found[0]["kind"] != names.EXECUTION_KIND:
        raise InvalidSpec((Violation(file, f"must hold one {names.EXECUTION_KIND} and nothing else"),))
    return found[0]


def _wrong(body: Any, place: str) -> Iterator[Violation]:
    if not isinstance(body, Mapping):
        yield Violation(place, "must be an object with apiVersion, kind, metadata and spec")
        return
    meta, spec = body.get("metadata"), body.get("spec")
    if isinstance(meta, Mapping) and isinstance(name := meta.get("name") or meta.get("generateName"), str):
        place = name
    if body.get("kind") not in _KINDS or body.get("apiVersion") != names.API_VERSION:
        told = f"is {body.get('kind') or 'no kind'} of {body.get('apiVersion') or 'no apiVersion'}"
        known = f"only {' and '.join(_KINDS)} of {names.API_VERSION} are applied here"
        yield Violation(place, f"{told}: {known}; kubectl apply --server-side takes all")
        return
    if not isinstance(meta, Mapping) or not (meta.get("name") or meta.get("generateName")):
        yield Violation(f"{place}: metadata.name", "must be set, or generateName")
    if not isinstance(spec, Mapping):
        yield Violation(f"{place}: spec", "must be an object")
    elif body["kind"] == names.EXECUTION_KIND:
        try:
            parse(spec)
        except InvalidSpec as error:
            yield from (Violation(f"{place}: {v.field}", v.message) for v in error.violations)
