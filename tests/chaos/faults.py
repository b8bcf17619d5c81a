"""The faults: what each breaks, and how that is mended. What is away was killed, without a farewell."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import yaml

from chaos.rig import Rig, TurnedOperator
from cluster import fake_nodes

API, DATABASE, NODES, OPERATORS, CLOCK, CONTROLLERS = "api", "database", "nodes", "operators", "clock", "controllers"
_HOUR = 3600.0
_AWAY = "chaos.cairn.dev/away"


@dataclass(frozen=True)
class Fault:
    """`begin` breaks, `end` mends; two faults of one place are never there at once."""

    name: str
    place: str
    begin: Callable[[], None]
    end: Callable[[], None]
    longest: float = 45.0  # seconds
    asks_api: bool = False  # to begin or to end it, the API server is needed


def every(rig: Rig, random: Random) -> list[Fault]:
    """All there are; `random` chooses whom they hit."""
    return [*_of_the_control_plane(rig), *_of_postgres(rig), *_of_nodes(rig, random), *_of_operators(rig),
            *_of_clocks(rig, random)]  # fmt: skip


def named(rig: Rig, name: str) -> Fault:
    """That one."""
    return next(found for found in every(rig, Random(name)) if found.name == name)


@contextmanager
def during(fault: Fault) -> Iterator[None]:
    """While the context lasts, the fault does, too."""
    fault.begin()
    try:
        yield
    finally:
        fault.end()


# --- The control plane -----------------------------------------------------------------------------------------------


def _of_the_control_plane(rig: Rig) -> list[Fault]:
    controllers = ("kube-controller-manager", "kube-scheduler")
    return [
        _parts_away(rig, "API server away", API, "kube-apiserver"),
        _part_hangs(rig, "API server hangs", API, "kube-apiserver"),
        _parts_away(rig, "etcd away", API, "etcd"),
        _parts_away(rig, "controllers away", CONTROLLERS, *controllers),
    ]


def _parts_away(rig: Rig, name: str, place: str, *parts: str) -> Fault:
    def begin() -> None:
        for part in parts:
            rig.cluster.stop_part(part, kill=True)

    def end() -> None:
        for part in parts:
            rig.cluster.start_part(part)

    return Fault(name, place, begin, end)


def _part_hangs(rig: Rig, name: str, place: str, part: str) -> Fault:
    return Fault(name, place, lambda: rig.cluster.signal(part, signal.SIGSTOP),
                 lambda: rig.cluster.signal(part, signal.SIGCONT))  # fmt: skip


# --- Postgres --------------------------------------------------------------------------------------------------------


def _of_postgres(rig: Rig) -> list[Fault]:
    postgres, disk = rig.postgres, rig.disk

    def free() -> None:
        disk.free()
        if not postgres.running:  # it gives up where not even its log can grow
            postgres.start()

    return [
        Fault("Postgres away", DATABASE, postgres.kill, _started(rig), longest=90),
        Fault("Postgres hangs", DATABASE, postgres.freeze, postgres.thaw),
        Fault("Postgres' disk full", DATABASE, disk.fill, free),
    ]


def _started(rig: Rig) -> Callable[[], None]:
    def start() -> None:
        rig.postgres.start()

    return start


# --- Nodes -----------------------------------------------------------------------------------------------------------


def _of_nodes(rig: Rig, random: Random) -> list[Fault]:
    names = [node["metadata"]["name"] for node in fake_nodes.manifests()]
    silent = _part_hangs(rig, "nodes silent", NODES, "kwok")
    return [silent, node_lost(rig, random.choice(names)), nodes_left(rig, random.sample(names, 3))]


def node_lost(rig: Rig, name: str) -> Fault:
    """The Node object is deleted, and whatever ran there is never heard of again, until the garbage collector of pods
    takes it for dead: after 40 to 60 s."""
    [node] = [node for node in fake_nodes.manifests() if node["metadata"]["name"] == name]

    def end() -> None:
        rig.cluster.kubectl.run("create", "-f", "-", stdin=yaml.safe_dump(node))

    return Fault("node lost", NODES, lambda: _run(rig, "delete", "node", name), end, longest=90, asks_api=True)


def nodes_left(rig: Rig, chosen: Sequence[str]) -> Fault:
    """A taint drives every pod off some nodes, which do not answer: so nobody knows that the pods have ended."""
    def begin() -> None:
        rig.cluster.signal("kwok", signal.SIGSTOP)
        _run(rig, "taint", "nodes", *chosen, f"{_AWAY}=true:NoExecute")

    def end() -> None:
        _run(rig, "taint", "nodes", *chosen, f"{_AWAY}:NoExecute-")
        rig.cluster.signal("kwok", signal.SIGCONT)

    return Fault("nodes silent and left", NODES, begin, end, asks_api=True)


def _run(rig: Rig, *words: str) -> None:
    rig.cluster.kubectl.run(*words)


# --- Operators -------------------------------------------------------------------------------------------------------


def _of_operators(rig: Rig) -> list[Fault]:
    hit: list[TurnedOperator] = []

    def choose(found: Sequence[TurnedOperator]) -> None:
        hit[:] = found

    def leader() -> list[TurnedOperator]:
        return [rig.leader() or next(each for each in rig.operators if each.running)]

    def kill() -> None:
        for each in hit:
            rig.wanted.discard(each)
            each.kill()

    def start() -> None:
        for each in hit:
            each.spawn()
            rig.wanted.add(each)

    def stop() -> None:
        choose(leader())
        rig.stopped.update(hit)
        hit[0].signal(signal.SIGSTOP)

    def go_on() -> None:
        hit[0].signal(signal.SIGCONT)
        rig.stopped.difference_update(hit)

    def kill_leader() -> None:
        choose(leader())
        kill()

    def kill_all() -> None:
        choose([each for each in rig.operators if each.running])
        kill()

    return [
        Fault("leader killed", OPERATORS, kill_leader, start),
        Fault("leader stopped and continued", OPERATORS, stop, go_on),
        Fault("all operators killed", OPERATORS, kill_all, start),
    ]


# --- Clocks ----------------------------------------------------------------------------------------------------------


def _of_clocks(rig: Rig, random: Random) -> list[Fault]:
    hours = random.uniform(0.5, 6)

    def all_by(seconds: float) -> Callable[[], None]:
        def turn() -> None:
            for each in rig.operators:
                each.turn(seconds)

        return turn

    return [
        Fault("clock forwards and back", CLOCK, all_by(hours * _HOUR), all_by(0)),
        Fault("clock back and forwards", CLOCK, all_by(-hours * _HOUR), all_by(0)),
        Fault("clocks apart", CLOCK, lambda: rig.operators[0].turn(hours * _HOUR), all_by(0)),
    ]
