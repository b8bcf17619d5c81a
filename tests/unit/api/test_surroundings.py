"""What surrounds every request: ids, log lines, headers, limits, and the one form of errors."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import StrictBool

from cairn import errors
from cairn.api.app import create_app
from cairn.api.models import Asked
from cairn.api.problems import MEDIA_TYPE
from cairn.api.routes import BODY, answers, router
from cairn.api.tracing import RequestFilter
from cairn.cli.logging import JsonFormatter
from support.rest import client, parts

probe = router("/api/probe", "probe")
streams = router("/api/streams", "probe", media_type="text/event-stream")


class Item(Asked):
    item_name: str
    counts: tuple[int, ...] = ()
    really: StrictBool = True


class Page(Asked):
    limit: Annotated[int, Query(ge=1)] = 50


@probe.post("/items/{namespace}", responses=answers(*BODY))
async def post_item(namespace: str, item: Item) -> dict[str, str]:
    return {"name": item.item_name, "namespace": namespace}


@probe.get("/items", responses=answers(422))
async def list_items(page: Annotated[Page, Query()]) -> dict[str, int]:
    return {"limit": page.limit}


@probe.get("/hang")
async def hang() -> None:
    await asyncio.Event().wait()


@probe.get("/fail/{kind}")
async def fail(kind: str) -> None:
    raise {"bug": KeyError("s3cret"), "gone": errors.Gone("no such thing"), "slow": TimeoutError()}[kind]


@streams.get("/slow")
async def slow() -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.sleep(0.1)
        yield b"data: 2\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@streams.get("/broken")
async def broken() -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        raise KeyError("s3cret")

    return StreamingResponse(lines(), media_type="text/event-stream")


def api(**settings: Any) -> httpx.AsyncClient:
    app = create_app(parts(**settings))
    for each in (probe, streams):
        app.include_router(each)
    return client(app)


def _problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"], body["success"]) == (f"urn:cairn:problem:{slug}", status, False)
    assert body["requestId"] == answer.headers["X-Request-ID"]
    assert body["detail"] and body["next"]
    return body


JSON = {"Content-Type": "application/json"}
POST = "/api/probe/items/red"


@pytest.mark.parametrize(
    ("body", "headers", "status", "slug"),
    [
        (b'{"itemName": ', JSON, 400, "malformed-request"),
        (b"", JSON, 422, "invalid-request"),
        (b"null", JSON, 422, "invalid-request"),
        (b"\xff\xfe", JSON, 400, "malformed-request"),
        (b"[" * 100_000, JSON, 400, "malformed-request"),
        (b'{"itemName": ' + b"9" * 5000 + b"}", JSON, 400, "malformed-request"),
        (b'{"itemName": "a"}', {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        (b'{"itemName": "a"}', {}, 415, "unsupported-media-type"),
        (b'{"itemName": "a"}', JSON | {"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
        (b'{"itemName": "a"}', JSON | {"Accept": "text/html"}, 406, "not-acceptable"),
        (b'{"itemName": "' + b"a" * 2000 + b'"}', JSON, 413, "body-too-large"),
    ],
    ids=[
        "no JSON", "no body", "null", "not UTF-8", "nested too deep", "too many digits", "another type", "no type",
        "compressed", "another type is wanted", "too large",
    ],
)  # fmt: skip
async def test_a_bad_body(body: bytes, headers: dict[str, str], status: int, slug: str) -> None:
    async with api(body_bytes=1024 if slug == "body-too-large" else 200_000) as asking:
        _problem(await asking.post(POST, content=body, headers=headers), status, slug)


async def test_a_body_that_does_not_say_how_large_it_is_is_counted() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 512

    async with api(body_bytes=1024) as asking:
        answer = await asking.post(POST, content=endless(), headers=JSON)
    assert _problem(answer, 413, "body-too-large")["detail"] == "a body may have 1024 bytes"


async def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    async with api(body_bytes=1024) as asking:
        answer = await asking.post(POST, content=unread(), headers=JSON | {"Content-Length": "1025"})
    _problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_a_good_body(media_type: str) -> None:
    async with api() as asking:
        answer = await asking.post(POST, content=b'{"itemName": "a"}', headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()) == (200, {"name": "a", "namespace": "red"})


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"itemName": "Field required"}),
        ({"item_name": "a"}, {"itemName": "Field required", "item_name": "Extra inputs are not permitted"}),
        ({"itemName": 1}, {"itemName": "Input should be a valid string"}),
        ({"itemName": "a", "counts": [1, "x"]}, {"counts[1]": "Input should be a valid integer, unable to parse string "
                                                              "as an integer"}),
        ({"itemName": "a", "really": "yes"}, {"really": "Input should be a valid boolean"}),
        ([], {"body": "Input should be a valid dictionary or object to extract fields from"}),
    ],
    ids=["missing", "unknown", "another type", "in a list", "no boolean", "no object"],
)  # fmt: skip
async def test_each_wrong_field_is_named(body: Any, wrong: dict[str, str]) -> None:
    async with api() as asking:
        answer = await asking.post(POST, json=body)
    errors_ = _problem(answer, 422, "invalid-request")["errors"]
    assert {each["field"]: each["message"] for each in errors_} == wrong


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("lmit=1", "lmit")],
    ids=["too small", "no number", "unknown"],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(query: str, field: str) -> None:
    async with api() as asking:
        answer = await asking.get(f"/api/probe/items?{query}")
    assert [each["field"] for each in _problem(answer, 422, "invalid-request")["errors"]] == [field]


@pytest.mark.parametrize("body", [b'{"\\ud800": 1, "itemName": "a"}', b'{"itemName": "\\ud800"}'], ids=["key", "value"])
async def test_a_lone_surrogate_is_a_wrong_field(body: bytes) -> None:
    async with api() as asking:
        _problem(await asking.post(POST, content=body, headers=JSON), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/api/none", 404, "not-found"),
        ("/none", 404, "not-found"),
        ("/api/probe/items/", 404, "not-found"),
        ("/api/probe/items/red", 405, "method-not-allowed"),
        ("/api/probe/fail/gone", 404, "not-found"),
        ("/api/probe/fail/bug", 500, "internal-error"),
        ("/api/probe/fail/slow", 504, "timeout"),
        ("/docs", 404, "not-found"),
    ],
)
async def test_every_error_has_the_same_form(path: str, status: int, slug: str) -> None:
    async with api() as asking:
        answer = await asking.get(path)
    assert _problem(answer, status, slug)["instance"] == path
    assert "s3cret" not in answer.text


async def test_what_a_path_can_be_asked_is_told() -> None:
    async with api() as asking:
        assert (await asking.get(POST)).headers["allow"] == "POST"


async def test_an_answer_that_does_not_begin_in_time_is_given_up() -> None:
    async with api(timeout_seconds=0.01) as asking:
        _problem(await asking.get("/api/probe/hang"), 504, "timeout")


async def test_a_stream_that_has_begun_may_take_its_time() -> None:
    async with api(timeout_seconds=0.05) as asking:
        assert (await asking.get("/api/streams/slow")).text == "data: 1\n\ndata: 2\n\n"


async def test_a_stream_that_breaks_is_logged_without_what_it_held(caplog: pytest.LogCaptureFixture) -> None:
    async with api() as asking:
        with pytest.raises(AssertionError):  # of httpx's transport, to which an answer that does not end is a bug
            await asking.get("/api/streams/broken")
    assert "an answer was broken off: KeyError" in caplog.text


@pytest.mark.parametrize(
    ("accept", "path", "status"),
    [
        (None, "/api/v1/me", 200),
        ("*/*", "/api/v1/me", 200),
        ("application/*;q=0.1", "/api/v1/me", 200),
        ("text/html, application/json;q=0.5", "/api/v1/me", 200),
        ("text/html", "/api/v1/me", 406),
        ("application/json;q=0, */*", "/api/v1/me", 406),
        ("application/json;q=much", "/api/v1/me", 200),
        ("", "/api/v1/me", 200),
        ("application/json", "/api/streams/slow", 406),
        ("text/event-stream", "/api/streams/slow", 200),
    ],
)
async def test_what_the_client_accepts(accept: str | None, path: str, status: int) -> None:
    async with api() as asking:
        asking.headers.pop("accept")
        answer = await asking.get(path, headers={} if accept is None else {"Accept": accept})
    assert answer.status_code == status


# --- Ids, headers, logs, metrics


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2_3", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("a\x01", False), ("-a", False)],
    ids=["short and harmless", "128 characters", "129", "a space", "a control character", "begins with a dash"],
)
async def test_an_id_from_outside(given: str, kept: bool) -> None:
    async with api() as asking:
        answer = await asking.get("/api/v1/me", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"] == given) is kept
    assert len(answer.headers.get_list("X-Request-ID")) == 1


async def test_headers_that_keep_browsers_from_mischief() -> None:
    async with api() as asking:
        answers_ = [await asking.get(path) for path in ("/api/v1/me", "/api/none", "/livez", "/openapi.json")]
    for answer in answers_:
        wanted = ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "Cache-Control")
        assert [name for name in wanted if name not in answer.headers] == []
        assert "Strict-Transport-Security" not in answer.headers and "server" not in answer.headers


async def test_over_tls_browsers_are_told_to_stay_there() -> None:
    async with api() as asking:
        assert "Strict-Transport-Security" in (await asking.get("https://api/livez")).headers


async def test_a_line_for_each_request_without_anything_of_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(RequestFilter())
    async with api() as asking:
        for query in ("", "?token=s3cret"):
            await asking.post(f"/api/probe/items/s3cret{query}", json={"itemName": "s3cret"})
        await asking.get("/api/s3cret")
    lines = [json.loads(JsonFormatter().format(r)) for r in caplog.records if r.name == "cairn.api.access"]
    assert [(e["method"], e["route"], e["status"], e["user"]) for e in lines] == [
        ("POST", "/api/probe/items/{namespace}", 200, "alice"),
        ("POST", "/api/probe/items/{namespace}", 200, "alice"),
        ("GET", "-", 404, "alice"),
    ]
    assert [e["requestId"] for e in lines] == [f"{n:032x}" for n in (1, 2, 3)]
    assert all(e["milliseconds"] >= 0 for e in lines)
    assert "s3cret" not in json.dumps(lines)


async def test_probes_are_not_told_of_unless_they_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with api() as asking:
        answers = {path: (await asking.get(path)).status_code for path in ("/livez", "/metrics", "/readyz")}
    told = {r.route for r in caplog.records if r.name == "cairn.api.access"}  # type: ignore[attr-defined]
    assert told == {path for path, status in answers.items() if status >= 400}
    assert answers["/livez"] == answers["/metrics"] == 200


async def test_every_record_of_a_request_has_its_id_and_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(RequestFilter())
    async with api() as asking:
        await asking.get("/api/probe/fail/bug", headers={"X-Request-ID": "mine"})
    [record] = [r for r in caplog.records if r.name == "cairn.api.problems"]
    line = json.loads(JsonFormatter().format(record))
    assert (line["requestId"], line["user"]) == ("mine", "alice")


async def test_requests_are_counted_by_route() -> None:
    async with api() as asking:
        await asking.post(POST, json={"itemName": "a"})
        text = (await asking.get("/metrics")).text
    assert 'cairn_api_requests_total{method="POST",route="/api/probe/items/{namespace}",status="200"}' in text
    assert 'cairn_api_request_duration_seconds_count{method="POST",route="/api/probe/items/{namespace}"}' in text
    assert "items/red" not in text


async def test_a_method_that_nobody_knows_makes_no_label_of_its_own() -> None:
    async with api() as asking:
        await asking.request("S3CRET", "/api/v1/me")
        assert "S3CRET" not in (await asking.get("/metrics")).text


# --- Browsers


async def test_no_page_of_another_origin_may_call() -> None:
    async with api() as asking:
        answer = await asking.get("/api/v1/me", headers={"Origin": "https://a.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("origin", "let"), [("https://a.example", True), ("https://b.example", False)])
async def test_pages_of_origins_that_are_listed_may_call(origin: str, let: bool) -> None:
    async with api(cors_origins=("https://a.example",)) as asking:
        asking.headers["Origin"] = origin
        answers_ = [await asking.get("/api/v1/me"), await asking.get("/api/v1/me", headers={"Authorization": "no"})]
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
        preflight = await asking.options("/api/v1/me", headers=ask)
    assert [a.status_code for a in answers_] == [200, 401]
    for answer in (*answers_, preflight):
        assert (answer.headers.get("access-control-allow-origin") == origin) is let
        assert "access-control-allow-credentials" not in answer.headers
    assert preflight.status_code == (200 if let else 400)


def test_endpoints_are_behind_the_gate() -> None:
    with pytest.raises(AssertionError, match="behind the gate"):
        router("/elsewhere", "x")
