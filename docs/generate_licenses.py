"""Make docs/licenses.md: what the image's lock names, each with its version and licence, as installed packages tell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-image.txt"
PAGE = ROOT / "docs" / "licenses.md"
HEAD = """\
# Licences

<!-- Made from the metadata of installed packages by `make licenses`. Do not edit. -->

Cairn is under [Apache-2.0](../LICENSE). What its image contains besides: the packages below, as
`requirements-image.txt` pins them, and those of the image that it is based on, which [the SBOM](image.md#sbom) lists.
Licences are those that the packages declare. Some wheels contain libraries of others: psycopg-binary, for one, has
libpq and OpenSSL.

"""


def pinned() -> dict[str, str]:
    """Versions by name, as the lock has them."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))


def page() -> str:
    """The page as it should be."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=markdown", "--packages", *pinned()]
    table = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    lines = [re.sub(r" {2,}", " ", line) for line in table.splitlines()]
    head, _, *rows = [line.lower() if line.startswith("| Name") else line for line in lines if line]
    return HEAD + "\n".join([head, "| --- | --- | --- |", *sorted(rows, key=str.lower)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
