"""Access on a real API server: real tokens of service accounts, real roles; what RBAC says is what holds here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.reviews import KubeReviewer
from cairn.api.app import create_app
from cairn.app.access import Access, Remembering
from cairn.errors import CairnError, Forbidden, Refused, Unauthenticated
from cairn.ports import Attributes
from cluster import Cluster
from conftest import namespace_in
from support import chart
from support.api_process import ApiProcess
from support.kube import Kube
from support.rest import client, parts
from support.service import applied
from support.users import User, kubeconfig_for, older

pytestmark = pytest.mark.cluster

LIST = Attributes("list", "checkpoints")
FORGETFUL = Remembering(positive=0, negative=0)


@pytest.fixture
def other(fake_cluster: Cluster) -> Iterator[Kube]:
    """A second namespace."""
    yield from namespace_in(fake_cluster, "other")


@pytest.fixture
async def api(fake_cluster: Cluster) -> AsyncIterator[Api]:
    connected = await connect(str(fake_cluster.kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
def alice(kube: Kube) -> User:
    return User.new(kube, "alice")


async def test_a_token_is_that_of_its_account(api: Api, alice: User) -> None:
    caller = await Access(KubeReviewer(api)).caller(alice.token())
    account = alice.kube.get("serviceaccount", "alice")
    assert (caller.username, caller.uid) == (alice.username, account["metadata"]["uid"])
    assert {"system:serviceaccounts", "system:authenticated"} <= set(caller.groups)


async def test_what_is_no_valid_token_is_refused(api: Api, alice: User) -> None:
    access, good = Access(KubeReviewer(api), FORGETFUL), alice.token()
    header, payload, signature = good.split(".")
    for bad in ("made-up", "", "ä", "a.b.c", f"{header}.{payload}.{signature[::-1]}", good[:-1], f"{good}x"):
        with pytest.raises(Unauthenticated):
            await access.caller(bad)
    assert (await access.caller(good)).username == alice.username


async def test_an_expired_token_is_refused(api: Api, alice: User, fake_cluster: Cluster) -> None:
    access, good = Access(KubeReviewer(api), FORGETFUL), alice.token()
    assert (await access.caller(older(good, fake_cluster, seconds=60))).username == alice.username
    with pytest.raises(Unauthenticated):
        await access.caller(older(good, fake_cluster, seconds=24 * 3600))


async def test_the_token_of_a_deleted_account_ends(api: Api, alice: User) -> None:
    access, token = Access(KubeReviewer(api), FORGETFUL), alice.token()
    alice.kube.kubectl("delete", "serviceaccount", "alice")
    await _refused(lambda: access.caller(token), Unauthenticated)


async def test_a_token_must_be_for_the_audience(api: Api, alice: User) -> None:
    ours = Access(KubeReviewer(api, ["cairn"]), FORGETFUL)
    anybodys = Access(KubeReviewer(api), FORGETFUL)
    meant = alice.token("--audience=cairn")
    assert (await ours.caller(meant)).username == alice.username
    for access, token in ((ours, alice.token()), (anybodys, meant)):
        with pytest.raises(Unauthenticated):
            await access.caller(token)


async def test_rights_are_those_of_the_roles(api: Api, alice: User, other: Kube) -> None:
    alice.may(alice.kube, "list", "checkpoints.cairn.dev")
    access, here, there = Access(KubeReviewer(api), FORGETFUL), alice.kube.namespace, other.namespace
    caller = await access.caller(alice.token())
    await access.require(caller, "list", "checkpoints", here)
    for verb, resource, namespace in (
        ("list", "checkpoints", there), ("list", "checkpoints", "does-not-exist"), ("list", "checkpoints", ""),
        ("delete", "checkpoints", here), ("list", "dagexecutions", here),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await access.require(caller, verb, resource, namespace)


async def test_a_right_to_one_object_or_subresource_is_just_that(api: Api, alice: User) -> None:
    kube, access = alice.kube, Access(KubeReviewer(api), FORGETFUL)
    alice.may(kube, "patch", "dagexecutions.cairn.dev", "mine")
    alice.may(kube, "get", "pods/log")
    caller = await access.caller(alice.token())
    await access.require(caller, "patch", "dagexecutions", kube.namespace, "mine")
    await access.require(caller, "get", "pods", kube.namespace, "p", subresource="log", group="")
    for name in ("others", ""):
        with pytest.raises(Forbidden):
            await access.require(caller, "patch", "dagexecutions", kube.namespace, name)
    with pytest.raises(Forbidden):
        await access.require(caller, "get", "pods", kube.namespace, "p", group="")


async def test_where_a_caller_may_list(api: Api, alice: User, other: Kube) -> None:
    access = Access(KubeReviewer(api), FORGETFUL)
    caller = await access.caller(alice.token())
    assert (await access.visible(caller, LIST)).uids == {}
    alice.may(other, "list", "checkpoints.cairn.dev")
    uid = other.get("namespace", other.namespace)["metadata"]["uid"]
    found = await access.visible(caller, LIST)
    assert (found.everywhere, dict(found.uids)) == (False, {other.namespace: uid})
    role = alice.may_everywhere("list", "checkpoints.cairn.dev")
    try:
        found = await access.visible(caller, LIST)
        assert found.everywhere and {alice.kube.namespace, other.namespace, "default"} <= found.uids.keys()
    finally:
        other.kubectl("delete", "clusterrole,clusterrolebinding", role)


async def test_a_right_that_is_taken_away_is_noticed(api: Api, alice: User) -> None:
    """Memories of no length show the API server's own pace; how long ours last is a matter of the unit tests."""
    alice.may(alice.kube, "list", "checkpoints.cairn.dev")
    access, where = Access(KubeReviewer(api), FORGETFUL), alice.kube.namespace
    caller = await access.caller(alice.token())
    await access.require(caller, "list", "checkpoints", where)
    alice.kube.kubectl("delete", "rolebinding", "alice-list")
    await _refused(lambda: access.require(caller, "list", "checkpoints", where), Forbidden)


