"""Reviews as the API server is asked for them, and what is made of its answers."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.adapters.kube.reviews import KubeReviewer
from cairn.errors import Rejected
from cairn.ports import Attributes, Caller

ALICE = Caller("alice", "u1", ("a", "b"), (("scopes", ("x", "y")),))
USER = {"username": "alice", "uid": "u1", "groups": ["a", "b"], "extra": {"scopes": ["x", "y"]}}


class Api:
    def __init__(self, status: Any = None) -> None:
        self.status = status
        self.sent: list[tuple[str, Any]] = []
        self.error: Exception | None = None

    async def create(self, path: str, body: Any) -> Any:
        self.sent.append((path, body))
        if self.error:
            raise self.error
        return body | {"status": self.status}

    async def list_all(self, path: str) -> Any:
        return [{"metadata": {"name": "red", "uid": "u-red"}}]


def reviewer(status: Any = None, *audiences: str) -> tuple[KubeReviewer, Api]:
    api = Api(status)
    return KubeReviewer(api, audiences), api  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "audiences", "caller"),
    [
        ({"authenticated": True, "user": USER}, (), ALICE),
        ({"authenticated": True, "user": {"username": "bob"}}, (), Caller("bob")),
        ({"authenticated": False, "user": USER}, (), None),
        ({"user": USER}, (), None),
        ({"authenticated": True, "user": {}}, (), None),
        ({"authenticated": True}, (), None),
        (None, (), None),
        ({"authenticated": True, "user": USER, "audiences": ["cairn"]}, ("cairn", "other"), ALICE),
        ({"authenticated": True, "user": USER, "audiences": ["api"]}, ("cairn",), None),
        ({"authenticated": True, "user": USER}, ("cairn",), None),
    ],
    ids=[
        "all of it", "a name only", "not authenticated", "not said", "nobody", "no user", "no status",
        "for one of our audiences", "for another audience", "for no audience",
    ],
)  # fmt: skip
async def test_whom_a_review_tells_of(status: Any, audiences: tuple[str, ...], caller: Caller | None) -> None:
    asking, _ = reviewer(status, *audiences)
    assert await asking.authenticate("t") == caller


@pytest.mark.parametrize(("audiences", "spec"), [((), {"token": "t"}), (("a",), {"token": "t", "audiences": ["a"]})])
async def test_how_a_token_is_reviewed(audiences: tuple[str, ...], spec: Any) -> None:
    asking, api = reviewer({}, *audiences)
    await asking.authenticate("t")
    [(path, body)] = api.sent
    assert (path, body["kind"], body["spec"]) == (
        "/apis/authentication.k8s.io/v1/tokenreviews", "TokenReview", spec,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ({"allowed": True}, True), ({"allowed": False}, False), ({}, False), (None, False),
        ({"allowed": True, "denied": True}, False),
    ],
    ids=["allowed", "not allowed", "not said", "no status", "denied after all"],
)  # fmt: skip
async def test_what_a_review_of_access_comes_to(status: Any, allowed: bool) -> None:
    asking, _ = reviewer(status)
    assert await asking.allowed(ALICE, Attributes("get", "pods")) is allowed


async def test_how_access_is_reviewed() -> None:
    asking, api = reviewer({})
    await asking.allowed(ALICE, Attributes("get", "pods", "red", "p", "log", ""))
    [(path, body)] = api.sent
    assert (path, body["kind"]) == ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "SubjectAccessReview")
    assert body["spec"] == {
        "user": "alice", "uid": "u1", "groups": ["a", "b"], "extra": {"scopes": ["x", "y"]},
        "resourceAttributes": {
            "verb": "get", "group": "", "resource": "pods", "subresource": "log", "namespace": "red", "name": "p",
        },
    }  # fmt: skip


async def test_what_cannot_be_reviewed_is_no_token() -> None:
    asking, api = reviewer()
    api.error = Rejected("token is required", status=400)
    assert await asking.authenticate("") is None


async def test_a_right_that_cannot_be_reviewed_is_an_error() -> None:
    asking, api = reviewer()
    api.error = Rejected("no", status=400)
    with pytest.raises(Rejected):
        await asking.allowed(ALICE, Attributes("get", "pods"))


async def test_namespaces_are_told_with_their_uids() -> None:
    asking, _ = reviewer()
    assert await asking.namespaces() == {"red": "u-red"}
