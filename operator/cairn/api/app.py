"""The application put together: what surrounds it, what it can be asked, and the document that says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from cairn import build
from cairn.api import health
from cairn.api.endpoints import checkpoints, executions, identity, jobs, restores, training
from cairn.api.gate import Gate, Quota
from cairn.api.middleware import Answered, Bounded, Clocked, Hardened, Timed, Traced
from cairn.api.models import FieldError, ProblemDetails
from cairn.api.parts import Parts
from cairn.api.tracing import is_request_id

DESCRIPTION = """\
Executions and checkpoints of Cairn for programs. Whoever has a token of the cluster may do here what the cluster lets
them do with kubectl. Every error is told as `ProblemDetails`.
"""
_ROUTERS = (
    training.router, identity.router, executions.router, executions.streams, restores.router, jobs.router, jobs.logs,
    checkpoints.router,
)  # fmt: skip
_EXPOSED = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "X-Request-ID")


class CairnApi(FastAPI):
    """FastAPI, but for its own form of errors in the document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (FieldError, ProblemDetails):
            if model.__name__ not in schemas:
                schemas[model.__name__] = _schema(model)
        return document


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


def create_app(parts: Parts) -> FastAPI:
    """An application over those parts. Whoever makes it opens and closes them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        parts.closing.set()

    app = _routed(lifespan=lifespan, middleware=_surroundings(parts))
    app.state.parts = parts
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document, as every application has it."""
    return _routed().openapi()


def _routed(**surroundings: Any) -> CairnApi:
    app = CairnApi(
        title="Cairn", version=build.VERSION, description=DESCRIPTION, docs_url=None, redoc_url=None,
        redirect_slashes=False, exception_handlers={HTTPException: _passed_on, RequestValidationError: _passed_on},
        separate_input_output_schemas=False, generate_unique_id_function=lambda route: to_camel(route.name),
        **surroundings,
    )  # fmt: skip
    app.include_router(health.router)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def _surroundings(parts: Parts) -> list[Middleware]:
    """From the outside in; what is outside sees the answers of what is inside, refusals too."""
    given = parts.settings
    callers = Quota("caller", given.rate, parts.clock)
    strangers = Quota("address", given.failed_rate, parts.clock)
    cors = Middleware(
        CORSMiddleware, allow_origins=given.cors_origins, allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"],
        expose_headers=_EXPOSED,
    )  # fmt: skip
    return [
        Middleware(CorrelationIdMiddleware, generator=parts.new_id, validator=is_request_id),
        Middleware(Traced),
        Middleware(Hardened),
        *([cors] if given.cors_origins else []),
        Middleware(Clocked),
        Middleware(Answered),
        Middleware(Timed, seconds=given.timeout_seconds),
        Middleware(Gate, access=parts.access, callers=callers, strangers=strangers),
        Middleware(Bounded, most=given.body_bytes),
    ]


async def _passed_on(_: Request, error: Exception) -> Response:
    """FastAPI would tell these two in its own form; `Answered` tells all."""
    raise error
