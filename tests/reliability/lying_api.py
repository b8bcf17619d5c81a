"""Every scenario before an API server that is stale, silent, refuses or loses answers: `make lying-api`.

Each has to end as it does before an honest one. How long that takes is compared with the honest run, and how long a
watch goes unnoticed that is open and brings nothing is measured by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast
from zlib import crc32

from reliability.plays import AT_ONCE, Played, Verdict, judge, play
from reliability.scenarios import SCENARIOS
from reliability.stage import Stage, Theatre, staged
from reliability.terminal import cluster_for, text_of
from support.jobs import hanging
from support.proxies import lies
from support.proxies.api import Answer, Meddler
from support.reliability import Bug, Cell, Part, Table, percentiles, save

ROOT = Path(__file__).resolve().parents[2]
SILENCE_SECONDS = 5  # the least that can be set


class Liar(Protocol):
    """A meddler that counts its lies."""

    told: int


@dataclass(frozen=True)
class Lie:
    """What goes wrong, and how the operator is set for it."""

    make: Callable[[Stage], Meddler]
    settings: Mapping[str, str] = field(default_factory=dict)


def _lost_answers(stage: Stage) -> Meddler:
    liar = lies.LostAnswers()
    liar.listen(stage.database)
    return liar


LIES: Mapping[str, Lie] = {
    "each event twice, then the version before it": Lie(lambda stage: lies.Echo()),
    "watches end after each fourth write": Lie(lambda stage: lies.Breaks()),
    "… and are answered 410": Lie(lambda stage: lies.Expired()),
    "… and 410, and lists are as they were at the start": Lie(lambda stage: lies.Expired(old=True)),
    "410 as the status of a watch": Lie(lambda stage: lies.Expired(plain=True)),
    "429, Retry-After 1, on the first two calls of each kind": Lie(
        lambda stage: lies.Refusals(Answer.refusal(429, "TooManyRequests", **{"Retry-After": "1"}))
    ),
    "500 on the first two calls of each kind": Lie(lambda stage: lies.Refusals(Answer.refusal(500, "InternalError"))),
    "200 and no JSON on the first two writes of each kind": Lie(
        lambda stage: lies.Refusals(lies.NO_JSON, of=lambda call: call.writes)
    ),
    "200 and no JSON on the first list of pods": Lie(
        lambda stage: lies.Refusals(lies.NO_JSON, times=1, of=lambda call: call.point == "LIST pods")
    ),
    "every other write and commit is done, its answer lost": Lie(_lost_answers),
    "watches are silent from the first launch on": Lie(
        lambda stage: lies.Silence(at="POST jobs"), {"CAIRN_WATCH_SILENCE_SECONDS": str(SILENCE_SECONDS)}
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """A scenario before a liar, and what came of it."""

    lie: str
    told: int
    verdict: Verdict
    slower: float  # seconds, than before an honest one

    @property
    def played(self) -> Played:
        """How it has ended."""
        return self.verdict.played


async def honest(theatre: Theatre, scenario: str) -> Played:
    """How a scenario ends before an API server that does not lie."""
    played = await play(theatre, scenario, lambda stage: Meddler())
    assert not played.error and not played.twice, f"{scenario}, before an honest one: {played.error or played.twice}"
    return played


async def hear(theatre: Theatre, lie: str, before: Played) -> Heard:
    """Play a scenario before a liar."""
    made: list[Meddler] = []

    def arrange(stage: Stage) -> Meddler:
        made.append(LIES[lie].make(stage))
        return made[-1]

    played = await play(theatre, before.scenario, arrange, **LIES[lie].settings)
    told = cast(Liar, made[0]).told
    return Heard(lie, told, judge(played, before), played.seconds - before.seconds)


async def silence(theatre: Theatre, seconds: int) -> float:
    """How long after a job has ended, of which no watch tells, the operator knows of it."""
    async with staged(theatre, "silence", CAIRN_WATCH_SILENCE_SECONDS=str(seconds)) as stage:
        stage.api.meddler = liar = lies.Silence()
        await stage.start()
        await stage.user.run("work", hanging("a"))
        await stage.user.job("work", "a", startedAt=...)
        liar.fall()
        await stage.user.release("work", "a")
        began = time.monotonic()
        await stage.user.job("work", "a", timeout=seconds + 60, state="Completed")
        return time.monotonic() - began


# --- The result ------------------------------------------------------------------------------------------------------

TEXT = f"""\
A proxy before a real API server lies to an operator that knows nothing of it, in every scenario of the crash points
(or in as many as there was time for), and the end is compared with that before an honest one in the same way. A run
in which nobody has lied counts as no run. *Restarts*: the operator ended by itself with an error and was started anew,
as a kubelet does it. *Slower* is how much later the scenario was over.

