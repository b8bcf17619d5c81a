"""What every process of Cairn counts: which build it is, and its calls to the API server and to the database.

Labels are of what the code calls, never of what somebody has named: an object's name in a path is not a label.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

from cairn.build import COMMIT, VERSION

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all series, and Prometheus needs none of them

OTHER = "other"  # a path that names no resource
NO_ANSWER = "none"  # in place of a status code: there was no answer, or nobody waited for it

BUILD = Info("cairn_build", "Which Cairn this is: its version, and the commit it was built from.")
KUBERNETES_REQUESTS = Counter(
    "cairn_kubernetes_requests", "Requests to the API server, by the status code of the answer.",
    ["verb", "resource", "code"],
)  # fmt: skip
KUBERNETES_SECONDS = Histogram(
    "cairn_kubernetes_request_duration_seconds", "From a request to the API server to the whole answer.",
    ["verb", "resource"], buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)  # fmt: skip
DATABASE_CALLS = Counter("cairn_database_calls", "Calls to the database, those that failed included.")
DATABASE_ERRORS = Counter("cairn_database_errors", "Calls to the database that failed, by reason.", ["reason"])
DATABASE_SECONDS = Histogram(
    "cairn_database_call_duration_seconds", "A call to the database, waiting for a connection included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
DATABASE_UP = Gauge(
    "cairn_database_up", "Whether the last call to the database, in that role, succeeded; absent before the first.",
    ["role"],
)  # fmt: skip

_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}
_NAMESPACED = re.compile(r"/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/[^/]+)?/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?")


def verb_and_resource(
    method: str, path: str, query: Mapping[str, str], content_type: str = ""
) -> tuple[str, str]:  # fmt: skip
    """What a request does to what, in the words of RBAC: a subresource as in `pods/log`; `other` for other paths."""
    found = _NAMESPACED.fullmatch(path)
    if found is None:
        return _VERBS.get(method, method.lower()), OTHER
    kind, name, part = found.groups()
    resource = f"{kind}/{part}" if part else kind
    if method == "PATCH":
        return "apply" if "apply" in content_type else "patch", resource
    if method == "GET":
        watched = query.get("watch") in ("1", "true")
        return "watch" if watched else "get" if name else "list", resource
    return _VERBS.get(method, method.lower()), resource


def note_request(verb: str, resource: str, code: str, seconds: float | None = None) -> None:
    """Count a request to the API server; a stream has no duration."""
    KUBERNETES_REQUESTS.labels(verb, resource, code).inc()
    if seconds is not None:
        KUBERNETES_SECONDS.labels(verb, resource).observe(seconds)


@contextmanager
def timed_call() -> Iterator[None]:
    """A call to the database."""
    DATABASE_CALLS.inc()
    began = time.perf_counter()
    try:
        yield
    finally:
        DATABASE_SECONDS.observe(time.perf_counter() - began)


BUILD.info({"version": VERSION, "commit": COMMIT})
