"""What is saved is what is restored, to the byte; and what is not what was saved is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.core.checkpoint.canonical import canonical
from cairn.core.checkpoint.reading import SCHEMA_VERSION
from cairn.core.checkpoint.serializer import (
    deserialize,
    document_digest,
    phase_word,
    salvage,
    serialize,
    spec_digest,
    state_digest,
    verify,
)
from cairn.core.checkpoint.state import CheckpointState, Parent, Serialized
from cairn.core.outputs import Outputs
from cairn.core.status import (
    Acknowledged,
    CancelState,
    Condition,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)
from cairn.errors import DamagedPayload, NewerSchema, Unreadable, WrongDigest
from support.states import (
    AT,
    a_label,
    a_state,
    at,
    checkpoint_states,
    completed,
    failed,
    five_states,
    pending,
    realistic_state,
    running,
    state_of,
)

PARENT = Parent("checkpoint_1769846300000_zz", "ab" * 32)


def written(state: CheckpointState) -> Any:
    return json.loads(serialize(state).document)


def changed(state: CheckpointState, change: Callable[[Any], object]) -> Serialized:
    """A state written down, then changed, with a digest that is right for the change."""
    content = serialize(state)
    document = json.loads(content.document)
    change(document)
    raw = canonical(document)
    parent = state.label.parent
    return replace(content, document=raw, digest=document_digest(raw, parent.digest if parent else None))


def with_status(state: CheckpointState, **fields: Any) -> CheckpointState:
    return replace(state, status=replace(state.status, **fields))


# --- There -----------------------------------------------------------------------------------------------------------


def test_serialize() -> None:
    content = serialize(five_states(label=a_label(parent=PARENT, created_by="ann", metadata={"why": "release"})))
    document = json.loads(content.document)
    assert document["schemaVersion"] == SCHEMA_VERSION == 2
    assert document["checkpoint"] == {
        "id": "checkpoint_1769846400000_a1b2c3", "name": "Before deployment", "trigger": "manual",
        "createdAt": "2026-01-31T08:10:00.000Z", "createdBy": "ann", "metadata": {"why": "release"},
        "parent": {"id": PARENT.id, "digest": PARENT.digest},
    }  # fmt: skip
    assert document["execution"]["status"] == "running"
    assert document["execution"]["id"] == "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de"
    assert document["pause"]["phase"] == "draining"
    assert document["params"] == {"rows": 1000}
    assert [job["id"] for job in document["jobConfigs"]] == ["a", "b", "c", "d", "e"]
    assert "jobs" not in document["spec"] and document["spec"]["paused"] is False
    assert [job["status"] for job in document["jobs"]] == ["completed", "failed", "running", "pending", "skipped"]
    assert content.digest == hashlib.sha256(PARENT.digest.encode() + b"\n" + content.document).hexdigest()
    assert document["stateDigest"] == content.state_digest


def test_the_document_is_canonical() -> None:
    content = serialize(five_states(message="\0 \ud800 ž"))
    assert canonical(json.loads(content.document)) == content.document
    assert content.document.isascii() and b"\n" not in content.document and rb"\u0000 \ud800 \u017e" in content.document


def test_an_attempt_names_its_texts_and_tells_its_error() -> None:
    content = serialize(five_states())
    jobs = {job["id"]: job["attempts"] for job in json.loads(content.document)["jobs"]}
    assert jobs["a"][0]["outputs"] == {"sha256": hashlib.sha256(b"null").hexdigest(), "bytes": 4}
    assert jobs["b"][0]["error"] == {"reason": "OOMKilled", "message": "out of memory"}
    assert "reason" not in jobs["b"][0] and "error" not in jobs["c"][0] and jobs["c"][0]["reason"] == "Running"
    assert set(content.texts.values()) == {"null", "a: starting\na: done\n", "oops\n"}
    assert all(hashlib.sha256(text.encode()).hexdigest() == name for name, text in content.texts.items())


def test_the_size_of_a_text_is_in_bytes_of_utf8() -> None:
    outputs = serialize(state_of(completed("a", Outputs('"ž😀"'))))
    assert json.loads(outputs.document)["jobs"][0]["attempts"][0]["outputs"]["bytes"] == 8


def test_a_text_that_two_attempts_share_is_there_once() -> None:
    state = state_of(*(completed(name, Outputs("{}")) for name in "abc"))
    assert list(serialize(state).texts.values()).count("{}") == 1


@pytest.mark.parametrize("phase", Phase)
def test_the_words_for_phases(phase: Phase) -> None:
    assert phase_word(phase) == {"Succeeded": "completed"}.get(phase.value, phase.value.lower())


def test_attempts_of_an_unknown_job_are_not_lost_in_silence() -> None:
    with pytest.raises(ValueError, match="does not know: ghost"):
        serialize(replace(a_state(), attempts={"ghost": completed("ghost")[1]}))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        serialize(a_state(spec={"params": {"x": float("nan")}}))


# --- And back --------------------------------------------------------------------------------------------------------

FULL = five_states(
    label=a_label(parent=PARENT, created_by="ann", metadata={"a": "b"}),
    phase=Phase.FAILED, reason="JobFailed", message="job b failed", finished_at=at(9), paused_millis=1234, epoch=2,
    timed_out_at=at(8), cancel=CancelState("c1", "enough", at(7)),
    requests=(Acknowledged("r1", "Retry", at(6), "Refused", "a", "because", "me"),),
    jobs={
        r.id: r for r in (
            completed("a", Outputs("null"))[0], failed("b")[0], running("c")[0], pending("d")[0],
            JobRecord("e", JobState.SKIPPED, 3, "Why", "because", at(1), at(2), at(3), "uid", "pod", "0123", "f" * 64,
                      -1, 1, 2, at(4), Stopping.SECOND_POD, 4, True, 5),
        )
    },
)  # fmt: skip


def test_deserialize() -> None:
    assert deserialize(serialize(FULL)) == FULL


def test_the_example_sets_every_field() -> None:
    """So that a new field cannot be forgotten: it must be saved, or named here as none of the run's state."""
    assert FULL.status.pause is not None
    for example, plain in (
        (FULL.status, Status()),
        (FULL.status.jobs["e"], JobRecord("")),
        (FULL.status.pause, PauseState(PausePhase.PAUSED, AT, 0, "")),
    ):
        same = [f.name for f in fields(example) if getattr(example, f.name) == getattr(plain, f.name)]
        assert same in (
            [], ["conditions", "checkpointing", "restore", "restored_from", "forks", "unreadable"], ["mode"],
        )  # fmt: skip


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(a_state(), id="a valid one"),
        pytest.param(FULL, id="everything set"),
        pytest.param(five_states(), id="jobs in all five states"),
        pytest.param(a_state(0), id="empty job map"),
        pytest.param(state_of(running("a"), finished_at=None), id="no completion time"),
        pytest.param(state_of(completed("a")), id="job without output"),
        pytest.param(state_of(completed("a", Outputs("null"))), id="an output that is null"),
        pytest.param(
            state_of(completed("a", Outputs('{"a": [{"b": {"c": [1.0, 1, -0.0, 1e16, 18446744073709551617]}}, []]}'))),
            id="complex nested output",
        ),
        pytest.param(
            state_of(completed("a", Outputs(r'{"q\"": "\\ \u0000 \ud800 ", "ž": "😀\u2028"}'))),
            id="quotes, backslashes and unicode in outputs",
        ),
        pytest.param(a_state(spec={}), id="a spec without jobs and params"),
        pytest.param(a_state(spec={"jobs": None, "params": None}), id="jobs and params that are null"),
        pytest.param(a_state(spec={"jobs": [], "params": {}}), id="no jobs and no params"),
        pytest.param(
            a_state(spec={"params": {"x": [-0.0, 1e16, 1.0, 1, 2**64 + 1, "\0\ud800"], "\0": 1, "\ufffd": 2}}),
            id="numbers and characters that stores change",
        ),
        pytest.param(realistic_state(), id="a usual one"),
        pytest.param(realistic_state(1000), id="1,000 jobs"),
    ],
)  # fmt: skip
def test_round_trip(state: CheckpointState) -> None:
    content = serialize(state)
    back = deserialize(content)
    assert back == state
    assert list(back.status.jobs) == list(state.status.jobs)
    assert canonical(back.spec) == canonical(state.spec)  # 1 and 1.0 are equal to Python, and -0.0 and 0.0
    assert serialize(back) == content