A watch that is open and brings nothing, not even the bookmark that the API server sends each minute, is opened anew,
where it was, after `CAIRN_WATCH_SILENCE_SECONDS` (70 by default, here {SILENCE_SECONDS} where not said otherwise).
"""

BUGS = (
    Bug(
        "A job that had succeeded was taken for one whose result is lost, and was run again, where the watch of its pod"
        " was behind that of its Kubernetes Job; one that had failed cost no retry.",
        "tests/unit/core/test_assess.py::test_a_job_that_has_ended_tells_nothing_of_a_pod_that_was_not_seen",
    ),
    Bug(
        "An operator that watches a pattern of namespaces heard of nothing any more once a namespace had gone while it"
        " was being listed.",
        "tests/integration/test_namespaces.py::test_a_namespace_that_goes_while_it_is_listed_makes_nobody_deaf",
    ),
    Bug(
        "With a pattern of namespaces, nobody served one that was made while the API server was away, or in the moment"
        " in which the operator began to watch, until the operator was started anew.",
        "tests/integration/test_namespaces.py::test_one_that_is_made_while_the_api_server_is_away_is_served",
    ),
    Bug(
        "A namespace of a pattern that was being deleted when the operator began could not go: nobody took the"
        " finalizers of its checkpoints off.",
        "tests/integration/test_namespaces.py::test_one_that_is_being_deleted_when_the_operator_begins_can_go",
    ),
    Bug(
        "An older version of a pod, as a watch sends it that begins anew with an old list, replaced a newer one.",
        "tests/unit/app/test_views.py::test_an_older_version_of_a_pod_never_replaces_a_newer_one",
    ),
    Bug(
        "An answer 200 that is no JSON was an unexpected error, not one of somebody who stands before the API server.",
        "tests/unit/adapters/test_api.py::test_an_answer_that_is_no_object_is_of_somebody_else",
    ),
    Bug(
        "After an answer to a watch or a list that ends it, such as one that is no JSON, the operator led and launched"
        " for seconds without hearing of anything; one time in three for ten minutes, until Kopf was killed.",
        "tests/unit/handlers/test_ending.py::test_who_hears_only_in_part_works_no_more",
    ),
    Bug(
        "A critical job waited for minutes for a checkpoint that was Ready, where the call after that had failed.",
        "tests/unit/app/checkpoints/test_keeper.py"
        "::test_an_execution_hears_of_its_checkpoint_even_if_what_follows_cannot_be_done",
    ),
    Bug(
        "Of a delete that fell into the gap of a broken watch nothing followed before the next roll call, up to ten"
        " minutes later.",
        "tests/unit/app/test_rollcall.py::test_a_list_that_is_begun_anew_leads_to_one",
    ),
)
NOT_COVERED = (
    "An event that is left out of a watch that goes on, of an object that still exists: no API server does that, and"
    " nothing would tell of it before the object changes again or the operator starts anew.",
    "A list that is older than what the operator has written itself is taken in, since newer views stay; one that lacks"
    " objects for ever is not tried.",
    "A page token that has expired: no list of these scenarios has a second page.",
    "Answers of Postgres that are wrong: commits get lost here, but nothing is forged.",
)


def by_lie(heard: Sequence[Heard]) -> Table:
    """How each lie was taken."""
    rows: list[tuple[Cell, ...]] = []
    for lie in LIES:
        found = [h for h in heard if h.lie == lie]
        true = [h for h in found if h.told]
        rows.append((
            lie, len(true), sum(h.told for h in true), sum(h.verdict.converged for h in true),
            sum(bool(h.verdict.lost) for h in true), sum(bool(h.verdict.doubled) for h in true),
            sum(h.played.ended for h in true),
        ))  # fmt: skip
    return Table("By lie", ("what", "runs", "lies", "as before an honest one", "lost", "doubled", "restarts"), rows)


def part_of(heard: Sequence[Heard], silences: Mapping[str, Sequence[float]], command: str) -> Part:
    """The result, for the page."""
    slower = {lie: [max(h.slower, 0.0) for h in heard if h.lie == lie and h.told and not h.played.error]
              for lie in LIES}  # fmt: skip
    tables = (by_lie(heard), percentiles("Slower", slower), percentiles("A silent watch, until noticed", silences))
    return Part(
        name="lying-api", title="Stale and lying API", command=command, text=TEXT, tables=tables, bugs=BUGS,
        not_covered=NOT_COVERED, losses=sum(bool(h.verdict.lost) for h in heard if h.told),
        duplicates=sum(bool(h.verdict.doubled) for h in heard if h.told),
    )  # fmt: skip


def _mixed(pair: tuple[str, Played]) -> int:
    """An order in which what is left out for want of time is of all kinds."""
    return crc32(f"{pair[0]} {pair[1].scenario}".encode())


async def _main(options: argparse.Namespace) -> int:
    began, room = time.monotonic(), asyncio.Semaphore(options.at_once)
    end = began + options.minutes * 60

    async def one(lie: str, before: Played) -> Heard | None:
        async with room:
            if time.monotonic() > end:
                return None
            heard = await hear(theatre, lie, before)
        came = heard.verdict.lost or heard.verdict.doubled or "as before an honest one"
        print(f"{before.scenario}, {lie}: {came}", file=sys.stderr)
        return heard

    async def first(scenario: str) -> Played:
        async with room:
            return await honest(theatre, scenario)

    async def measured(seconds: int) -> float:
        async with room:
            return await silence(theatre, seconds)

    with cluster_for("lying-api") as there:
        async with Theatre.open(there, ROOT / "build/logs/lying-api") as theatre:
            before = await asyncio.gather(*map(first, SCENARIOS))
            silences = {
                f"{seconds} s": await asyncio.gather(*(measured(seconds) for _ in range(times)))
                for seconds, times in ((SILENCE_SECONDS, 9), (70, 3))
            }
            pairs = sorted(itertools.product(LIES, before), key=_mixed)
            heard = await asyncio.gather(*(one(lie, played) for lie, played in pairs))
    command = f"make lying-api MINUTES={options.minutes:g}"
    part = part_of([h for h in heard if h is not None], silences, command)
    print(*map(text_of, part.tables), sep="\n\n")
    save(part, seconds=time.monotonic() - began)
    return 1 if part.losses or part.duplicates else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--minutes", type=float, default=60, help="when they are over, the rest is not tried")
    sys.exit(asyncio.run(_main(parser.parse_args())))
