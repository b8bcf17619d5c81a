"""Make docs/reference.md from the CRDs, so that the reference says what the API server enforces and nothing else.

Rules: reads `crds/*.yaml` only; the same CRDs give the same bytes; one table per object level, in the schema's order.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]

ROOT = Path(__file__).resolve().parent.parent
CRDS = ("dagexecutions", "checkpoints", "jobresults")

INTRODUCTION = """\
# API reference

<!-- Made from crds/*.yaml by `make docs`. Do not edit. -->

The resources of the group `cairn.dev`, version `v1alpha1`. `kubectl explain` shows the same texts, e.g.
`kubectl explain dagx.spec.jobs.retry`. In a field path `[]` stands for each item of a list and `{}` for each value of a
map. *Effective default* is what Cairn uses for a field that stays unset; a value in the column *Default* is written
into the object by the API server.
"""

BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "pattern": "matches `{}`",
}


def load(directory: Path = ROOT / "crds") -> list[dict[str, Any]]:
    """The CRDs in the order of the reference."""
    return [yaml.safe_load((directory / f"{name}.yaml").read_text()) for name in CRDS]


def type_of(schema: Schema) -> str:
    """A short name of a field's type."""
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if kind == "object" and "additionalProperties" in schema:
        return f"map to {type_of(schema['additionalProperties'])}"
    return str(schema["format"]) if schema.get("format") == "date-time" else str(kind)


def bounds_of(schema: Schema) -> str:
    """All bounds of a field, and of the scalars that a list or map holds."""
    parts = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
    if "enum" in schema:
        parts.insert(0, "one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
        parts = [part for part in parts if "characters" not in part]
    if schema.get("x-kubernetes-list-type") == "map":
        parts.append("unique by " + ", ".join(f"`{key}`" for key in schema["x-kubernetes-list-map-keys"]))
    if schema.get("x-kubernetes-list-type") == "set":
        parts.append("no duplicates")
    element = element_of(schema)
    if element is not None and not is_level(element) and (inner := bounds_of(element)):
        parts.append(f"each: {inner}")
    return "; ".join(parts)


def element_of(schema: Schema) -> Schema | None:
    """What a list or map holds."""
    held: Schema | None = schema.get("items") or schema.get("additionalProperties")
    return held


def is_level(schema: Schema) -> bool:
    """Does the schema get a table of its own?"""
    return bool(schema.get("properties"))


def cell(text: str) -> str:
    """Text that does not break a table; HTML is shown as it stands."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").strip()


def row(path: str, name: str, schema: Schema, required: bool) -> str:
    """The table row of one field."""
    default = f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if "default" in schema else ""
    described = schema.get("description", "Standard object metadata." if name == "metadata" else "")
    kind = type_of(schema) + (", required" if required else "")
    field = f"{path}.{name}" if path else name
    return f"| `{field}` | {kind} | {default} | {cell_code(bounds_of(schema))} | {cell(described)} |"


def cell_code(text: str) -> str:
    """Bounds hold patterns in code spans, where only the bar needs an escape."""
    return text.replace("|", "\\|")


def levels(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object level with its path, the outer before the inner."""
    if is_level(schema):
        yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from levels(f"{path}.{name}" if path else name, child)
    element = element_of(schema)
    if element is not None:
        yield from levels(path + ("[]" if "items" in schema else "{}"), element)


def level_table(path: str, schema: Schema) -> list[str]:
    """Heading, description and table of one object level."""
    lines = [f"### `{path}`", "", schema.get("description", ""), ""] if path else []
    lines += ["| Field | Type | Default | Bounds | Description |", "| --- | --- | --- | --- | --- |"]
    required = schema.get("required", [])
    lines += [row(path, name, child, name in required) for name, child in schema["properties"].items()]
    return [*lines, ""]


def rules(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every CEL rule with the path of the field that it is about."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule
    for name, child in schema.get("properties", {}).items():
        yield from rules(f"{path}.{name}" if path else name, child)
    element = element_of(schema)
    if element is not None:
        yield from rules(path + ("[]" if "items" in schema else "{}"), element)


def rule_section(schema: Schema) -> list[str]:
    """What the API server refuses besides types and bounds."""
    found = list(rules("", schema))
    if not found:
        return []
    lines = ["### Rules", "", "Judged by the API server, in CEL, on every write.", ""]
    for path, rule in found:
        lines += [f"- `{path}`: {rule['message']}.", "", "  ```cel", f"  {rule['rule'].strip()}", "  ```", ""]
    return lines


def column_section(version: Mapping[str, Any]) -> list[str]:
    """The columns of `kubectl get`, and what can be selected by."""
    lines = ["### Columns", "", "| Column | Field | Shown | Description |", "| --- | --- | --- | --- |"]
    for column in version["additionalPrinterColumns"]:
        shown = "with `-o wide`" if column.get("priority") else "always"
        lines.append(f"| {column['name']} | `{column['jsonPath']}` | {shown} | {cell(column['description'])} |")
    selectable = ", ".join(f"`{field['jsonPath'].lstrip('.')}`" for field in version["selectableFields"])
    return [*lines, "", f"Field selectors (`kubectl get --field-selector`): {selectable}.", ""]


def resource_section(crd: Mapping[str, Any]) -> list[str]:
    """Everything about one resource."""
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    short, category = names["shortNames"][0], names["categories"][0]
    lines = [f"## {names['kind']}", "", schema["description"], ""]
    lines += [f"Short name `{short}`, category `{category}`: `kubectl get {short}`, `kubectl get {category}`.", ""]
    for path, level in levels("", schema):
        lines += level_table(path, level)
    return [*lines, *rule_section(schema), *column_section(version)]


def render(crds: list[dict[str, Any]]) -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for crd in crds:
        lines += resource_section(crd)
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or with `--check` only say whether it is current."""
    target, text = ROOT / "docs" / "reference.md", render(load())
    if "--check" in sys.argv[1:]:
        return 0 if target.exists() and target.read_text() == text else 1
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
