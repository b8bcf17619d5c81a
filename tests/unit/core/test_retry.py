"""What a failed attempt costs, and whether there is another one."""

from __future__ import annotations

import pytest

from cairn import names
from cairn.core.retry import INFRASTRUCTURE_LIMIT, after_application_failure, after_infrastructure_failure, backoff
from cairn.core.spec import Replay, Retry
from simulation.build import EARLIER, NOW, after, job, running


@pytest.mark.parametrize(
    ("retry", "failures", "seconds"),
    [
        pytest.param(Retry(), 1, 10, id="the first wait is backoffSeconds"),
        pytest.param(Retry(), 3, 40, id="it doubles"),
        pytest.param(Retry(), 9, 300, id="it is bounded by maxSeconds"),
        pytest.param(Retry(), 10_000, 300, id="a count without bound does no harm"),
        pytest.param(Retry(backoff_seconds=1, factor=1), 5, 1, id="a factor of 1 keeps it even"),
        pytest.param(Retry(backoff_seconds=0), 3, 0, id="no wait"),
        pytest.param(
            Retry(backoff_seconds=86_400, factor=100, max_seconds=86_400), 99, 86_400, id="the largest of all"
        ),
    ],
)
def test_backoff(retry: Retry, failures: int, seconds: float) -> None:
    assert backoff(retry, failures).total_seconds() == seconds


@pytest.mark.parametrize(
    ("retry", "record", "again", "why_not"),
    [
        pytest.param({}, {}, False, "", id="no retry unless asked for"),
        pytest.param({"limit": 1}, {}, True, "", id="the first of one"),
        pytest.param({"limit": 1}, {"failures": 2}, False, "all 1 retries are used", id="used up"),
        pytest.param({"limit": 1}, {"failures": 2, "extra_retries": 1}, True, "", id="more retries by hand"),
        pytest.param({}, {"extra_retries": 1}, True, "", id="retries by hand alone"),
        pytest.param({"limit": 3}, {"failures": 1, "disruptions": 9}, True, "", id="disruptions are counted apart"),
        pytest.param({"limit": 1, "on_exit_codes": (7,)}, {"exit_code": 7}, True, "", id="an exit code that is named"),
        pytest.param(
            {"limit": 1, "on_exit_codes": (7,)}, {"exit_code": 1}, False, "exit code 1 is not in retry.onExitCodes",
            id="an exit code that is not",
        ),
        pytest.param({"on_exit_codes": (7,)}, {"exit_code": 1}, False, "", id="without retries codes mean nothing"),
    ],
)  # fmt: skip
def test_after_an_application_failure(retry: dict, record: dict, again: bool, why_not: str) -> None:
    verdict = after_application_failure(job("a", retry=Retry(**retry)), running("a", **{"failures": 1} | record), NOW)
    assert (verdict.again, verdict.why_not) == (again, why_not)
    assert verdict.at == (after(10 * 2 ** (record.get("failures", 1) - 1)) if again else None)


@pytest.mark.parametrize(
    ("replay", "record", "again", "why_not"),
    [
        pytest.param("Safe", {"started_at": EARLIER}, True, "", id="safe: again, whether it had started or not"),
        pytest.param("Safe", {"failures": 5}, True, "", id="failures are counted apart"),
        pytest.param("Safe", {"reason": names.RESULT_LOST}, True, "", id="safe: a lost result is made again"),
        pytest.param("Unsafe", {}, True, "", id="unsafe: again if it had not started"),
        pytest.param("Unsafe", {"started_at": EARLIER}, False, "its container had started and replay is Unsafe",
                     id="unsafe: not after it had started"),
        pytest.param("Confirm", {"started_at": EARLIER}, False, "its container had started and replay is Confirm",
                     id="confirm: not after it had started"),
        pytest.param("Unsafe", {"reason": names.RESULT_LOST}, False, "it may have had effects and replay is Unsafe",
                     id="unsafe: a job that was done is not done again"),
        pytest.param("Safe", {"disruptions": INFRASTRUCTURE_LIMIT}, True, "", id="the last of many"),
        pytest.param("Safe", {"disruptions": INFRASTRUCTURE_LIMIT + 1}, False, "10 infrastructure failures are enough",
                     id="some time it is enough"),
    ],
)  # fmt: skip
def test_after_an_infrastructure_failure(replay: str, record: dict, again: bool, why_not: str) -> None:
    given = running("a", **{"disruptions": 1} | record)
    verdict = after_infrastructure_failure(job("a", replay=Replay(replay)), given, NOW)
    assert (verdict.again, verdict.why_not) == (again, why_not)
