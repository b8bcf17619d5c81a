"""Sends spans by OTLP/HTTP, as OpenTelemetry's standard variables say. Needs the extra `otel`; off unless asked for.

Rules:
- The SDK is imported only when an endpoint is named: nobody else needs to have it.
- A batch processor of the SDK sends from a thread of its own, drops what exceeds its queue, and gives up by itself:
  nothing here waits for a collector, and no error of it gets out.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from cairn.core.spans import Span
from cairn.errors import NotConfigured

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_CLOSING_SECONDS = 3.0
_SERVICE = "cairn-operator"  # unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether traces are to be sent. Raises NotConfigured for a protocol that is not spoken here."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not _first(environment, _ENDPOINTS):
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    protocol = _first(environment, _PROTOCOLS) or _HTTP
    if protocol != _HTTP:
        raise NotConfigured(f"{_PROTOCOLS[1]} is {protocol}: Cairn sends {_HTTP} only, to port 4318 as a rule")
    return True


def _first(environment: Mapping[str, str], names: Sequence[str]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def telemetry(environment: Mapping[str, str] | None = None) -> Telemetry | None:
    """What sends spans; None unless an endpoint is named. Raises NotConfigured if the extra `otel` is not installed."""
    if not asked_for(os.environ if environment is None else environment):
        return None
    try:
        return Telemetry()
    except ModuleNotFoundError as error:
        raise NotConfigured(
            f"{_ENDPOINTS[1]} is set, but {error.name} is not installed: install cairn[otel], or unset it"
        ) from error


class Telemetry:
    """`ports.Tracer` over the SDK of OpenTelemetry."""

    def __init__(self) -> None:
        self._api = import_module("opentelemetry.trace")
        self._sdk = import_module("opentelemetry.sdk.trace")
        self._exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
        self._processor = import_module("opentelemetry.sdk.trace.export").BatchSpanProcessor(self._exporter)
        resources = import_module("opentelemetry.sdk.resources")
        named = resources.Resource.create()
        default = resources.Resource({"service.name": _SERVICE})
        unnamed = str(named.attributes["service.name"]).startswith("unknown_service")
        self._resource = named.merge(default) if unnamed else named
        self._scope = import_module("opentelemetry.sdk.util.instrumentation").InstrumentationScope("cairn")

    def emit(self, spans: Sequence[Span]) -> None:
        """Queue spans to be sent; those beyond the queue are dropped."""
        for span in spans:
            self._processor.on_end(self._readable(span))

    async def close(self) -> None:
        """Send what is queued, if that takes no more than a moment."""
        # A thread of its own: the process must not wait for it at its end, as it would for one of an executor.
        last = threading.Thread(target=self._processor.shutdown, daemon=True)
        last.start()
        if not await _ended(last, _CLOSING_SECONDS):
            self._exporter.shutdown()  # no more tries
            await _ended(last, _CLOSING_SECONDS)

    def _readable(self, span: Span) -> Any:
        code = self._api.StatusCode
        return self._sdk.ReadableSpan(
            span.name, self._context(span.trace, span.id),
            self._context(span.trace, span.parent) if span.parent is not None else None, self._resource,
            dict(span.attributes), [self._sdk.Event(name, timestamp=_nanoseconds(at)) for name, at in span.events],
            status=self._api.Status(code.ERROR, span.failed) if span.failed else self._api.Status(code.UNSET),
            start_time=_nanoseconds(span.start), end_time=_nanoseconds(span.end), instrumentation_scope=self._scope,
        )  # fmt: skip

    def _context(self, trace: int, span: int) -> Any:
        sampled = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        return self._api.SpanContext(trace, span, is_remote=False, trace_flags=sampled)


async def _ended(thread: threading.Thread, seconds: float) -> bool:
    """Whether a thread ends within that time."""
    end = asyncio.get_running_loop().time() + seconds
    while thread.is_alive() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)
    return not thread.is_alive()


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000) * 1_000_000  # milliseconds are what there is; a float has no exact nanoseconds
