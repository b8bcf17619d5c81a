"""What tests ask of checkpoints: their objects, what is in them, and their rows."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.jobs import condition
from support.kube import Kube, Object, until


def ready(kube: Kube) -> list[Object]:
    """The checkpoints of a namespace that are Ready, oldest first."""
    found = [c for c in kube.list("ckpt") if c.get("status", {}).get("phase") == "Ready"]
    return sorted(found, key=lambda c: str(c["status"]["checkpointId"]))


def stored(kube: Kube, count: int) -> list[Object]:
    """Wait until so many checkpoints are in the database too; all that are Ready, oldest first."""

    def enough() -> list[Object] | None:
        found = ready(kube)
        done = [c for c in found if condition(c, "Stored").get("status") == "True"]
        return found if len(done) == len(found) == count else None

    return until(enough, f"{count} checkpoints are stored", 60, lambda: _shown(kube))


def _shown(kube: Kube) -> str:
    return "\n" + kube.kubectl("get", "ckpt", "-o", "wide").stdout


def settled(found: Object) -> Object | None:
    """The checkpoint, once it was taken or could not be."""
    return found if found.get("status", {}).get("phase") in ("Ready", "Failed") else None


def label(found: Object) -> str:
    """What the checkpoint is called."""
    return str(found["spec"]["name"])


@dataclass(frozen=True)
class Payload:
    """What a checkpoint holds, read without the code that wrote it."""

    document: Mapping[str, Any]
    texts: Mapping[str, str]


def payload_of(found: Object) -> Payload:
    """What an object's `status.state` holds."""
    tag, _, text = found["status"]["state"].partition(":")
    raw = zlib.decompress(base64.b64decode(text)) if tag == "zlib" else text.encode()
    document, texts = raw.split(b"\n")
    return Payload(json.loads(document), json.loads(texts))


class Rows:
    """The rows of one database, as its operator sees them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def all(self) -> list[dict[str, Any]]:
        """Every row, oldest first."""
        return self._ask("SELECT * FROM workflow_checkpoints ORDER BY id")

    def graves(self) -> list[str]:
        """The ids of what was deleted."""
        return [str(r["id"]) for r in self._ask("SELECT id FROM workflow_checkpoint_graves ORDER BY id")]

    def _ask(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            connection.execute("SET ROLE cairn_operator")
            return connection.execute(query.encode()).fetchall()
