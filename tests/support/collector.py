"""A receiver of OTLP over HTTP, for what a process sends: on a thread of its own, since the process is another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """The spans that were received, as OTLP writes them."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Any] = []

    def names(self) -> list[str]:
        """What they are called, sorted."""
        return sorted(span.name for span in self.spans)


@contextmanager
def collector() -> Iterator[Collector]:
    """A receiver for a while."""
    there = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found = ExportTraceServiceRequest()
            found.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            there.spans += [s for each in found.resource_spans for scope in each.scope_spans for s in scope.spans]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
