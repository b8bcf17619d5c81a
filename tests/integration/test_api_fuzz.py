"""Whatever is sent to the API has a declared, clear answer: what the OpenAPI document generates, and what we name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from cairn.api.app import create_app
from support.api_process import ApiProcess
from support.door import Door
from support.jobs import hanging, job
from support.kube import Kube
from support.rest import parts
from support.service import Service
from support.training import PREFIX, Training, problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

StartApi = Callable[..., ApiProcess]

LOOKED_AT = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection",
)  # fmt: skip
EXAMPLES = int(os.environ.get("CAIRN_FUZZ_EXAMPLES", "15"))  # for each operation; more are for exploring by hand
DOCUMENT = create_app(parts()).openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT).exclude(operation_id=["watchExecution", "getLog"])


class Target:
    """A namespace with an execution and a checkpoint in it, and who may do everything there."""

    def __init__(self, service: Service, kube: Kube) -> None:
        self.service = service
        self.kube = kube
        kube.run("train", job("a"), hanging("b", "a"), checkpoint={"triggers": ["manual"]})
        kube.wait_job("train", "a", state="Completed")
        self.token = service.editor(kube)
        self.http = httpx.Client(base_url=service.api.url, headers=self.headers, timeout=60)
        self.checkpoint = Training(service.api.url, self.token).done(
            "checkpoint", executionId=f"{kube.namespace}/train"
        )["checkpointId"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def aim(self, case: schemathesis.Case) -> None:
        """Point what is well-formed at what is there, so that more than refusals is seen; sometimes at nothing."""
        if case.meta is not None and case.meta.generation.mode.is_negative:
            return
        there = {"namespace": self.kube.namespace, "name": "train", "ref": self.checkpoint, "job": "a"}
        for name, value in (case.path_parameters or {}).items():
            plain = isinstance(value, str) and value.isascii() and value.isalnum()
            if plain and (name == "namespace" or (len(value) % 2 and case.method != "DELETE")):
                case.path_parameters[name] = there.get(name, value)


@pytest.fixture(scope="module")
def target(service: Service, shared_tenant: Kube) -> Iterator[Target]:
    there = Target(service, shared_tenant)
    yield there
    there.http.close()


@pytest.mark.parametrize("role", ["editor"])  # without any parameter all operations have the same test id
@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize="CAIRN_FUZZ_EXAMPLES" not in os.environ, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
def test_what_is_generated_from_the_document_has_declared_answers(
    case: schemathesis.Case, target: Target, role: str
) -> None:
    target.aim(case)
    case.call_and_validate(
        base_url=target.service.api.url, headers=target.headers, checks=list(CHECKS.get_by_names(list(LOOKED_AT)))
    )


# --- Named in the documentation ---------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
BODIES: list[Any] = [
    pytest.param(b"{", 400, "malformed-request", id="half-a-body"),
    pytest.param(b"", 422, "invalid-request", id="no-body"),
    pytest.param(b'{"executionId": NaN}', 422, "invalid-request", id="nan"),
    pytest.param(b'{"executionId": 1e999}', 422, "invalid-request", id="infinity"),
    pytest.param(b"\xff\xfe", 400, "malformed-request", id="no-utf-8"),
    pytest.param(b'{"executionId": "\xc3\x28"}', 400, "malformed-request", id="no-utf-8-within"),
    pytest.param(b"[" * 100_000, 400, "malformed-request", id="nested-too-deep"),
    pytest.param(b'{"executionId": "' + b"x" * 2_000_000 + b'"}', 413, "body-too-large", id="huge"),
    pytest.param(b'{"executionId": "\\ud800"}', 422, "invalid-request", id="half-a-surrogate-pair"),
    pytest.param(b'{"executionId": "a/b", "metadata": {"\\ud800": "x"}}', 422, "invalid-request", id="half-in-a-key"),
    pytest.param(b'{"executionId": "a\\u0000b"}', 422, "invalid-request", id="nul-in-a-name"),
    pytest.param(b'{"executionId": "a/b", "executionId": 7}', 422, "invalid-request", id="a-field-twice"),
    pytest.param(b'{"executionId": ' + b"9" * 5000 + b"}", 400, "malformed-request", id="a-number-of-5000-digits"),
]  # fmt: skip


@pytest.mark.parametrize("what", ["checkpoint", "pause", "resume"])
@pytest.mark.parametrize(("body", "status", "kind"), BODIES)
def test_a_body_that_is_wrong_has_a_clear_answer(
    target: Target, what: str, body: bytes, status: int, kind: str
) -> None:
    said = problem(target.http.post(f"{PREFIX}/{what}", content=body, headers=JSON), status, kind)
    assert said["detail"] and said["next"]


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, JSON | {"Content-Encoding": "gzip"}],
                         ids=["no-json", "compressed"])  # fmt: skip
def test_a_body_of_another_kind_is_refused(target: Target, headers: dict[str, str]) -> None:
    problem(target.http.post(f"{PREFIX}/pause", content=b"{}", headers=headers), 415, "unsupported-media-type")


def test_every_text_that_is_one_is_kept_as_it_is(target: Target) -> None:
    """Four bytes, combining characters, right to left, and the character that Postgres has no text for."""
    texts = {"emoji": "🦄", "combining": "é", "rtl": "שלום", "nul": "a\0b", "bom": "\ufeffx", "line": "a\u2028b"}
    training = Training(target.service.api.url, target.token)
    target.kube.run("texts", hanging("a"), checkpoint={"triggers": ["manual"]})
    where = f"{target.kube.namespace}/texts"
    training.done("checkpoint", executionId=where, name="🦄 \0 é", metadata=texts | {"🦄": "key"})
    newest = training.list(executionId=where)[0]
    shown = {key: value.replace("\0", "\ufffd") for key, value in texts.items()}
    assert newest["metadata"] == shown | {"🦄": "key"}, "rows hold a replacement for U+0000, the state has it as it was"
    assert newest["name"] == "🦄 \ufffd é"
    url = f"/api/v1/namespaces/{target.kube.namespace}/checkpoints/{newest['id']}/state"
    assert target.http.get(url).json()["checkpoint"]["metadata"] == texts | {"🦄": "key"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/namespaces/%00/executions/a", 422), ("/api/v1/namespaces/A/executions/a", 422),
        ("/api/v1/namespaces/a%2Fb/executions/a", 404), ("/api/v1/namespaces/../executions/a", 404),
        ("/api/v1/namespaces/a/executions/%F0%9F%A6%84", 422), ("/api/v1/namespaces/a/executions/%ff", 422),
        ("/api/v1/executions?limit=-1", 422), ("/api/v1/executions?limit=1e3", 422),
        ("/api/v1/executions?labelSelector=%3D%3D", 422), ("/api/v1/executions?labelSelector=%00", 422),
        ("/api/v1/executions?cursor=none", 422), ("/api/v1/executions?namespace=..%2F..%2Fsecrets", 422),
        ("/api/v1/checkpoints?since=yesterday", 422), ("/api/v1/checkpoints?executionId=%00", 422),
        ("/api/v1/checkpoints?execution=%ED%A0%80", 422), ("/api/v1/checkpoints?since=1700000000", 422),
        ("/api/v1/checkpoints?since=2025-11-13T18:00:00", 422),
        ("/api/v1/checkpoints?since=0001-01-01T00:00:00%2B14:00", 200),
        ("/api/v1/namespaces/a", 404), ("/api/v2/executions", 404), ("/api/", 404),
    ],
)  # fmt: skip
def test_a_path_or_a_query_that_is_wrong_has_a_clear_answer(target: Target, path: str, status: int) -> None:
    answer = target.http.get(path)
    assert answer.status_code == status, answer.text
    if status != 200:
        problem(answer, status)


WAYS_OUT = [
    pytest.param("../../{other}/dagexecutions/train", id="up-and-over"), pytest.param("train?x=1", id="a-query"),
    pytest.param("train/status", id="a-subresource"), pytest.param("..%2Ftrain", id="escaped"),
    pytest.param("train#x", id="a-fragment"), pytest.param(".", id="a-dot"), pytest.param("train\n", id="a-line-end"),
]  # fmt: skip


@pytest.mark.parametrize("text", WAYS_OUT)
def test_a_name_leads_nowhere_else(target: Target, text: str) -> None:
    """Names become paths of requests that the API's own account makes, which may read what the caller may not."""
    name, here = text.format(other=target.service.home.namespace), f"/api/v1/namespaces/{target.kube.namespace}"
    asked = [
        ("GET", f"{here}/checkpoints/stats", {"execution": name}, None),
        ("GET", f"{here}/checkpoints/diff", {"from": target.checkpoint, "now": name}, None),
        ("GET", f"{here}/checkpoints/diff", {"from": name, "to": target.checkpoint}, None),
        ("POST", f"{here}/checkpoints", {}, {"execution": name}),
        ("POST", f"{here}/forks/plan", {}, {"latestOf": name}),
        ("POST", f"{here}/forks/plan", {}, {"checkpoint": name}),
        ("POST", f"{here}/forks", {}, {"checkpoint": target.checkpoint, "name": name}),
        ("POST", f"{PREFIX}/pause", {}, {"executionId": f"{target.kube.namespace}/{name}"}),
    ]  # fmt: skip
    for method, path, query, body in asked:
        problem(target.http.request(method, path, params=query, json=body), 422, "invalid-request")


