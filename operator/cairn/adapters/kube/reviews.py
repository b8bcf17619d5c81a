"""Tokens and rights as the API server judges them: `ports.Reviewer` over the request helper.

What the account of the process needs for it is in the ClusterRole `system:auth-delegator`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cairn.adapters.kube.api import Api, Body
from cairn.errors import Rejected
from cairn.ports import Attributes, Caller

_TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class KubeReviewer:
    """A real API server. With audiences, a token must have been made for one of them."""

    def __init__(self, api: Api, audiences: Collection[str] = ()) -> None:
        self._api = api
        self._audiences = tuple(audiences)

    async def authenticate(self, token: str) -> Caller | None:
        spec: Body = {"token": token} | ({"audiences": list(self._audiences)} if self._audiences else {})
        body: Body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            status = (await self._api.create(_TOKENS, body)).get("status") or {}
        except Rejected:  # such as an empty one: nothing that could be a token
            return None
        if not status.get("authenticated") or not self._meant_for_us(status):
            return None
        return _caller(status.get("user") or {})

    def _meant_for_us(self, status: Mapping[str, list[str]]) -> bool:
        # An authenticator that knows nothing of audiences names none: such a token is good for anybody, so not for us.
        return not self._audiences or not set(self._audiences).isdisjoint(status.get("audiences") or ())

    async def allowed(self, caller: Caller, attributes: Attributes) -> bool:
        body: Body = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": caller.username, "uid": caller.uid, "groups": list(caller.groups),
                "extra": {key: list(values) for key, values in caller.extra},
                "resourceAttributes": {
                    "verb": attributes.verb, "group": attributes.group, "resource": attributes.resource,
                    "subresource": attributes.subresource, "namespace": attributes.namespace, "name": attributes.name,
                },
            },
        }  # fmt: skip
        status = (await self._api.create(_ACCESS, body)).get("status") or {}
        return bool(status.get("allowed")) and not status.get("denied")

    async def namespaces(self) -> Mapping[str, str]:
        found = await self._api.list_all("/api/v1/namespaces")
        return {body["metadata"]["name"]: body["metadata"]["uid"] for body in found}


def _caller(user: Body) -> Caller | None:
    """The user of a review; without a name there is nobody to ask rights for."""
    extra = tuple(sorted((key, tuple(values)) for key, values in (user.get("extra") or {}).items()))
    name = user.get("username", "")
    return Caller(name, user.get("uid", ""), tuple(user.get("groups") or ()), extra) if name else None