@given(checkpoint_states())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_round_trip_of_any_state(state: CheckpointState) -> None:
    content = serialize(state)
    back = deserialize(content)
    assert back == state
    assert canonical(back.spec) == canonical(state.spec)
    assert serialize(back) == content
    verify(content, state.label.parent.digest if state.label.parent else None)


def test_conditions_are_not_saved() -> None:
    state = with_status(a_state(), conditions=(Condition("Finished", False, "Working", "", 3, AT),))
    assert deserialize(serialize(state)) == a_state()
    assert serialize(state) == serialize(a_state())


# --- Unchanged -------------------------------------------------------------------------------------------------------

RUNS = running("c")[0]


def test_the_state_digest_needs_the_status_only() -> None:
    assert serialize(FULL).state_digest == state_digest(spec_digest(FULL.spec), FULL.status)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(FULL, label=a_label(id="checkpoint_1_b", created_at=at(999))), id="another checkpoint"),
        pytest.param(replace(FULL, origin=replace(FULL.origin, resource_version="9", generation=9)), id="version"),
        pytest.param(replace(FULL, attempts={}), id="log tails, errors"),
        pytest.param(
            with_status(
                FULL, reason="", message="", observed_generation=0, started_at=None, finished_at=at(99), epoch=7,
                paused_millis=0, timed_out_at=at(99), requests=(), cancel=CancelState("c2", "", at(99)),
                pause=PauseState(PausePhase.PAUSED, at(99), 99, "x", "y", "Stop", at(99), (), 0),
            ),
            id="times, reasons, messages, progress of the pause",
        ),
        pytest.param(
            with_status(FULL, jobs=FULL.status.jobs | {"c": replace(
                RUNS, reason="Waiting", message="x", launched_at=None, started_at=None, uid="", pod_uid="",
                definition="", stopping=Stopping.PAUSE, paused_for=True, retry_at=at(1))}),
            id="what is seen of a running attempt",
        ),
    ],
)  # fmt: skip
def test_unchanged(other: CheckpointState) -> None:
    assert serialize(other).state_digest == serialize(FULL).state_digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(FULL, spec={**FULL.spec, "paused": True}), id="spec.paused"),
        pytest.param(replace(FULL, spec={**FULL.spec, "params": {"rows": 1000.0}}), id="params"),
        pytest.param(replace(FULL, spec={**FULL.spec, "jobs": []}), id="jobs of the spec"),
        pytest.param(with_status(FULL, phase=Phase.CANCELLED), id="phase"),
        pytest.param(with_status(FULL, pause=None), id="resumed"),
        pytest.param(with_status(FULL, cancel=None), id="not cancelled"),
        pytest.param(with_status(FULL, timed_out_at=None), id="not timed out"),
        *(
            pytest.param(with_status(FULL, jobs=FULL.status.jobs | {"c": replace(RUNS, **change)}), id=f"{change}")
            for change in (
                {"state": JobState.PENDING}, {"attempt": 2}, {"exit_code": 0}, {"result": "f" * 64}, {"failures": 1},
                {"disruptions": 1}, {"extra_retries": 1},
            )
        ),
        pytest.param(with_status(FULL, jobs={"c": RUNS}), id="fewer jobs"),
    ],
)  # fmt: skip
def test_changed(other: CheckpointState) -> None:
    known = other.status.jobs
    kept = replace(other, attempts={id: tries for id, tries in other.attempts.items() if id in known})
    assert serialize(kept).state_digest != serialize(FULL).state_digest


