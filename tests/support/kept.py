"""Checkpoints at a desk in memory: objects with real states, as an operator has left them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cairn.core.checkpoint import filed, objects
from cairn.core.checkpoint.state import CheckpointState, Parent, Stored, Trigger
from support.fake_desk import FakeDesk
from support.states import a_label, a_state, an_origin, at
from support.stored import Tenant

Body = dict[str, Any]
DATABASE_AWAY = (False, "DatabaseUnavailable", "connection refused")


def stored(
    name: str, execution: str = "train", /, *, number: int = 0, namespace: str = "default", uid: str = "",
    state: CheckpointState | None = None, pinned: bool = False, **label: Any,
) -> Stored:  # fmt: skip
    """A checkpoint whose summary says what its state says; the younger the higher its number."""
    made, state = at(60 * number), state or a_state()
    given: dict[str, Any] = {
        "id": f"checkpoint_{int(made.timestamp() * 1000)}_{number:08}", "name": f"Label of {name}", "created_at": made,
    }  # fmt: skip
    origin = an_origin(namespace=namespace, name=execution, uid=uid or f"uid-of-{execution}")
    state = replace(state, label=a_label(**given | label), origin=origin)
    found = Tenant(namespace, f"uid-of-namespace-{namespace}").of(state, name, execution)
    return replace(found, checkpoint=replace(found.checkpoint, execution_uid=origin.uid, pinned=pinned))


def keep(desk: FakeDesk, found: Stored, *, stored: bool = False, state: bool = True) -> Body:
    """Put the object of a checkpoint there, as an operator has left it: with a row, and without the state, if told."""
    body = filed.manifest(found)
    del body["metadata"]["annotations"]
    status = filed.status(found, generation=1, now=found.checkpoint.created_at)
    if stored:
        told = (True, "Stored", "")
        status["conditions"][1] = objects.condition("Stored", *told, generation=1, now=found.checkpoint.created_at)
    if not state:
        del status["state"]
    return desk.put(body | {"status": status})


def chain(desk: FakeDesk, *names: str, execution: str = "train") -> list[Stored]:
    """Checkpoints of an execution, each the parent of the next, one a minute; all that can differ does."""
    found: list[Stored] = []
    triggers = [Trigger.MANUAL, Trigger.LEVEL_COMPLETED, Trigger.JOB_COMPLETED]
    for number, name in enumerate(names):
        parent = Parent(found[-1].checkpoint.id, found[-1].checkpoint.digest) if found else None
        one = stored(
            name, execution, number=number, state=a_state(1, epoch=number), parent=parent,
            trigger=triggers[number % len(triggers)],
        )  # fmt: skip
        keep(desk, one, stored=number % 2 == 0)
        found.append(one)
    return found
