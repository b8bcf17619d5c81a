"""Make what is made from the chart or for it: its copies of the CRDs, docs/values.md, manifests/install.yaml.

Rules: `crds/` is the only source of the schemas, `values.yaml` of the values; the same files give the same bytes. The
manifest needs Helm, whose path is the only argument; it has no database, since a rendering cannot keep passwords.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "cairn"
CRDS = CHART / "files" / "crds"
VALUES = ROOT / "docs" / "values.md"
MANIFEST = ROOT / "manifests" / "install.yaml"

_KEY = re.compile(r"^( *)([A-Za-z]+):")

_PAGE = """\
# Values of the chart

<!-- Made from charts/cairn/values.yaml by `make chart`. Do not edit. -->

How to choose them is told in [install](install.md). `values.schema.json` refuses what is wrong, with its path.

| value | default | meaning |
| --- | --- | --- |
{rows}
"""

_MANIFEST = """\
# Cairn for those without Helm: kubectl apply --server-side -f install.yaml
#
# Made from charts/cairn by `make chart`. Do not edit. Without a database: checkpoints are kept in their objects only.
# Other values: helm template cairn charts/cairn --namespace cairn-system --set …
apiVersion: v1
kind: Namespace
metadata:
  name: cairn-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
{rendered}"""


def crds() -> dict[Path, str]:
    """The chart's copies of the CRDs, by their paths."""
    return {CRDS / path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "crds").glob("*.yaml"))}


def comments(text: str) -> dict[str, str]:
    """What `values.yaml` says about each value, by its path, such as `image.tag`."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("# ") and comment:
            comment.append(stripped.removeprefix("# "))
        elif key := _KEY.match(line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if comment:
                found[".".join(path)] = " ".join(comment)
            comment = []
    return found


def leaves(values: dict[str, Any], told: dict[str, str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is set as a whole, with its default: what has a comment, or holds no others."""
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and path not in told:
            yield from leaves(value, told, f"{path}.")
        else:
            yield path, value


def values_page() -> str:
    """docs/values.md."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    told = comments(text)
    rows = (
        f"| `{path}` | `{json.dumps(default)}` | {told[path].replace('|', chr(92) + '|')} |"
        for path, default in leaves(yaml.safe_load(text), told)
    )
    return _PAGE.format(rows="\n".join(rows))


def manifest(helm: Path) -> str:
    """manifests/install.yaml. Raises CalledProcessError."""
    command = [helm, "template", "cairn", CHART, "--namespace=cairn-system", "--no-hooks", "--set=database.mode=none"]
    done = subprocess.run(command, text=True, capture_output=True, check=True)
    return _MANIFEST.format(rendered=re.sub(r"\n\n+---", "\n---", done.stdout))


def main() -> int:
    """Write all of it."""
    for path, text in crds().items():
        path.write_text(text, encoding="utf-8")
    VALUES.write_text(values_page(), encoding="utf-8")
    MANIFEST.write_text(manifest(Path(sys.argv[1])), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