# --- Refused ---------------------------------------------------------------------------------------------------------


def test_a_newer_schema() -> None:
    content = changed(a_state(), lambda d: d.update(schemaVersion=3, stages=[]))
    with pytest.raises(NewerSchema, match=r"^schema 3, but this version of Cairn reads schemas up to 2$"):
        deserialize(content)
    with pytest.raises(NewerSchema):
        verify(content, None)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "the document: Expecting value"),
        (b'{"a":1', "the document: Expecting ',' delimiter"),
        (b"{} {}", "the document: Extra data"),
        (b"\xff\xfe", "the document: 'ascii' codec can't decode"),
        (b"[" * 100_000, "the document: maximum recursion depth exceeded"),
        (b'{"schemaVersion":NaN}', "the document: NaN is no JSON"),
        (b"[]", "schemaVersion: not the version of a schema"),
        (b"{}", "schemaVersion: not the version of a schema"),
        (b'{"schemaVersion":"1"}', "schemaVersion: not the version of a schema"),
        (b'{"schemaVersion":0}', "schemaVersion: not the version of a schema"),
        (b'{"schemaVersion":true}', "schemaVersion: not the version of a schema"),
        (b'{"schemaVersion":1}', "the document: missing or unknown: checkpoint, execution, jobs, pause, spec, specDig"),
    ],
)
def test_no_document(document: bytes, said: str) -> None:
    with pytest.raises(DamagedPayload) as refused:
        deserialize(Serialized(document, {}, document_digest(document, None), ""))
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["execution"].pop("epoch"), "execution: missing or unknown: epoch"),
        (lambda d: d["jobs"][1].update(colour=1), r"jobs\[1\]: missing or unknown: colour"),
        (lambda d: d["jobs"].append(1), r"jobs\[5\]: not an object"),
        (lambda d: d.update(jobs={}), "jobs: not of type list"),
        (lambda d: d["jobs"][0].update(attempt="1"), r"jobs\[0\].attempt: not of type int"),
        (lambda d: d["jobs"][0].update(attempt=True), r"jobs\[0\].attempt: not of type int"),
        (lambda d: d["jobs"][0].update(status="asleep"), r"jobs\[0\].status: not a word that is known there"),
        (lambda d: d["jobs"][0].update(stopping="Whim"), r"jobs\[0\].stopping: not a word that is known there"),
        (lambda d: d["jobs"][0].update(finishedAt="noon"), r"jobs\[0\].finishedAt: Invalid isoformat"),
        (lambda d: d["jobs"][0].update(finishedAt="2026-01-31T08:00:00"), r"finishedAt: time without a zone"),
        (lambda d: d["jobs"][0].update(finishedAt=7), r"jobs\[0\].finishedAt: not of type str"),
        (lambda d: d["jobs"][1].update(id="a"), r"jobs\[1\].id: a is there twice"),
        (lambda d: d["checkpoint"].update(createdAt=None), "checkpoint.createdAt: no time"),
        (lambda d: d["checkpoint"].update(createdAt=""), "checkpoint.createdAt: no time"),
        (lambda d: d["checkpoint"].update(createdBy=7), "checkpoint.createdBy: not of type str"),
        (lambda d: d["checkpoint"].update(metadata=[]), "checkpoint.metadata: not of type dict"),
        (lambda d: d["checkpoint"].update(metadata={"a": 1}), "checkpoint.metadata: not all of it is text"),
        (lambda d: d["checkpoint"].update(id="7"), "checkpoint.id: not checkpoint_"),
        (lambda d: d["pause"].update(running=[1]), "pause.running: not a list of job ids"),
        (lambda d: d.update(specDigest=1), "specDigest: not of type str"),
        (lambda d: d.update(stateDigest=1), "stateDigest: not of type str"),
        (lambda d: d["spec"].update(jobs=[]), "spec: holds jobs, which stands by itself"),
        (lambda d: d["jobs"][1]["attempts"][0].pop("error"), r"attempts\[0\].status: failed has an `error`"),
        (lambda d: d["jobs"][0]["attempts"][0].pop("reason"), r"attempts\[0\].status: failed has an `error`"),
        (lambda d: d["jobs"][0]["attempts"][0]["outputs"].update(bytes=5), r"outputs.bytes: 5, but the text has 4"),
        (lambda d: d["jobs"][0]["attempts"][0]["outputs"].update(sha256="0"), r"outputs.sha256: there is no text 0"),
        (lambda d: d["jobs"][0]["attempts"][0].pop("outputs"), r"texts\[74234e98.*\]: a text that the document"),
        (lambda d: d["jobs"][0].update(result=""), r"jobs\[a\].result: not the digest of what attempt 1 handed out"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be(change: Callable[[Any], object], said: str) -> None:
    """Even with a digest that is right: then it was written by something that is not this program."""
    with pytest.raises(DamagedPayload, match=said):
        deserialize(changed(five_states(), change))


def test_many_problems_are_counted() -> None:
    state = five_states()
    with pytest.raises(DamagedPayload, match=r"; .* and 8 more$"):
        deserialize(changed(state, lambda d: [job.update(attempt=-1, id=f"_{job['id']}") for job in d["jobs"]]))


def test_wrong_digest() -> None:
    content = serialize(a_state())
    with pytest.raises(WrongDigest, match="do not give the digest 00"):
        deserialize(replace(content, digest="00"))
    with pytest.raises(WrongDigest, match="stateDigest: not the one that the checkpoint is stored with"):
        deserialize(replace(content, state_digest="00"))


def test_verify_knows_the_parent() -> None:
    content = serialize(a_state(label=a_label(parent=PARENT)))
    verify(content, PARENT.digest)
    for other in (None, "", "00" * 32):
        with pytest.raises(WrongDigest):
            verify(content, other)
    with pytest.raises(WrongDigest, match=r"checkpoint.parent: not the parent"):
        verify(replace(content, digest=document_digest(content.document, None)), None)


def test_a_changed_parent_is_a_wrong_digest() -> None:
    content = serialize(a_state(label=a_label(parent=PARENT)))
    with pytest.raises(WrongDigest):
        deserialize(replace(content, document=content.document.replace(b"abab", b"abac")))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda texts: texts.popitem(), DamagedPayload),
        (lambda texts: texts.update({hashlib.sha256(b"more").hexdigest(): "more"}), DamagedPayload),
        (lambda texts: texts.update({min(texts): texts[min(texts)] + " "}), WrongDigest),
    ],
    ids=["dropped", "added", "changed"],
)
def test_texts_that_are_not_the_ones(change: Callable[[dict[str, str]], object], error: type[Unreadable]) -> None:
    content = serialize(five_states())
    texts = dict(content.texts)
    change(texts)
    for read in (deserialize, lambda it: verify(it, None)):
        with pytest.raises(error, match=r"text"):
            read(replace(content, texts=texts))


