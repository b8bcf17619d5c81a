"""Who may do what: remembered for seconds, asked once at a time, and never allowed without an answer."""

from __future__ import annotations

import asyncio
import gc

import pytest

from cairn.app.access import Access, Remembering
from cairn.core.borrowing import Credentials
from cairn.errors import ApiError, Forbidden, Refused, Unauthenticated, Unavailable
from cairn.ports import Attributes
from support.reviewer import ALICE, BOB, FakeReviewer

LIST = Attributes("list", "checkpoints")


class Timer:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def reviewer() -> FakeReviewer:
    return FakeReviewer()


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def access(reviewer: FakeReviewer, timer: Timer) -> Access:
    return Access(reviewer, Remembering(positive=5, negative=2), timer)


@pytest.mark.parametrize(("after", "asked"), [(4.9, 1), (5.1, 2)], ids=["a good token holds", "for five seconds"])
async def test_a_token(reviewer: FakeReviewer, timer: Timer, access: Access, after: float, asked: int) -> None:
    assert await access.caller("alice-token") == ALICE
    timer.now = after
    assert await access.caller("alice-token") == ALICE
    assert len(reviewer.asked) == asked


@pytest.mark.parametrize(("after", "asked"), [(1.9, 1), (2.1, 2)], ids=["a bad token holds", "for two seconds"])
async def test_a_bad_token(reviewer: FakeReviewer, timer: Timer, access: Access, after: float, asked: int) -> None:
    for timer.now in (0, after):
        with pytest.raises(Unauthenticated):
            await access.caller("made-up")
    assert len(reviewer.asked) == asked


async def test_it_is_known_whether_asking_for_a_token_would_cost_something(access: Access, timer: Timer) -> None:
    assert not access.recalls("alice-token")
    await access.caller("alice-token")
    assert access.recalls("alice-token") and not access.recalls("bob-token")
    timer.now = 6
    assert not access.recalls("alice-token")


async def test_no_token_is_kept(access: Access) -> None:
    await access.caller("alice-token")
    assert "alice-token" not in str(vars(access._callers))


async def test_a_token_of_lone_surrogates_is_just_a_bad_one(access: Access) -> None:
    with pytest.raises(Unauthenticated):
        await access.caller("\ud800")


async def test_a_right_that_is_taken_away_holds_on_for_seconds_only(
    reviewer: FakeReviewer, timer: Timer, access: Access
) -> None:
    reviewer.grant("alice", "list", "checkpoints", "red")
    await access.require(ALICE, "list", "checkpoints", "red")
    reviewer.rights.clear()
    await access.require(ALICE, "list", "checkpoints", "red")
    timer.now = 5.1
    with pytest.raises(Forbidden, match=r"^alice may not list checkpoints of cairn\.dev in the namespace red$"):
        await access.require(ALICE, "list", "checkpoints", "red")


async def test_a_right_that_is_given_counts_sooner(reviewer: FakeReviewer, timer: Timer, access: Access) -> None:
    with pytest.raises(Forbidden):
        await access.require(BOB, "get", "pods", "red", "p", subresource="log", group="")
    reviewer.grant("bob", "get", "pods/log", "red")
    timer.now = 2.1
    await access.require(BOB, "get", "pods", "red", "p", subresource="log", group="")


async def test_what_is_refused_is_told_whole(access: Access) -> None:
    with pytest.raises(Forbidden, match=r"^bob may not get pods/log of the core group in all namespaces$"):
        await access.require(BOB, "get", "pods", "", subresource="log", group="")


async def test_rights_are_remembered_for_each_caller_and_each_act(reviewer: FakeReviewer, access: Access) -> None:
    reviewer.grant("alice", "list", "checkpoints", "red")
    assert await access.allowed(ALICE, Attributes("list", "checkpoints", "red"))
    assert not await access.allowed(BOB, Attributes("list", "checkpoints", "red"))
    assert not await access.allowed(ALICE, Attributes("list", "checkpoints", "blue"))
    assert not await access.allowed(ALICE, Attributes("delete", "checkpoints", "red"))


async def test_equal_questions_at_one_time_are_one(reviewer: FakeReviewer, access: Access) -> None:
    found = await asyncio.gather(*(access.caller("alice-token") for _ in range(50)))
    assert (set(found), len(reviewer.asked)) == ({ALICE}, 1)


