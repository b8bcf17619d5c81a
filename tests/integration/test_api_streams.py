"""Answers that go on, on a real API server: executions that are watched, and logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support.api_process import ApiProcess
from support.jobs import hanging, release
from support.kube import Kube, until
from support.service import Service
from support.training import problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

StartApi = Callable[..., ApiProcess]
Event = tuple[str, dict[str, Any]]


class Watch:
    """Server-sent events of an execution, as they come."""

    def __init__(self, url: str, token: str, namespace: str, name: str) -> None:
        self.events: list[Event] = []
        self.headers: httpx.Headers | None = None
        self.failure: Exception | None = None
        path = f"{url}/api/v1/namespaces/{namespace}/executions/{name}/events"
        self._thread = threading.Thread(target=self._read, args=(path, {"Authorization": f"Bearer {token}"}))
        self._thread.start()

    def _read(self, path: str, headers: dict[str, str]) -> None:
        try:
            with httpx.stream("GET", path, headers=headers, timeout=60) as answer:
                self.headers = answer.headers
                self.events.extend(_events(answer.iter_lines()))
        except httpx.HTTPError as error:
            self.failure = error

    def end(self) -> None:
        """Wait until the stream has ended, as a stream should."""
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), self.events[-1:]
        assert self.failure is None, repr(self.failure)




def _events(lines: Iterator[str]) -> Iterator[Event]:
    kind = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


@pytest.fixture
def token(service: Service, tenant: Kube) -> str:
    return service.editor(tenant)


def begun(kube: Kube, name: str = "train") -> None:
    kube.run(name, hanging("a"), checkpoint={"enabled": False})
    until(lambda: kube.job(name, "a").get("startedAt"), "a runs")


def test_a_watch_tells_how_it_is_what_changes_and_that_it_is_deleted(
    service: Service, tenant: Kube, token: str
) -> None:
    begun(tenant)
    watch = Watch(service.api.url, token, tenant.namespace, "train")
    until(lambda: watch.events, "the first event")
    assert watch.headers is not None and watch.headers["Content-Type"].startswith("text/event-stream")
    kind, first = watch.events[0]
    assert (kind, first["name"], first["phase"], first["paused"]) == ("execution", "train", "Running", False)
    tenant.patch("dagx", "train", {"spec": {"paused": True}})
    until(lambda: watch.events[-1][1].get("draining"), "the pause is told")
    release(tenant, "train", "a")
    until(lambda: watch.events[-1][1].get("progress") == "1/1", "the end of the job is told")
    tenant.kubectl("delete", "dagx", "train")
    watch.end()
    assert watch.events[-1] == ("deleted", {})
    versions = [told["resourceVersion"] for kind, told in watch.events if kind == "execution"]
    assert len(versions) == len(set(versions))


def test_another_execution_of_that_name_is_not_told_of(service: Service, tenant: Kube, token: str) -> None:
    begun(tenant)
    watch = Watch(service.api.url, token, tenant.namespace, "train")
    until(lambda: watch.events, "the first event")
    tenant.kubectl("delete", "dagx", "train")
    begun(tenant)
    watch.end()
    assert len({told["id"] for kind, told in watch.events if kind == "execution"}) == 1


def test_it_ends_with_the_process_and_the_process_with_it(
    service: Service, tenant: Kube, token: str, start_api: StartApi
) -> None:
    begun(tenant)
    api = start_api(CAIRN_API_SHUTDOWN_SECONDS="60")
    watch = Watch(api.url, token, tenant.namespace, "train")
    until(lambda: watch.events, "the first event")
    assert api.stop() == 0
    watch.end()
    assert [kind for kind, _ in watch.events] == ["execution"]
    assert "Traceback" not in api.log.read_text() and "broken off" not in api.log.read_text()


def test_who_goes_away_leaves_nothing_behind(service: Service, tenant: Kube, token: str, start_api: StartApi) -> None:
    begun(tenant)
    api = start_api()
    path = f"/api/v1/namespaces/{tenant.namespace}/executions/train/events"
    with api.client(token) as asking:
        for _ in range(3):
            with asking.stream("GET", path) as answer:
                next(answer.iter_lines())
    tenant.patch("dagx", "train", {"spec": {"paused": True}})
    assert api.stop() == 0
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    assert [line["message"] for line in lines if line["level"] in ("warning", "error")] == []


@pytest.mark.parametrize(
    ("namespace", "name", "user", "status"),
    [("{mine}", "none", "editor", 404), ("{other}", "train", "editor", 403), ("{mine}", "train", "forger", 401)],
    ids=["none", "not-mine", "nobody"],
)
def test_what_is_refused_is_refused_before_the_stream(
    service: Service, tenant: Kube, token: str, namespace: str, name: str, user: str, status: int
) -> None:
    begun(tenant)
    where = namespace.format(mine=tenant.namespace, other=service.home.namespace)
    headers = {"Authorization": f"Bearer {token if user == 'editor' else 'made-up'}"}
    url = f"{service.api.url}/api/v1/namespaces/{where}/executions/{name}/events"
    problem(httpx.get(url, headers=headers), status)
    problem(httpx.get(url, headers=headers | {"Accept": "application/json"}), 401 if user == "forger" else 406)


def test_a_log_of_nothing_is_an_error_before_it_begins(service: Service, tenant: Kube, token: str) -> None:
    """Fake nodes have no logs: what a pod says is tested with containers."""
    tenant.run("train", hanging("a"), hanging("b", "a"), checkpoint={"enabled": False})
    until(lambda: tenant.job("train", "a").get("startedAt"), "a runs")
    url = f"{service.api.url}/api/v1/namespaces/{tenant.namespace}/executions/train/jobs"
    headers = {"Authorization": f"Bearer {token}"}
    said = problem(httpx.get(f"{url}/b/log", headers=headers), 409, "conflict")
    assert "has not run yet" in said["detail"]
    said = problem(httpx.get(f"{url}/c/log", headers=headers), 404, "not-found")
    assert "has no job 'c'" in said["detail"]
    said = problem(httpx.get(f"{url}/a/log", params={"attempt": 7}, headers=headers), 404, "not-found")
    assert "no attempt 7" in said["detail"]