ANY = serialize(five_states(label=a_label(parent=PARENT)))


@given(st.integers(0, len(ANY.document) - 1), st.integers(0, 255))
def test_any_byte_of_the_document_changed(place: int, byte: int) -> None:
    document = bytearray(ANY.document)
    if document[place] == byte:
        byte ^= 1
    document[place] = byte
    with pytest.raises(Unreadable):
        deserialize(replace(ANY, document=bytes(document)))


@given(st.integers(0, len(ANY.document) - 1))
def test_a_truncated_document(length: int) -> None:
    with pytest.raises(DamagedPayload):
        deserialize(replace(ANY, document=ANY.document[:length]))


@given(st.integers(0, len(ANY.document) - 1), st.sampled_from(b'0a",:{}[]\\-.e'))
def test_a_byte_changed_by_whoever_can_make_digests(place: int, byte: int) -> None:
    """Then it may be a state like any other, but nothing but the typed errors may come of it."""
    document = bytearray(ANY.document)
    document[place] = byte
    raw = bytes(document)
    try:
        deserialize(replace(ANY, document=raw, digest=document_digest(raw, PARENT.digest)))
    except Unreadable as error:
        assert str(error)


# --- Salvaged, for somebody who insists ------------------------------------------------------------------------------


def test_what_is_intact_is_salvaged_as_it_is() -> None:
    state = five_states()
    assert salvage(serialize(state)) == state == deserialize(serialize(state))


