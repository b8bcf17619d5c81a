"""All that is tried in a run: which sequences there are, and lanes that work on them side by side."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TypeVar

from mutations import checkpoints, specs, statuses
from mutations.api import Api
from mutations.lane import KIND, Finding, Lane
from mutations.schemas import Field
from mutations.specs import Mutation, Stage
from mutations.tally import Tally
from support.operator_process import OperatorProcess

LENGTH = 8  # mutations of one object, one after the other
T = TypeVar("T", bound="Mutation | Field")


@dataclass(frozen=True)
class Task:
    """A sequence to try, and under which name it is counted."""

    kind: str
    work: Callable[[Lane, Tally], None]


def tasks(seed: int, most: int | None = None) -> list[Task]:
    """The sequences of a run in the order that the seed gives; `most` of each kind, all by default."""
    chance = random.Random(seed)
    made = [_specs(chance, most), _statuses(chance, most), _checkpoints(chance, most), _results(chance, most)]
    listed = [list(each) for each in made]
    # All kinds come forward evenly, so that a run that ends early has tried as much of each.
    placed = [
        (place / len(each), number, task) for number, each in enumerate(listed) for place, task in enumerate(each)
    ]  # fmt: skip
    return [task for *_, task in sorted(placed, key=lambda one: one[:2])]


def _picked(every: Iterable[T], chance: random.Random, most: int | None) -> list[T]:
    """By chance, but each field once before any of them twice."""
    mixed = list(every)
    chance.shuffle(mixed)
    turns: Counter[tuple[str, ...]] = Counter()

    def turn(one: T) -> int:
        where = one if isinstance(one, Field) else one.field
        turns[where.path] += 1
        return turns[where.path]

    return sorted(mixed, key=turn)[:most]


def _specs(chance: random.Random, most: int | None) -> Iterator[Task]:
    every = [Mutation(m.field, m.value, chance.randrange(3)) for m in checkpoints.mutations(KIND, "spec")]
    for number, part in enumerate(_parts(_picked(every, chance, most))):
        stage = list(Stage)[number % len(Stage)]
        yield Task("DAGExecution spec", partial(specs.sequence, stage=stage, mutations=part))


def _statuses(chance: random.Random, most: int | None) -> Iterator[Task]:
    for number, part in enumerate(_parts(_picked(statuses.every(), chance, most))):
        stage = statuses.STAGES[number % len(statuses.STAGES)]
        yield Task("DAGExecution status", partial(statuses.sequence, stage=stage, mutations=part))


def _checkpoints(chance: random.Random, most: int | None) -> Iterator[Task]:
    for made in _picked(checkpoints.mutations("checkpoints", "spec"), chance, most):
        yield Task("Checkpoint spec", partial(checkpoints.created, mutation=made))
    for number, broken in enumerate(_picked(checkpoints.every_status(), chance, most)):
        verify = number % checkpoints.VERIFIED == 0
        yield Task("Checkpoint status", partial(checkpoints.broken, mutation=broken, verify=verify))


def _results(chance: random.Random, most: int | None) -> Iterator[Task]:
    every = [*checkpoints.mutations("jobresults", "spec"), *checkpoints.mutations("jobresults", "status")]
    for made in _picked(every, chance, most):
        yield Task("JobResult", partial(checkpoints.misplaced, mutation=made))


def _parts(every: Sequence[T]) -> Iterator[Sequence[T]]:
    return (every[at : at + LENGTH] for at in range(0, len(every), LENGTH))


# --- Lanes -----------------------------------------------------------------------------------------------------------


def run(
    lanes: Sequence[Lane], found: Sequence[Task], *, until: Callable[[], bool] = lambda: False
) -> dict[str, Tally]:
    """Work through the tasks, each lane in a thread of its own; what came of them, by kind. Lanes are used once."""
    waiting: Queue[Task] = Queue()
    for task in found:
        waiting.put(task)
    tallies: dict[str, Tally] = {}
    lock = threading.Lock()

    def work(lane: Lane) -> None:
        checkpoints.begin(lane)
        while not until():
            try:
                task = waiting.get_nowait()
            except Empty:
                return
            own = _tried(lane, task)
            with lock:
                tallies.setdefault(task.kind, Tally()).join(own)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lane in lanes:
        lane.api.close()
    return tallies


def _tried(lane: Lane, task: Task) -> Tally:
    own = Tally()
    try:
        task.work(lane, own)
    except Finding as finding:
        own.findings.append(f"{task.kind}: {finding}")
    except Exception as error:  # a tool that breaks off must not hide what the others find
        own.findings.append(f"{task.kind}: {type(error).__name__}: {error}")
    return own


def lanes(kubeconfig: Path, namespaces: Sequence[str], operator: OperatorProcess) -> list[Lane]:
    """A lane in each namespace."""
    return [Lane(Api(kubeconfig, each), operator, f"lane{n}-") for n, each in enumerate(namespaces)]

