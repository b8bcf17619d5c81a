"""The four endpoints for training programs, as a program asks them."""

from __future__ import annotations

from typing import Any

import httpx

from support.jobs import hanging, job
from support.kube import Kube, until

PREFIX = "/api/training/dag"
NO_CHECKPOINT = "checkpoint_1700000000000_zzzzzzzz"

_QUIET = {"triggers": ["manual"]}

Json = dict[str, Any]


class Training:
    """A program with a token."""

    def __init__(self, url: str, token: str) -> None:
        headers, none_kept = {"Authorization": f"Bearer {token}"}, httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60, limits=none_kept)

    def post(self, what: str, body: Any, key: str = "") -> httpx.Response:
        """Ask for something; `what` is checkpoint, pause or resume."""
        return self.http.post(f"{PREFIX}/{what}", json=body, headers={"Idempotency-Key": key} if key else {})

    def done(self, what: str, key: str = "", **body: Any) -> Json:
        """What is answered to something that succeeds."""
        return _ok(self.post(what, body, key))

    def refused(self, what: str, status: int, key: str = "", **body: Any) -> Json:
        """What is answered to something that does not."""
        return problem(self.post(what, body, key), status)

    def get(self, **query: Any) -> httpx.Response:
        """Ask for the list."""
        return self.http.get(f"{PREFIX}/checkpoints/list", params=query)

    def list(self, **query: Any) -> list[Json]:
        """The list."""
        found = _ok(self.get(**query))
        assert found.keys() == {"success", "count", "checkpoints"}
        assert (found["success"], found["count"]) == (True, len(found["checkpoints"]))
        checkpoints: list[Json] = found["checkpoints"]
        return checkpoints


def _ok(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    found: Json = answer.json()
    assert found["success"] is True
    return found


def problem(answer: httpx.Response, status: int, kind: str = "") -> Json:
    """An error, in the one form that errors have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: Json = answer.json()
    assert found.keys() == {"type", "title", "status", "detail", "instance", "success", "next", "requestId", "errors"}
    assert (found["success"], found["status"]) == (False, status)
    assert not kind or found["type"] == f"urn:cairn:problem:{kind}", found
    return found


# --- Executions to ask about -----------------------------------------------------------------------------------------


def half_done(kube: Kube, name: str = "train", **spec: Any) -> str:
    """An execution whose first job is done and whose second one runs; its UID."""
    uid: str = kube.run(name, job("a"), hanging("b", "a"), job("c", "b"), checkpoint=_QUIET, **spec)["metadata"]["uid"]
    kube.wait_job(name, "a", state="Completed")
    until(lambda: kube.job(name, "b").get("startedAt"), "b runs")
    return uid


def finished(kube: Kube, name: str = "done") -> str:
    """An execution that has succeeded; its UID."""
    uid: str = kube.run(name, job("a"), checkpoint=_QUIET)["metadata"]["uid"]
    kube.wait(name, "Finished")
    return uid


def named(kube: Kube, name: str) -> str:
    """An execution as these endpoints take it."""
    return f"{kube.namespace}/{name}"


def gone(kube: Kube, name: str) -> None:
    """Delete an execution, and wait until it is."""
    kube.kubectl("delete", "dagx", name, "--wait=true")
