"""What is counted of the API, for Prometheus: by route template, so that no name of anybody's object is a label."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter("cairn_api_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "cairn_api_request_duration_seconds", "From a request's head to the end of its answer.", ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
