"""The operator's documented rights are those of the calls that its code makes: none is missing, none is too many.

docs/operations.md quotes the chart's rules (checked elsewhere). Here every method that calls the API server is called
once, and what it asked for is put beside them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml

from cairn import names
from cairn.adapters.kube.cluster import PATHS, KubeCluster
from cairn.adapters.kube.leases import KubeLeases
from cairn.core.leading import Lease
from cairn.ports import Roll

Right = tuple[str, str, str]  # group, resource and subresource, verb

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
_PATH = re.compile(r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/[^/]+(?=/))?/(?P<resource>\w+)(?P<rest>.*)")
WATCHED = {("cairn.dev", "dagexecutions"), ("cairn.dev", "checkpoints"), ("batch", "jobs"), ("", "pods")}
SURROUNDINGS = {("apiextensions.k8s.io", "customresourcedefinitions"), ("", "namespaces")}  # which Kopf watches


class Recorder:
    """Answers every call with as little as will do, and remembers what right it needed."""

    def __init__(self) -> None:
        self.rights: set[Right] = set()

    def _note(self, verb: str, path: str) -> dict[str, Any]:
        found = _PATH.fullmatch(path)
        assert found is not None, path
        name, _, subresource = found["rest"].strip("/").partition("/")
        resource = "/".join(filter(None, (found["resource"], subresource)))
        verb = "list" if verb == "get" and not name else verb
        self.rights.add((found["group"] or "", resource, verb))
        return {"metadata": {"uid": "u", "resourceVersion": "1"}, "items": []}

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._note("get", path)

    async def list_all(self, path: str, **query: str) -> list[Any]:
        self._note("list", path)
        return []

    async def list_metadata(self, path: str, **query: str) -> list[Any]:
        self._note("list", path)
        return []

    async def pages(self, path: str, **query: str) -> AsyncIterator[dict[str, Any]]:
        yield self._note("list", path)

    async def list_uids(self, path: str, **query: str) -> Roll:
        self._note("list", path)
        return Roll(frozenset(), 1)

    async def create(self, path: str, body: object, **query: str) -> dict[str, Any]:
        return self._note("create", path)

    async def replace(self, path: str, body: object, **query: str) -> dict[str, Any]:
        return self._note("update", path)

    async def patch(self, path: str, body: object, **query: Any) -> dict[str, Any]:
        return self._note("patch", path)

    async def delete(self, path: str, **query: str) -> None:
        self._note("delete", path)

    async def stream(self, path: str, seconds: float = 1, /, **query: str) -> AsyncIterator[bytes]:
        self._note("get", path)
        yield b""


def _argument(parameter: inspect.Parameter) -> Any:
    if parameter.name in ("patch", "spec", "status"):
        return {}
    return 1 if parameter.annotation == "int" else "x"


async def _call(method: Callable[..., Any], **given: Any) -> None:
    """Call a method once with whatever arguments."""
    parameters = inspect.signature(method).parameters.values()
    needed = {p.name: _argument(p) for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    answer = method(**needed | given)
    if inspect.isasyncgen(answer):
        async for _ in answer:
            pass
    else:
        await answer


async def called() -> set[Right]:
    """What the code of the operator asks for."""
    recorder = Recorder()
    cluster = KubeCluster(recorder)  # type: ignore[arg-type]
    for name, method in inspect.getmembers(cluster, inspect.ismethod):
        if name == "create":
            for kind in PATHS.keys() - {names.EXECUTION_KIND}:  # executions are created by people
                await cluster.create({"kind": kind, "metadata": {"namespace": "ns"}})
        elif name == "call_roll":
            for _, resource in sorted(WATCHED):
                await cluster.call_roll(resource)
        elif name == "post_event":
            await cluster.post_event({"metadata": {"namespace": "ns"}})
        elif not name.startswith("_"):
            await _call(method)
    await _call(cluster.patch_checkpoint, status=True)
    leases = KubeLeases(recorder, "ns", "x")  # type: ignore[arg-type]
    for act in (leases.create, leases.update):
        await act(Lease(version="1"))
    await leases.get()
    kopf = {(group, resource, verb) for group, resource in WATCHED | SURROUNDINGS for verb in ("list", "watch")}
    return recorder.rights | kopf


def documented() -> set[Right]:
    """What docs/operations.md lists."""
    [block] = re.findall(r"^```yaml\n(.*?kind: ClusterRole\n.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rules = [rule for role in yaml.safe_load_all(block) for rule in role["rules"]]
    return {
        (group, resource, verb) for rule in rules
        for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
    }  # fmt: skip


async def test_the_rights_are_those_of_the_calls() -> None:
    assert documented() == await called()
