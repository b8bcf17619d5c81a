"""The loop of leader election: terms begin and end, writes are refused in between, and the Lease is given back."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from cairn.adapters.clock import system_clock
from cairn.adapters.memory import MemoryLeases
from cairn.app.leadership import Alone, Leadership
from cairn.cli.logging import JsonFormatter
from cairn.core.leading import Lease, Standing, Terms
from cairn.errors import Gone, NotLeading, Unavailable

TERMS = Terms(lease=8, renew=5.0, retry=0.001)  # it looks again at once: only the steady clock counts


class Replica:
    """A candidate with a steady clock that stands still until it is told otherwise."""

    def __init__(self, leases: MemoryLeases, name: str) -> None:
        self.now = 0.0
        self.working = False
        self.terms = 0
        self.error: Exception | None = None
        self.leadership = Leadership(leases, Standing(name, TERMS), system_clock, lambda: self.now)

    async def work(self) -> None:
        self.working = True
        self.terms += 1
        try:
            while self.error is None:
                await asyncio.sleep(0.001)
            raise self.error
        finally:
            self.working = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.leadership.run(self.work))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.fixture
def leases() -> MemoryLeases:
    return MemoryLeases()


class Nowhere(MemoryLeases):
    """In a namespace that does not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    async def create(self, lease: Lease) -> Lease:
        self.tried += 1
        raise Gone("namespaces \"home\" not found")


async def test_a_namespace_that_does_not_exist_is_complained_of_and_not_asked_for_all_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = Nowhere()
    replica = Replica(nowhere, "lost")
    replica.leadership = Leadership(nowhere, Standing("lost", replace(TERMS, retry=5.0)), system_clock, lambda: 0.0)
    async with replica.running():
        await until(lambda: "the Lease cannot be read or written" in caplog.text)
        await asyncio.sleep(0.05)
    assert nowhere.tried == 2 and not replica.working
    assert 'namespaces "home" not found' in caplog.text


async def test_one_of_two_works_and_the_other_follows_it_when_it_ends(leases: MemoryLeases) -> None:
    first, second = Replica(leases, "first"), Replica(leases, "second")
    async with second.running():
        async with first.running():
            await until(lambda: first.working or second.working)
            leader, standby = (first, second) if first.working else (second, first)
            await asyncio.sleep(0.02)
            assert (leader.leadership.leads, standby.leadership.leads, standby.working) == (True, False, False)
            leader.leadership.check()
            with pytest.raises(NotLeading):
                standby.leadership.check()
        await until(lambda: second.working)
    found = await leases.get()
    assert found is not None and (found.holder, second.working) == ("", False), "given back, after the work has ended"


async def test_the_lease_is_given_back_only_by_who_holds_it(leases: MemoryLeases) -> None:
    await leases.create(Lease("other", 8))
    one = Replica(leases, "one")
    async with one.running():
        await asyncio.sleep(0.01)
    found = await leases.get()
    assert found is not None and found.holder == "other"


async def test_past_the_deadline_nothing_is_written_and_a_new_term_begins(leases: MemoryLeases) -> None:
    """As after a SIGSTOP in which nobody else took over: what was refused is decided anew in the new term."""
    one = Replica(leases, "one")
    async with one.running():
        await until(lambda: one.working)
        leases.error = Unavailable("away")
        one.now += 5.0
        with pytest.raises(NotLeading):
            one.leadership.check()
        await until(lambda: not one.working)
        leases.error = None
        await until(lambda: one.working)
        one.leadership.check()
    assert one.terms == 2


