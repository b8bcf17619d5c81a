"""What a request or a commit is called, so that the same moment can be found again in another run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_CHANGE = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+(?:workflow_)?(\w+)", re.IGNORECASE)
_SHORT = {"INSERT INTO": "insert", "UPDATE": "update", "DELETE FROM": "delete"}

WATCH = "WATCH"
LIST = "LIST"


@dataclass(frozen=True)
class Call:
    """A request to the API server."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.method != "GET"

    @property
    def watch(self) -> bool:
        """Whether it is answered with a stream of events."""
        return self.query.get("watch") == "true"

    @property
    def namespace(self) -> str:
        """The namespace it is about, empty for all."""
        words = self.path.split("/")
        return words[words.index("namespaces") + 1] if "namespaces" in words[:-2] else ""

    @property
    def target(self) -> list[str]:
        """Kind, name and part of an object, as far as the path says them."""
        words = self.path.strip("/").split("/")
        words = words[2:] if words[0] == "api" else words[3:]
        return words[2:] if words[:1] == ["namespaces"] and len(words) > 2 else words

    @property
    def kind(self) -> str:
        """The kind, as `jobs`; empty for what is no object."""
        return self.target[0] if self.target else ""

    @property
    def point(self) -> str:
        """The name of the moment, as `PUT dagexecutions/status`, `LIST pods` or `WATCH jobs`."""
        target = self.target
        if self.method == "GET" and len(target) == 1:
            return f"{WATCH if self.watch else LIST} {target[0]}"
        return f"{self.method} " + "/".join(target[:1] + target[2:])


def commit(statements: Iterable[str]) -> str:
    """The name of a commit, after what its transaction has changed; empty where it has only read."""
    changes = [f"{_SHORT[verb.upper()]} {table}" for text in statements for verb, table in _CHANGE.findall(text)]
    return "COMMIT " + ", ".join(dict.fromkeys(changes)) if changes else ""
