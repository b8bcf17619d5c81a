"""What an image contains, read from its archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from cluster import archive, sbom

DPKG = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: GNU C Library
 several lines

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
SITE = "opt/cairn/lib/python3.11/site-packages"


def metadata(name: str, *more: str) -> str:
    return "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.2", *more, "", "License: of the text"])


def image(folder: Path, *layers: dict[str, str]) -> Path:
    """The archive of an image with those files."""
    paths = []
    for number, files in enumerate(layers):
        paths.append(folder / f"{number}.tar")
        with archive.Layer(paths[-1]) as layer:
            for name, text in files.items():
                layer.text(name, text)
    written = folder / "image.tar"
    archive.write(written, "localhost/cairn-test:dev", paths, archive.Settings())
    return written


def listed(written: Path) -> list[dict[str, Any]]:
    text = sbom.write(written).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components: list[dict[str, Any]] = json.loads(text).get("components", [])
    return components


def test_debian_packages_that_are_installed(tmp_path: Path) -> None:
    release = 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
    found = listed(image(tmp_path, {"var/lib/dpkg/status": DPKG, "usr/lib/os-release": release}))
    assert [each["purl"] for each in found] == ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12"]


@pytest.mark.parametrize(
    ("lines", "licences"),
    [
        pytest.param(["License-Expression: MIT OR Apache-2.0"], [{"expression": "MIT OR Apache-2.0"}], id="expression"),
        pytest.param(["License: MIT"], [{"license": {"id": "MIT"}}], id="a-known-word"),
        pytest.param(["License: Ours"], [{"license": {"name": "Ours"}}], id="words"),
        pytest.param(
            ["License: UNKNOWN", "Classifier: License :: OSI Approved :: BSD License"],
            [{"license": {"name": "BSD License"}}],
            id="a-classifier-where-there-are-no-words",
        ),
        pytest.param([], None, id="none-is-not-guessed"),
    ],
)
def test_python_distributions_and_their_licences(
    tmp_path: Path, lines: list[str], licences: list[dict[str, Any]] | None
) -> None:  # fmt: skip
    [found] = listed(image(tmp_path, {f"{SITE}/A_b-1.2.dist-info/METADATA": metadata("A_b", *lines)}))
    assert (found["purl"], found.get("licenses")) == ("pkg:pypi/a-b@1.2", licences)


@pytest.mark.parametrize(
    ("later", "left"),
    [
        pytest.param({f"{SITE}/.wh.a-1.2.dist-info": ""}, ["b"], id="a-removed-folder"),
        pytest.param({f"{SITE}/a-1.2.dist-info/.wh.METADATA": ""}, ["b"], id="a-removed-file"),
        pytest.param({f"{SITE}/.wh..wh..opq": "", "etc/passwd": ""}, [], id="a-folder-made-anew"),
        pytest.param({f"{SITE}/a-1.2.dist-info/METADATA": metadata("c")}, ["b", "c"], id="a-replaced-file"),
    ],
)
def test_what_a_later_layer_takes_away_is_gone(tmp_path: Path, later: dict[str, str], left: list[str]) -> None:
    first = {f"{SITE}/{name}-1.2.dist-info/METADATA": metadata(name) for name in "ab"}
    assert sorted(each["name"] for each in listed(image(tmp_path, first, later))) == left


def test_the_same_image_gives_the_same_document(tmp_path: Path) -> None:
    written = image(tmp_path, {"var/lib/dpkg/status": DPKG})
    assert sbom.document(sbom.read(written)) == sbom.document(sbom.read(written))
