"""Which Cairn this is: the version of the package, and the commit that it was built from.

The build of an image writes the file COMMIT beside this module. A checkout has none: what runs there may be no commit
at all, and what is not known is not guessed.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"


def commit_in(folder: Path) -> str:
    """The commit that a build has written into a folder, else UNKNOWN."""
    try:
        return (folder / "COMMIT").read_text(encoding="ascii").strip() or UNKNOWN
    except FileNotFoundError:
        return UNKNOWN


def described(version: str, commit: str) -> str:
    """Both in one line for people, as in `1.2.3 (commit unknown)`."""
    return f"{version} (commit {commit})"


VERSION: Final = version("cairn")
COMMIT: Final = commit_in(Path(__file__).parent)
