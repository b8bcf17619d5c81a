"""The page on Python: its examples are run, in order, and print what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "python.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n+^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_print_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```python\n") > 0, "each example is followed by what it prints"
    names: dict[str, Any] = {}
    for code, printed in examples:
        exec(compile(code, PAGE.name, "exec"), names)
        assert capsys.readouterr().out.rstrip("\n") == printed.rstrip("\n")
