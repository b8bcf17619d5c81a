"""The Checkpoint objects that have been seen, without the states they hold; newest wins, as in `app.views`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cairn.app.logfields import Fields
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.sharding import Selection
from cairn.ports import Roll


@dataclass(frozen=True, slots=True)
class Lane:
    """The checkpoints of one execution's name: worked on one after the other, so that their chain has one end."""

    namespace: str
    execution: str

    def __str__(self) -> str:
        return f"checkpoints of {self.namespace}/{self.execution}"


def about_lane(lane: Lane) -> Fields:
    """What a log record about a lane names."""
    return {"namespace": lane.namespace, "execution": lane.execution}


def about_checkpoint(seen: CheckpointObject) -> Fields:
    """What a log record about a checkpoint names: by its id, or while it has none by the name of its object."""
    return {"namespace": seen.namespace, "execution": seen.execution, "checkpoint": seen.id or seen.name}


def lane_of(seen: CheckpointObject) -> Lane:
    """The lane that a checkpoint is worked on in."""
    return Lane(seen.namespace, seen.execution)


class CheckpointViews:
    """Everything seen, by lane and by UID."""

    def __init__(self, selection: Selection | None = None) -> None:
        self._selection = selection or Selection()
        self._by_uid: dict[str, CheckpointObject] = {}
        self._lanes: dict[Lane, set[str]] = {}
        self._departed: dict[str, dict[str, CheckpointObject]] = {}  # by execution UID and name, as they were last
        self.gone: Callable[[CheckpointObject], None] = lambda seen: None  # told of each, whoever found that it is gone
        self.moved: Callable[[CheckpointObject], None] = lambda seen: None  # likewise, of what is another shard's now

    def see(self, body: Mapping[str, Any]) -> CheckpointObject | None:
        """Take in an object as an event or an answer shows it; None where that is nothing new, or not of this shard."""
        if not self._selection.takes(body["metadata"]):
            self.move_away(body["metadata"]["uid"])
            return None
        return self._take_in(objects.view(body))

    def wrote(self, seen: CheckpointObject) -> None:
        """Take in an object as an own write has left it; not one that was heard to be gone before the answer came."""
        if seen.uid in self._by_uid:
            self._take_in(seen)

    def _take_in(self, seen: CheckpointObject) -> CheckpointObject | None:
        old = self._by_uid.get(seen.uid)
        if old is not None and int(old.resource_version) >= int(seen.resource_version):
            return None
        self._by_uid[seen.uid] = seen
        self._lanes.setdefault(lane_of(seen), set()).add(seen.uid)
        return seen

    def forget(self, uid: str) -> None:
        """The object is gone."""
        seen = self._drop(uid)
        if seen is not None:
            if seen.is_settled:
                self._departed.setdefault(seen.execution_uid, {})[seen.name] = seen
            self.gone(seen)

    def move_away(self, uid: str) -> None:
        """The object is another shard's now: it is there, and nothing follows."""
        if (seen := self._drop(uid)) is not None:
            self.moved(seen)

    def _drop(self, uid: str) -> CheckpointObject | None:
        seen = self._by_uid.pop(uid, None)
        if seen is not None:
            lane = lane_of(seen)
            self._lanes[lane].discard(uid)
            if not self._lanes[lane]:
                del self._lanes[lane]
        return seen

    def departed(self, execution_uid: str, names: Collection[str]) -> dict[str, CheckpointObject]:
        """Of those names, what was settled when it went. All others of that execution are remembered no longer."""
        known = self._departed.pop(execution_uid, {})
        if kept := {name: seen for name, seen in known.items() if name in names}:
            self._departed[execution_uid] = kept
        return kept

    def missing(self, roll: Roll, namespace: str = "") -> list[CheckpointObject]:
        """Those of a namespace, or of all, that are gone by a roll of them."""
        return [c for c in self if namespace in ("", c.namespace) and roll.lacks(c.uid, c.resource_version)]

    def get(self, uid: str) -> CheckpointObject | None:
        """The object with that UID."""
        return self._by_uid.get(uid)

    def lane(self, lane: Lane) -> list[CheckpointObject]:
        """The checkpoints of a lane, in the order in which they were created."""
        found = (self._by_uid[uid] for uid in self._lanes.get(lane, ()))
        return sorted(found, key=lambda c: (c.id or "~", c.created_at, c.name))

    def of_execution(self, namespace: str, name: str, uid: str) -> dict[str, CheckpointObject]:
        """The checkpoints that are bound to an execution, by name."""
        uids = self._lanes.get(Lane(namespace, name), ())
        return {c.name: c for c in map(self._by_uid.__getitem__, uids) if c.execution_uid == uid}

    def any_in(self, namespace: str) -> bool:
        """Whether there are checkpoints in a namespace."""
        return any(lane.namespace == namespace for lane in self._lanes)

    def lanes(self) -> list[Lane]:
        """All lanes."""
        return list(self._lanes)

    def __iter__(self) -> Iterator[CheckpointObject]:
        return iter(list(self._by_uid.values()))

    def __len__(self) -> int:
        return len(self._by_uid)
