"""Histories as data: a seed makes one, and leaving out parts of one makes a shorter one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from cairn.app.launches import AHEAD
from simulation.server import Body
from simulation.specs import a_spec

DEEDS = (
    "pause", "pause", "resume", "resume", "hold", "unhold", "cancel", "request", "request", "edit", "remove", "add",
    "delete", "checkpoint", "checkpoint", "pin", "delete_checkpoint", "rewind", "rewind", "rewind", "withdraw", "fork",
)  # fmt: skip
FAULTS = ("call",) * 10 + (
    "kill", "freeze", "cut_off", "api_away", "rows_away", "break_watch", "break_watch", "stale_watch", "silence",
    "slow_watch", "repeat", "clock", "node", "evict", "delete_pod", "strip_pod", "delete_job", "quota", "lose_lease",
    "squat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens from outside, at a time; `chance` is the seed of what exactly."""

    at: float  # simulated seconds
    what: str  # one of DEEDS or FAULTS
    chance: int


@dataclass(frozen=True, slots=True)
class History:
    """All there is to a history; it plays the same way each time."""

    seed: int
    spec: Body
    acts: tuple[Act, ...]
    replicas: int
    elects: bool  # by a Lease; else all replicas act at once
    with_rows: bool
    object_bytes: int  # what a Checkpoint object may hold of a state

    @classmethod
    def of(cls, seed: int) -> History:
        """The history of a seed."""
        chance = Random(seed)
        length = chance.choice((8.0, 15.0, 30.0))
        deeds = [chance.choice(DEEDS) for _ in range(chance.randrange(3, 12))]
        faults = [chance.choice(FAULTS) for _ in range(chance.randrange(12, 26))]
        acts = [Act(round(chance.uniform(0, length), 3), what, chance.randrange(2**32)) for what in (*deeds, *faults)]
        made = cls(
            seed, a_spec(chance), tuple(acts), chance.choice((1, 2, 2)),
            elects=chance.random() < 0.6, with_rows=chance.random() < 0.85,
            object_bytes=chance.choice((1_000_000, 1_000_000, 1000)),
        )  # fmt: skip
        if made.shards:
            acts += [Act(round(chance.uniform(0, length), 3), "reshard", 0) for _ in range(chance.randrange(3))]
        return replace(made, acts=tuple(sorted(acts, key=lambda act: act.at)))

    @property
    def resyncs(self) -> bool:
        """Whether everything is looked at now and then; if not, whatever waits has to be told that it may go on."""
        return self.seed % 4 == 0

    @property
    def shards(self) -> tuple[str, ...]:
        """The shards that have operators of their own, at first or later; in most histories there are none."""
        return ("a", "b") if self.seed % 5 == 1 else ()

    @property
    def begins_sharded(self) -> bool:
        """Whether they are there from the beginning."""
        return self.seed % 2 == 0

    @property
    def ahead(self) -> int:
        """How many Kubernetes Jobs may wait for their pod at once: in some so few that launches wait for each other."""
        return 2 if self.seed % 3 == 0 else AHEAD

    def without(self, *acts: Act) -> History:
        """The history in which these do not happen."""
        return replace(self, acts=tuple(act for act in self.acts if act not in acts))


@dataclass
class Outcome:
    """What playing a history came to."""

    broken: str = ""  # the first thing that never may happen, and did
    steps: Counter[str] = field(default_factory=Counter)  # calls that arrived, events that were heard of
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)  # faults, by action
    seconds: float = 0.0  # simulated
    trace: list[str] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether enough has happened: 50 steps, and 5 faults of 3 kinds."""
        kinds = {fault for _, fault in self.fired}
        return sum(self.steps.values()) >= 50 and sum(self.fired.values()) >= 5 and len(kinds) >= 3
