"""Spans on their way to a collector: what it receives, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cairn.adapters import telemetry
from cairn.core.spans import Span, span_id, trace_id
from cairn.errors import NotConfigured
from simulation.build import EARLIER, NOW
from support.operator_process import free_port

UID = "6d1f9a52-0b1e-4c58-9a86-51b8a2f0c0de"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ROOT = Span(trace_id(UID), span_id(UID), None, "execution x", EARLIER, NOW, {"cairn.phase": "Failed"}, failed="Error")
ATTEMPT = Span(
    trace_id(UID), span_id(UID, "a", 1), ROOT.id, "job a", EARLIER, NOW, {"cairn.attempt": 1}, (("started", NOW),)
)  # fmt: skip


class Collector:
    """What an OTLP/HTTP receiver was sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    @property
    def spans(self) -> list[Any]:
        return [s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]

    @property
    def resource(self) -> dict[str, str]:
        return {a.key: a.value.string_value for a in self.requests[0].resource_spans[0].resource.attributes}

    async def receive(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        found = ExportTraceServiceRequest()
        found.ParseFromString(await request.read())
        self.requests.append(found)
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    there, app = Collector(), web.Application()
    app.add_routes([web.post("/v1/traces", there.receive)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield there, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_a_collector_receives_what_was_emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as (there, url):
        monkeypatch.setenv(ENDPOINT, url)
        sender = telemetry.telemetry()
        assert sender is not None
        sender.emit([ATTEMPT, ROOT])
        await sender.close()
    attempt, root = there.spans
    assert attempt.trace_id.hex() == root.trace_id.hex() == UID.replace("-", "")
    assert (attempt.span_id, attempt.parent_span_id) == (ATTEMPT.id.to_bytes(8), ROOT.id.to_bytes(8))
    assert (root.name, root.parent_span_id, root.status.code, root.status.message) == ("execution x", b"", 2, "Error")
    assert attempt.end_time_unix_nano - attempt.start_time_unix_nano == 60 * 10**9
    assert attempt.start_time_unix_nano == int(EARLIER.timestamp()) * 10**9
    assert [(e.name, e.time_unix_nano) for e in attempt.events] == [("started", int(NOW.timestamp()) * 10**9)]
    assert [(a.key, a.value.int_value) for a in attempt.attributes] == [("cairn.attempt", 1)]
    assert there.resource["service.name"] == "cairn-operator"


async def test_the_standard_variables_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as (there, url):
        monkeypatch.setenv(ENDPOINT, url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
        sender = telemetry.telemetry()
        assert sender is not None
        sender.emit([ROOT])
        await sender.close()
    assert there.resource["service.name"] == "ours"


async def test_nobody_waits_for_a_collector_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(telemetry, "_CLOSING_SECONDS", 1)
    sender = telemetry.telemetry()
    assert sender is not None
    began = time.perf_counter()
    for _ in range(50):
        sender.emit([ATTEMPT] * 100)  # more than the queue holds
    async with asyncio.timeout(5):
        await sender.close()
    assert time.perf_counter() - began < 5
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("Otel")], "it goes on trying"


@pytest.mark.parametrize(
    ("environment", "asked"),
    [({}, False), ({ENDPOINT: ""}, False), ({ENDPOINT: "http://x"}, True),
     ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
     ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "true"}, False),
     ({ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "none"}, False)],
    ids=["not named", "empty", "named", "named for traces", "switched off", "no exporter"],
)  # fmt: skip
def test_it_is_off_unless_an_endpoint_is_named(environment: dict[str, str], asked: bool) -> None:
    assert telemetry.asked_for(environment) is asked
    assert asked or telemetry.telemetry(environment) is None


def test_another_protocol_is_refused() -> None:
    with pytest.raises(NotConfigured, match="OTEL_EXPORTER_OTLP_PROTOCOL is grpc"):
        telemetry.asked_for({ENDPOINT: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(NotConfigured, match=r"install cairn\[otel\], or unset it"):
        telemetry.telemetry({ENDPOINT: "http://x"})
