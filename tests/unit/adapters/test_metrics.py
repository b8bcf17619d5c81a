"""What is counted of calls: by verb, kind and code, never by a name; and which build this is."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY

from cairn.adapters import metrics
from cairn.adapters.kube.api import Api
from cairn.adapters.postgres.pool import Pool
from cairn.build import COMMIT, VERSION
from cairn.errors import CairnError, IdTaken, NotMigrated, StoreError
from unit.adapters.test_api import Client, status


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/apis/cairn.dev/v1alpha1/namespaces/team/dagexecutions/x", ("get", "dagexecutions")),
        ("GET", "/apis/cairn.dev/v1alpha1/namespaces/team/dagexecutions", ("list", "dagexecutions")),
        ("GET", "/apis/cairn.dev/v1alpha1/checkpoints", ("list", "checkpoints")),
        ("PUT", "/apis/cairn.dev/v1alpha1/namespaces/team/dagexecutions/x/status", ("update", "dagexecutions/status")),
        ("POST", "/apis/batch/v1/namespaces/team/jobs", ("create", "jobs")),
        ("PATCH", "/apis/batch/v1/namespaces/team/jobs/x", ("patch", "jobs")),
        ("DELETE", "/api/v1/namespaces/team/configmaps/x", ("delete", "configmaps")),
        ("GET", "/api/v1/namespaces/team/pods/x/log", ("get", "pods/log")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces")),
        ("GET", "/api/v1/namespaces/team", ("get", "namespaces")),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", ("create", "tokenreviews")),
        ("GET", "/version", ("get", "other")),
        ("POST", "/somewhere/else/entirely", ("create", "other")),
    ],
)
def test_a_path_as_verb_and_resource(method: str, path: str, told: tuple[str, str]) -> None:
    assert metrics.verb_and_resource(method, path, {}) == told


def test_what_the_path_does_not_tell() -> None:
    pods = "/api/v1/namespaces/team/pods"
    assert metrics.verb_and_resource("GET", pods, {"watch": "true"}) == ("watch", "pods")
    assert metrics.verb_and_resource("PATCH", f"{pods}/x", {}, "application/apply-patch+yaml") == ("apply", "pods")


@pytest.mark.parametrize(
    ("client", "code"),
    [(Client(200, {}), "200"), (Client(409, status("no")), "409"), (Client(error=TimeoutError()), "none"),
     (Client(error=aiohttp.ClientError()), "none")],
    ids=["answered", "refused", "no answer in time", "no connection"],
)  # fmt: skip
async def test_every_request_is_counted(client: Any, code: str) -> None:
    labels = {"verb": "update", "resource": "jobs", "code": code}
    before = value("cairn_kubernetes_requests_total", **labels)
    timed = value("cairn_kubernetes_request_duration_seconds_count", verb="update", resource="jobs")
    try:
        await Api(client).replace("/apis/batch/v1/namespaces/team/jobs/x", {"metadata": {"resourceVersion": "1"}})
    except CairnError:
        assert code != "200"
    assert value("cairn_kubernetes_requests_total", **labels) == before + 1
    assert value("cairn_kubernetes_request_duration_seconds_count", verb="update", resource="jobs") == timed + 1


@pytest.mark.parametrize(("client", "code"), [(Client(404, {}), "404"), (Client(error=TimeoutError()), "none")])
async def test_a_stream_is_counted(client: Any, code: str) -> None:
    labels = {"verb": "get", "resource": "pods/log", "code": code}
    before = value("cairn_kubernetes_requests_total", **labels)
    client.close = lambda: None
    with pytest.raises((CairnError, AttributeError)):
        async for _ in Api(client).stream("/api/v1/namespaces/team/pods/x/log"):
            pass
    assert value("cairn_kubernetes_requests_total", **labels) == before + 1


class Away(Pool):
    """A pool without a server, for what is counted around its calls."""

    def __init__(self) -> None:
        self._role = "cairn_test"
        self._may_use = lambda: None
        self.error: Exception | None = None

    async def call(self) -> None:
        async with self.connection():
            if self.error is not None:
                raise self.error

    def _connection(self) -> Any:
        class Connection:
            async def __aenter__(self) -> None:
                return None

            async def __aexit__(self, *_: object) -> None:
                return None

        return Connection()


@pytest.mark.parametrize(
    ("error", "up", "errors"),
    [(None, 1, 0), (NotMigrated("no table"), 0, 1), (IdTaken("another"), 1, 0)],
    ids=["answered", "does not work", "an answer that is no"],
)
async def test_every_call_to_the_database_is_counted(error: StoreError | None, up: int, errors: int) -> None:
    pool = Away()
    await pool.call()
    calls, failed = value("cairn_database_calls_total"), value("cairn_database_errors_total", reason="NotMigrated")
    pool.error = error
    try:
        await pool.call()
    except StoreError as raised:
        assert raised is error
    assert value("cairn_database_calls_total") == calls + 1
    assert value("cairn_database_errors_total", reason="NotMigrated") == failed + errors
    assert REGISTRY.get_sample_value("cairn_database_up", {"role": "cairn_test"}) == up


def test_the_build_is_told() -> None:
    assert value("cairn_build_info", version=VERSION, commit=COMMIT) == 1
