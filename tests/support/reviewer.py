"""Who vouches for tokens and rights, as a test says: `ports.Reviewer` in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from cairn.errors import ApiError
from cairn.ports import Attributes, Caller

ALICE = Caller("alice", "uid-alice", ("ml", "system:authenticated"))
BOB = Caller("bob", "uid-bob", ("system:authenticated",))


class FakeReviewer:
    """Knows `alice-token` and `bob-token`. Rights are (user, verb, resource, namespace, name); "" is every one."""

    def __init__(self) -> None:
        self.tokens: dict[str, Caller] = {"alice-token": ALICE, "bob-token": BOB}
        self.rights: set[tuple[str, str, str, str, str]] = set()
        self.uids: dict[str, str] = {"red": "uid-red", "blue": "uid-blue"}
        self.asked: list[str | Attributes] = []  # every question that was not answered from memory
        self.error: ApiError | None = None  # what every question is answered with
        self.hold: asyncio.Event | None = None  # answers wait for it
        self.at_once = self.most_at_once = 0

    def grant(self, user: str, verb: str, resource: str, namespace: str = "", name: str = "") -> None:
        """Give a right."""
        self.rights.add((user, verb, resource, namespace, name))

    async def authenticate(self, token: str) -> Caller | None:
        await self._question(token)
        return self.tokens.get(token)

    async def allowed(self, caller: Caller, attributes: Attributes) -> bool:
        await self._question(attributes)
        resource = "/".join(filter(None, (attributes.resource, attributes.subresource)))
        acts = itertools.product(
            [caller.username], [attributes.verb], [resource], {attributes.namespace, ""}, {attributes.name, ""}
        )
        return not self.rights.isdisjoint(acts)

    async def namespaces(self) -> Mapping[str, str]:
        await self._question("namespaces")
        return dict(self.uids)

    async def _question(self, what: str | Attributes) -> None:
        self.asked.append(what)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await (self.hold.wait() if self.hold else asyncio.sleep(0))
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
