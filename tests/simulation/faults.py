"""What can go wrong with one call, and which of it has gone wrong in which calls so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What happens to one call of an operator."""

    CRASH_BEFORE = "killed before it arrives"
    CRASH_AFTER = "killed after it was done"
    LOST = "it is lost on the way"
    ANSWER_LOST = "its answer is lost"
    LATE = "it arrives when nobody waits for it any more"
    ERROR = "answered with an error"
    BUSY = "answered with 429"
    FROZEN = "its process is stopped just before, and goes on later"


OF_WRITES = tuple(Fault)
OF_READS = (Fault.CRASH_AFTER, Fault.LOST, Fault.ERROR, Fault.BUSY, Fault.FROZEN)
OF_ROWS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST, Fault.ANSWER_LOST, Fault.LATE, Fault.ERROR, Fault.FROZEN)

READS = ("get", "list")
ROWS = ("put", "bury", "pin", "collect", "query")
# The calls that a fault can be meant for, as `network` names them.
ACTIONS = {
    "put DAGExecution/status": OF_WRITES, "patch DAGExecution": OF_WRITES, "create Job": OF_WRITES,
    "patch Job": OF_WRITES, "create JobResult": OF_WRITES, "create Checkpoint": OF_WRITES,
    "put Checkpoint/status": OF_WRITES, "patch Checkpoint/status": OF_WRITES, "patch Checkpoint": OF_WRITES,
    "delete Checkpoint": OF_WRITES, "create ConfigMap": OF_WRITES, "delete ConfigMap": OF_WRITES,
    "get DAGExecution": OF_READS, "get Job": OF_READS, "list Pod": OF_READS, "get Checkpoint": OF_READS,
    "list JobResult": OF_READS, "get JobResult": OF_READS, "put row": OF_ROWS, "bury row": OF_ROWS,
    "pin row": OF_ROWS, "query rows": OF_ROWS, "put Lease": OF_WRITES,
}  # fmt: skip


@dataclass
class Faults:
    """Faults that wait for the next call they are meant for; and what has happened."""

    armed: list[tuple[str, Fault]] = field(default_factory=list)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)  # by action and fault
    stopped: bool = False

    def arm(self, action: str, fault: Fault) -> None:
        """Let the next call of that kind suffer it."""
        self.armed.append((action, fault))

    def strike(self, action: str) -> Fault | None:
        """What happens to this call."""
        if self.stopped:
            return None
        for place, (meant, fault) in enumerate(self.armed):
            if meant == action:
                del self.armed[place]
                self.note(action, fault)
                return fault
        return None

    def note(self, action: str, fault: str) -> None:
        """Something has gone wrong."""
        self.fired[action, fault] += 1

    def stop(self) -> None:
        """Nothing goes wrong any more."""
        self.stopped = True
        self.armed.clear()
