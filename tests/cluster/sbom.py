"""Tell what an image contains: its Debian packages and Python distributions, as CycloneDX 1.6.

It reads an archive, as `docker save` and buildah write it, so it needs neither an engine nor the image to run. The same
image gives the same document: times and numbers come from the image.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

_DEBIAN = "var/lib/dpkg/status"
_PYTHON = re.compile(r"\.(dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
_RELEASE = "usr/lib/os-release"


@dataclass(frozen=True)
class Contents:
    """The files of an image that tell of packages, and its configuration."""

    reference: str
    config: dict[str, Any]
    digest: str
    files: dict[str, str]


def write(archive: Path) -> Path:
    """Write the SBOM of an image beside its archive; returns where."""
    path = archive.with_suffix(".cdx.json")
    path.write_text(document(read(archive)), encoding="utf-8")
    return path


def read(archive: Path) -> Contents:
    """Look into an image; what a later layer replaces or removes is gone."""
    with tarfile.open(archive) as image:
        (manifest,) = json.loads(_member(image, "manifest.json"))
        config = _member(image, manifest["Config"])
        files: dict[str, str] = {}
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=BytesIO(_member(image, name))) as layer:
                _apply(layer, files)
    tags = manifest["RepoTags"] or ["image"]
    return Contents(tags[0], json.loads(config), hashlib.sha256(config).hexdigest(), files)


def document(image: Contents) -> str:
    """The SBOM of an image."""
    labels = image.config["config"].get("Labels") or {}
    itself = Component(
        type=ComponentType.CONTAINER, name=image.reference, version=labels.get("org.opencontainers.image.version"),
        bom_ref=f"sha256:{image.digest}",
    )  # fmt: skip
    created = datetime.fromisoformat(re.sub(r"\.\d+", "", image.config["created"])).astimezone(UTC)
    found = {part.bom_ref.value: part for part in (*_debian(image), *_python(image))}
    bom = Bom(
        components=found.values(), metadata=BomMetaData(component=itself, timestamp=created),
        serial_number=uuid5(NAMESPACE_URL, image.digest),
    )  # fmt: skip
    bom.register_dependency(itself, found.values())
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1) + "\n"


def _apply(layer: tarfile.TarFile, files: dict[str, str]) -> None:
    for entry in layer:
        name = entry.name.removeprefix("./")
        folder, _, last = name.rpartition("/")
        if last.startswith(".wh."):
            gone = folder if last == ".wh..wh..opq" else f"{folder}/{last.removeprefix('.wh.')}"
            for path in [path for path in files if path == gone or path.startswith(f"{gone}/")]:
                del files[path]
        elif entry.isfile() and (name in (_DEBIAN, _RELEASE) or _PYTHON.search(name)):
            files[name] = _member(layer, entry).decode(errors="replace")


def _member(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    assert content is not None
    return content.read()


def _debian(image: Contents) -> Iterator[Component]:
    release = re.search(r"^VERSION_ID=\"?([^\"\n]+)", image.files.get(_RELEASE, ""), re.MULTILINE)
    for paragraph in image.files.get(_DEBIAN, "").split("\n\n"):
        package = Parser().parsestr(paragraph)
        if package.get("Status", "").endswith(" installed"):
            qualifiers = {"arch": package["Architecture"]} | ({"distro": f"debian-{release[1]}"} if release else {})
            yield _component(package["Package"], package["Version"], "deb", "debian", qualifiers)


def _python(image: Contents) -> Iterator[Component]:
    licences = LicenseFactory()
    for name, text in image.files.items():
        if _PYTHON.search(name):
            package = Parser().parsestr(text, headersonly=True)
            component = _component(package["Name"], package["Version"], "pypi")
            if told := _licence(package):
                component.licenses.add(licences.make_from_string(told))
            yield component


def _licence(package: Message) -> str:
    """What a distribution declares: an expression, else a line of words, else its classifiers."""
    line = package.get("License-Expression") or package.get("License", "")
    classified = [each.rpartition(" :: ")[2] for each in package.get_all("Classifier", []) if "License ::" in each]
    return str(line) if line and "\n" not in line and line != "UNKNOWN" else ", ".join(classified)


def _component(
    name: str, version: str, kind: str, namespace: str | None = None, qualifiers: dict[str, str] | None = None
) -> Component:
    normal = re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name
    url = PackageURL(kind, namespace, normal, version, qualifiers)
    return Component(name=name, version=version, purl=url, bom_ref=url.to_string())
