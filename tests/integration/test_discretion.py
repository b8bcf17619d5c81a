"""What a real API server quotes of a wrong object is told to its user, and not logged."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.adapters.kube.api import connect
from cairn.errors import Rejected
from support.kube import Kube

pytestmark = pytest.mark.cluster

SECRET = "s3cret value"


def kube_job(container: dict[str, Any]) -> dict[str, Any]:
    pod = {"containers": [{"name": "main", "image": "fake"} | container], "restartPolicy": "Never"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("container", "logged"),
    [
        ({"env": [{"name": f"{SECRET}=", "value": "x"}]},
         "POST was answered with 422 Invalid: spec.template.spec.containers[0].env[0].name (FieldValueInvalid)"),
        ({"env": [{"name": "A", "value": {SECRET: 1}}]}, "POST was answered with 400 BadRequest"),
        ({SECRET: "x"}, "POST was answered with 400 BadRequest"),
    ],
    ids=["a value that cannot be", "a wrong type", "a field that there is not"],
)  # fmt: skip
async def test_what_is_logged_of_a_rejected_job(kube: Kube, container: dict[str, Any], logged: str) -> None:
    api = await connect(str(kube.kubeconfig), discreet=True)
    try:
        with pytest.raises(Rejected) as caught:
            path = f"/apis/batch/v1/namespaces/{kube.namespace}/jobs"
            await api.create(path, kube_job(container), fieldValidation="Strict")
    finally:
        await api.close()
    assert str(caught.value) == logged
    assert caught.value.message.startswith(("Job", "job", "strict")) and SECRET not in str(caught.value)