async def test_who_goes_away_takes_the_answer_from_nobody(reviewer: FakeReviewer, access: Access) -> None:
    reviewer.hold = asyncio.Event()
    first, second = (asyncio.ensure_future(access.caller("alice-token")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    reviewer.hold.set()
    assert await second == ALICE
    assert len(reviewer.asked) == 1


@pytest.mark.parametrize("error", [Unavailable("away"), Refused("no", status=403)], ids=["away", "refused"])
async def test_without_an_answer_nothing_is_allowed_and_nothing_remembered(
    reviewer: FakeReviewer, access: Access, error: ApiError
) -> None:
    reviewer.grant("alice", "list", "checkpoints")
    reviewer.error = error
    for ask in (access.caller("alice-token"), access.allowed(ALICE, LIST), access.visible(ALICE, LIST), access.check()):
        with pytest.raises(type(error)):
            await ask
    reviewer.error = None
    assert await access.caller("alice-token") == ALICE
    assert await access.allowed(ALICE, LIST)


async def test_an_error_that_nobody_waits_for_is_no_noise(
    reviewer: FakeReviewer, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    reviewer.hold, reviewer.error = asyncio.Event(), Unavailable("away")
    asking = asyncio.ensure_future(access.caller("alice-token"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    reviewer.hold.set()
    await asyncio.sleep(0.01)
    gc.collect()
    assert (len(reviewer.asked), caplog.text) == (1, "")


async def test_who_may_everywhere_is_asked_about_once(reviewer: FakeReviewer, access: Access) -> None:
    reviewer.grant("alice", "list", "checkpoints")
    found = await access.visible(ALICE, LIST)
    assert (found.everywhere, found.tenants) == (True, {"uid-red", "uid-blue"})
    assert reviewer.asked == ["namespaces", LIST]


async def test_who_may_somewhere_sees_those_namespaces(reviewer: FakeReviewer, access: Access) -> None:
    reviewer.grant("alice", "list", "checkpoints", "red")
    found = await access.visible(ALICE, LIST)
    assert (found.everywhere, found.uids, found.tenants) == (False, {"red": "uid-red"}, {"uid-red"})
    before = len(reviewer.asked)
    assert await access.visible(ALICE, LIST) == found
    assert len(reviewer.asked) == before


async def test_who_may_nowhere_sees_nothing(access: Access) -> None:
    found = await access.visible(BOB, LIST)
    assert (found.everywhere, found.tenants) == (False, frozenset())


async def test_a_thousand_namespaces_are_asked_about_sixteen_at_a_time(
    reviewer: FakeReviewer, access: Access
) -> None:
    reviewer.uids = {f"n{i}": f"u{i}" for i in range(1000)}
    reviewer.grant("alice", "list", "checkpoints", "n7")
    assert (await access.visible(ALICE, LIST)).uids == {"n7": "u7"}
    assert reviewer.most_at_once == 16


async def test_at_the_first_error_the_other_namespaces_are_not_asked_about(
    reviewer: FakeReviewer, access: Access
) -> None:
    reviewer.uids = {f"n{i}": f"u{i}" for i in range(1000)}
    assert not await access.allowed(ALICE, LIST)
    await access.uid_of("n1")  # all that is still to be asked are the single namespaces
    before, reviewer.hold = len(reviewer.asked), asyncio.Event()
    asking = asyncio.ensure_future(access.visible(ALICE, LIST))
    await asyncio.sleep(0.01)
    reviewer.error = Unavailable("away")
    reviewer.hold.set()
    with pytest.raises(Unavailable):
        await asking
    await asyncio.sleep(0.01)
    assert 16 <= len(reviewer.asked) - before <= 48


async def test_the_uid_of_a_namespace(access: Access) -> None:
    assert (await access.uid_of("red"), await access.uid_of("none")) == ("uid-red", None)


async def test_a_namespace_that_is_new_is_known_at_once(reviewer: FakeReviewer, access: Access) -> None:
    assert await access.uid_of("green") is None
    reviewer.uids["green"] = "uid-green"
    assert await access.uid_of("green") == "uid-green"


BORROWED = Credentials(("db", "s3"), ("robot",))


@pytest.mark.parametrize(
    "rights",
    [
        [("create", "pods", "red", "")],
        [("get", "secrets", "red", "db"), ("get", "secrets", "red", "s3"),
         ("impersonate", "serviceaccounts", "", "robot")],
        [("get", "secrets", "red", ""), ("create", "serviceaccounts/token", "red", "robot")],
    ],
    ids=["who may create pods may use all", "each Secret, and being the account", "all Secrets, and its tokens"],
)  # fmt: skip
async def test_what_somebody_could_use_anyway_may_be_borrowed(
    reviewer: FakeReviewer, access: Access, rights: list[tuple[str, str, str, str]]
) -> None:
    for right in rights:
        reviewer.grant("alice", *right)
    await access.require_borrowed(ALICE, "red", BORROWED)
    with pytest.raises(Forbidden):
        await access.require_borrowed(BOB, "red", BORROWED)
    with pytest.raises(Forbidden):
        await access.require_borrowed(ALICE, "blue", BORROWED)


@pytest.mark.parametrize(
    ("rights", "told"),
    [
        ([("get", "secrets", "red", "db")], "Secret s3 is named"),
        ([("get", "secrets", "red", ""), ("get", "serviceaccounts", "red", "")], "service account robot is used"),
    ],
    ids=["a Secret", "an account"],
)
async def test_what_somebody_could_not_use_is_named(
    reviewer: FakeReviewer, access: Access, rights: list[tuple[str, str, str, str]], told: str
) -> None:
    for right in rights:
        reviewer.grant("alice", *right)
    with pytest.raises(Forbidden, match=told):
        await access.require_borrowed(ALICE, "red", BORROWED)


async def test_who_borrows_nothing_is_not_asked_about(reviewer: FakeReviewer, access: Access) -> None:
    await access.require_borrowed(ALICE, "red", Credentials())
    assert not reviewer.asked
