"""Which checkpoints of one execution go: beyond its limits of age, number and bytes, and needed by nothing.

Rules:

1. Never taken: pinned ones, the newest that is Ready, those that a paused execution, a restore or a fork still needs,
   and those still Pending.
2. Pinned ones are kept in addition: they take up no place and no bytes of a limit, else a few pins would push out all
   others. Neither do Pending ones, which hold nothing yet. The others of rule 1 do.
3. Failed ones go first, then the oldest; so a failure never pushes out a state that can be restored. But a Failed one
   is the answer to whoever created it: for its first ten minutes it stays, and takes up no place.
4. Age first, then number, then bytes; the first limit that takes a checkpoint gives the reason. Only Ready ones have
   bytes.
5. The result depends on what is there, not on its order, and planning again after it was carried out gives nothing.
   A checkpoint created meanwhile is newer: it can add to what goes, but spares nothing. So planners whose views differ
   never take together what rule 1 protects, provided that each delete names the UID and the `resourceVersion` it was
   planned on (else a pin set since would be missed).
6. `enabled` and `triggers` do not matter: what there is, is pruned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cairn.core.checkpoint.settings import CheckpointSettings

FAILED_STAYS_SECONDS = 600


class Phase(StrEnum):
    """How far a Checkpoint object has come."""

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Kept:
    """What retention looks at of one checkpoint."""

    name: str  # of the object
    id: str  # empty while it has none
    created_at: datetime  # the moment whose state it holds; else when the object was created
    size_bytes: int = 0
    phase: Phase = Phase.READY
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Retired:
    """A checkpoint that goes, and why."""

    name: str
    id: str
    reason: str


def plan(
    checkpoints: Iterable[Kept], settings: CheckpointSettings, *, now: datetime, needed: Collection[str]
) -> tuple[Retired, ...]:
    """What goes of all the checkpoints of one execution, oldest first; `needed` are object names."""
    there = sorted(checkpoints, key=lambda one: (one.created_at, one.id, one.name))
    newest = next((one.name for one in reversed(there) if one.phase is Phase.READY), None)
    counted = [one for one in there if _counts(one, now)]
    loose = [one for one in counted if one.name != newest and one.name not in needed]
    loose.sort(key=lambda one: one.phase is not Phase.FAILED)  # stable: of each kind, the oldest first
    going = _too_old(loose, settings.max_age_seconds, now)
    going |= _too_many(counted, loose, going, settings.retention_count)
    going |= _too_large(counted, loose, going, settings.max_bytes)
    return tuple(Retired(one.name, one.id, going[one.name]) for one in there if one.name in going)


def _counts(one: Kept, now: datetime) -> bool:
    """Whether it takes up a place."""
    if one.phase is Phase.FAILED and now - one.created_at < timedelta(seconds=FAILED_STAYS_SECONDS):
        return False
    return not one.pinned and one.phase is not Phase.PENDING


def _too_old(loose: Iterable[Kept], seconds: int, now: datetime) -> dict[str, str]:
    if not seconds:
        return {}
    return {one.name: f"older than {seconds} s" for one in loose if now - one.created_at > timedelta(seconds=seconds)}


def _too_many(counted: Sequence[Kept], loose: Iterable[Kept], going: Collection[str], limit: int) -> dict[str, str]:
    excess = max(len(counted) - len(going) - limit, 0)
    rest = [one.name for one in loose if one.name not in going]
    return dict.fromkeys(rest[:excess], f"beyond retentionCount {limit}")


def _too_large(counted: Iterable[Kept], loose: Iterable[Kept], going: Collection[str], limit: int) -> dict[str, str]:
    total = sum(_bytes(one) for one in counted if one.name not in going)
    found: dict[str, str] = {}
    for one in loose:
        if limit and total > limit and _bytes(one) and one.name not in going:
            total -= _bytes(one)
            found[one.name] = f"beyond maxBytes {limit}"
    return found


def _bytes(one: Kept) -> int:
    return one.size_bytes if one.phase is Phase.READY else 0
