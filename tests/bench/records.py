"""What a run has measured, raw, as JSON: in build/performance, and in docs/performance if it is to be kept.

docs/performance.md is made of the kept ones (`make docs`); nothing measured is written by hand.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "performance"
KEPT = ROOT / "docs" / "performance"
PARTS = ("workloads", "scale", "known", "pauses", "saves")

Body = dict[str, Any]


def about(*, quick: bool) -> Body:
    """When and on what it was measured; nothing that names the machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=False
    ).stdout.strip()  # fmt: skip
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit, "quick": quick, "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2), "architecture": platform.machine(),
        "python": platform.python_version(),
    }  # fmt: skip


def save(part: str, found: Body, *, keep: bool) -> Body:
    """Write one part; returns what was written."""
    assert part in PARTS, part
    text = json.dumps(found, indent=1, ensure_ascii=False, default=asdict) + "\n"
    for folder in (BUILT, KEPT) if keep else (BUILT,):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{part}.json").write_text(text, encoding="utf-8")
    written: Body = json.loads(text)
    return written


def load(folder: Path = KEPT) -> dict[str, Body]:
    """The parts that there are."""
    paths = {part: folder / f"{part}.json" for part in PARTS}
    return {part: json.loads(path.read_text(encoding="utf-8")) for part, path in paths.items() if path.exists()}
