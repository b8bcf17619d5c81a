"""Where things lie, in one place, so that `down` can find everything `up` made.

Rules: nothing is written outside `<checkout>/build`; a cluster's directory is disposable, its logs are not; no path of
the machine appears in any file under version control.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent
BUILD = CHECKOUT / "build"
BIN = BUILD / "bin"
CLUSTERS = BUILD / "cluster"
IMAGES = BUILD / "images"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """The paths of one cluster."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str, clusters: Path = CLUSTERS) -> Layout:
        """The layout of the cluster called `name`; refuses what could leave the directory."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a cluster name: {name!r} (lower case letters, digits and dashes)")
        return cls(name, clusters / name)

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def kept_logs(self) -> Path:
        return self.root.parent.parent / "logs" / self.name

    @property
    def processes(self) -> Path:
        return self.root / "processes"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def node(self) -> Path:
        return self.root / "node"

    @property
    def short(self) -> str:
        """Six characters that differ between clusters and between checkouts: names of interfaces are short."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:6]


@contextmanager
def locked(name: str, directory: Path = BUILD / "locks") -> Iterator[None]:
    """Keep two commands from starting, stopping or building the same thing at once."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
