"""Why things wait: one read for all that ask, and then none for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from cairn.app import complaints
from cairn.app.complaints import Complaints
from cairn.errors import Unavailable

DOWN = Unavailable("down", status=503)


class Cluster:
    """Events of namespaces; a read takes a moment."""

    def __init__(self) -> None:
        self.told: Mapping[str, tuple[str, str]] = {"u": ("FailedCreate", "quota")}
        self.reads: list[str] = []
        self.error: Exception | None = None

    async def newest_warnings(self, namespace: str) -> Mapping[str, tuple[str, str]]:
        self.reads.append(namespace)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.told


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(complaints, "EVERY", 0.05)
    return Cluster()


async def test_all_that_ask_at_once_are_told_by_one_read(cluster: Cluster) -> None:
    about = Complaints(cluster).about  # type: ignore[arg-type]
    assert await asyncio.gather(about("a", "u"), about("a", "v")) == [("FailedCreate", "quota"), ("", "")]
    assert cluster.reads == ["a"]


async def test_who_asks_soon_again_waits_for_the_next_read_and_sees_what_came(cluster: Cluster) -> None:
    told = Complaints(cluster)  # type: ignore[arg-type]
    await told.about("a", "u")
    cluster.told = {"u": ("FailedMount", "no volume")}
    began = asyncio.get_running_loop().time()
    assert await asyncio.gather(told.about("a", "u"), told.about("a", "u")) == [("FailedMount", "no volume")] * 2
    assert asyncio.get_running_loop().time() - began > 0.04
    assert cluster.reads == ["a", "a"]


async def test_namespaces_are_read_each_on_its_own(cluster: Cluster) -> None:
    told = Complaints(cluster)  # type: ignore[arg-type]
    await asyncio.gather(told.about("a", "u"), told.about("b", "u"))
    assert sorted(cluster.reads) == ["a", "b"]


async def test_an_error_is_told_to_all_and_the_next_read_is_another(cluster: Cluster) -> None:
    told, cluster.error = Complaints(cluster), DOWN  # type: ignore[arg-type]
    assert await asyncio.gather(told.about("a", "u"), told.about("a", "v"), return_exceptions=True) == [DOWN, DOWN]
    cluster.error = None
    assert await told.about("a", "u") == ("FailedCreate", "quota")
