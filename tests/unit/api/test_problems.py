"""Every error is told as a problem of its kind, and none tells more than it may."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import ResponseValidationError
from starlette.exceptions import HTTPException

from cairn import errors
from cairn.api import kinds, serving
from cairn.api.kinds import KINDS, Kind
from cairn.api.problems import MEDIA_TYPE, Problem, problem_of, send_problem
from cairn.api.settings import ApiSettings
from cairn.errors import CairnError, Violation

DOCS = Path(__file__).resolve().parents[3] / "docs" / "api.md"
RBAC = 'checkpoints.cairn.dev is forbidden: User "system:serviceaccount:cairn:api" cannot list resource "checkpoints"'
QUOTA = 'jobs.batch "a" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'

TABLE: list[tuple[Exception, Kind]] = [
    (errors.Unauthenticated("no"), kinds.UNAUTHENTICATED),
    (errors.Forbidden("no"), kinds.FORBIDDEN),
    (errors.NotFound("no"), kinds.NOT_FOUND),
    (errors.WrongState("no"), kinds.CONFLICT),
    (errors.KeyReused("no"), kinds.REUSED_KEY),
    (errors.Gone("no", status=404), kinds.NOT_FOUND),
    (errors.Conflict("no", status=409), kinds.CONFLICT),
    (errors.AlreadyExists("no", status=409), kinds.ALREADY_EXISTS),
    (errors.WrongState("no"), kinds.CONFLICT),
    (errors.KeyReused("no"), kinds.REUSED_KEY),
    (errors.IdTaken("no"), kinds.ALREADY_EXISTS),
    (errors.InvalidSpec((Violation("a", "b"),)), kinds.INVALID),
    (errors.Rejected("no", status=422), kinds.INVALID),
    (errors.Rejected("no", status=400), kinds.INVALID),
    (errors.Rejected("no", status=413), kinds.TOO_LARGE),
    (errors.Refused(RBAC, status=403), kinds.ACCOUNT),
    (errors.Refused(QUOTA, status=403), kinds.POLICY),
    (errors.Refused("slow", status=429), kinds.BUSY),
    (errors.Unavailable("no"), kinds.UNAVAILABLE),
    (errors.NotLeading("no"), kinds.UNAVAILABLE),
    (errors.CannotSave("TooLarge", "no"), kinds.CANNOT_SAVE),
    (errors.DamagedPayload("no"), kinds.DAMAGED),
    (errors.WrongDigest("no"), kinds.DAMAGED),
    (errors.NewerSchema("no"), kinds.NEWER),
    (errors.StoreUnavailable("DatabaseFull", "no"), kinds.DATABASE),
    (errors.NotMigrated("no"), kinds.NOT_MIGRATED),
    (errors.StoreError("no"), kinds.INTERNAL),
    (errors.NotConfigured("no"), kinds.INTERNAL),
    (TimeoutError(), kinds.TIMEOUT),
    (HTTPException(404), kinds.NOT_FOUND),
    (HTTPException(405), kinds.METHOD_NOT_ALLOWED),
    (HTTPException(400, "no"), kinds.MALFORMED),
    (HTTPException(418, "no"), kinds.INTERNAL),
    (Problem(kinds.PRECONDITION, "no"), kinds.PRECONDITION),
    (ValueError("no"), kinds.INTERNAL),
]


def _below(kind: type[CairnError]) -> Iterator[type[CairnError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


@pytest.mark.parametrize(("error", "kind"), TABLE, ids=[f"{type(e).__name__}-{k.slug}" for e, k in TABLE])
def test_an_error_is_told_as_a_kind(error: Exception, kind: Kind) -> None:
    assert problem_of(error).kind == kind


def test_no_error_of_the_tree_is_left_out() -> None:
    bases = {CairnError, errors.ApiError, errors.Unreadable}  # never raised themselves
    tree = {kind for kind in _below(CairnError) if kind.__module__ == errors.__name__}
    assert tree - bases == {type(error) for error, _ in TABLE if type(error).__module__ == errors.__name__}


def test_a_kind_is_a_type_of_its_own() -> None:
    types = [kind.type for kind in KINDS.values()]
    assert len(types) == len(set(types)) == len([v for v in vars(kinds).values() if isinstance(v, Kind)])


def test_the_kinds_are_documented_with_their_status() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [kind.slug for kind in KINDS.values() if f"| `{kind.slug}` | {kind.status} |" not in text] == []


def _body(problem: Problem, path: str = "/api/x") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(problem.response(path).body))
    return found


def test_all_that_a_problem_tells() -> None:
    problem = problem_of(errors.InvalidSpec((Violation("jobs[0].id", "is missing"), Violation("jobs", "too many"))))
    answer = problem.response("/api/v1/ä")
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert _body(problem, "/api/v1/ä") == {
        "type": "urn:cairn:problem:invalid-request", "title": "The request is wrong", "status": 422,
        "detail": "2 fields are wrong", "instance": "/api/v1/%C3%A4", "success": False,
        "next": "Correct each field that `errors` names.", "requestId": "",
        "errors": [{"field": "jobs[0].id", "message": "is missing"}, {"field": "jobs", "message": "too many"}],
    }  # fmt: skip


def test_one_wrong_field_is_in_the_detail_too() -> None:
    assert problem_of(errors.InvalidSpec((Violation("a", "is b"),))).detail == "a: is b"


def test_a_thousand_wrong_fields_are_counted_and_a_hundred_shown() -> None:
    problem = problem_of(errors.InvalidSpec(tuple(Violation(f"jobs[{i}]", "is wrong") for i in range(1000))))
    assert (problem.detail, len(_body(problem)["errors"])) == ("1000 fields are wrong", 100)


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.Unauthenticated("no"), {"WWW-Authenticate": 'Bearer realm="cairn"'}),
        (errors.Refused("slow", status=429, retry_after=6.2), {"Retry-After": "7"}),
        (errors.Unavailable("no"), {"Retry-After": "2"}),
        (errors.StoreUnavailable("r", "no"), {"Retry-After": "2"}),
        (TimeoutError(), {"Retry-After": "2"}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_the_headers_say(error: Exception, headers: dict[str, str]) -> None:
    assert problem_of(error).headers == headers


@pytest.mark.parametrize(
    "error",
    [
        ValueError("s3cret"),
        HTTPException(500, "s3cret"),
        errors.Unavailable("s3cret"),
        errors.StoreUnavailable("DatabaseUnavailable", "s3cret"),
        errors.StoreError("s3cret"),
        errors.Refused("s3cret", status=429),
        TimeoutError("s3cret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_is_told_of_what_went_wrong_behind_the_scenes(error: Exception) -> None:
    assert "s3cret" not in str(_body(problem_of(error)))


def test_lone_surrogates_can_be_told() -> None:
    problem = Problem(kinds.INVALID, "\ud800", violations=[Violation("\ud800", "\udfff")])
    assert _body(problem, "/\ud800")["errors"] == [{"field": "?", "message": "?"}]


async def _sent(error: Exception) -> None:
    async def send(_: Any) -> None: ...

    scope = {"type": "http", "path": "/api/x"}
    await send_problem(error, scope, send, send)  # type: ignore[arg-type]


async def test_the_log_tells_where_but_not_what(caplog: pytest.LogCaptureFixture) -> None:
    secret = "".join(("s3", "cret"))  # not as it stands in a line of this file, which the log shows
    try:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ResponseValidationError([{"input": secret}]) from error
    except ResponseValidationError as error:
        await _sent(error)
    assert "ResponseValidationError" in caplog.text and "KeyError" in caplog.text and "test_problems.py" in caplog.text
    assert secret not in caplog.text


async def test_what_passes_is_a_warning_and_what_the_client_did_is_none(caplog: pytest.LogCaptureFixture) -> None:
    await _sent(errors.Unavailable("GET: TimeoutError"))
    await _sent(errors.NotFound("no"))
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, "cluster-unavailable: GET: TimeoutError")
    ]


async def test_the_caller_is_told_what_the_api_server_said_and_the_log_is_not(caplog: pytest.LogCaptureFixture) -> None:
    said = errors.Rejected('spec.jobs[0].image: Invalid value: "s3cret"', status=422, logged="spec.jobs[0].image")
    assert problem_of(said).detail == 'spec.jobs[0].image: Invalid value: "s3cret"'
    away = errors.Unavailable("s3cret", logged="502")
    await _sent(away)
    assert "502" in caplog.text and "s3cret" not in caplog.text


async def test_the_process_connects_discreetly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connected(Exception):
        """Far enough."""

    async def connect(*, discreet: bool) -> None:
        assert discreet, "others read its log"
        raise Connected

    monkeypatch.setattr(serving, "connect", connect)
    with pytest.raises(Connected):
        async with serving.connected(ApiSettings()):
            pass
