"""What a client and the handles that it gives out share: whose calls these are, where, and with which ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cairn.adapters.clock import system_clock
from cairn.adapters.ids import random_id
from cairn.app.control.executions import Executions
from cairn.app.control.reading import Reading
from cairn.app.control.restores import RestoreControl
from cairn.client.models import Checkpoint, Plan
from cairn.core.restore.progress import RestorePlan, plan_to_wire
from cairn.ports import Clock, Desk


@dataclass(slots=True)
class Connection:
    """A user at work in a namespace, by the rights of a kubeconfig or of a pod's account."""

    desk: Desk
    namespace: str
    clock: Clock = system_clock
    new_id: Callable[[], str] = random_id
    _user: str = ""

    @property
    def executions(self) -> Executions:
        """Executions, as this user may use them."""
        return Executions(self.desk)

    @property
    def reading(self) -> Reading:
        """Logs and outputs."""
        return Reading(self.desk)

    @property
    def restores(self) -> RestoreControl:
        """Restores, from what the objects hold."""
        return RestoreControl(self.desk, None, self.clock)

    async def checkpoints(self, namespace: str, execution: str | None = None) -> tuple[Checkpoint, ...]:
        """The Checkpoint objects of a namespace, or of the executions of a name in it, newest first."""
        fields = {"spec.executionRef.name": execution} if execution else {}
        bodies = await self.desk.find_checkpoints(namespace, **fields)
        return tuple(sorted(map(Checkpoint.from_body, bodies), key=_age, reverse=True))

    async def by(self) -> str:
        """The name that the API server knows the user by, asked once."""
        self._user = self._user or await self.desk.whoami()
        return self._user


def _age(checkpoint: Checkpoint) -> tuple[bool, str]:
    """What sorts them from the oldest on; what has no id yet, or will never have one, is told first."""
    return not checkpoint.status.checkpoint_id, checkpoint.status.checkpoint_id or checkpoint.metadata.name or ""


def restore_asks(
    source: dict[str, Any], rerun: Sequence[str], confirm: Sequence[str], force: bool, plan: Plan | None = None
) -> dict[str, Any]:
    """A `restoreFrom` that says no more than was asked for."""
    words = {"rerun": [*rerun], "confirm": [*confirm], "force": force, "planDigest": plan.digest if plan else None}
    return source | {name: value for name, value in words.items() if value}


def plan_model(plan: RestorePlan) -> Plan:
    """A plan as `status.restore` would show it."""
    return Plan.model_validate(plan_to_wire(plan))


@contextmanager
def in_time(text: str) -> Iterator[None]:
    """Let a TimeoutError that says nothing say this."""
    try:
        yield
    except TimeoutError as error:
        raise TimeoutError(str(error) or text) from None