def test_a_checkpoint_id_leads_nowhere_else(target: Target) -> None:
    at_home = Training(target.service.api.url, target.service.editor(target.service.home, "climber"))
    [there] = [c["metadata"]["name"] for c in target.kube.list("ckpt")][:1]
    at_home.refused("resume", 404, checkpointId=f"../../{target.kube.namespace}/checkpoints/{there}")


# --- What is behind the API is away ----------------------------------------------------------------------------------


def test_without_the_api_server_nothing_is_allowed_and_it_is_said(target: Target, start_api: StartApi) -> None:
    """Away for one API alone, behind a door that is closed."""
    with Door(target.service.cluster) as door:
        running = start_api(KUBECONFIG=str(door.kubeconfig))
        with running.client(target.token) as asking:
            assert asking.get("/api/v1/executions").status_code == 200
            door.close()
            for method, path, body in (
                ("GET", "/api/v1/me", None), ("GET", "/api/v1/executions", None),
                ("GET", f"{PREFIX}/checkpoints/list", None), ("POST", f"{PREFIX}/pause", {"executionId": "a/b"}),
            ):  # fmt: skip
                answer = asking.request(method, path, json=body)
                said = problem(answer, 503, "cluster-unavailable")
                assert int(answer.headers["Retry-After"]) > 0 and "Send the same request again" in said["next"]
            assert httpx.get(f"{running.url}/livez").status_code == 200
            assert httpx.get(f"{running.url}/readyz").status_code == 503
            door.open()
            assert asking.get("/api/v1/executions").status_code == 200


def test_without_the_database_what_only_it_could_know_is_an_error(target: Target, start_api: StartApi) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    training = Training(start_api(DATABASE_URL=nowhere).url, target.token)
    assert [c["id"] for c in training.list()]
    answer = training.post("resume", {"checkpointId": "checkpoint_1700000000000_zzzzzzzz"})
    problem(answer, 503, "database-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
