"""Statuses edited by hand, by somebody who may: what cannot be read is said, stops nothing else, and can be mended."""

from __future__ import annotations

import json

import pytest

from support.jobs import condition, hanging, job, release
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster


def edit_status(kube: Kube, kind: str, name: str, patch: Object | None) -> None:
    """Merge into the status, or take all of it away."""
    if patch is None:
        away = json.dumps([{"op": "remove", "path": "/status"}])
        kube.kubectl("patch", kind, name, "--subresource=status", "--type=json", "-p", away)
    else:
        body = json.dumps({"status": patch})
        kube.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", body)


def unreadable(kube: Kube) -> Object:
    """The execution once it says that its status cannot be read."""

    def found() -> Object | None:
        body = kube.get("dagx", "x")
        return body if body["status"].get("reason") == "StatusUnreadable" else None

    return until(found, "the status is said to be unreadable", show=lambda: kube.get("dagx", "x")["status"])


@pytest.mark.parametrize("how", ["mended", "removed"])
def test_a_status_that_cannot_be_read_is_said_and_mended_it_goes_on(served: Kube, how: str) -> None:
    served.run("x", job("a"), hanging("b", "a"), job("c", "b"))
    served.wait_job("x", "b", state="Running", reason=None)
    edit_status(served, "dagx", "x", {"restore": {"phase": "Stopping"}})
    told = unreadable(served)
    assert "status.restore: 'mode' is missing" in told["status"]["message"]
    assert condition(told, "Stalled")["reason"] == "StatusUnreadable"
    assert [record["id"] for record in told["status"]["jobs"]] == ["a", "b", "c"], "what stands there stays"
    assert until(lambda: [e for e in served.events("x") if e["reason"] == "StatusUnreadable"], "an Event")

    served.run("other", job("a"))
    served.wait("other", "Succeeded")
    release(served, "x", "b")
    assert not served.jobs("x", "c")

    edit_status(served, "dagx", "x", {"restore": None} if how == "mended" else None)
    done = served.wait("x", "Succeeded")
    assert [(r["state"], r["attempt"]) for r in done["status"]["jobs"]] == [("Completed", 1)] * 3
    assert len(served.jobs("x")) == 3, "nothing ran twice"


def test_a_checkpoint_with_such_a_status_costs_itself_and_no_other(served: Kube) -> None:
    served.run("x", job("a"), checkpoint={"triggers": ["level-completed"]})
    served.wait("x", "Succeeded")
    good = served.saved("x")["status"]["checkpointing"]["last"]["name"]
    meta = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "spoilt"}}
    served.apply(meta | {"spec": {"executionRef": {"name": "x"}}})
    served.kubectl("wait", "ckpt/spoilt", "--for=condition=Ready", "--timeout=60s")
    parent = served.get("ckpt", "spoilt")["status"]["parent"]
    edit_status(served, "ckpt", "spoilt", {"parent": {"digest": None}})

    fork(served, "from-spoilt", {"checkpointName": "spoilt"})
    refused = served.wait("from-spoilt", "Restored=False")
    assert "status.parent: 'digest' is missing" in condition(refused, "Restored")["message"]
    fork(served, "from-latest", {"latestOf": "x"})
    served.wait("from-latest", "Succeeded")
    assert served.get("dagx", "from-latest")["status"]["restoredFrom"]["checkpointName"] == good

    edit_status(served, "ckpt", "spoilt", {"parent": parent})
    fork(served, "from-mended", {"checkpointName": "spoilt"})
    served.wait("from-mended", "Succeeded")


def fork(kube: Kube, name: str, source: Object) -> None:
    """An execution that starts from a checkpoint."""
    body = {"apiVersion": "cairn.dev/v1alpha1", "kind": "DAGExecution", "metadata": {"name": name}}
    kube.apply(body | {"spec": {"restoreFrom": source}})


def test_a_checkpoint_of_an_execution_that_can_have_no_such_name_is_answered(served: Kube) -> None:
    meta = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "odd"}}
    served.apply(meta | {"spec": {"executionRef": {"name": "no name/at all"}}})
    served.kubectl("wait", "ckpt/odd", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
    ready = next(c for c in served.get("ckpt", "odd")["status"]["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "ExecutionNotFound"
