"""The Lease as Kubernetes writes it: MicroTimes, no empty holder, and nothing lost of what others have put on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cairn.adapters.kube.leases import KubeLeases
from cairn.core.leading import Lease
from cairn.errors import Gone

AT = datetime(2026, 1, 31, 8, 0, 0, 250_000, tzinfo=UTC)
WRITTEN = {
    "holderIdentity": "me", "leaseDurationSeconds": 8, "leaseTransitions": 2,
    "acquireTime": "2026-01-31T08:00:00.250000Z", "renewTime": "2026-01-31T08:00:00.250000Z",
}  # fmt: skip
PATH = "/apis/coordination.k8s.io/v1/namespaces/home/leases"


class FakeApi:
    """The request helper, with one object."""

    def __init__(self, body: Any = None) -> None:
        self.body = body
        self.sent: list[tuple[str, Any]] = []

    async def get(self, path: str) -> Any:
        assert path == f"{PATH}/cairn"
        if self.body is None:
            raise Gone("no such Lease")
        return self.body

    async def create(self, path: str, body: Any, **_: str) -> Any:
        self.sent.append((path, body))
        return body | {"metadata": body["metadata"] | {"resourceVersion": "7"}}

    async def replace(self, path: str, body: Any, **_: str) -> Any:
        self.sent.append((path, body))
        return {"metadata": {"resourceVersion": "8"}}


def leases(api: FakeApi) -> KubeLeases:
    return KubeLeases(api, "home", "cairn")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "lease"),
    [
        pytest.param(None, Lease(version="5"), id="as a chart makes it"),
        pytest.param({"holderIdentity": "", "leaseDurationSeconds": 1}, Lease("", 1, version="5"), id="released"),
        pytest.param(WRITTEN, Lease("me", 8, 2, AT, AT, "5"), id="held"),
    ],
)
async def test_reading(spec: Any, lease: Lease) -> None:
    body = {"metadata": {"resourceVersion": "5"}} | ({"spec": spec} if spec is not None else {})
    assert await leases(FakeApi(body)).get() == lease


async def test_there_is_none() -> None:
    assert await leases(FakeApi()).get() is None


async def test_creating() -> None:
    api = FakeApi()
    assert await leases(api).create(Lease("me", 8, 2, AT, AT)) == Lease("me", 8, 2, AT, AT, "7")
    [(path, body)] = api.sent
    assert (path, body["spec"]) == (PATH, WRITTEN)
    assert "resourceVersion" not in body["metadata"]


async def test_what_was_created_keeps_its_label() -> None:
    api = FakeApi()
    made = leases(api)
    await made.update(await made.create(Lease("me", 8, 2, AT, AT)))
    [_, (_, body)] = api.sent
    assert body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "cairn"}


async def test_an_update_names_its_version_and_keeps_what_others_have_put_on_it() -> None:
    labels, notes = {"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "cairn"}
    api = FakeApi({"metadata": {"resourceVersion": "5", "uid": "u", "labels": labels, "annotations": notes}})
    made = leases(api)
    await made.get()
    assert await made.update(Lease("me", 8, 2, AT, AT, "5")) == Lease("me", 8, 2, AT, AT, "8")
    [(path, body)] = api.sent
    assert path == f"{PATH}/cairn"
    assert body["metadata"] == {
        "name": "cairn", "namespace": "home", "resourceVersion": "5", "labels": labels, "annotations": notes,
    }  # fmt: skip


async def test_a_released_one_names_no_holder() -> None:
    api = FakeApi()
    await leases(api).update(Lease("", 1, 2, AT, AT, "5"))
    assert "holderIdentity" not in api.sent[0][1]["spec"]
