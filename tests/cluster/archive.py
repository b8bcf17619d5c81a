"""Write container images without a container engine: layers are tar files, an image is a tar of layers and two JSONs.

The format is Docker's archive, which both `ctr images import` and `kind load image-archive` read. Times, owners and
order are fixed, so that the same content gives the same image.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Settings:
    """How a container of the image runs unless its pod says otherwise."""

    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"

    def as_config(self) -> dict[str, Any]:
        """The settings as an image's configuration spells them."""
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **self.environment}
        return {
            "User": self.user,
            "Entrypoint": self.entrypoint or None,
            "Cmd": self.command or None,
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "WorkingDir": self.directory,
        }


class Layer:
    """A layer under construction; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
        self._directories: set[str] = set()

    def __enter__(self) -> Layer:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory and those above it, once each."""
        parent = name.rpartition("/")[0]
        if not name or name in self._directories:
            return
        self.directory(parent)
        self._directories.add(name)
        entry = _entry(name, mode)
        entry.type = tarfile.DIRTYPE
        self._tar.addfile(entry)

    def text(self, name: str, content: str, mode: int = 0o644) -> None:
        """Add a file with the given content."""
        data = content.encode()
        self.directory(name.rpartition("/")[0])
        entry = _entry(name, mode)
        entry.size = len(data)
        self._tar.addfile(entry, io.BytesIO(data))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.directory(name.rpartition("/")[0])
        entry = _entry(name, 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def file(self, name: str, source: Path) -> None:
        """Add a file of this machine."""
        self.directory(name.rpartition("/")[0])
        entry = _entry(name, 0o755 if source.stat().st_mode & 0o100 else 0o644)
        entry.size = source.stat().st_size
        with source.open("rb") as content:
            self._tar.addfile(entry, content)

    def tree(self, name: str, source: Path) -> None:
        """Add a file of this machine, or a directory and everything below it."""
        if source.is_symlink():
            self.link(name, str(source.readlink()))
        elif source.is_dir():
            self.directory(name)
            for child in sorted(source.iterdir()):
                self.tree(f"{name}/{child.name}", child)
        else:
            self.file(name, source)


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime, entry.uid, entry.gid = mode, 0, 0, 0
    return entry


def write(path: Path, reference: str, layers: Iterable[Path], settings: Settings) -> None:
    """Put an image together."""
    chosen = list(layers)
    digests = [_digest(layer) for layer in chosen]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": settings.as_config(),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": "1970-01-01T00:00:00Z"} for _ in digests],
    }
    config_text = json.dumps(config, sort_keys=True)
    config_name = f"{hashlib.sha256(config_text.encode()).hexdigest()}.json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": names}]
    scratch = path.with_suffix(".new")
    with Layer(scratch) as image:
        for name, layer in dict(zip(names, chosen, strict=True)).items():
            image.file(name, layer)
        image.text(config_name, config_text)
        image.text("manifest.json", json.dumps(manifest))
    scratch.replace(path)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