async def test_an_account_that_may_not_review_says_so(
    alice: User, fake_cluster: Cluster, tmp_path: Path
) -> None:
    limited = await connect(str(kubeconfig_for(fake_cluster, alice.token(), tmp_path)))
    try:
        async with _client(limited, alice.token()) as asking:
            me, ready = await asking.get("/api/v1/me"), await asking.get("/readyz")
        assert (me.status_code, me.json()["type"]) == (502, "urn:cairn:problem:missing-right")
        assert ready.status_code == 503
        with pytest.raises(Refused):
            await Access(KubeReviewer(limited)).check()
    finally:
        await limited.close()


@pytest.fixture
def server(other: Kube) -> Iterator[User]:
    """The account of an API: it has the rights that the chart gives it, and no others."""
    name = f"server-{other.namespace}"
    release = chart.rendered({"fullnameOverride": name}, namespace=other.namespace)
    with applied(other, chart.rights(release, "api")):
        user = User.new(other, f"{name}-api")
        user.can(other, "list", "namespaces", "--all-namespaces")
        yield user


async def test_the_rights_of_the_chart_are_enough(
    alice: User, server: User, fake_cluster: Cluster, tmp_path: Path
) -> None:
    limited = await connect(str(kubeconfig_for(fake_cluster, server.token(), tmp_path)))
    try:
        access = Access(KubeReviewer(limited), FORGETFUL)
        caller = await access.caller(alice.token())
        assert not (await access.visible(caller, LIST)).everywhere
    finally:
        await limited.close()


def test_a_process_with_those_rights_serves_and_ends_in_order(
    alice: User, server: User, fake_cluster: Cluster, tmp_path: Path
) -> None:
    api = ApiProcess(kubeconfig_for(fake_cluster, server.token(), tmp_path), tmp_path / "api.log").start()
    try:
        token = alice.token()
        with api.client(token) as asking:
            me = asking.get("/api/v1/me", headers={"X-Request-ID": "mine"})
            bad = asking.get("/api/v1/me", headers={"Authorization": "Bearer made-up"})
        assert (me.json()["username"], me.headers["X-Request-ID"], bad.status_code) == (alice.username, "mine", 401)
    finally:
        code = api.stop()
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    assert (code, lines[-1]["message"]) == (0, "stopped")
    assert [line["user"] for line in lines if line.get("requestId") == "mine"] == [alice.username]
    assert token not in api.log.read_text() and "made-up" not in api.log.read_text()


async def test_over_http(api: Api, alice: User) -> None:
    async with _client(api, alice.token()) as asking:
        me, version = await asking.get("/api/v1/me"), await asking.get("/api/v1/version")
        bad = await asking.get("/api/v1/me", headers={"Authorization": "Bearer made-up"})
        none = await asking.get("/api/v1/me", headers={"Authorization": ""})
    assert (me.status_code, me.json()["username"]) == (200, alice.username)
    assert (version.json()["apiVersion"], version.json()["commit"]) == ("cairn.dev/v1alpha1", "unknown")
    assert (bad.status_code, none.status_code) == (401, 401)


async def _refused(ask: Callable[[], Awaitable[object]], error: type[CairnError]) -> None:
    """Ask until it is refused: the API server learns of a change by a watch, too."""
    async with asyncio.timeout(30):
        while True:
            try:
                await ask()
            except error:
                return
            await asyncio.sleep(0.05)


def _client(api: Api, token: str) -> httpx.AsyncClient:
    return client(create_app(parts(KubeReviewer(api))), {"Authorization": f"Bearer {token}"})
