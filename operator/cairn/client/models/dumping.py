"""Bodies as YAML that kubectl reads as it was meant.

Its parser takes texts for numbers and truths that Python's takes for texts: 1e-05, 0o17, y. Those are put in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_TAKEN_FOR_SOMETHING = re.compile(r"[-+.]*[0-9].*|[yn]", re.IGNORECASE | re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """Block style for texts of several lines, quotes where they are needed."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if _TAKEN_FOR_SOMETHING.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def to_yaml(body: Mapping[str, Any]) -> str:
    """The body as YAML, its fields in their order."""
    return yaml.dump(dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
