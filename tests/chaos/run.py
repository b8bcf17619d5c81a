"""Chaos: for some minutes everything breaks at random, one or two things at a time, under a random load. Then nothing
does any more, everything has to settle, and the judge looks at what is left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from chaos import faults, judge, report
from chaos.api import Away, Refused
from chaos.faults import Fault
from chaos.judge import WRONG, Finding, Left
from chaos.recorder import Recorder
from chaos.rig import Rig
from chaos.say import say
from chaos.user import User
from cluster import Cluster, start, stop
from support.kinds import with_kinds

NAME = "chaos"
RECOVERED_WITHIN = 90.0  # seconds; later is a finding
SETTLED_WITHIN = 300.0
_STILL = 8.0  # seconds in which nothing may change any more
_ACTIVE = 5  # executions that run at once


@dataclass
class Story:
    """What has happened."""

    seed: int
    minutes: float
    lengths: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of faults
    recoveries: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    findings: list[Finding] = field(default_factory=list)
    settled: float = 0.0  # seconds until everything rested
    counts: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)


def run(minutes: float, seed: int) -> Story:
    """The whole run, on a cluster of its own, which is gone afterwards."""
    with ExitStack() as end:
        stop(NAME)  # what a run before was not let end
        there = start("fake", NAME)
        end.callback(stop, there)
        with_kinds(there)
        return _on(there, Story(seed, minutes), end)


def _on(there: Cluster, story: Story, end: ExitStack) -> Story:
    rig = end.enter_context(Rig(there, CAIRN_SWEEP_SECONDS="20"))
    seen = Recorder(rig.new_api())
    end.callback(seen.close)
    user = User(rig.api, seen, Random(f"user {story.seed}"), _ACTIVE)
    user.start()
    end.callback(user.stop)
    _break(rig, seen, story, Random(f"faults {story.seed}"))
    user.stop()
    _settle(rig, user, story)
    _judge(rig, user, seen, story)
    return story


# --- Faults ----------------------------------------------------------------------------------------------------------


def _break(rig: Rig, seen: Recorder, story: Story, random: Random) -> None:
    until = time.monotonic() + 60 * story.minutes
    while time.monotonic() < until:
        chosen = list(_choose(faults.every(rig, random), random))
        seconds = _length(random, min(fault.longest for fault in chosen))
        say(f"{' and '.join(fault.name for fault in chosen)}, for {seconds:.0f} s")
        _hit(rig, chosen, seconds, random.uniform(0, seconds / 3))
        for fault in chosen:
            story.lengths[fault.name].append(seconds)
        _recover(rig, seen, story, chosen)
        _pass(rig, random.uniform(1, 8))


def _choose(found: list[Fault], random: Random) -> Iterator[Fault]:
    """One, or two of different places; the API server is there for a fault that asks it to begin or to end."""
    first = random.choice(found)
    yield first
    others = [other for other in found if other.place != first.place and not _in_the_way(first, other)]
    if random.random() < 0.35:
        yield random.choice(others)


def _in_the_way(one: Fault, other: Fault) -> bool:
    return (one.place == faults.API and other.asks_api) or (other.place == faults.API and one.asks_api)


def _length(random: Random, longest: float) -> float:
    return random.uniform(longest / 3, longest) if random.random() < 0.2 else random.uniform(1, longest / 3)


def _hit(rig: Rig, chosen: list[Fault], seconds: float, between: float) -> None:
    """Begin, and end, one after the other; whatever happens, what was begun is ended."""
    with ExitStack() as ends:
        for number, fault in enumerate(chosen):
            if number:
                _pass(rig, between)
            ends.callback(fault.end)
            fault.begin()
        _pass(rig, seconds - between * (len(chosen) - 1))


def _pass(rig: Rig, seconds: float) -> None:
    """Let time pass, in which operators that end are started again."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        rig.tend()
        time.sleep(min(left, 0.5))


def _recover(rig: Rig, seen: Recorder, story: Story, chosen: list[Fault]) -> None:
    """Wait for the next launch; after a fault of the database, for the rows of all checkpoints that had none."""
    began, what = time.monotonic(), " and ".join(sorted(fault.name for fault in chosen))
    before, waiting = len(seen.jobs), seen.unstored()
    of_database = [fault for fault in chosen if fault.place == faults.DATABASE]
    while len(seen.jobs) == before or (of_database and waiting & seen.unstored()):
        if time.monotonic() - began > RECOVERED_WITHIN:
            story.findings.append(Finding(WRONG, f"{RECOVERED_WITHIN:.0f} s after {what}: nothing goes on"))
            say(str(story.findings[-1]))
            return
        _pass(rig, 0.1)
    story.recoveries[what if len(chosen) == 1 else "two at once"].append(time.monotonic() - began)


# --- The end ---------------------------------------------------------------------------------------------------------


def _settle(rig: Rig, user: User, story: Story) -> None:
    """Resume everything, but for some that are to rest paused, and wait until everything rests."""
    say("no faults any more: everything has to settle")
    user.pause_some(2)
    began = time.monotonic()
    while True:
        try:
            user.resume_all()
            open_ends = judge.settled(Left.of(rig), user.rests)
        except (Away, Refused) as error:
            open_ends = [str(error)]
        if not open_ends:
            break
        if (waited := time.monotonic() - began) > 60 and waited % 30 < 2:
            say(f"after {waited:.0f} s: {open_ends[:5]}")
        if waited > SETTLED_WITHIN:
            story.findings += [Finding(WRONG, f"after {SETTLED_WITHIN:.0f} s: {what}") for what in open_ends]
            break
        _pass(rig, 1)
    story.settled = time.monotonic() - began


def _judge(rig: Rig, user: User, seen: Recorder, story: Story) -> None:
    left = Left.of(rig)
    _pass(rig, _STILL)
    after = Left.of(rig)
    story.findings += [Finding(WRONG, f"{name} still changes") for name in _changed(left, after)]
    story.findings += judge.judge(after, user, seen)
    story.findings += judge.verify(rig, after)
    story.findings += [Finding(WRONG, f"{log}: an operator has ended by itself") for log in rig.exits]
    story.findings += [Finding(WRONG, f"the run itself: {text}") for text in (*user.trouble, *seen.trouble)]
    story.counts = report.counted(after, seen)
    story.did = user.did


def _changed(left: Left, after: Left) -> list[str]:
    def versions(there: Left) -> dict[str, str]:
        found = [*there.executions, *there.checkpoints, *there.jobs]
        return {f"{o['metadata']['uid']} {o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}

    return sorted(name for name, _ in versions(left).items() ^ versions(after).items())
