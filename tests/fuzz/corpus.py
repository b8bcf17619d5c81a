"""The inputs that are kept: one file each, by target, named after what is in it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def kept(target: str) -> list[tuple[str, bytes]]:
    """Name and content of each input, in the order of the names."""
    return [(path.name, path.read_bytes()) for path in sorted((FOLDER / target).glob("*"))]


def keep(target: str, data: bytes) -> None:
    """Keep an input; what is there already is there once."""
    folder = FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / sha256(data).hexdigest()[:16]).write_bytes(data)
