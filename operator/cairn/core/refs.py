"""How people name an execution or a checkpoint: by name, by namespace/name, by UID, by id."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cairn.errors import InvalidSpec, Violation

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_CHECKPOINT_ID = re.compile(r"checkpoint_[0-9]{13,}_[0-9a-z]{1,32}")


@dataclass(frozen=True, slots=True)
class ExecutionRef:
    """An execution as it was named.

    With a UID alone, `namespace` is only where one that is not found would have been; with a name and a UID it is that
    one of the name.
    """

    namespace: str
    name: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"execution {self.name or self.uid}"


def execution_ref(text: str, namespace: str, field: str = "executionId") -> ExecutionRef:
    """What is meant by `namespace/name`, a UID, or a name in that namespace. Raises InvalidSpec that names `field`."""
    if _UID.fullmatch(text):
        return ExecutionRef(namespace, uid=text)
    where, slash, name = text.rpartition("/")
    ref = ExecutionRef(where if slash else namespace, name)
    if not _NAMESPACE.fullmatch(ref.namespace) or not _NAME.fullmatch(ref.name):
        wanted = "must be the UID of an execution, namespace/name, or a name"
        raise InvalidSpec((Violation(field, f"{wanted}; names are lower case: a-z, 0-9, - and ."),))
    return ref


def is_name(text: str) -> bool:
    """Whether it can be the name of an object."""
    return bool(_NAME.fullmatch(text))


def is_checkpoint_id(text: str) -> bool:
    """Whether it is the id of a checkpoint; a name of an object holds no underscore."""
    return bool(_CHECKPOINT_ID.fullmatch(text))


def checkpoint_source(text: str, field: str = "checkpoint") -> dict[str, str]:
    """What `restoreFrom` says of a checkpoint given by id, by name, or as namespace/name. Raises InvalidSpec."""
    where, slash, name = text.rpartition("/")
    namespace = {"namespace": where} if slash else {}
    if (slash and not _NAMESPACE.fullmatch(where)) or not (is_checkpoint_id(name) or _NAME.fullmatch(name)):
        wanted = "must be the id of a checkpoint, namespace/name, or a name"
        raise InvalidSpec((Violation(field, f"{wanted}; names are lower case: a-z, 0-9, - and ."),))
    return namespace | ({"checkpointId": name} if is_checkpoint_id(name) else {"checkpointName": name})
