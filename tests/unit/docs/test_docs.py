"""The documentation against the code: links lead somewhere, examples are accepted, no reason or setting is left out."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cairn import names
from cairn.api import settings as api
from cairn.config import Settings, variable
from cairn.core import conditions, outputs
from cairn.core.parse import parse

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ROOT / "operator" / "cairn"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CONSTANT = re.compile(r'^([A-Z_]+): Final = "(\w+)"$')


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _prose(path: Path) -> str:
    return _BLOCK.sub("", _text(path))


def _blocks(path: Path, language: str) -> Iterator[str]:
    return (body for kind, body in _BLOCK.findall(_text(path)) if kind == language)


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _linked(page: Path) -> list[str]:
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", _prose(page)))


def _links() -> list[Any]:
    found = ((page, link) for page in PAGES for link in _linked(page))
    return [pytest.param(page, link, id=f"{page.name}:{link}") for page, link in found if "://" not in link]


def _executions() -> list[Any]:
    found = []
    for page in PAGES:
        for block in _blocks(page, "yaml"):
            # As kubectl and `cairn lint` read it, but for times, which the examples do not use.
            bodies = [body for body in yaml.safe_load_all(block) if body["kind"] == names.EXECUTION_KIND]
            found += [pytest.param(body, id=f"{page.name}:{body['metadata']['name']}") for body in bodies]
    return found


def _reasons() -> dict[str, str]:
    """The reasons of names.py, by the name of their constant: whatever stands below a comment that begins with Why."""
    found: dict[str, str] = {}
    heading = ""
    for line in _text(CODE / "names.py").splitlines():
        if line.startswith("# "):
            heading = line
        elif heading.startswith("# Why ") and (match := _CONSTANT.match(line)):
            found[match[1]] = match[2]
    return found


def _written(path: Path) -> set[str]:
    """The words of a page that are marked as code."""
    return set(re.findall(r"`([^`\n]+)`", _prose(path)))


def test_no_page_waits_for_a_number() -> None:
    assert not [page.name for page in PAGES if re.search(r"@[A-Z0-9]+@", page.read_text())]


@pytest.mark.parametrize(("page", "link"), _links())
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    assert target.exists(), f"{page.name}: there is no {name}"
    if anchor:
        assert anchor in _anchors(target), f"{page.name}: {target.name} has no heading for #{anchor}"


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in _linked(ROOT / "README.md")}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= linked


@pytest.mark.parametrize("body", _executions())
def test_an_execution_in_the_documentation_is_accepted(body: dict[str, Any]) -> None:
    assert body["apiVersion"] == names.API_VERSION
    spec = parse(body["spec"])
    assert spec.jobs or spec.restore


@pytest.mark.parametrize(
    "expression", [line for page in PAGES for block in _blocks(page, "cel") for line in block.splitlines()]
)
def test_a_condition_in_the_documentation_compiles(expression: str) -> None:
    conditions.compile(expression)


def test_there_are_reasons_to_look_for() -> None:
    assert {"WAITING", "JOB_FAILED", "TOO_LARGE", "CONDITION_FALSE"} <= _reasons().keys()
    assert "CONDITION_ACCEPTED" not in _reasons()


def test_every_reason_that_the_code_gives_is_explained() -> None:
    code = "\n".join(_text(path) for path in CODE.rglob("*.py") if path.name != "names.py")
    given = {reason for name, reason in _reasons().items() if re.search(rf"\b{name}\b", code)}
    given |= {outputs.INVALID, outputs.TOO_LARGE}
    assert given <= _written(ROOT / "docs" / "semantics.md")


def test_every_condition_type_is_named() -> None:
    types = {value for name, value in vars(names).items() if name.startswith("CONDITION_") and name not in _reasons()}
    assert types <= _written(ROOT / "docs" / "semantics.md")


def test_the_settings_are_documented_with_their_defaults() -> None:
    table = _text(ROOT / "docs" / "operations.md")
    rows = re.findall(r"^\| `(CAIRN_\w+|DATABASE_URL\w*)` \| (\S+) \|", table, re.MULTILINE)
    fields = {variable(name): field.default for name, field in Settings.model_fields.items()}
    fields |= {"CAIRN_NAMESPACES": "all", "CAIRN_HOME_NAMESPACE": "own", "CAIRN_SHARD": "none", "CAIRN_SHARDS": "none"}
    fields |= {"DATABASE_URL": "none", "DATABASE_URL_FILE": "none"}
    fields |= {api.variable(name): _default(field.default) for name, field in api.ApiSettings.model_fields.items()}
    assert dict(rows) == {name: "false" if default is False else str(default) for name, default in fields.items()}


def _default(value: object) -> object:
    return ",".join(value) or "none" if isinstance(value, tuple) else "none" if value is None else value


def test_the_openapi_document_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate_openapi", ROOT / "docs" / "generate_openapi.py")
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == generator.render(), "run `make docs`"


def test_the_picture_is_well_formed() -> None:
    assert ElementTree.parse(ROOT / "docs" / "picture.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_no_page_tells_of_the_machine_it_was_written_on() -> None:
    for page in PAGES:
        assert str(ROOT) not in _text(page), page.name


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert "Apache License\n                           Version 2.0, January 2004" in _text(ROOT / "LICENSE")
    assert 'license = "Apache-2.0"' in _text(ROOT / "pyproject.toml")


def test_no_package_shadows_the_operator_module() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists(), "it would shadow the standard library's `operator`"
