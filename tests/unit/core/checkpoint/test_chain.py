"""A chain of checkpoints, verified: whatever is changed, gone or exchanged is found, named, and can be acted on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.canonical import canonical
from cairn.core.checkpoint.chain import (
    Copy,
    Held,
    Place,
    Problem,
    Report,
    from_wire,
    lines,
    to_wire,
    unknown_parents,
    verify,
)
from cairn.core.checkpoint.state import Checkpoint, CheckpointState, Grave, Parent, Serialized, Trigger
from cairn.errors import DamagedPayload
from support.states import a_label, a_state, at, checkpoint_states, five_states

Chain = dict[str, Held]
UID = "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de"
IDS = [f"checkpoint_{1769846400000 + n}_x{n}" for n in range(3)]


def copy_of(state: CheckpointState) -> Copy:
    """What a store has of a state."""
    content, label, origin = serializer.serialize(state), state.label, state.origin
    summary = Checkpoint(
        id=label.id, namespace=origin.namespace, namespace_uid="tenant", execution=origin.name,
        execution_uid=origin.uid, object_name=f"object-{label.id[-2:]}", object_uid="uid", name=label.name,
        trigger=label.trigger, created_at=label.created_at, created_by=label.created_by, metadata=label.metadata,
        job_count=len(state.status.jobs), execution_status=serializer.phase_word(state.status.phase),
        size_bytes=content.size, digest=content.digest, state_digest=content.state_digest, parent=label.parent,
    )  # fmt: skip
    return Copy(summary, content)


def chain_of(*states: CheckpointState) -> Chain:
    """The states in both stores, each the parent of the next."""
    found: Chain = {}
    parent: Parent | None = None
    for n, state in enumerate(states):
        label = replace(state.label, id=IDS[n], created_at=at(n), parent=parent)
        copy = copy_of(replace(state, label=label))
        parent = Parent(IDS[n], copy.checkpoint.digest)
        found[IDS[n]] = Held(copy, copy, says_stored=True)
    return found


def a_chain() -> Chain:
    return chain_of(a_state(1), a_state(2), five_states())


def changed(chain: Chain, n: int, place: Place, change: Callable[[Copy], Copy]) -> Chain:
    """The chain with one copy changed."""
    held = chain[IDS[n]]
    copy = held.object if place is Place.OBJECT else held.row
    assert copy is not None
    made = replace(held, object=change(copy)) if place is Place.OBJECT else replace(held, row=change(copy))
    return chain | {IDS[n]: made}


def with_content(change: Callable[[Serialized], Serialized]) -> Callable[[Copy], Copy]:
    def made(copy: Copy) -> Copy:
        assert isinstance(copy.content, Serialized)
        return replace(copy, content=change(copy.content))

    return made


def labelled(**fields: Any) -> Callable[[Copy], Copy]:
    return lambda copy: replace(copy, checkpoint=replace(copy.checkpoint, **fields))


def rewritten(change: Callable[[Any], None]) -> Callable[[Copy], Copy]:
    """Changed by somebody who knows how digests are made."""

    def made(copy: Copy) -> Copy:
        assert isinstance(copy.content, Serialized)
        document = json.loads(copy.content.document)
        change(document)
        raw = canonical(document)
        parent = copy.checkpoint.parent
        digest = serializer.document_digest(raw, parent.digest if parent else None)
        content = replace(copy.content, document=raw, digest=digest)
        return Copy(replace(copy.checkpoint, digest=digest, size_bytes=content.size), content)

    return made


def told(report: Report) -> list[tuple[str, str, str]]:
    """Which checkpoint, where, what."""
    return [(f.id, f.place, f.problem) for f in report.findings]


def messages(report: Report) -> str:
    return "\n".join(f.message for f in report.findings)


# --- Sound -----------------------------------------------------------------------------------------------------------


def test_a_sound_chain() -> None:
    report = verify(a_chain())
    assert report == Report((), checkpoints=3, objects=3, rows=3, verified=3, deleted=0)
    assert report.problems == ()
    assert lines(report) == ["3 checkpoints (3 objects, 3 rows): 3 verified, 0 problems, 0 deleted"]
    assert str(report) == lines(report)[0]
    assert to_wire(report) == {
        "sound": True, "checkpoints": 3, "objects": 3, "rows": 3, "verified": 3, "deleted": 0, "withoutRows": None,
        "findings": [],
    }  # fmt: skip


def test_nothing_at_all() -> None:
    assert verify({}) == Report((), 0, 0, 0, 0, 0)


def test_a_deleted_parent_is_told_by_its_grave() -> None:
    chain = a_chain()
    gone = chain.pop(IDS[1]).object
    assert gone is not None
    assert unknown_parents(chain) == [IDS[1]]
    grave = Grave(IDS[1], "tenant", UID, gone.checkpoint.digest, gone.checkpoint.parent)
    report = verify(chain, [grave])
    assert (told(report), report.deleted, report.verified) == ([], 1, 2)
    other = verify(chain, [replace(grave, digest="0" * 64)])
    assert told(other) == [(IDS[2], "chain", "ParentDiffers")]


def test_the_parent_of_a_fork_belongs_to_another_execution() -> None:
    parent = Parent("checkpoint_1_y", "ab" * 32)
    copy = copy_of(a_state(label=a_label(parent=parent)))
    chain = {copy.checkpoint.id: Held(copy, None)}
    assert told(verify(chain, elsewhere={parent.id: parent.digest})) == []
    assert told(verify(chain, elsewhere={parent.id: "cd" * 32})) == [(copy.checkpoint.id, "chain", "ParentDiffers")]
    report = verify(chain)
    assert told(report) == [(copy.checkpoint.id, "chain", "ParentMissing")]
    assert parent.id in messages(report) and report.verified == 0
    assert unknown_parents(chain) == [parent.id]


def test_a_row_without_an_object_is_information() -> None:
    chain = a_chain()
    chain[IDS[0]] = replace(chain[IDS[0]], object=None)
    report = verify(chain)
    assert told(report) == [(IDS[0], "object", "ObjectGone")]
    assert (report.problems, report.objects, report.rows, report.verified) == ((), 2, 3, 3)


def test_an_object_that_waits_for_its_row() -> None:
    copy = copy_of(a_state())
    report = verify({copy.checkpoint.id: Held(copy, None)})
    assert (told(report), report.verified) == ([], 1)


# --- Rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "stored", "buried", "without_rows", "expected"),
    [
        pytest.param(True, True, False, "", ("row", "RowMissing", "sweep"), id="an object that says Stored"),
        pytest.param(False, True, False, "", ("row", "RowMissing", "backup"), id="only the row held the state"),
        pytest.param(False, False, False, "", ("row", "RowMissing", "backup"), id="and never had it"),
        pytest.param(True, True, True, "", ("object", "BeingDeleted", "operator"), id="deleted a moment ago"),
        pytest.param(False, True, True, "", ("object", "BeingDeleted", "operator"), id="deleted, and too large"),
        pytest.param(True, True, False, "away", None, id="rows that nobody looked at"),
        pytest.param(False, True, False, "away", ("row", "NotChecked", "not asked"), id="a state only there"),
    ],
)
def test_an_object_without_a_row(state: bool, stored: bool, buried: bool, without_rows: str,
                                 expected: tuple[str, str, str] | None) -> None:  # fmt: skip
    copy = copy_of(a_state())
    found = copy.checkpoint
    held = Held(copy if state else replace(copy, content=None), None, says_stored=stored)
    graves = [Grave(found.id, "tenant", UID, found.digest)] if buried else []
    report = verify({found.id: held}, graves, without_rows=without_rows)
    assert told(report) == ([(found.id, *expected[:2])] if expected else [])
    assert expected is None or expected[2] in messages(report)
    assert report.verified == (state and (expected is None or expected[1] == "BeingDeleted"))
    assert report.deleted == 0, "it is still there"


def test_without_rows_a_parent_that_is_not_there_may_have_been_deleted() -> None:
    chain = a_chain()
    del chain[IDS[0]]
    held = {id: replace(one, row=None) for id, one in chain.items()}
    report = verify(held, without_rows="the database is away")
    assert told(report) == [(IDS[1], "chain", "ParentNotChecked")]
    assert report.problems == ()
    assert "only objects were looked at: the database is away" in lines(report)
    assert to_wire(report)["withoutRows"] == "the database is away"
    assert told(verify(held | {id: replace(one, row=one.object) for id, one in held.items()})) == [
        (IDS[1], "chain", "ParentMissing")
    ]


# --- Damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [Place.OBJECT, Place.ROW])
@pytest.mark.parametrize(
    ("change", "problem", "says"),
    [
        (with_content(lambda c: replace(c, document=c.document.replace(b"running", b"rUnning"))), "WrongDigest",
         "the document"),
        (with_content(lambda c: replace(c, document=c.document[:-1])), "Damaged", "the document: "),
        (with_content(lambda c: replace(c, texts={k: v + " " for k, v in c.texts.items()})), "WrongDigest", "texts["),
        (with_content(lambda c: replace(c, texts={})), "Damaged", "jobs[0].attempts[0].outputs.sha256"),
        (with_content(lambda c: replace(c, digest="0" * 64)), "WrongDigest", "0" * 64),
        (lambda copy: replace(copy, content=DamagedPayload("the payload: truncated")), "Damaged",
         "the payload: truncated"),
        (labelled(parent=None), "WrongDigest", "parent"),
        (labelled(trigger=Trigger.TIME_BASED, job_count=7), "Mislabelled",
         "trigger: not what the state says; jobCount"),
        (labelled(metadata={"a": "b"}), "Mislabelled", "metadata"),
        (with_content(lambda c: replace(c, document=c.document.replace(b'"schemaVersion":2', b'"schemaVersion":9'))),
         "NewerSchema", "schema 9"),
    ],
)  # fmt: skip
def test_a_damaged_copy_is_named(place: Place, change: Callable[[Copy], Copy], problem: str, says: str) -> None:
    report = verify(changed(a_chain(), 1, place, change))
    [found] = report.findings
    assert (found.id, found.name, found.place, found.problem) == (IDS[1], "object-x1", place, problem)
    assert says in found.message
    assert report.verified == 2
    if problem in ("Damaged", "WrongDigest"):
        assert ("sweep" if place is Place.ROW else "row is whole") in found.message
    assert ("not damaged" in found.message) is (problem == "NewerSchema")


def test_damage_without_another_copy() -> None:
    chain = changed(a_chain(), 2, Place.OBJECT, with_content(lambda c: replace(c, texts={})))
    chain[IDS[2]] = replace(chain[IDS[2]], row=None, says_stored=False)
    assert "backup" in messages(verify(chain))


def test_damage_in_both() -> None:
    chain = a_chain()
    for place in (Place.OBJECT, Place.ROW):
        chain = changed(chain, 0, place, with_content(lambda c: replace(c, texts={})))
    report = verify(chain)
    assert told(report) == [(IDS[0], "object", "Damaged"), (IDS[0], "row", "Damaged")]
    assert "whole copy" in report.findings[0].message == report.findings[1].message


def test_a_state_that_cannot_be_is_damage_though_its_digest_is_right() -> None:
    chain = changed(a_chain(), 2, Place.ROW, rewritten(lambda d: d["jobs"][0].update(attempt=0)))
    assert (IDS[2], "row", "Damaged") in told(verify(chain))


def test_who_knows_how_digests_are_made_is_found_by_the_other_copy() -> None:
    chain = changed(a_chain(), 2, Place.ROW, rewritten(lambda d: d["execution"].update(message="hello")))
    report = verify(chain)
    assert told(report) == [(IDS[2], "chain", "CopiesDiffer")]


def test_and_by_the_child_if_both_were_changed() -> None:
    chain = a_chain()
    for place in (Place.OBJECT, Place.ROW):
        chain = changed(chain, 1, place, rewritten(lambda d: d["execution"].update(message="hello")))
    assert told(verify(chain)) == [(IDS[2], "chain", "ParentDiffers")]


def test_copies_that_name_different_parents() -> None:
    chain = a_chain()
    row = chain[IDS[2]].row
    assert row is not None
    orphan = copy_of(replace(five_states(), label=a_label(id=IDS[2], created_at=at(2))))
    chain[IDS[2]] = replace(chain[IDS[2]], object=orphan)
    assert told(verify(chain)) == [(IDS[2], "chain", "CopiesDiffer")]
    stray = copy_of(replace(five_states(), label=a_label(id=IDS[2], created_at=at(2), parent=Parent(IDS[0], "e" * 64))))
    chain[IDS[2]] = replace(chain[IDS[2]], object=stray)
    assert told(verify(chain)) == [(IDS[2], "chain", "CopiesDiffer"), (IDS[2], "chain", "ParentDiffers")]


def test_problems_come_first_and_nothing_acts_on_a_terminal() -> None:
    chain = a_chain()
    chain[IDS[0]] = replace(chain[IDS[0]], object=None)
    chain = changed(chain, 1, Place.ROW, lambda copy: replace(copy, content=DamagedPayload("\x1b[2J")))
    shown = lines(verify(chain))
    assert shown[0].startswith(f"PROBLEM Damaged in row of {IDS[1]} (object-x1): \\u001b[2J. ")
    assert shown[1].startswith(f"note    ObjectGone in object of {IDS[0]} (object-x0): ")
    assert shown[2].endswith("2 verified, 1 problems, 0 deleted")
    assert from_wire(json.loads(json.dumps(to_wire(verify(chain))))) == verify(chain)
    without = verify(chain, without_rows="away")
    assert from_wire(to_wire(without)) == without
    assert to_wire(verify(chain))["findings"][0] == {
        "checkpointId": IDS[0], "name": "object-x0", "place": "object", "problem": "ObjectGone", "information": True,
        "message": "there is no object any more, only the row, which can be restored from as well",
    }  # fmt: skip


# --- Every byte ------------------------------------------------------------------------------------------------------


def found_in(chain: Chain, n: int, place: Place, change: Callable[[Serialized], Serialized]) -> bool:
    """Whether a change of one copy is found there, and nowhere else."""
    report = verify(changed(chain, n, place, with_content(change)))
    return {(f.id, f.place) for f in report.problems} == {(IDS[n], place)}


def test_every_byte_of_a_document() -> None:
    chain = chain_of(a_state(1), five_states())
    held = chain[IDS[1]].row
    assert held is not None and isinstance(held.content, Serialized)
    document = held.content.document
    for n, byte in enumerate(document):
        other = document[:n] + bytes([byte ^ 1]) + document[n + 1 :]
        assert found_in(chain, 1, Place.ROW, lambda c, other=other: replace(c, document=other)), (n, other)  # type: ignore[misc]


def test_every_byte_of_the_texts() -> None:
    chain = chain_of(five_states())
    held = chain[IDS[0]].object
    assert held is not None and isinstance(held.content, Serialized)
    texts = held.content.texts
    for digest, text in texts.items():
        for n, letter in enumerate(text):
            other = texts | {digest: text[:n] + chr(ord(letter) ^ 1) + text[n + 1 :]}  # type: ignore[operator]
            assert found_in(chain, 0, Place.OBJECT, lambda c, other=other: replace(c, texts=other))  # type: ignore[misc]


@given(st.data(), st.lists(checkpoint_states(), min_size=1, max_size=3))
@settings(suppress_health_check=list(HealthCheck))
def test_any_chain(data: st.DataObject, states: list[CheckpointState]) -> None:
    chain = chain_of(*states)
    assert verify(chain).verified == len(states)
    n, place = data.draw(st.integers(0, len(states) - 1)), data.draw(st.sampled_from([Place.OBJECT, Place.ROW]))
    held = chain[IDS[n]].object
    assert held is not None and isinstance(held.content, Serialized)
    content = held.content
    if content.texts and data.draw(st.booleans()):
        digest = data.draw(st.sampled_from(sorted(content.texts)))
        text = content.texts[digest]
        where = data.draw(st.integers(0, len(text)))
        other = text[:where] + data.draw(st.characters()) + text[where + data.draw(st.integers(0, 1)) :]
        if other == text:
            return
        assert found_in(chain, n, place, lambda c: replace(c, texts={**c.texts, digest: other}))
    else:
        where = data.draw(st.integers(0, len(content.document) - 1))
        byte = data.draw(st.integers(0, 255).filter(lambda b: b != content.document[where]))
        raw = content.document[:where] + bytes([byte]) + content.document[where + 1 :]
        assert found_in(chain, n, place, lambda c: replace(c, document=raw))


def test_the_words_are_stable() -> None:
    assert sorted(Problem) == [
        "BeingDeleted", "CopiesDiffer", "Damaged", "Mislabelled", "NewerSchema", "NotChecked", "ObjectGone",
        "ParentDiffers", "ParentMissing", "ParentNotChecked", "RowMissing", "WrongDigest",
    ]  # fmt: skip
