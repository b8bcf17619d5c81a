"""Before an uninstall: the operator stops first, Cairn's finalizers go, and nothing else is touched."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cairn.app.checking import kinds, look_at
from cairn.app.leaving import leave
from cairn.errors import Conflict, Gone, Refused, WrongState
from cairn.ports import Held


class Fake:
    """An installation in memory; `log` tells what was done in which order."""

    def __init__(self, *held: Held, pods: int = 0) -> None:
        self.objects = {each.uid: each for each in held}
        self.pods_left = pods
        self.deployed = True
        self.changed: list[str] = []  # uids that somebody changes before each is written
        self.again: list[str] = []  # uids whose finalizer somebody puts on again
        self.log: list[str] = []

    async def stop(self, namespace: str, deployment: str) -> str:
        self.log.append(f"stop {namespace}/{deployment}")
        if not self.deployed:
            raise Gone("no such deployment")
        return "component=operator"

    async def pods(self, namespace: str, selector: str) -> tuple[str, ...]:
        assert (namespace, selector) == ("cairn-system", "component=operator")
        self.log.append(f"pods {self.pods_left}")
        self.pods_left -= 1
        return tuple(f"pod-{n}" for n in range(self.pods_left + 1))

    async def held(self, namespace: str) -> list[Held]:
        return [each for each in self.objects.values() if namespace in ("", each.namespace) and each.finalizers]

    async def keep_finalizers(self, held: Held, finalizers: tuple[str, ...]) -> None:
        self.log.append(f"free {held.name}")
        if held.uid in self.changed:
            self.changed.remove(held.uid)
            self.objects[held.uid] = replace(self.objects[held.uid], version="2")
        if self.objects[held.uid].version != held.version:
            raise Conflict("changed")
        if held.uid not in self.again:
            self.objects[held.uid] = replace(held, finalizers=finalizers)

    async def served(self) -> frozenset[str]:
        return frozenset({"checkpoints", "jobresults"})


def held(name: str, *finalizers: str, namespace: str = "team") -> Held:
    return Held("checkpoints", namespace, name, f"uid-{name}", "1", finalizers)


async def left(fake: Fake, *watched: str) -> int:
    return await leave(fake, [("cairn-system", "cairn-operator")], watched, poll=0)


async def test_the_operator_has_ended_before_the_first_finalizer_goes() -> None:
    fake = Fake(held("a", "cairn.dev/row"), pods=2)
    assert await left(fake) == 1
    assert fake.log == ["stop cairn-system/cairn-operator", "pods 2", "pods 1", "pods 0", "free a"]


async def test_only_finalizers_of_cairn_go() -> None:
    fake = Fake(held("a", "foregroundDeletion", "cairn.dev/row", "cairn.dev/kopf"), held("b", "other.dev/x"))
    assert await left(fake) == 1
    assert fake.objects["uid-a"].finalizers == ("foregroundDeletion",)
    assert fake.objects["uid-b"].finalizers == ("other.dev/x",)


async def test_only_watched_namespaces_are_looked_at() -> None:
    fake = Fake(held("a", "cairn.dev/row"), held("b", "cairn.dev/row", namespace="theirs"))
    assert await left(fake, "team", "empty") == 1
    assert fake.objects["uid-b"].finalizers == ("cairn.dev/row",)


async def test_what_changed_meanwhile_is_read_again() -> None:
    fake = Fake(held("a", "cairn.dev/row"))
    fake.changed = ["uid-a"]
    assert await left(fake) == 1
    assert fake.log.count("free a") == 2 and not fake.objects["uid-a"].finalizers


async def test_without_a_deployment_finalizers_go_all_the_same() -> None:
    fake = Fake(held("a", "cairn.dev/row"))
    fake.deployed = False
    assert await left(fake) == 1


async def test_another_operator_is_suspected_where_finalizers_come_back() -> None:
    fake = Fake(held("a", "cairn.dev/row"))
    fake.again = ["uid-a"]
    with pytest.raises(WrongState, match=r"checkpoints team/a, .* does another operator run\?"):
        await left(fake)


async def test_a_lack_of_rights_is_not_hidden() -> None:
    class Forbidding(Fake):
        async def stop(self, namespace: str, deployment: str) -> str:
            raise Refused("no")

    with pytest.raises(Refused):
        await left(Forbidding())


async def test_each_part_is_asked_until_it_is_well_or_the_time_is_up() -> None:
    answers = iter(["not yet", "not yet", ""])

    async def slow() -> str:
        return next(answers)

    async def never() -> str:
        return "broken"

    assert await look_at({"slow": slow}, 60, poll=0) == {"slow": ""}
    assert await look_at({"never": never}, 0.01, poll=0) == {"never": "broken"}


async def test_without_any_time_each_part_is_asked_once() -> None:
    async def well() -> str:
        await asyncio.sleep(0)
        return ""

    asked = []

    async def broken() -> str:
        await asyncio.sleep(0)
        asked.append(1)
        return "broken"

    assert await look_at({"well": well, "broken": broken}, 0) == {"well": "", "broken": "broken"}
    assert len(asked) == 1


async def test_the_kinds_are_asked_for() -> None:
    missing = (await look_at({"kinds": kinds(Fake())}, 0.01, poll=0))["kinds"]
    assert missing == "the API server does not serve dagexecutions of cairn.dev/v1alpha1: install the CRDs"
