"""What came of the mutations, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from mutations.schemas import Field


class Outcome(StrEnum):
    """What the API server and the operator made of a mutation."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"


@dataclass
class Tally:
    """Of one kind of object."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    tried: set[tuple[str, ...]] = field(default_factory=set)  # fields that were mutated
    findings: list[str] = field(default_factory=list)

    def note(self, where: Field, outcome: Outcome) -> None:
        """One more."""
        self.outcomes[outcome] += 1
        self.tried.add(where.path)

    def join(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.outcomes += other.outcomes
        self.tried |= other.tried
        self.findings += other.findings

    @property
    def total(self) -> int:
        """How many mutations there were."""
        return self.outcomes.total()
