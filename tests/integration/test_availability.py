"""Two replicas by a Lease on a real API server: one works, the other takes over, and who is late writes nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from cluster import Cluster
from support.door import Door
from support.jobs import hanging, lasting, release
from support.kube import Kube, until
from support.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]
PROMISED = 15.0  # seconds from a SIGKILL until the standby launches


def leases(kube: Kube) -> dict[str, Any]:
    spec: dict[str, Any] = kube.get("lease", "cairn-operator")["spec"]
    return spec


@pytest.fixture
def replica(solo: Kube, start_operator: Start) -> Callable[[str], OperatorProcess]:
    """Start a replica under a name."""

    def start(name: str) -> OperatorProcess:
        return start_operator(solo, CAIRN_LEADER_ELECTION="true", CAIRN_HOME_NAMESPACE=solo.namespace, POD_NAME=name)

    return start


@pytest.fixture
def pair(solo: Kube, replica: Callable[[str], OperatorProcess]) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader, and a standby that is ready."""
    leader = replica("first")
    until(lambda: leader.describe()["leader"], "the first one leads")
    standby = replica("second")
    assert leases(solo)["holderIdentity"].startswith("first_")
    assert not standby.describe()["leader"]
    return leader, standby


def test_a_killed_leader_is_replaced_within_what_is_promised(
    solo: Kube, pair: tuple[OperatorProcess, OperatorProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    leader, standby = pair
    solo.run("work", hanging("a"), lasting("b", "a", duration="100ms"))
    until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
    assert "Launched" in leader.log.read_text() and "Launched" not in standby.log.read_text()
    leader.kill()
    killed = time.monotonic()
    release(solo, "work", "a")
    until(lambda: solo.jobs("work", "b"), "b is launched", PROMISED)
    took = time.monotonic() - killed
    with capsys.disabled():
        print(f"\na standby launches {took:.1f} s after the SIGKILL of the leader")
    solo.wait("work", "Succeeded")
    assert standby.describe()["leader"]
    spec = leases(solo)
    assert spec["holderIdentity"].startswith("second_")
    assert spec["leaseTransitions"] == 1
    assert [len(solo.jobs("work", job)) for job in "ab"] == [1, 1]


def test_a_stopped_leader_writes_nothing_when_it_goes_on(
    solo: Kube, pair: tuple[OperatorProcess, OperatorProcess]
) -> None:
    leader, standby = pair
    solo.run("work", hanging("a"), lasting("b", "a", duration="100ms"))
    until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
    leader.signal(signal.SIGSTOP)
    release(solo, "work", "a")  # its end is news that waits for the leader when it wakes up
    until(lambda: standby.describe()["leader"], "the second one leads", PROMISED)
    solo.wait("work", "Succeeded")
    solo.saved("work")  # that was the last thing to be written
    before = (solo.get("dagx", "work")["metadata"]["resourceVersion"], len(solo.jobs("work")), len(solo.events("work")))
    length = len(leader.log.read_text())
    leader.signal(signal.SIGCONT)
    until(lambda: "leads no longer" in leader.log.read_text()[length:], "it says that it leads no longer")
    until(lambda: leader.ready() and not leader.describe()["leader"], "it stands by")
    after = (solo.get("dagx", "work")["metadata"]["resourceVersion"], len(solo.jobs("work")), len(solo.events("work")))
    assert after == before
    assert "Traceback" not in leader.log.read_text()
    solo.run("more", lasting("a", duration="100ms"))
    solo.wait("more", "Succeeded")
    assert '"execution": "' + solo.namespace + '/more"' not in leader.log.read_text()
    standby.kill()  # and it leads again, with views that are right
    until(lambda: leader.describe()["leader"], "the first one leads again", PROMISED)
    solo.run("last", lasting("a", duration="100ms"), lasting("b", "a", duration="100ms"))
    solo.wait("last", "Succeeded")
    assert {record["attempt"] for name in ("work", "more", "last") for record in jobs_of(solo, name)} == {1}


def jobs_of(kube: Kube, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.get("dagx", name)["status"]["jobs"]
    return found


def test_who_ends_in_good_order_hands_over_at_once(solo: Kube, pair: tuple[OperatorProcess, OperatorProcess]) -> None:
    leader, standby = pair
    solo.run("work", *(lasting(f"a{n}", *([f"a{n - 1}"] if n else []), duration="100ms") for n in range(12)))
    until(lambda: solo.job("work", "a2").get("startedAt"), "it is in the middle")
    assert leader.stop() == 0
    assert '"the Lease was given back"' in leader.log.read_text()
    seen = leases(solo)
    assert seen.get("holderIdentity", "second").startswith("second")
    until(lambda: standby.describe()["leader"], "the second one leads", 4)  # the Lease alone would take 8
    solo.wait("work", "Succeeded")
    assert {record["attempt"] for record in jobs_of(solo, "work")} == {1}
    assert len(solo.jobs("work")) == 12


def test_after_a_time_without_the_api_server_one_leads_again(
    solo: Kube, start_operator: Start, fake_cluster: Cluster
) -> None:
    with Door(fake_cluster) as door:
        settings = {
            "KUBECONFIG": str(door.kubeconfig), "CAIRN_LEADER_ELECTION": "true", "CAIRN_LEASE_SECONDS": "4",
            "CAIRN_HOME_NAMESPACE": solo.namespace,
        }  # fmt: skip
        both = [start_operator(solo, POD_NAME=name, **settings) for name in ("first", "second")]

        def leading() -> list[bool]:
            return [bool(each.describe()["leader"]) for each in both]

        until(lambda: sum(leading()) == 1, "one leads")
        solo.run("work", hanging("a"), lasting("b", "a", duration="100ms"))
        until(lambda: solo.job("work", "a").get("startedAt"), "a runs")
        door.close()
        until(lambda: not any(leading()), "none leads any more")
        release(solo, "work", "a")
        held = leases(solo)["renewTime"]
        door.open()
        solo.wait("work", "Succeeded")
        assert sum(leading()) == 1
        assert leases(solo)["renewTime"] > held
        assert all(each.ready() for each in both)
        assert {record["attempt"] for record in jobs_of(solo, "work")} == {1}
        door.close()
        assert [each.stop() for each in both] == [0, 0], "to stop, no API server is needed"
