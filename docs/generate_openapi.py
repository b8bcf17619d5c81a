"""Make docs/openapi.json: the OpenAPI document as `cairn api` serves it.

Rules: nothing of the machine or the time is in it; the same code gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cairn.api.app import document

PAGE = Path(__file__).resolve().parent / "openapi.json"


def render() -> str:
    """The whole file."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    """Write it."""
    PAGE.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
