"""The one form of an error: problem details (RFC 9457) that say what is wrong, where, and what to do next.

Rules:
- Each kind has a stable `type`, listed in docs/api.md; programs switch on it. Texts are prose and may change.
- Nothing is told about an error that Cairn did not raise on purpose; its place is the log, under the same request id.
- A detail never depends on what the caller may not see, and never quotes what they sent.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from cairn import errors
from cairn.api import kinds
from cairn.api.tracing import request_id
from cairn.app.logfields import trace
from cairn.errors import TEXT_LIMIT, CairnError, Violation

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 2  # where nobody has said when to try again
_SHOWN_VIOLATIONS = 100

# What routing, and FastAPI before an endpoint, say by a status alone.
_BY_STATUS = {
    kind.status: kind
    for kind in (
        kinds.MALFORMED, kinds.NOT_FOUND, kinds.METHOD_NOT_ALLOWED, kinds.NOT_ACCEPTABLE, kinds.TOO_LARGE, kinds.MEDIA,
        kinds.INVALID,
    )
}  # fmt: skip


class Problem(Exception):
    """A problem that the API itself finds; what others find has its own exceptions, see `problem_of`."""

    def __init__(
        self, kind: kinds.Kind, detail: str, *, next: str = "", violations: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.next = next or kind.next
        self.violations = tuple(violations)
        self.headers = dict(headers or {})

    def response(self, path: str) -> JSONResponse:
        """The answer to a request for a path."""
        wrong = self.violations[:_SHOWN_VIOLATIONS]
        body: dict[str, Any] = {
            "type": self.kind.type, "title": self.kind.title, "status": self.kind.status, "detail": _clean(self.detail),
            "instance": quote(path, errors="replace"), "success": False, "next": self.next, "requestId": request_id(),
            "errors": [{"field": _clean(each.field), "message": _clean(each.message)} for each in wrong],
        }  # fmt: skip
        return JSONResponse(body, self.kind.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is told as; whatever is not known here is an internal error without a word more."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _validation(error)
        case HTTPException():
            return _http(error)
        case errors.ApiError():
            return _cluster(error)
        case CairnError():
            return _cairn(error)
        case TimeoutError():
            return Problem(kinds.TIMEOUT, "there was no answer in time", headers=_retry_after(None))
        case _:
            return Problem(kinds.INTERNAL, "something went wrong that is no fault of the request")


def _cairn(error: CairnError) -> Problem:
    text = str(error)
    match error:
        case errors.Unauthenticated():
            return Problem(kinds.UNAUTHENTICATED, text, headers={"WWW-Authenticate": 'Bearer realm="cairn"'})
        case errors.Forbidden():
            return Problem(kinds.FORBIDDEN, text)
        case errors.KeyReused():
            return Problem(kinds.REUSED_KEY, text)
        case errors.NotFound():
            return Problem(kinds.NOT_FOUND, text)
        case errors.WrongState(reason=reason, problems=problems):
            return Problem(kinds.CONFLICT, f"{reason}: {text}" if reason else text, violations=problems)
        case errors.InvalidSpec(violations=violations):
            return Problem(kinds.INVALID, _count(violations), violations=violations)
        case errors.CannotSave(reason=reason):
            return Problem(kinds.CANNOT_SAVE, f"{reason}: {text}")
        case errors.NewerSchema():
            return Problem(kinds.NEWER, text)
        case errors.Unreadable():
            return Problem(kinds.DAMAGED, text)
        case errors.StoreUnavailable(reason=reason):
            return Problem(kinds.DATABASE, reason, headers=_retry_after(None))
        case errors.NotMigrated():
            return Problem(kinds.NOT_MIGRATED, text)
        case errors.IdTaken():
            return Problem(kinds.ALREADY_EXISTS, text)
        case _:
            return Problem(kinds.INTERNAL, "something went wrong that is no fault of the request")


def _cluster(error: errors.ApiError) -> Problem:
    text, wait = error.message, _retry_after(error.retry_after)
    match error:
        case errors.Gone():
            return Problem(kinds.NOT_FOUND, text)
        case errors.Conflict():
            return Problem(kinds.CONFLICT, text, headers=wait)
        case errors.AlreadyExists():
            return Problem(kinds.ALREADY_EXISTS, text)
        case errors.Rejected(status=413):
            return Problem(kinds.TOO_LARGE, text)
        case errors.Rejected():
            return Problem(kinds.INVALID, text, next="Correct what the detail names.")
        case errors.Refused(status=429):
            return Problem(kinds.BUSY, "the Kubernetes API takes no more requests at the moment", headers=wait)
        case errors.Refused() if _RIGHTS.search(text):
            return Problem(kinds.ACCOUNT, text)
        case errors.Refused():
            return Problem(kinds.POLICY, text)
        case _:
            return Problem(kinds.UNAVAILABLE, "the Kubernetes API did not answer", headers=wait)


# Kubernetes answers 403 for a right that is missing, and as well for quotas and admission; only the text differs.
_RIGHTS = re.compile(r'\bUser "[^"]*" cannot ')


def _http(error: HTTPException) -> Problem:
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        return Problem(kinds.INTERNAL, "something went wrong that is no fault of the request")
    detail = {404: "there is nothing under this path", 405: "this path has no such method"}
    return Problem(kind, detail.get(kind.status, str(error.detail)), headers=error.headers)


def _validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        where, said = found[0]["loc"][-1], found[0].get("ctx", {}).get("error", "")
        return Problem(kinds.MALFORMED, f"the body is no JSON: {said} (character {where})")
    violations = tuple(Violation(_path(each["loc"]), _said(each["msg"])) for each in found)
    return Problem(kinds.INVALID, _count(violations), violations=violations)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")[:TEXT_LIMIT]


def _path(loc: Sequence[str | int]) -> str:
    """Where, as Kubernetes writes it: `jobs[2].when`; the name alone of a parameter; `body` for all of it."""
    path = ""
    for part in loc[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return (path or "body")[:TEXT_LIMIT]


def _count(violations: Sequence[Violation]) -> str:
    return f"{len(violations)} fields are wrong" if len(violations) != 1 else str(violations[0])[:TEXT_LIMIT]


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(seconds if seconds is not None else _RETRY_SECONDS))}


async def send_problem(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with the problem that an error is told as."""
    problem = problem_of(error)
    if problem.kind is kinds.INTERNAL:
        log_failure(problem.kind.slug, error)
    elif problem.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s: %s", problem.kind.slug, str(error) or problem.detail)
    await problem.response(scope["path"])(scope, receive, send)


def log_failure(what: str, error: BaseException) -> None:
    """Log an error that nobody foresaw: where it comes from; its text may quote what was sent or stored."""
    logger.error("%s: %s\n%s", what, type(error).__name__, trace(error))


def _clean(text: str) -> str:
    """A text that can be sent: JSON may bring lone surrogates, UTF-8 cannot hold them."""
    return text.encode("utf-8", "replace").decode()
