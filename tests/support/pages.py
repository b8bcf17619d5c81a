"""The examples of a page of the documentation: what is run, and what it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n+^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A block of Python, and the block of text that follows it."""

    code: str
    printed: str

    @property
    def needs_a_cluster(self) -> bool:
        """Whether it is for the test with a cluster."""
        return "await " in self.code


def examples(page: str) -> list[Example]:
    """All of them, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [Example(*blocks) for blocks in _EXAMPLE.findall(text)]
    assert len(found) == text.count("```python\n") > 0, "each example is followed by what it prints"
    return found
