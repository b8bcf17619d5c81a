"""The gate: everything under /api/ is closed to strangers, before anything is read; nobody may ask too often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.gate import PROTECTED
from cairn.errors import Refused, Unavailable
from support.rest import ALICE_TOKEN, client, parts, rest
from support.reviewer import FakeReviewer

ME = "/api/v1/me"
BAD = {"Authorization": "Bearer made-up"}


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
        {"Authorization": "Basic alice-token"}, {"Authorization": "alice-token"}, BAD,
    ],
    ids=["none", "empty", "no token", "a blank token", "another scheme", "no scheme", "a bad token"],
)  # fmt: skip
@pytest.mark.parametrize("path", [ME, "/api/v1/version", "/api/none", "/api/"])
async def test_strangers_learn_nothing(path: str, headers: Mapping[str, str]) -> None:
    async with client(create_app(parts()), headers) as asking:
        answer = await asking.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="cairn"')
    assert answer.json()["type"] == "urn:cairn:problem:unauthenticated"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_who_has_a_token_gets_in(scheme: str) -> None:
    async with client(create_app(parts()), {"Authorization": f"{scheme} alice-token"}) as asking:
        answer = await asking.get(ME)
    assert answer.json() == {"username": "alice", "uid": "uid-alice", "groups": ["ml", "system:authenticated"]}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json"])
async def test_what_is_not_under_api_needs_no_token(path: str) -> None:
    async with client(create_app(parts()), {}) as asking:
        assert (await asking.get(path)).status_code == 200


def test_nothing_else_is_open() -> None:
    document = create_app(parts()).openapi()
    assert [path for path in document["paths"] if not path.startswith(PROTECTED)] == []


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (Unavailable("away"), 503, "cluster-unavailable"),
        (Refused('x is forbidden: User "cairn" cannot create resource "x"', status=403), 502, "missing-right"),
    ],
    ids=["away", "no right to review"],
)  # fmt: skip
async def test_without_the_api_server_nobody_gets_in(error: Any, status: int, slug: str) -> None:
    reviewer = FakeReviewer()
    reviewer.error = error
    async with rest(reviewer) as asking:
        answer, ready = await asking.get(ME), await asking.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:cairn:problem:{slug}")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "reason": type(error).__name__})


async def test_a_process_that_shuts_down_is_not_ready() -> None:
    given = parts()
    given.closing.set()
    async with client(create_app(given)) as asking:
        assert (await asking.get("/readyz")).status_code == 503
        assert (await asking.get("/livez")).status_code == 200


# --- Quotas. A window of a year: no test meets its end.


def _limited(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:cairn:problem:too-many-requests")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_caller_has_a_quota_wherever_they_call_from() -> None:
    app = create_app(parts(rate="2/year"))
    async with client(app) as here, client(app, address="192.0.2.9") as there:
        answers = [await here.get(ME), await there.get(ME), await here.get(ME)]
        other = await here.get(ME, headers={"Authorization": "Bearer bob-token"})
    assert [a.status_code for a in answers] == [200, 200, 429]
    _limited(answers[2])
    assert other.status_code == 200


async def test_how_much_is_left_is_told() -> None:
    async with rest(rate="2/year") as asking:
        answers = [await asking.get(ME) for _ in range(3)]
    assert {a.headers["RateLimit-Policy"] for a in answers} == {'"caller";q=2;w=31104000'}
    assert [a.headers["RateLimit"].partition(";t=")[0] for a in answers] == [
        '"caller";r=1', '"caller";r=0', '"caller";r=0',
    ]  # fmt: skip


async def test_guessing_is_slow_and_the_api_server_is_spared() -> None:
    reviewer = FakeReviewer()
    app = create_app(parts(reviewer, failed_rate="2/year"))
    async with client(app, {}) as asking:
        answers = [await asking.get(ME, headers={"Authorization": f"Bearer guess-{n}"}) for n in range(4)]
    assert [a.status_code for a in answers] == [401, 401, 429, 429]
    _limited(answers[3])
    assert reviewer.asked == ["guess-0", "guess-1"]


async def test_no_token_at_all_counts_too() -> None:
    async with client(create_app(parts(failed_rate="1/year")), {}) as asking:
        assert [(await asking.get(ME)).status_code for _ in range(2)] == [401, 429]


async def test_who_is_known_is_let_in_beside_somebody_who_guesses() -> None:
    async with client(create_app(parts(failed_rate="1/year", access_seconds=60))) as asking:
        found = [await asking.get(ME, headers=h) for h in (ALICE_TOKEN, BAD, BAD, ALICE_TOKEN)]
    assert [a.status_code for a in found] == [200, 401, 429, 200]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("192.0.2.1", "192.0.2.2", 401),
        ("2001:db8:0:1::1", "2001:db8:0:1::2", 429),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", 401),
    ],
    ids=["two addresses", "two of one IPv6 network", "two IPv6 networks"],
)
async def test_which_senders_are_one(first: str, second: str, status: int) -> None:
    app = create_app(parts(failed_rate="1/year"))
    async with client(app, {}, first) as asking:
        await asking.get(ME)
    async with client(app, {}, second) as asking:
        assert (await asking.get(ME)).status_code == status
