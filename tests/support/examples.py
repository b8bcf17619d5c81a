"""Examples of a page of the documentation: a curl command, and the JSON that it is answered with.

What differs from run to run is told by its form: ids, times, digests and names that are made up. Each that a page shows
stands for one and the same of a run, so a command may use what an answer before it has told. Sizes and durations may
differ.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_PAIR = re.compile(r"^```sh\n(curl [^`]*?)^```\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MADE_UP = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|checkpoint_\d{13}_[0-9a-z]{8}|[0-9a-f]{64}|[0-9a-f]{32}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[a-z0-9-]+-(manual|fork|run)-[0-9a-f]{10}|sha256:[0-9a-f]{64}"
    r"|Manual checkpoint at [0-9: -]{19}|api-[0-9a-f]{32}-[0-9a-f]{16}|[A-Za-z0-9_-]{80,}"
)
_DURATION = re.compile(r"\b\d+ s\b")
_SIZES = frozenset({"sizeBytes", "bytes", "keptSeconds", "repeatedSeconds", "seconds", "resourceVersion", "generation"})


@dataclass(frozen=True)
class Example:
    """A command, and its answer."""

    command: str
    answer: Any


def examples(page: Path) -> Iterator[Example]:
    """All of a page, in their order."""
    for command, answer in _PAIR.findall(page.read_text(encoding="utf-8")):
        yield Example(command, json.loads(answer))


@dataclass
class Run:
    """What a page's examples stand for in one run."""

    url: str
    token: str
    known: dict[str, str] = field(default_factory=dict)  # what the page shows, and what it stands for

    def ask(self, example: Example) -> Any:
        """Send what the command would send."""
        words = shlex.split(self.filled(example.command.replace("\\\n", "")))[1:]
        method, body, headers, url = "", None, {}, ""
        while words:
            match words.pop(0):
                case "-X":
                    method = words.pop(0)
                case "-H":
                    name, _, value = words.pop(0).partition(": ")
                    headers[name] = value
                case "--json":
                    body = words.pop(0)
                    headers["Content-Type"] = "application/json"
                case word:
                    assert not word.startswith("-"), f"{word}: not an option that is known here"
                    url = word
        assert headers["Authorization"] == f"Bearer {self.token}"
        method = method or ("POST" if body is not None else "GET")
        return httpx.request(method, url, content=body, headers=headers, timeout=60).json()

    def filled(self, text: str) -> str:
        """A text of the page, for this run."""
        for shown, real in {"$API": self.url, "$TOKEN": self.token, **self.known}.items():
            text = text.replace(shown, real)
        return text

    def same(self, shown: Any, found: Any, where: str = "answer") -> None:
        """Do nothing if this is what the page shows; and learn what that stands for."""
        if isinstance(shown, dict) and isinstance(found, dict):
            assert shown.keys() == found.keys(), (where, shown.keys() ^ found.keys())
            for key in shown:
                if key not in _SIZES:
                    self.same(shown[key], found[key], f"{where}.{key}")
        elif isinstance(shown, list) and isinstance(found, list):
            assert len(shown) == len(found), (where, found)
            for number, pair in enumerate(zip(shown, found, strict=True)):
                self.same(*pair, f"{where}[{number}]")
        elif isinstance(shown, str) and _MADE_UP.fullmatch(shown) and _MADE_UP.fullmatch(str(found)):
            assert self.known.setdefault(shown, found) == found, (where, shown, found)
        else:
            assert self._plain(self.filled(shown) if isinstance(shown, str) else shown) == self._plain(found), where

    @staticmethod
    def _plain(value: Any) -> Any:
        return _DURATION.sub("0 s", value) if isinstance(value, str) else value
