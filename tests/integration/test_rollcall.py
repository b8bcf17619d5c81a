"""A roll call on a real API server: a whole operator whose watches tell of nothing learns what is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairn.adapters.clock import system_clock
from cairn.adapters.kube import api as helper
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.cluster import KubeCluster
from cairn.app import rollcall
from cairn.app.operator import Operator
from cairn.config import Settings
from support.kube import Kube, Object, until

pytestmark = pytest.mark.cluster

LABELS = {"cairn.dev/execution-uid": "set below", "cairn.dev/job": "a", "cairn.dev/attempt": "1"}


@pytest.fixture
async def api(kube: Kube) -> AsyncIterator[Api]:
    connected = await connect(str(kube.kubeconfig))
    yield connected
    await connected.close()


def kube_job(name: str, uid: str, *, suspend: bool) -> Object:
    labels = LABELS | {"cairn.dev/execution-uid": uid}
    pod = {"containers": [{"name": "main", "image": "fake"}], "restartPolicy": "Never"}
    spec = {"suspend": suspend, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels}, "spec": spec}


async def test_what_was_deleted_while_no_watch_told(kube: Kube, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollcall, "PATIENCE", 0.0)
    monkeypatch.setattr(helper, "_PAGE", "1")  # so that every list has several pages
    operator = Operator(KubeCluster(api), system_clock, Settings(namespaces=(kube.namespace,)))
    views = operator._views
    for name in ("kept", "gone"):
        body = kube.run(name, {"id": "a"})
        kube.apply(
            {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name},
             "spec": {"executionRef": {"name": name}}},
            kube_job(f"{name}-waits", body["metadata"]["uid"], suspend=True),
            kube_job(f"{name}-ends", body["metadata"]["uid"], suspend=False),
        )  # fmt: skip
        until(lambda: kube.get("job", f"{name}-ends")["status"].get("succeeded"), "the Job has ended")  # noqa: B023
    for kind, see in (("dagx", operator.see_execution), ("ckpt", operator.see_checkpoint),
                      ("job", operator.see_job), ("pod", operator.see_pod)):  # fmt: skip
        for body in kube.list(kind):
            see(body)
    uids = {body["metadata"]["name"]: body["metadata"]["uid"] for body in kube.list("dagx")}

    assert await operator._roll_call.call()
    assert sorted(key.name for key in views.keys()) == ["gone", "kept"]
    assert {name: sorted(views.seen(uid).jobs) for name, uid in uids.items()} == {
        "kept": ["kept-ends", "kept-waits"], "gone": ["gone-ends", "gone-waits"],
    }  # fmt: skip

    kube.kubectl("delete", "dagx/gone", "ckpt/gone", "job/kept-waits")
    assert await operator._roll_call.call()
    assert [key.name for key in views.keys()] == ["kept"]
    assert [seen.name for seen in views.checkpoints] == ["kept"]
    assert sorted(views.seen(uids["kept"]).jobs) == ["kept-ends"], "what has ended is not asked for"
    assert set(views._seen) == {uids["kept"]}
