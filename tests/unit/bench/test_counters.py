"""Pages of metrics, as the API server and the operator serve them, are read for what is counted in them."""

from __future__ import annotations

from collections import Counter

from bench.counters import Total, buckets, increase, of_verbs, operator_requests, samples, server_requests, total

SERVER = """\
# HELP apiserver_request_total [STABLE] Counter of apiserver requests broken out for each verb.
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",group="batch",resource="jobs",subresource="",verb="POST"} 7
apiserver_request_total{code="409",component="apiserver",group="batch",resource="jobs",subresource="",verb="POST"} 1
apiserver_request_total{code="200",group="",resource="pods",subresource="status",verb="PATCH"} 3
apiserver_request_total{code="0",group="",resource="",subresource="/metrics",verb="GET"} 9
apiserver_request_total_of_something_else{verb="GET"} 5
"""
OPERATOR = """\
cairn_kubernetes_requests_total{code="201",resource="jobs",verb="create"} 7.0
cairn_kubernetes_requests_total{code="200",resource="dagexecutions/status",verb="update"} 4.0
cairn_kubernetes_requests_total{code="409",resource="dagexecutions/status",verb="update"} 1.0
"""
HISTOGRAM = """\
took_seconds_bucket{le="0.1",queue="a"} 1.0
took_seconds_count{queue="a"} 2.0
took_seconds_sum{queue="a"} 0.5
took_seconds_count{queue="b"} 1.0
took_seconds_sum{queue="b"} 4.0
"""


def test_both_sides_call_a_request_the_same() -> None:
    assert server_requests(SERVER) == Counter({"create jobs": 8, "patch pods/status": 3})
    assert operator_requests(OPERATOR) == Counter({"create jobs": 7, "update dagexecutions/status": 5})


def test_a_name_is_not_mistaken_for_a_longer_one() -> None:
    assert [sample.value for sample in samples(SERVER, "apiserver_request_total")] == [7, 1, 3, 9]


def test_what_has_not_grown_is_left_out_and_the_most_comes_first() -> None:
    before, after = Counter({"a x": 1, "b x": 2}), Counter({"a x": 1, "b x": 3, "c x": 5})
    assert list(increase(before, after).items()) == [("c x", 5), ("b x", 1)]


def test_requests_are_counted_by_their_verbs() -> None:
    assert of_verbs({"list jobs": 2, "list pods": 1, "create jobs": 5}, "list") == 3


def test_a_histogram_is_taken_over_all_series_that_have_the_labels() -> None:
    assert total(HISTOGRAM, "took_seconds", {"queue": "a"}) == Total(2, 0.5)
    assert total(HISTOGRAM, "took_seconds", {}) == Total(3, 4.5)
    assert total(HISTOGRAM, "other_seconds", {}) == Total(0, 0)


def test_buckets_are_read_by_their_edges() -> None:
    assert buckets('t_bucket{le="0.1"} 1.0\nt_bucket{le="+Inf"} 3.0\nt_count 3.0\n', "t") == {"0.1": 1, "+Inf": 3}


def test_the_mean_is_of_what_was_observed_since() -> None:
    assert Total(6, 5.0).since(Total(2, 1.0)).mean == 1.0
    assert Total(2, 1.0).since(Total(2, 1.0)).mean is None
