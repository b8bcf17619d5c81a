"""The chain of an execution's checkpoints, verified: every copy in either store, and every link to a parent.

Rules:
- Each copy is checked by itself: its bytes against its digest and its parent's, and what is stored beside the state
  against the state. A schema of a newer version is not damage; it is told as what it is.
- Object and row of one checkpoint hold the same, and an object that says Stored has its row.
- Each parent is there with the very digest that the child names: in either store, deleted (then its grave has the
  digest), or elsewhere (that of a fork belongs to another execution).
- A row without an object is as good as one with it, so that is information; and so is what cannot be told because
  there are no rows to look at.
- A finding names the place, and says what to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.changes import readable
from cairn.core.checkpoint.state import Checkpoint, CheckpointState, Grave, Parent, Serialized
from cairn.errors import NewerSchema, Unreadable, WrongDigest


class Place(StrEnum):
    """Where something was found."""

    OBJECT = "object"
    ROW = "row"
    CHAIN = "chain"


class Problem(StrEnum):
    """What was found. Stable: people write alerts on it."""

    DAMAGED = "Damaged"
    WRONG_DIGEST = "WrongDigest"
    NEWER_SCHEMA = "NewerSchema"
    MISLABELLED = "Mislabelled"
    COPIES_DIFFER = "CopiesDiffer"
    ROW_MISSING = "RowMissing"
    PARENT_MISSING = "ParentMissing"
    PARENT_DIFFERS = "ParentDiffers"
    # Information.
    OBJECT_GONE = "ObjectGone"
    BEING_DELETED = "BeingDeleted"
    NOT_CHECKED = "NotChecked"
    PARENT_NOT_CHECKED = "ParentNotChecked"


_COUNTS = ("checkpoints", "objects", "rows", "verified", "deleted")  # of a report, as its fields are called
_INFORMATION = frozenset(
    {Problem.OBJECT_GONE, Problem.BEING_DELETED, Problem.NOT_CHECKED, Problem.PARENT_NOT_CHECKED}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Copy:
    """What one store has of a checkpoint."""

    checkpoint: Checkpoint
    content: Serialized | Unreadable | None  # the error if nothing could be made of it; None: too large for the object


@dataclass(frozen=True, slots=True)
class Held:
    """What both stores have of a checkpoint; at least one of them has it."""

    object: Copy | None = None
    row: Copy | None = None
    says_stored: bool = False  # the object says that there is a row

    @property
    def copies(self) -> tuple[tuple[Place, Copy], ...]:
        """Those there are."""
        both = ((Place.OBJECT, self.object), (Place.ROW, self.row))
        return tuple((place, copy) for place, copy in both if copy is not None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    id: str
    name: str  # of the object
    place: Place
    problem: Problem
    message: str

    @property
    def information(self) -> bool:
        """Whether nothing needs to be done about it."""
        return self.problem in _INFORMATION


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification has come to."""

    findings: tuple[Finding, ...]  # oldest checkpoint first
    checkpoints: int
    objects: int
    rows: int
    verified: int  # checkpoints of which every copy and every link is right, and the state was read
    deleted: int
    without_rows: str = ""  # why there were no rows to look at; empty: there were

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What needs somebody."""
        return tuple(found for found in self.findings if not found.information)

    def __str__(self) -> str:
        return "\n".join(lines(self))


def verify(
    held: Mapping[str, Held], graves: Collection[Grave] = (), elsewhere: Mapping[str, str] | None = None, *,
    without_rows: str = "",
) -> Report:  # fmt: skip
    """Check the checkpoints of an execution, by id, with what is left of deleted ones.

    `elsewhere` has the digests of parents that belong to other executions.
    """
    known = _known(held, graves, elsewhere or {})
    buried = {grave.id for grave in graves}
    findings: list[Finding] = []
    verified = 0
    for id in sorted(held):
        found = list(_findings(held[id], known, id in buried, rows_known=not without_rows))
        read = any(copy.content is not None for _, copy in held[id].copies)
        verified += read and all(one.information for one in found)
        findings += found
    return Report(
        findings=tuple(findings), checkpoints=len(held), objects=sum(h.object is not None for h in held.values()),
        rows=sum(h.row is not None for h in held.values()), verified=verified, deleted=len(buried - held.keys()),
        without_rows=without_rows,
    )  # fmt: skip


def unknown_parents(held: Mapping[str, Held]) -> list[str]:
    """The ids of parents that are not among these: deleted ones, those of other executions, and missing ones."""
    named = {parent.id for one in held.values() for _, parent in _parents(one)}
    return sorted(named - held.keys())


def _known(
    held: Mapping[str, Held], graves: Iterable[Grave], elsewhere: Mapping[str, str]
) -> dict[str, set[str]]:
    """The digests under which each checkpoint is known."""
    known: dict[str, set[str]] = defaultdict(set)
    for id, digest in elsewhere.items():
        known[id].add(digest)
    for grave in graves:
        known[grave.id].add(grave.digest)
    for id, one in held.items():
        known[id] |= {copy.checkpoint.digest for _, copy in one.copies}
    return dict(known)


def _findings(held: Held, known: Mapping[str, set[str]], buried: bool, *, rows_known: bool) -> Iterator[Finding]:
    checked = {place: _check(copy) for place, copy in held.copies if copy.content is not None}
    for place, copy in held.copies:
        if (wrong := checked.get(place)) is not None:
            whole = any(other is not place and right is None for other, right in checked.items())
            yield _finding(copy, place, wrong[0], f"{wrong[1]}. {_advice(place, wrong[0], whole)}")
    yield from _in_both(held, buried, rows_known)
    for copy, parent in _parents(held):
        yield from _link(copy, parent, known, rows_known)


def _finding(copy: Copy, place: Place, problem: Problem, message: str) -> Finding:
    return Finding(copy.checkpoint.id, copy.checkpoint.object_name, place, problem, message)


# --- One copy --------------------------------------------------------------------------------------------------------


def _check(copy: Copy) -> tuple[Problem, str] | None:
    """What is wrong with a copy by itself, and how it shows."""
    content, found = copy.content, copy.checkpoint
    assert content is not None
    try:
        if isinstance(content, Unreadable):
            raise content
        serializer.verify(content, found.parent.digest if found.parent else None)
        wrong = list(mislabelled(found, content, serializer.deserialize(content)))
    except NewerSchema as error:
        return Problem.NEWER_SCHEMA, str(error)
    except WrongDigest as error:
        return Problem.WRONG_DIGEST, str(error)
    except Unreadable as error:
        return Problem.DAMAGED, str(error)
    return (Problem.MISLABELLED, "; ".join(wrong)) if wrong else None


def mislabelled(found: Checkpoint, content: Serialized, state: CheckpointState) -> Iterator[str]:
    """What is stored beside the state, and is not what the state says."""
    label, origin = state.label, state.origin
    pairs = {
        "checkpointId": (found.id, label.id), "name": (found.name, label.name),
        "trigger": (found.trigger, label.trigger), "createdAt": (found.created_at, label.created_at),
        "createdBy": (found.created_by, label.created_by), "metadata": (dict(found.metadata), dict(label.metadata)),
        "parent": (found.parent, label.parent), "execution": (found.execution, origin.name),
        "executionUid": (found.execution_uid, origin.uid), "jobCount": (found.job_count, len(state.status.jobs)),
        "executionStatus": (found.execution_status, serializer.phase_word(state.status.phase)),
        "sizeBytes": (found.size_bytes, content.size), "stateDigest": (found.state_digest, content.state_digest),
    }  # fmt: skip
    return (f"{name}: not what the state says" for name, (there, said) in pairs.items() if there != said)


def _advice(place: Place, problem: Problem, other_is_whole: bool) -> str:
    if problem is Problem.NEWER_SCHEMA:
        return "It is not damaged: read it with the version of Cairn that has written it, or a later one"
    if problem is Problem.MISLABELLED:
        return "The state itself is whole: it can be restored; what stands beside it was changed, and can be set right"
    if not other_is_whole:
        return "There is no whole copy: take it from a backup, or use another checkpoint"
    if place is Place.OBJECT:
        return "Its row is whole, and can be restored from; do not delete the object, or the row goes too"
    return "Its object is whole: delete the row by SQL, with the text if one is named, and the sweep writes it anew"


# --- Between copies --------------------------------------------------------------------------------------------------


def _in_both(held: Held, buried: bool, rows_known: bool) -> Iterator[Finding]:
    if held.object is not None and held.row is not None:
        ours, theirs = held.object.checkpoint, held.row.checkpoint
        if ours.digest != theirs.digest:
            text = f"the object has the digest {ours.digest}, the row {theirs.digest}: right is what its child names"
            yield _finding(held.object, Place.CHAIN, Problem.COPIES_DIFFER, text)
    elif held.row is not None:
        text = "there is no object any more, only the row, which can be restored from as well"
        yield _finding(held.row, Place.OBJECT, Problem.OBJECT_GONE, text)
    else:
        assert held.object is not None
        yield from _without_row(held.object, held.says_stored, buried, rows_known)


def _without_row(copy: Copy, says_stored: bool, buried: bool, rows_known: bool) -> Iterator[Finding]:
    held_here = copy.content is not None
    if buried:
        text = "it was deleted, and the object is about to go: if it stays, look whether an operator is running"
        yield _finding(copy, Place.OBJECT, Problem.BEING_DELETED, text)
    elif rows_known and not held_here:
        text = "only the row held the state, and it is gone: take it from a backup, or use another checkpoint"
        yield _finding(copy, Place.ROW, Problem.ROW_MISSING, text)
    elif rows_known and says_stored:
        text = "the object says that there is a row: the sweep writes it anew; if not, look into the operator's log"
        yield _finding(copy, Place.ROW, Problem.ROW_MISSING, text)
    elif not held_here:
        text = "only the row holds the state, and the database was not asked"
        yield _finding(copy, Place.ROW, Problem.NOT_CHECKED, text)


def _parents(held: Held) -> Iterator[tuple[Copy, Parent]]:
    """The parents that the copies name; usually both name the same."""
    seen: set[Parent] = set()
    for _, copy in held.copies:
        if (parent := copy.checkpoint.parent) is not None and parent not in seen:
            seen.add(parent)
            yield copy, parent


def _link(copy: Copy, parent: Parent, known: Mapping[str, set[str]], rows_known: bool) -> Iterator[Finding]:
    digests = known.get(parent.id)
    if digests is None and not rows_known:
        text = f"its parent {parent.id} has no object; whether it was deleted, only the database knows"
        yield _finding(copy, Place.CHAIN, Problem.PARENT_NOT_CHECKED, text)
    elif digests is None:
        text = f"its parent {parent.id} is in neither store, and no delete of it is known: look for it in a backup"
        text += " (what was deleted while there was no database has left nothing)"
        yield _finding(copy, Place.CHAIN, Problem.PARENT_MISSING, text)
    elif parent.digest not in digests:
        text = f"its parent {parent.id} has another digest than {parent.digest}: one of the two was replaced"
        yield _finding(copy, Place.CHAIN, Problem.PARENT_DIFFERS, text)


# --- For people, for programs ----------------------------------------------------------------------------------------


def lines(report: Report) -> list[str]:
    """The report for a terminal: findings, problems first, then the numbers."""
    told = [_line(found) for found in sorted(report.findings, key=lambda one: one.information)]
    if report.without_rows:
        told.append(readable(f"only objects were looked at: {report.without_rows}"))
    counts = f"{report.checkpoints} checkpoints ({report.objects} objects, {report.rows} rows)"
    return [*told, f"{counts}: {report.verified} verified, {len(report.problems)} problems, {report.deleted} deleted"]


def _line(found: Finding) -> str:
    kind = "note   " if found.information else "PROBLEM"
    return readable(f"{kind} {found.problem} in {found.place} of {found.id} ({found.name}): {found.message}")


def to_wire(report: Report) -> dict[str, Any]:
    """The report as plain JSON."""
    return {
        "sound": not report.problems,
        **{name: getattr(report, name) for name in _COUNTS},
        "withoutRows": report.without_rows or None,
        "findings": [
            {"checkpointId": f.id, "name": f.name, "place": f.place.value, "problem": f.problem.value,
             "information": f.information, "message": f.message}
            for f in report.findings
        ],
    }  # fmt: skip


def from_wire(wire: Mapping[str, Any]) -> Report:
    """The report that `to_wire` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    findings = tuple(
        Finding(f["checkpointId"], f["name"], Place(f["place"]), Problem(f["problem"]), f["message"])
        for f in wire["findings"]
    )  # fmt: skip
    counts = {name: int(wire[name]) for name in _COUNTS}
    return Report(findings, **counts, without_rows=wire["withoutRows"] or "")
