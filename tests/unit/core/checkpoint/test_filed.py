"""A checkpoint as a file: what comes out goes in again, and what is not whole does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cairn import names
from cairn.core.checkpoint import filed, objects, payload
from cairn.core.checkpoint.state import Parent, Stored
from cairn.errors import DamagedPayload, InvalidSpec, NewerSchema, WrongDigest
from support.states import a_label, a_state, at, five_states
from support.stored import Tenant

TENANT = Tenant("source", "uid-of-source")
PARENT = Parent("checkpoint_1769846300000_x", "0" * 64)

Body = dict[str, Any]


def of(state: Any = None) -> Stored:
    """A checkpoint whose summary says what its state says."""
    state = state or five_states(label=a_label(parent=PARENT, created_by="jane", metadata={"ticket": "OPS-17"}))
    made = TENANT.of(state, "before", state.origin.name)
    return replace(made, checkpoint=replace(made.checkpoint, execution_uid=state.origin.uid))


def an_object(stored: Stored) -> Body:
    """The object as the cluster shows it."""
    body = filed.manifest(stored)
    body["metadata"] |= {"uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-31T08:00:00Z"}
    return body | {"status": filed.status(stored, generation=1, now=at(0))}


@pytest.mark.parametrize("state", [None, a_state()], ids=["all there can be", "no parent, nobody, no notes"])
def test_what_comes_out_goes_in_again(state: Any) -> None:
    stored = of(state)
    written = json.loads(json.dumps(filed.to_file(an_object(stored))))
    assert written["metadata"] == {"name": "before"} and "conditions" not in written["status"]
    found = filed.from_file(written, namespace="target", name="again", pinned=True)
    told = found.checkpoint
    assert (told.namespace, told.object_name, told.pinned) == ("target", "again", True)
    assert (told.id, told.digest, told.parent) == (stored.checkpoint.id, stored.checkpoint.digest,
                                                  stored.checkpoint.parent)  # fmt: skip
    assert found.content == stored.content
    assert filed.from_file(written, namespace="target", pinned=False).checkpoint.object_name == "before"


def test_what_kubectl_shows_is_a_file_too() -> None:
    stored = of()
    assert filed.from_file(an_object(stored), namespace="target", pinned=True).content == stored.content


def test_the_object_says_that_it_is_imported_before_it_holds_anything() -> None:
    body = an_object(of())
    assert body["metadata"]["annotations"] == {names.ANNOTATION_IMPORTED: "true"}
    seen = objects.view(body)
    assert seen.imported and seen.is_ready and not seen.is_stored
    assert seen.created_by == "jane"
    assert not objects.view({**body, "metadata": body["metadata"] | {"annotations": None}}).imported


def _set(path: str, value: Any) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        *way, last = path.split(".")
        for key in way:
            body = body[key]
        body[last] = value

    return change


def _drop(path: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        *way, last = path.split(".")
        for key in way:
            body = body[key]
        del body[last]

    return change


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        pytest.param(_set("kind", "ConfigMap"), "kind", "must be Checkpoint", id="another kind"),
        pytest.param(_set("apiVersion", "v1"), "kind", "must be Checkpoint", id="another group"),
        pytest.param(_set("apiVersion", "cairn.dev/v9"), "apiVersion", "reads cairn.dev/v1alpha1", id="newer API"),
        pytest.param(_set("status.phase", "Pending"), "status.phase", "is Pending", id="not Ready"),
        pytest.param(_drop("status"), "status.phase", "is None", id="no status"),
        pytest.param(_drop("status.state"), "status.state", "is missing", id="only the database holds it"),
        pytest.param(_set("status.jobCount", True), "status.jobCount", "a number", id="a wrong type"),
        pytest.param(_set("spec.metadata", []), "spec.metadata", "an object", id="an optional one of a wrong type"),
        pytest.param(_set("spec.trigger", "noon"), "spec.trigger", "manual", id="no trigger"),
        pytest.param(_set("status.createdAt", "noon"), "status.createdAt", "a time", id="no time"),
        pytest.param(_set("status.parent", {"checkpointId": "x"}), "status.parent", "digest", id="half a parent"),
        pytest.param(_set("metadata", "x"), "metadata.name", "is missing", id="no object where one must be"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(change: Callable[[Body], None], field: str, says: str) -> None:
    body = copy.deepcopy(filed.to_file(an_object(of())))
    change(body)
    with pytest.raises(InvalidSpec) as caught:
        filed.from_file(body, namespace="target", pinned=True)
    assert [(v.field, says in v.message) for v in caught.value.violations] == [(field, True)]


def test_every_wrong_field_is_told_at_once() -> None:
    body = filed.to_file(an_object(of()))
    _drop("status.createdAt")(body)
    _drop("status.digest")(body)
    with pytest.raises(InvalidSpec) as caught:
        filed.from_file(body, namespace="target", pinned=True)
    assert {v.field for v in caught.value.violations} == {"status.createdAt", "status.digest"}


@pytest.mark.parametrize("document", [None, [], "text"])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(InvalidSpec):
        filed.from_file(document, namespace="target", pinned=True)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        pytest.param("job-0: done", "job-0: gone", WrongDigest, id="a changed byte"),
        pytest.param("json:", "json9:", NewerSchema, id="a newer codec"),
        pytest.param('"schemaVersion":2', '"schemaVersion":99', NewerSchema, id="a newer schema"),
        pytest.param("\n", "", DamagedPayload, id="truncated"),
    ],
)
def test_a_state_that_is_not_what_was_written_is_refused(old: str, new: str, error: type[Exception]) -> None:
    body = filed.to_file(an_object(of(a_state(1))))
    assert old in body["status"]["state"]
    body["status"]["state"] = body["status"]["state"].replace(old, new)
    with pytest.raises(error):
        filed.from_file(body, namespace="target", pinned=True)


def test_what_stands_beside_the_state_must_be_what_it_says() -> None:
    body = filed.to_file(an_object(of()))
    body["spec"]["createdBy"], body["status"]["jobCount"] = "john", 7
    with pytest.raises(DamagedPayload, match="createdBy: not what the state says; jobCount"):
        filed.from_file(body, namespace="target", pinned=True)


def test_a_large_state_travels_compressed() -> None:
    stored = of(a_state(200))
    body = filed.to_file(an_object(stored))
    assert body["status"]["state"].startswith("zlib:")
    assert payload.to_text(filed.from_file(body, namespace="t", pinned=True).content) == body["status"]["state"]
    body["status"]["state"] = body["status"]["state"][:-400]
    with pytest.raises(DamagedPayload):
        filed.from_file(body, namespace="t", pinned=True)
