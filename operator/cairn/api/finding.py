"""What a request names, found for a caller who may do what they ask with it.

Rules:
- What is named with its namespace is asked for there before anything is looked at: 403 whether it exists or not.
- What is named by an id alone is looked for among what the caller may do this with. What is not found there is
  answered as if it had been looked for in the namespace that was given (or the default one): 403 if they may not look
  there, else 404. So nobody learns from an answer what others have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairn import names
from cairn.api.parts import Parts
from cairn.app.control.checkpoints import Tenants
from cairn.core.borrowing import borrowed
from cairn.core.checkpoint.state import Checkpoint
from cairn.core.parse import parse
from cairn.core.refs import ExecutionRef, execution_ref, is_checkpoint_id
from cairn.errors import NotFound
from cairn.ports import Attributes, Caller


async def execution(
    parts: Parts, caller: Caller, text: str, verb: str, resource: str = names.EXECUTIONS, *, namespace: str = ""
) -> ExecutionRef:
    """The namespace and name of an execution, if the caller may do that with it (or with what belongs to it there).

    Raises InvalidSpec (the text names nothing), Forbidden, NotFound (of a UID alone), and the errors of the API.
    """

    def wanted(ref: ExecutionRef) -> Attributes:
        return Attributes(verb, resource, ref.namespace, ref.name if resource == names.EXECUTIONS else "")

    ref = execution_ref(text, namespace or parts.settings.default_namespace)
    if ref.uid:
        found = await parts.executions.locate(ref)
        if found is not None and await parts.access.allowed(caller, wanted(found)):
            return found
    what = wanted(ref)
    await parts.access.require(caller, verb, resource, what.namespace, what.name)
    if ref.uid:
        raise NotFound(f"there is no {ref}")
    return ref


async def tenants(parts: Parts, caller: Caller, verb: str, namespace: str = "") -> Tenants:
    """The namespaces, or the one that is named, in which the caller may do that with checkpoints.

    Raises Forbidden, NotFound (no such namespace), and the errors of the API.
    """
    wanted = Attributes(verb, names.CHECKPOINTS)
    if not namespace:
        seen = await parts.access.visible(caller, wanted)
        if not seen.uids:
            await parts.access.require(caller, verb, names.CHECKPOINTS, parts.settings.default_namespace)
        return seen.uids
    await parts.access.require(caller, verb, names.CHECKPOINTS, namespace)
    uid = await parts.access.uid_of(namespace)
    if uid is None:
        raise NotFound(f"there is no namespace {namespace}")
    return {namespace: uid}


async def checkpoint(
    parts: Parts, caller: Caller, ref: str, verb: str, *, namespace: str = ""
) -> tuple[Checkpoint, Tenants]:  # fmt: skip
    """A checkpoint that is Ready, with which the caller may do that, and the tenant it is of.

    Raises Forbidden, NotFound (which lists what there is instead), StoreError, and the errors of the API.
    """
    seen = await tenants(parts, caller, verb, namespace if namespace or is_checkpoint_id(ref) else _here(parts))
    found = await parts.checkpoints.find(seen, ref)
    if found is not None:
        return found, {found.namespace: seen[found.namespace]}
    here = namespace or _here(parts)
    await parts.access.require(caller, verb, names.CHECKPOINTS, here)
    raise NotFound(f"there is no checkpoint {ref} in namespace {here}; {await choice(parts, caller, here)}")


async def choice(parts: Parts, caller: Caller, namespace: str, execution: str | None = None) -> str:
    """What there is to choose from, if the caller may list it, and how more of it comes to be."""
    taken = "POST /api/training/dag/checkpoint takes one, and so does creating a Checkpoint object"
    uid = await parts.access.uid_of(namespace)
    if uid is None or not await parts.access.allowed(caller, Attributes("list", names.CHECKPOINTS, namespace)):
        return taken
    there = await parts.checkpoints.newest({namespace: uid}, execution)
    known = "; ".join(f"{one.id} ({one.name}, of {one.execution})" for one in there)
    return f"the newest there are: {known}; {taken}" if known else f"there are none yet; {taken}"


async def writable(parts: Parts, caller: Caller, namespace: str, spec: Mapping[str, Any]) -> None:
    """Do nothing if the caller may have an execution with that spec in that namespace.

    What the admission policies ask of who writes an execution, they would ask here of the account of the API. Raises
    InvalidSpec with every violation, Forbidden.
    """
    await foreign_source(parts, caller, namespace, spec.get("restoreFrom") or {})
    await borrowable(parts, caller, namespace, spec)


async def borrowable(parts: Parts, caller: Caller, namespace: str, spec: Mapping[str, Any]) -> None:
    """Do nothing if the caller may use what the pods of that spec use. Raises InvalidSpec, Forbidden."""
    await parts.access.require_borrowed(caller, namespace, borrowed(parse(spec).jobs))
    source = spec.get("restoreFrom") or {}
    if source.get("namespace", namespace) != namespace and not spec.get("jobs"):
        # Its jobs come with the checkpoint, and with them the Secrets and accounts that they name.
        await parts.access.require(caller, "create", "pods", namespace, group="")


async def foreign_source(parts: Parts, caller: Caller, namespace: str, source: Mapping[str, Any]) -> None:
    """Do nothing if the caller may read the checkpoint that a `restoreFrom` names in another namespace.

    Raises Forbidden.
    """
    where, name = source.get("namespace") or namespace, source.get("checkpointName") or ""
    if where != namespace:
        await parts.access.require(caller, "get" if name else "list", names.CHECKPOINTS, where, name)


def _here(parts: Parts) -> str:
    return parts.settings.default_namespace