class SlowLeases(MemoryLeases):
    """Answers to updates come when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def update(self, lease: Lease) -> Lease:
        written = await super().update(lease)
        self.waiting += 1
        await self.may_answer.wait()
        self.waiting -= 1
        return written


async def renewal_under_way(leases: SlowLeases, one: Replica) -> None:
    """It leads since 0, and has sent a renewal at 2 that is not answered yet."""
    await until(lambda: one.working)
    leases.may_answer.clear()
    one.now = 2.0
    await until(lambda: leases.waiting)


async def test_a_refused_write_ends_the_term_even_if_a_renewal_comes_through() -> None:
    leases = SlowLeases()
    one = Replica(leases, "one")
    async with one.running():
        await renewal_under_way(leases, one)
        one.now = 6.0
        with pytest.raises(NotLeading):
            one.leadership.check()
        leases.may_answer.set()  # it holds until 7
        await until(lambda: one.terms == 2)
        one.leadership.check()


async def test_the_deadline_counts_from_when_a_renewal_was_sent() -> None:
    leases = SlowLeases()
    one = Replica(leases, "one")
    async with one.running():
        await renewal_under_way(leases, one)
        one.now = 4.0
        leases.error = Unavailable("away")  # from now on, but for the answer that is under way
        leases.may_answer.set()
        await until(lambda: not leases.waiting)
        await asyncio.sleep(0)
        one.now = 6.9
        one.leadership.check()
        one.now = 7.0
        with pytest.raises(NotLeading):
            one.leadership.check()


async def test_a_lease_that_another_has_taken_ends_the_work(leases: MemoryLeases) -> None:
    one = Replica(leases, "one")
    async with one.running():
        await until(lambda: one.working)
        found = await leases.get()
        assert found is not None
        await leases.update(replace(found, holder="other"))
        await until(lambda: not one.working)
        assert not one.leadership.leads
        one.now += 8.0
        await until(lambda: one.working)


async def test_lost_answers_of_renewals_are_made_up_for_within_the_term(leases: MemoryLeases) -> None:
    one = Replica(leases, "one")
    async with one.running():
        await until(lambda: one.working)
        leases.lose_answers = 3
        await until(lambda: leases.lose_answers == 0)
        one.now += 1.0
        await asyncio.sleep(0.02)
        one.now += 4.5  # the deadline of what was heard of before has passed
        one.leadership.check()
    assert one.terms == 1


async def test_what_ends_the_work_ends_the_process_and_gives_the_lease_back(leases: MemoryLeases) -> None:
    one = Replica(leases, "one")
    one.error = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        await one.leadership.run(one.work)
    found = await leases.get()
    assert found is not None and found.holder == ""


async def test_who_leads_is_logged_once(leases: MemoryLeases, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await leases.create(Lease("other", 8))
    one = Replica(leases, "one")
    async with one.running():
        await asyncio.sleep(0.02)
        one.now += 8.0
        await until(lambda: one.working)
    told = [record.message for record in caplog.records if record.name == "cairn.app.leadership"]
    assert told == [
        "other leads now", "this replica leads now", "this replica leads no longer", "the Lease was given back",
    ]  # fmt: skip


async def test_how_often_the_leader_has_changed_is_logged(
    leases: MemoryLeases, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await leases.create(Lease("", 8, transitions=6))
    one = Replica(leases, "one")
    async with one.running():
        await until(lambda: one.working)
    (line,) = (json.loads(JsonFormatter().format(r)) for r in caplog.records if r.message == "this replica leads now")
    assert (line["leader"], line["transitions"]) == ("one", 7)


async def test_what_is_in_the_way_is_logged_once_while_it_stays_the_same(
    leases: MemoryLeases, caplog: pytest.LogCaptureFixture
) -> None:
    leases.error = Unavailable("GET: ClientConnectorError")
    one = Replica(leases, "one")
    async with one.running():
        await asyncio.sleep(0.02)
        leases.error = Unavailable("GET: TimeoutError")
        await asyncio.sleep(0.02)
        assert not one.working
        leases.error = None
        await until(lambda: one.working)
    said = [record.message.rpartition(": ")[2] for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["ClientConnectorError", "TimeoutError"]


async def test_without_an_election_it_always_works() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()

    await Alone().run(work)
    assert began.is_set() and Alone().leads


STUCK = """
import asyncio, logging
from cairn.adapters.clock import system_clock
from cairn.adapters.memory import MemoryLeases
from cairn.app import leadership
from cairn.core.leading import Standing, Terms

leadership.STOP_SECONDS = 0.1

async def work():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("goes on", flush=True)

async def main():
    now = iter([0.0] * 9 + [100.0] * 99)
    await leadership.Leadership(
        MemoryLeases(), Standing("one", Terms(8, 5.0, 0.01)), system_clock, lambda: next(now)
    ).run(work)

logging.basicConfig()
asyncio.run(main())
"""


async def test_work_that_does_not_stop_ends_the_process() -> None:
    """A real one: an end in good order would wait for that task for ever."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said, told = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, said) == (1, b"goes on\n")
    assert b"CRITICAL:cairn.app.leadership:the work has not stopped" in told
