"""Make docs/reliability.md of what the runs have found, which lies in docs/reliability: `make docs`."""

from __future__ import annotations

import json
from pathlib import Path

from support.reliability import FOLDER, markdown

PAGE = Path(__file__).resolve().parent / "reliability.md"
PARTS = ("simulation", "crash-points", "lying-api", "mutations", "outages", "chaos", "fuzz")
HEAD = """\
# Reliability

<!-- Made of docs/reliability/*.json by `make docs`; the runs write those. Do not edit. -->

Cairn promises that nothing is lost and nothing runs twice. Here is what tried to prove it wrong, what it found, and
what was not tried. `make test` holds a share of each part; the commands named here do the rest. Figures are of the
run named beside them, on two shared cores.

"""


def page() -> str:
    """The page as it should be."""
    there = [FOLDER / f"{name}.json" for name in PARTS]
    told = [markdown(json.loads(path.read_text(encoding="utf-8"))) for path in there if path.exists()]
    return (HEAD + "".join(told)).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
