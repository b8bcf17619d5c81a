"""Idempotency keys, entity tags and cursors: what clients send beside a body."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.api.app import create_app
from cairn.api.cursors import decode_cursor, encode_cursor
from cairn.api.etags import IfMatch, Preconditions, etag
from cairn.api.keys import RequestKey, TheKey
from cairn.api.routes import answers, router
from cairn.core import asking
from cairn.errors import InvalidSpec, KeyReused
from support.rest import client, parts

probe = router("/api/probe", "probe")


@probe.post("/keys/{name}", responses=answers(422))
async def post_key(name: str, key: TheKey) -> dict[str, str | bool]:
    return {"value": key.value, "digest": key.digest, "given": key.given}


@probe.put("/keys/{name}", responses=answers(422))
async def put_key(name: str, key: TheKey) -> dict[str, str]:
    return {"value": key.value}


@probe.get("/tags", responses=answers(412, 422))
async def get_tag(given: IfMatch) -> dict[str, bool]:
    given.require(etag("7"))
    return {"conditional": given.conditional}


def api(token: str = "alice-token") -> httpx.AsyncClient:
    app = create_app(parts())
    app.include_router(probe)
    return client(app, {"Authorization": f"Bearer {token}"})


async def _key(
    key: str = "k", name: str = "a", token: str = "alice-token", method: str = "POST", body: str = ""
) -> str:  # fmt: skip
    headers = {"Idempotency-Key": key} | ({"Content-Type": "application/json"} if body else {})
    async with api(token) as asking:
        answer = await asking.request(method, f"/api/probe/keys/{name}", headers=headers, content=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["value"])


async def test_a_key_is_the_same_whenever_it_is_sent() -> None:
    assert await _key() == await _key() == await _key(body='{"a": 1}')
    assert len(await _key()) == 32


@pytest.mark.parametrize(
    "other", [{"key": "l"}, {"name": "b"}, {"token": "bob-token"}, {"method": "PUT"}],
    ids=["another key", "another path", "another caller", "another method"],
)  # fmt: skip
async def test_a_key_is_one_of_its_request(other: dict[str, str]) -> None:
    assert await _key() != await _key(**other)


async def test_without_a_key_each_request_is_new() -> None:
    async with api() as asking:
        found = [(await asking.post("/api/probe/keys/a")).json() for _ in range(2)]
    assert found[0]["value"] != found[1]["value"]
    assert [each["given"] for each in found] == [False, False]


@pytest.mark.parametrize(
    "key", ["", "a" * 256, "\x7f", "ä".encode("latin-1").decode("latin-1")],
    ids=["empty", "256 characters", "a control character", "not ASCII"],
)  # fmt: skip
async def test_a_bad_key_is_named(key: str) -> None:
    async with api() as asking:
        answer = await asking.post("/api/probe/keys/a", headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, ["Idempotency-Key"])


async def _digest(body: str) -> str:
    async with api() as asking:
        answer = await asking.post("/api/probe/keys/a", content=body, headers={"Content-Type": "application/json"})
    return str(answer.json()["digest"])


async def test_the_digest_is_that_of_what_is_meant() -> None:
    assert await _digest('{"a": 1, "b": [2]}') == await _digest('{ "b":[2],"a":1 }')
    assert await _digest('{"a": 1}') != await _digest('{"a": 2}')


def test_the_id_of_what_is_asked_of_an_execution_tells_the_key_and_the_body() -> None:
    key = RequestKey("0" * 32, "a" * 64, True)
    body = {"metadata": {"namespace": "ml", "name": "train"}, "spec": {"cancel": {"requestId": key.request_id}}}
    asking.refuse_reuse(body, key.request_id)
    asking.refuse_reuse(body, replace(key, value="1" * 32, digest="b" * 64).request_id)
    with pytest.raises(KeyReused):
        asking.refuse_reuse(body, replace(key, digest="b" * 64).request_id)


# --- Entity tags


@pytest.mark.parametrize(
    ("header", "tag", "same"),
    [
        ("", '"7"', False),
        ('"7"', '"7"', True),
        ('"6", "7"', '"7"', True),
        ('W/"7"', '"7"', True),
        ('"7"', 'W/"7"', True),
        ('"6"', '"7"', False),
        ("*", '"7"', True),
        ("7", '"7"', False),
    ],
)
def test_what_the_client_has_is_not_sent_again(header: str, tag: str, same: bool) -> None:
    answer = Preconditions(none_match=header).not_modified(tag)
    assert (answer is not None) is same
    if answer is not None:
        assert (answer.status_code, answer.headers["etag"], answer.body) == (304, tag, b"")


@pytest.mark.parametrize(
    ("header", "may"),
    [("", True), ("*", True), ('"7"', True), ('"6", "7"', True), ('"6"', False), ('W/"7"', False), ("7", False)],
)
async def test_only_what_the_client_has_seen_is_changed(header: str, may: bool) -> None:
    async with api() as asking:
        answer = await asking.get("/api/probe/tags", headers={"If-Match": header})
    assert answer.status_code == (200 if may else 412)
    if may:
        assert answer.json() == {"conditional": bool(header)}
    else:
        assert (answer.json()["type"], answer.headers["etag"]) == ("urn:cairn:problem:precondition-failed", '"7"')


def test_a_tag() -> None:
    assert (etag("7"), etag("sha256:ab", weak=True)) == ('"7"', 'W/"sha256:ab"')


# --- Cursors


@given(st.dictionaries(st.sampled_from(["after", "namespace", "token"]), st.text(max_size=50)))
def test_a_cursor_leads_back_to_its_position(position: dict[str, str]) -> None:
    cursor = encode_cursor("checkpoints", **position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor("checkpoints", cursor, *position) == position


def _coded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


GOOD = encode_cursor("checkpoints", after="x")


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "ä", "!!!!", GOOD[:-2], GOOD + "A", GOOD + "=", _coded(1), _coded({}), _coded(["checkpoints"]),
        _coded(["checkpoints", []]), _coded(["checkpoints", {}]), _coded(["checkpoints", {"after": 1}]),
        _coded(["checkpoints", {"after": "x", "more": "y"}]), _coded(["executions", {"after": "x"}]),
        encode_cursor("checkpoints", after="x" * 2000), "W" * 5000,
        base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("="), base64.urlsafe_b64encode(b"\xff").decode(),
    ],
    ids=[
        "empty", "one character", "not ASCII", "not base64", "cut", "with more", "padded", "a number", "an object",
        "no position", "a list", "no name", "a number as position", "a name too many", "of another list", "too long",
        "much too long", "nested too deep", "not UTF-8",
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_a_wrong_field(cursor: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        decode_cursor("checkpoints", cursor, "after")
    assert [violation.field for violation in caught.value.violations] == ["cursor"]
