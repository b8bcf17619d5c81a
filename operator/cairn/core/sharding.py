"""Which operator works on what, where several share a cluster: by the label `cairn.dev/shard`.

Rules:
- Everything that is made for an execution has its label, so that the API server selects what an operator is told of.
- The default operator has what has no label. With shards to hand over to, it gives each execution that has not begun
  to one of them; what has begun stays where it is. So no attempt ever changes its operator.
- A fork goes where the execution that it starts from is, so that who removes checkpoints sees who needs them. That is
  a help, and nothing rests on it.
- Whatever left the selection is not gone: only a live read tells one from the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cairn import names
from cairn.core.status import Status


@dataclass(frozen=True, slots=True)
class Selection:
    """What one operator is told of. Without a shard and without others it is everything."""

    shard: str = ""  # the own one; empty: the default operator's
    shards: tuple[str, ...] = ()  # those that it hands over to

    @property
    def partial(self) -> bool:
        """Whether there is anything that it is not told of."""
        return bool(self.shard or self.shards)

    @property
    def hands_over(self) -> bool:
        """Whether it is the one that gives new executions to shards."""
        return bool(self.shards) and not self.shard

    @property
    def complete(self) -> bool:
        """Whether it looks after what belongs to nobody else: the default operator does, alone or not."""
        return not self.shard

    @property
    def selector(self) -> str:
        """The label selector; empty: none."""
        if self.shard:
            return f"{names.LABEL_SHARD}={self.shard}"
        return f"!{names.LABEL_SHARD}" if self.shards else ""

    def takes(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an object is one of its own, given its metadata."""
        return not self.partial or shard_of(metadata) == self.shard

    def gives_away(self, metadata: Mapping[str, Any], status: Status) -> bool:
        """Whether an execution is to go to a shard: what has begun never does, nor what may have."""
        return self.hands_over and not shard_of(metadata) and not may_have_begun(status)


def selecting(*selectors: str) -> dict[str, str]:
    """The query for what all of these label selectors select; empty ones select everything."""
    wanted = ",".join(filter(None, selectors))
    return {"labelSelector": wanted} if wanted else {}


def plain_names(watched: Iterable[str]) -> frozenset[str]:
    """Of namespaces that are watched, those that are named, not patterns of names."""
    return frozenset(name for name in watched if name.replace("-", "").isalnum())


def shard_of(metadata: Mapping[str, Any]) -> str:
    """The shard that an object is labelled for; empty: none."""
    found: str = (metadata.get("labels") or {}).get(names.LABEL_SHARD) or ""
    return found


def may_have_begun(status: Status) -> bool:
    """Whether an execution has begun, or its status is not to be read and nobody knows."""
    return status.started_at is not None or bool(status.unreadable)


def chosen(shards: Iterable[str], uid: str, origin: str = "") -> str:
    """The shard of a new execution: that of what it starts from, else one by its UID.

    By the highest digest: where shards are added, an execution goes to a new one, or to the one it had gone to before.
    """
    there = tuple(shards)
    return origin if origin in there else max(there, key=lambda shard: (_rank(shard, uid), shard))


def _rank(shard: str, uid: str) -> bytes:
    return hashlib.sha256(f"{shard} {uid}".encode()).digest()


def label_patch(metadata: Mapping[str, Any], shard: str) -> dict[str, Any]:
    """The patch that labels exactly that object, as it was read, for a shard; empty: for none."""
    named = {key: metadata[key] for key in ("uid", "resourceVersion")}
    return {"metadata": {**named, "labels": {names.LABEL_SHARD: shard or None}}}
