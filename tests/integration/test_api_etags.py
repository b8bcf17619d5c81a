"""Entity tags on a real API server: nothing is sent twice, and nothing is changed that was not seen."""

from __future__ import annotations

import httpx
import pytest

from support.jobs import job
from support.kube import Kube
from support.service import Service
from support.training import Training, problem

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]


def test_what_the_client_has_seen_decides(service: Service, tenant: Kube) -> None:
    training = Training(service.api.url, service.editor(tenant))
    tenant.run("train", job("a"), checkpoint={"triggers": ["manual"]})
    tenant.wait("train", "Finished")
    saved = training.done("checkpoint", executionId=f"{tenant.namespace}/train")["checkpointId"]
    here = f"/api/v1/namespaces/{tenant.namespace}"
    checkpoint, execution = f"{here}/checkpoints/{saved}", f"{here}/executions/train"

    def ask(method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return training.http.request(method, path, json=body, headers=given)

    for path in (checkpoint, execution):
        tag = ask("GET", path).headers["ETag"]
        again = ask("GET", path, If_None_Match=tag)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert ask("GET", path, If_None_Match='"other"').status_code == 200

    old = ask("GET", checkpoint).headers["ETag"]
    assert ask("PATCH", checkpoint, {"pinned": True}, If_Match=old).json()["pinned"] is True
    said = problem(ask("PATCH", checkpoint, {"pinned": False}, If_Match=old), 412, "precondition-failed")
    assert "Read it again" in said["next"]
    problem(ask("DELETE", checkpoint, If_Match=old), 412)
    assert ask("DELETE", checkpoint, If_Match=ask("GET", checkpoint).headers["ETag"]).status_code == 204

    old = ask("GET", execution).headers["ETag"]
    tenant.kubectl("label", "dagx", "train", "seen=no")
    problem(ask("DELETE", execution, If_Match=old), 412)
    assert ask("DELETE", execution, If_Match=ask("GET", execution).headers["ETag"]).status_code == 204
