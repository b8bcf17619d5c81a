"""The page on Python: its examples are run, in order, and print what it says.

Those that talk to a cluster are run by tests/integration/test_python_client.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.pages import examples


def test_the_examples_print_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for example in examples("python.md"):
        if not example.needs_a_cluster:
            exec(compile(example.code, "python.md", "exec"), names)
            assert capsys.readouterr().out.rstrip("\n") == example.printed.rstrip("\n")
