"""Liveness and readiness, as a kubelet asks for them, and metrics, as Prometheus does; none of it needs a token."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cairn.api.parts import TheParts
from cairn.errors import ApiError

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> JSONResponse:
    """The event loop turns, or there would be no answer."""
    return JSONResponse({"alive": True})


@router.get("/readyz")
async def readyz(parts: TheParts) -> JSONResponse:
    """Whether callers can be served: the API server answers reviews. The database is not asked: much works without."""
    try:
        await parts.access.check()
    except ApiError as error:
        return JSONResponse({"ready": False, "reason": type(error).__name__}, 503)
    return JSONResponse({"ready": not parts.closing.is_set()}, 503 if parts.closing.is_set() else 200)


@router.get("/metrics")
async def metrics() -> Response:
    """What Prometheus reads."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