@pytest.mark.parametrize("wrong", [{"digest": "0" * 64}, {"state_digest": "0" * 64}], ids=["digest", "state digest"])
def test_what_can_still_be_read_is_salvaged_whatever_its_digests_are(wrong: dict[str, str]) -> None:
    content = replace(serialize(five_states()), **wrong)
    with pytest.raises(WrongDigest):
        deserialize(content)
    assert salvage(content) == five_states()


def test_a_change_that_was_made_without_its_digest_is_salvaged_with_the_change() -> None:
    content = serialize(five_states())
    content = replace(content, document=content.document.replace(b"lunch", b"lunge"))
    assert salvage(content).status.pause == replace(five_states().status.pause, reason="lunge")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(replace(serialize(a_state()), document=b"{"), DamagedPayload, id="no JSON"),
        pytest.param(changed(a_state(), lambda d: d.update(schemaVersion=99)), NewerSchema, id="a newer schema"),
        pytest.param(changed(a_state(), lambda d: d.pop("jobs")), DamagedPayload, id="a part is missing"),
        pytest.param(replace(serialize(a_state()), texts={}), DamagedPayload, id="its outputs are missing"),
        pytest.param(serialize(with_status(a_state(), phase=Phase.FAILED)), DamagedPayload, id="it cannot be"),
    ],
)
def test_what_no_state_can_be_made_of_is_not_salvaged(content: Serialized, error: type[Unreadable]) -> None:
    with pytest.raises(error):
        salvage(content)
