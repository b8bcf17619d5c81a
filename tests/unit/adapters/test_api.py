"""The request helper: how answers become errors, and what it refuses to send."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from cairn import errors
from cairn.adapters.clock import system_clock
from cairn.adapters.kube.api import Api, connect
from cairn.adapters.kube.cluster import KubeCluster


class Response:
    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status, self._body, self.headers = status, body, headers

    async def read(self) -> bytes:
        return self._body


class Answer:
    def __init__(self, response: Response) -> None:
        self.response = response


class Client:
    """The official client as far as the helper uses it: one canned answer, or an error."""

    def __init__(self, status: int = 200, body: Any = None, error: Exception | None = None, **headers: str) -> None:
        self.status, self.error, self.headers = status, error, headers
        self.body = {} if body is None else body
        self.sent: list[tuple[str, str, Any]] = []
        self.configuration = self
        self.host = "https://server"
        self.rest_client = self

    async def update_params_for_auth(self, *_: Any) -> None:
        return None

    async def request(
        self, method: str, url: str, *, headers: Any, body: bytes | None, _request_timeout: float
    ) -> Answer:
        self.sent.append((method, url, None if body is None else json.loads(body)))
        if self.error:
            raise self.error
        data = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Answer(Response(self.status, data, {k.replace("_", "-"): v for k, v in self.headers.items()}))


def status(message: str) -> dict[str, str]:
    return {"kind": "Status", "message": message, "reason": "Because"}


@pytest.mark.parametrize(
    ("method", "code", "kind"),
    [
        ("get", 404, errors.Gone),
        ("create", 409, errors.AlreadyExists),
        ("patch", 409, errors.Conflict),
        ("create", 403, errors.Refused),
        ("create", 429, errors.Refused),
        ("create", 400, errors.Rejected),
        ("create", 413, errors.Rejected),
        ("create", 422, errors.Rejected),
        ("get", 401, errors.Unavailable),
        ("get", 500, errors.Unavailable),
        ("get", 503, errors.Unavailable),
    ],
)
async def test_an_answer_becomes_the_error_that_says_whose_move_it_is(
    method: str, code: int, kind: type[errors.ApiError]
) -> None:
    api = Api(Client(code, status("no")))  # type: ignore[arg-type]
    body = {"metadata": {"uid": "u"}}
    with pytest.raises(kind) as caught:
        await (api.get("/x") if method == "get" else getattr(api, method)("/x", body))
    assert (type(caught.value), str(caught.value), caught.value.status) == (kind, "no", code)
    assert caught.value.reason == "Because"


@pytest.mark.parametrize(
    "body", [b"<html>secret</html>", b'{"kind": "Secret", "message": "secret"}', b'"secret"'],
    ids=["no JSON", "not a Status", "no object"],
)  # fmt: skip
async def test_a_body_that_is_no_status_is_never_quoted(body: bytes) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        await Api(Client(500, body)).get("/x")  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


INVALID = {
    "kind": "Status", "reason": "Invalid",
    "message": 'Job.batch "j" is invalid: [spec.template.spec.env[0].name: Invalid value: "s3cret"]',
    "details": {"causes": [
        {"reason": "FieldValueInvalid", "message": 'a value: "s3cret"', "field": "spec.template.spec.env[0].name"},
        {"message": "s3cret, said a policy"},
    ]},
}  # fmt: skip
WEBHOOK = 'webhook "w.example" denied the request'
POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request"


@pytest.mark.parametrize(
    ("code", "body", "logged"),
    [
        (422, INVALID, "POST was answered with 422 Invalid: spec.template.spec.env[0].name (FieldValueInvalid)"),
        (400, status("json: cannot unmarshal s3cret"), "POST was answered with 400 Because"),
        (403, status(f"admission {WEBHOOK}: s3cret"), f"POST was answered with 403 Because: {WEBHOOK}"),
        (403, status(f'jobs "j" is forbidden: {POLICY}: s3cret'), f"POST was answered with 403 Because: {POLICY}"),
        (403, status('User "u" cannot create s3crets'), 'User "u" cannot create s3crets'),
        (404, status('namespaces "s3cret" not found'), 'namespaces "s3cret" not found'),
        (500, b"s3cret", "POST was answered with 500"),
    ],
    ids=["fields", "no fields", "a webhook", "a policy", "a right that is missing", "a name", "no Status"],
)  # fmt: skip
async def test_what_is_logged_quotes_nothing_that_was_sent(code: int, body: Any, logged: str) -> None:
    """What the user is told does; and so does what is logged by a program that they run themselves."""
    said = body["message"] if isinstance(body, dict) else "POST was answered with 500"
    for discreet, expected in ((True, logged), (False, said)):
        api = Api(Client(code, body), discreet=discreet).guarded(lambda: None)  # type: ignore[arg-type]
        with pytest.raises(errors.ApiError) as caught:
            await api.create("/x", {})
        assert (str(caught.value), caught.value.message) == (expected, said)


async def test_a_long_message_is_cut() -> None:
    with pytest.raises(errors.Rejected) as caught:
        await Api(Client(422, status("x" * 1000))).get("/x")  # type: ignore[arg-type]
    assert len(str(caught.value)) == errors.TEXT_LIMIT


async def test_the_server_may_say_when_to_come_back() -> None:
    with pytest.raises(errors.Refused) as caught:
        await Api(Client(429, status("busy"), Retry_After="7")).get("/x")  # type: ignore[arg-type]
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"", b"[]", b"null", b"\xff"])
async def test_an_answer_that_is_no_object_is_of_somebody_else(body: bytes) -> None:
    with pytest.raises(errors.Unavailable):
        await Api(Client(body=body)).get("/x")  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [aiohttp.ClientConnectionError(), TimeoutError(), OSError()])
async def test_no_answer_is_unavailable(error: Exception) -> None:
    with pytest.raises(errors.Unavailable):
        await Api(Client(error=error)).get("/x")  # type: ignore[arg-type]


async def test_an_update_without_a_version_is_not_sent() -> None:
    client = Client()
    api = Api(client)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="resourceVersion"):
        await api.replace("/x", {"metadata": {"name": "x"}})
    with pytest.raises(AssertionError, match="resourceVersion or a UID"):
        await api.patch("/x", {"spec": {}})
    assert client.sent == []


async def test_a_delete_names_its_propagation_and_the_uid_it_means() -> None:
    client = Client(body={})
    await KubeCluster(Api(client)).delete_execution("ns", "x", "u1")  # type: ignore[arg-type]
    [(method, url, body)] = client.sent
    assert (method, body) == ("DELETE", {"propagationPolicy": "Background", "preconditions": {"uid": "u1"}})
    assert url == "https://server/apis/cairn.dev/v1alpha1/namespaces/ns/dagexecutions/x"


def warning(uid: str, reason: str, **times: Any) -> Any:
    return {"involvedObject": {"uid": uid}, "reason": reason, "message": f"{reason}!", **times}


async def test_the_newest_warning_about_each_counts_however_it_tells_its_time() -> None:
    events = [
        warning("u", "Old", lastTimestamp="2026-01-31T08:00:00Z"),
        warning("u", "New", eventTime="2026-01-31T08:00:01.000000Z"),
        warning("u", "Oldest", metadata={"creationTimestamp": "2026-01-31T07:00:00Z"}),
        warning("v", "Other", lastTimestamp="2026-01-31T09:00:00Z"),
    ]
    client = Client(body={"items": events, "metadata": {}})
    told = await KubeCluster(Api(client)).newest_warnings("ns")  # type: ignore[arg-type]
    assert told == {"u": ("New", "New!"), "v": ("Other", "Other!")}
    assert "fieldSelector=type%3DWarning" in client.sent[0][1]


async def test_without_a_kubeconfig_it_says_so(tmp_path: Any) -> None:
    with pytest.raises(errors.NotConfigured, match="no usable kubeconfig"):
        await connect(str(tmp_path / "none"))


def test_the_clock_has_the_precision_of_the_api() -> None:
    now = system_clock()
    assert (now.microsecond % 1000, str(now.tzinfo)) == (0, "UTC")


@pytest.mark.parametrize("method", ["create", "replace", "patch", "apply", "delete"])
async def test_a_guarded_one_sends_no_write_that_is_not_allowed(method: str) -> None:
    def never() -> None:
        raise errors.NotLeading("not sent")

    client = Client()
    guarded = Api(client).guarded(never)
    body = {"metadata": {"resourceVersion": "1", "uid": "u"}}
    with pytest.raises(errors.NotLeading):
        await (guarded.delete("/p", uid="u") if method == "delete" else getattr(guarded, method)("/p", body))
    assert client.sent == []
    await guarded.get("/p")
    assert [sent[0] for sent in client.sent] == ["GET"]


async def test_metadata_of_nothing_is_an_empty_list() -> None:
    assert await Api(Client(body={"items": None, "metadata": {}})).list_metadata("/apis/x") == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("resource", "selected"),
    [
        ("dagexecutions", "cairn.dev%2Fshard%3Da"), ("checkpoints", "cairn.dev%2Fshard%3Da"),
        ("jobs", "cairn.dev%2Fexecution-uid%2Ccairn.dev%2Fshard%3Da"),
        ("pods", "cairn.dev%2Fexecution-uid%2Ccairn.dev%2Fshard%3Da"),
    ],
)  # fmt: skip
async def test_a_roll_is_called_of_what_is_watched(resource: str, selected: str) -> None:
    client = Client(body={"items": [], "metadata": {"resourceVersion": "1"}})
    await KubeCluster(Api(client), selector="cairn.dev/shard=a").call_roll(resource)  # type: ignore[arg-type]
    assert f"labelSelector={selected}" in client.sent[0][1].split("?")[1].split("&")


async def test_names_and_executions_are_found_everywhere_or_in_a_namespace() -> None:
    meta = {"namespace": "ns", "name": "c", "uid": "u"}
    client = Client(body={"items": [{"metadata": meta}], "metadata": {}})
    cluster = KubeCluster(Api(client))  # type: ignore[arg-type]
    assert await cluster.checkpoint_names() == {("ns", "c")}
    assert await cluster.checkpoint_names("ns") == {("ns", "c")}
    await cluster.find_executions(**{"spec.restoreFrom.latestOf": "x"})
    await cluster.find_checkpoints("ns")
    urls = [url.removeprefix("https://server/apis/cairn.dev/v1alpha1/") for _, url, _ in client.sent]
    assert [url.split("?")[0] for url in urls] == [
        "checkpoints", "namespaces/ns/checkpoints", "dagexecutions", "namespaces/ns/checkpoints"
    ]  # fmt: skip
    assert "fieldSelector=spec.restoreFrom.latestOf%3Dx" in urls[2] and "fieldSelector" not in urls[3]
