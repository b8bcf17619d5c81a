"""How endpoints are declared, so that the OpenAPI document says of each exactly what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPBearer

from cairn.api import kinds
from cairn.api.gate import PROTECTED
from cairn.api.problems import MEDIA_TYPE, Problem

SCHEMA = {"$ref": "#/components/schemas/ProblemDetails"}
BODY = (400, 413, 415, 422)  # what an endpoint with a body may answer besides
_ALWAYS = (401, 406, 429, 500, 502, 503, 504)
_WAIT = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

# Only for the document: the gate has judged the token before any route is looked for.
_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of the cluster, as `kubectl create token` prints."
)

Responses = dict[int | str, dict[str, Any]]


def answers(*statuses: int, more: Responses | None = None) -> Responses:
    """What an operation may answer besides success: those statuses, what any operation may, and `more`."""
    return {status: _response(status) for status in sorted({*_ALWAYS, *statuses})} | (more or {})


def _response(status: int) -> dict[str, Any]:
    titles = sorted({kind.title for kind in kinds.KINDS.values() if kind.status == status})
    response: dict[str, Any] = {
        "description": "; ".join(titles) or HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": SCHEMA}},
    }
    return response | ({"headers": _WAIT} if status in (429, 503) else {})


def produces(media_type: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses who does not accept such an answer."""

    async def accepted(request: Request) -> None:
        if not _accepts(request.headers.getlist("accept"), media_type):
            raise Problem(kinds.NOT_ACCEPTABLE, f"the answer is {media_type}")

    return accepted


def _accepts(headers: list[str], media_type: str) -> bool:
    """Whether one of the media ranges takes in a type; the most specific one decides, as `q=0` takes a type out."""
    ranges = [each for header in headers for each in header.split(",") if each.strip()]
    if not ranges:
        return True
    qualities = dict(map(_range, ranges))
    wanted = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((qualities[each] > 0 for each in wanted if each in qualities), False)


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 1.0


def router(prefix: str, tag: str, *, media_type: str = "application/json") -> APIRouter:
    """A router for endpoints under /api/ whose successful answers have that type."""
    assert prefix.startswith(PROTECTED.rstrip("/")), "only what is under /api/ is behind the gate"
    return APIRouter(
        prefix=prefix, tags=[tag], responses=answers(),
        dependencies=[Security(_BEARER), Depends(produces(media_type))],
    )  # fmt: skip
