"""One fault at a time, again and again: how long after its end it takes until Cairn goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from chaos import faults, judge
from chaos.faults import during, named
from chaos.judge import Left
from chaos.rig import Rig
from chaos.say import say
from cluster import start, stop
from support.attempts import assert_each_attempt_ran_once
from support.jobs import condition, hanging, job, lasting, release
from support.kinds import with_kinds
from support.kube import until

NAME = "outages"
TIMES = 5
WITHIN = 300.0  # seconds; whatever takes longer has failed
_LONG = 120.0  # seconds that an API server is away for long
_LIST = [
    ("API server away", 5.0), ("API server away", _LONG), ("API server hangs", 20.0), ("etcd away", 10.0),
    ("controllers away", 10.0), ("Postgres away", 20.0), ("Postgres hangs", 20.0), ("Postgres' disk full", 10.0),
    ("nodes silent", 20.0), ("leader killed", 0.0), ("leader stopped and continued", 15.0),
    ("all operators killed", 5.0), ("clock forwards and back", 5.0), ("clock back and forwards", 5.0),
]  # fmt: skip


@dataclass
class Measured:
    """Seconds until it went on, by fault; and what was wrong in the end."""

    times: int
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    node_lost: list[float] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def run(times: int = TIMES) -> Measured:
    """All of them, on a cluster of its own, which is gone afterwards."""
    with ExitStack() as end:
        stop(NAME)
        there = start("fake", NAME)
        end.callback(stop, there)
        with_kinds(there)
        rig = end.enter_context(Rig(there, CAIRN_SWEEP_SECONDS="20"))
        found, names = Measured(times), _names()
        for fault, seconds in _LIST:
            told = f"{fault}, {seconds:g} s"
            repeats = times if seconds < _LONG else 1
            found.recoveries[told] = [_measured(rig, next(names), fault, seconds) for _ in range(repeats)]
            say(f"{told}: {', '.join(f'{each:.1f}' for each in found.recoveries[told])}")
        _judge(rig, found)  # before a node goes, and with it all pods that had ended there
        found.node_lost = [_lost_node(rig, next(names))]
        say(f"node lost: {found.node_lost[0]:.1f}")
        _settled(rig, found)
        return found


def _names() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"run-{number:03}"


def _measured(rig: Rig, name: str, fault: str, seconds: float) -> float:
    """An execution is in the middle; the fault comes and goes; how long after its end does a new one begin?

    After a fault of Postgres: how long until the rows are there of all checkpoints that were taken meanwhile.
    """
    rig.kube.run(f"{name}-old", lasting("a", duration="1s"), *(job(f"b{n}", "a") for n in range(3)))
    until(lambda: rig.kube.job(f"{name}-old", "a").get("startedAt"), "it runs", WITHIN)
    broken = named(rig, fault)
    of_database = broken.place == faults.DATABASE
    with during(broken):
        time.sleep(seconds)  # this long it is there: nothing is waited for
        if of_database:
            rig.kube.wait(f"{name}-old", "Succeeded", timeout=int(WITHIN))
            rig.kube.saved(f"{name}-old")
    began = time.monotonic()
    if of_database:
        until(lambda: _all_stored(rig, f"{name}-old"), "the rows are there", WITHIN)
    else:
        rig.kube.run(name, job("first"))
        until(lambda: rig.kube.jobs(name), "it is launched", WITHIN)
    took = time.monotonic() - began
    for each in (f"{name}-old", *([] if of_database else [name])):
        rig.kube.wait(each, "Succeeded", timeout=int(WITHIN))
    return took


def _all_stored(rig: Rig, execution: str) -> bool:
    found = [c for c in rig.kube.list("ckpt") if c["spec"]["executionRef"]["name"] == execution]
    return bool(found) and all(condition(c, "Stored").get("status") == "True" for c in found)


def _lost_node(rig: Rig, name: str) -> float:
    """A node is deleted under a running job: how long until the next attempt, which the pods' garbage collector makes
    us wait for."""
    rig.kube.run(name, hanging("a"))
    until(lambda: rig.kube.job(name, "a").get("startedAt"), "a runs", WITHIN)
    [pod] = rig.kube.pods(name, "a")
    lost = faults.node_lost(rig, pod["spec"]["nodeName"])
    lost.begin()
    began = time.monotonic()
    until(lambda: rig.kube.jobs(name, "a")[1:], "it is tried again", WITHIN)
    took = time.monotonic() - began
    lost.end()
    until(lambda: rig.kube.job(name, "a").get("startedAt"), "it runs again", WITHIN)
    release(rig.kube, name, "a")
    rig.kube.wait(name, "Succeeded")
    return took


def _settled(rig: Rig, found: Measured) -> Left:
    """All that there is once everything rests, with checkpoints that verify."""

    def settled() -> bool:
        return not judge.settled(Left.of(rig), set())

    until(settled, "everything rests", WITHIN, lambda: judge.settled(Left.of(rig), set()))
    left = Left.of(rig)
    found.findings += [str(each) for each in judge.verify(rig, left)]
    return left


def _judge(rig: Rig, found: Measured) -> None:
    for execution in _settled(rig, found).executions:
        name = execution["metadata"]["name"]
        try:
            assert_each_attempt_ran_once(rig.kube, name)
        except AssertionError as error:
            found.findings.append(f"doubled: {name}: {error}")
