"""Who works on what, where several operators share a cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cairn import names
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.manifests import Identity, Inputs, belonging, inputs, kubernetes_job, labels
from cairn.core.outputs import Outputs
from cairn.core.sharding import Selection, chosen, label_patch, may_have_begun, plain_names, selecting, shard_of
from cairn.core.spec import JobSpec
from cairn.core.status import JobRecord, Status

ALONE, DEFAULT, SHARD = Selection(), Selection(shards=("a", "b")), Selection("a")
BEGUN = replace(Status(), started_at=datetime(2026, 1, 31, tzinfo=UTC))


def meta(shard: str | None) -> dict[str, Any]:
    return {"labels": {names.LABEL_SHARD: shard} if shard else {"team": "x"}}


@pytest.mark.parametrize(
    ("selection", "selector", "takes"),
    [
        (ALONE, "", (None, "a", "b", "c")), (DEFAULT, "!cairn.dev/shard", (None,)),
        (SHARD, "cairn.dev/shard=a", ("a",)),
    ],
    ids=["alone", "default", "shard"],
)  # fmt: skip
def test_what_the_api_server_selects_is_what_is_taken(
    selection: Selection, selector: str, takes: tuple[str | None, ...]
) -> None:
    assert selection.selector == selector
    assert tuple(shard for shard in (None, "a", "b", "c") if selection.takes(meta(shard))) == takes


@pytest.mark.parametrize(
    ("selection", "partial", "hands_over", "complete"),
    [(ALONE, False, False, True), (DEFAULT, True, True, True), (SHARD, True, False, False)],
    ids=["alone", "default", "shard"],
)
def test_roles(selection: Selection, partial: bool, hands_over: bool, complete: bool) -> None:
    assert (selection.partial, selection.hands_over, selection.complete) == (partial, hands_over, complete)


@pytest.mark.parametrize(
    ("selection", "shard", "status", "given"),
    [
        (DEFAULT, None, Status(), True), (DEFAULT, None, BEGUN, False),
        (DEFAULT, None, replace(Status(), unreadable="jobs"), False), (DEFAULT, "a", Status(), False),
        (ALONE, None, Status(), False), (SHARD, "a", Status(), False), (SHARD, None, Status(), False),
    ],
    ids=["new", "begun", "nobody knows", "has one", "no shards", "a shard has it", "a shard gives nothing"],
)  # fmt: skip
def test_what_is_given_away(selection: Selection, shard: str | None, status: Status, given: bool) -> None:
    assert selection.gives_away(meta(shard), status) is given
    assert may_have_begun(status) is (status != Status())


def test_selectors_are_joined() -> None:
    assert selecting("x", "") == {"labelSelector": "x"}
    assert selecting("x", "y=z") == {"labelSelector": "x,y=z"}
    assert selecting("", "") == {}


def test_patterns_of_namespaces_are_no_names() -> None:
    assert plain_names(["team-a", "team-*", "!team-b", "t?", "", "x1"]) == {"team-a", "x1"}


def test_no_labels_are_no_shard() -> None:
    assert shard_of({}) == shard_of({"labels": None}) == shard_of({"labels": {names.LABEL_SHARD: ""}}) == ""


def test_the_choice_is_stable_even_and_moves_to_new_shards_only() -> None:
    uids = [f"uid-{n}" for n in range(3000)]
    before = {uid: chosen(("a", "b"), uid) for uid in uids}
    assert before == {uid: chosen(("b", "a"), uid) for uid in uids}, "the order says nothing"
    after = {uid: chosen(("a", "b", "c"), uid) for uid in uids}
    assert {(before[uid], after[uid]) for uid in uids if before[uid] != after[uid]} == {("a", "c"), ("b", "c")}
    assert min(Counter(after.values()).values()) > 900
    assert chosen(("a", "b"), "5c6e2a6e-5a0f-4b7e-9a51-3f1d1f5a7d11") == "a", "other versions choose likewise"


def test_a_fork_goes_where_its_origin_is_if_that_is_there() -> None:
    uid = "u"
    assert {chosen(("a", "b"), uid, origin) for origin in ("a",)} == {"a"}
    assert chosen(("a", "b"), uid, "b") == "b"
    assert chosen(("a", "b"), uid, "gone") == chosen(("a", "b"), uid, "") == chosen(("a", "b"), uid)


def test_a_patch_names_what_was_read() -> None:
    read = {"uid": "u", "resourceVersion": "7", "name": "x"}
    assert label_patch(read, "a") == {
        "metadata": {"uid": "u", "resourceVersion": "7", "labels": {names.LABEL_SHARD: "a"}}
    }
    assert label_patch(read, "")["metadata"]["labels"] == {names.LABEL_SHARD: None}


# --- What is made for an execution

IDENTITY = Identity("ns", "run", "u", shard="a")


def test_whatever_is_made_has_the_shard_of_its_execution() -> None:
    record = JobRecord("a", attempt=1)
    given = inputs(IDENTITY, {"p": 1}, {"x": Outputs("1")})
    checkpoint = objects.manifest(IDENTITY, "c", Trigger.MANUAL, "", {}, guarded=False)
    template = {"metadata": {"labels": {names.LABEL_SHARD: "mine", "team": "x"}}, "spec": {"containers": [{}]}}
    made = kubernetes_job(IDENTITY, JobSpec(id="a", index=0), record, Inputs(), template)
    everything = [*given.objects, checkpoint, made, made["spec"]["template"]]
    assert [shard_of(body["metadata"]) for body in everything] == ["a"] * 4
    assert labels(IDENTITY, "a", 1)[names.LABEL_SHARD] == belonging(IDENTITY)[names.LABEL_SHARD] == "a"
    bare = kubernetes_job(replace(IDENTITY, shard=""), JobSpec(id="a", index=0), record, Inputs(), template)
    assert bare["metadata"]["labels"]["team"] == "x"
    for body in (bare, bare["spec"]["template"]):
        assert names.LABEL_SHARD not in body["metadata"]["labels"], "the default operator would never see it"
