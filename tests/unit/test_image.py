"""The image's lock, its Dockerfile and its list of licences against what they are made from."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def locked(name: str) -> dict[str, str]:
    """A lock's pins with their hashes, by name."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return dict(re.findall(r"^([a-z0-9._-]+)(==.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("part", ["requirements-image.txt", "requirements-build.txt"])
def test_a_lock_of_a_part_agrees_with_the_lock_of_everything(part: str) -> None:
    whole, chosen = locked("requirements.txt"), locked(part)
    assert chosen.items() <= whole.items()


def test_the_image_has_what_cairn_needs_and_no_tool() -> None:
    extras = PROJECT["optional-dependencies"]
    needs = {canonicalize_name(Requirement(each).name) for each in [*PROJECT["dependencies"], *extras["otel"]]}
    tools = {canonicalize_name(Requirement(each).name) for each in extras["dev"]} - needs
    assert needs <= locked("requirements-image.txt").keys()
    assert not tools & locked("requirements-image.txt").keys()


def test_the_tests_postgres_is_of_the_lock() -> None:
    pinned = locked("tests/cluster/images/cairn-postgres/requirements.txt")
    assert pinned.items() <= locked("requirements.txt").items()


@pytest.mark.parametrize(
    "line",
    [
        "USER 65532:65532",
        'ENTRYPOINT ["/opt/cairn/bin/python", "-m", "cairn"]',
        f"ARG VERSION={PROJECT['version']}",
        f'      org.opencontainers.image.licenses="{PROJECT["license"]}"',
    ],
)
def test_the_dockerfile_says(line: str) -> None:
    assert line in DOCKERFILE.splitlines()


def test_every_package_is_installed_by_its_hash_or_from_the_wheel_just_built() -> None:
    commands = re.findall(r"pip --python.*?(?= && |\nCOPY|\nFROM|$)", DOCKERFILE.replace("\\\n", ""), re.DOTALL)
    assert len(commands) == 3
    assert all("--no-deps" in each and ("--require-hashes" in each or "--no-index" in each) for each in commands)


def generator() -> ModuleType:
    spec = spec_from_file_location("generate_licenses", ROOT / "docs" / "generate_licenses.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_list_of_licences_is_current_and_complete() -> None:
    module = generator()
    page = module.PAGE.read_text()
    assert page == module.page(), "make licenses"
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", page, re.MULTILINE)[1:]
    told = {canonicalize_name(name): version for name, version, _ in rows[1:]}
    assert told == module.pinned()
    assert not [name for name, _, licence in rows if "UNKNOWN" in licence.upper()]
