"""Counters that the API server and the operator serve at /metrics, before and after a piece of work.

Requests have the same names from both sides, `<verb> <resource>` in the words of RBAC (`update dagexecutions/status`),
so that what the operator says of itself can be held against what the API server has answered to everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

SERVER_REQUESTS = "apiserver_request_total"
OPERATOR_REQUESTS = "cairn_kubernetes_requests_total"
_VERBS = {"POST": "create", "PUT": "update"}
WRITES = ("create", "update", "patch", "apply", "delete", "deletecollection")

Counts = Counter[str]


class Total(NamedTuple):
    """A histogram without its buckets: how often, and the sum of what was observed."""

    observed: float
    sum: float

    def since(self, before: Total) -> Total:
        """What was observed after `before`."""
        return Total(self.observed - before.observed, self.sum - before.sum)

    @property
    def mean(self) -> float | None:
        """None: nothing was observed."""
        return self.sum / self.observed if self.observed else None


def samples(text: str, *names: str) -> Iterator[Sample]:
    """The samples of some names in a page of metrics; the API server's has 10,000s of others, which are not parsed."""
    starts = tuple(start for name in names for start in (f"{name}{{", f"{name} "))
    wanted = "\n".join(line for line in text.splitlines() if line.startswith(starts))
    for family in text_string_to_metric_families(wanted + "\n"):
        yield from family.samples


def server_requests(text: str) -> Counts:
    """Requests that the API server has answered, to whomever; a watch counts when it ends."""
    found: Counts = Counter()
    for sample in samples(text, SERVER_REQUESTS):
        labels = sample.labels
        if labels["resource"]:
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            verb = _VERBS.get(labels["verb"], labels["verb"].lower())
            found[f"{verb} {resource}"] += int(sample.value)
    return found


def operator_requests(text: str) -> Counts:
    """Requests that the operator has sent; Kopf's watches and lists are not among them."""
    found: Counts = Counter()
    for sample in samples(text, OPERATOR_REQUESTS):
        found[f"{sample.labels['verb']} {sample.labels['resource']}"] += int(sample.value)
    return found


def total(text: str, name: str, labels: Mapping[str, str]) -> Total:
    """A histogram's count and sum, over all series with these labels."""
    found = {"_count": 0.0, "_sum": 0.0}
    for sample in samples(text, f"{name}_count", f"{name}_sum"):
        if labels.items() <= sample.labels.items():
            found[sample.name.removeprefix(name)] += sample.value
    return Total(found["_count"], found["_sum"])


def buckets(text: str, name: str) -> Counts:
    """How many observations of a histogram were at most so large, by the upper edge as the page has it."""
    return Counter({s.labels["le"]: int(s.value) for s in samples(text, f"{name}_bucket")})


def increase(before: Counts, after: Counts) -> dict[str, int]:
    """What was added, most first."""
    return dict((after - before).most_common())


def of_verbs(counts: Mapping[str, int], *verbs: str) -> int:
    """How many requests of these verbs."""
    return sum(count for name, count in counts.items() if name.split()[0] in verbs)
