"""`cairn checkpoints`: which there are, newest first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cairn import names
from cairn.cli import rest
from cairn.cli.render.tables import checkpoints_table
from cairn.cli.session import (
    ContextOption,
    EverywhereOption,
    ListOutput,
    ListOutputOption,
    NamespaceOption,
    Session,
    known_executions,
    plain,
    serve,
    show,
    write,
)
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.times import format_time
from cairn.ports import Body

ExecutionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[EXECUTION]", help="Only of this one, also if it was deleted.", autocompletion=known_executions
    ),
]
TriggerOption = Annotated[Trigger | None, typer.Option(help="Only those that were taken because of this.")]


def run(
    execution: ExecutionArgument = None, everywhere: EverywhereOption = False, trigger: TriggerOption = None,
    output: ListOutputOption = ListOutput.TEXT, namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """List checkpoints, newest first.

    Those of which only the database has a copy are listed, too, if CAIRN_API_URL names Cairn's REST API. With -o json
    or yaml: {items}, each item as the REST API tells it, with phase, reason and stored besides.

    Example: kubectl cairn checkpoints my-pipeline --trigger manual -o wide
    """

    async def listed(session: Session) -> None:
        found = await every(session, execution, trigger, everywhere=everywhere)

        def told() -> None:
            if output is ListOutput.NAME:
                typer.echo("".join(f"checkpoint.{names.GROUP}/{plain(one.name)}\n" for one in found), nl=False)
            elif found:
                wide = output is ListOutput.WIDE
                show(session.console, checkpoints_table(found, session.clock(), wide=wide, namespaces=everywhere))
            else:
                where = "any namespace" if everywhere else f"namespace {session.namespace}"
                typer.echo(f"no checkpoints found in {where}", err=True)

        write(output, {"items": [to_wire(one) for one in found]}, told)

    serve(namespace, context, listed)


async def every(
    session: Session, execution: str | None, trigger: Trigger | None = None, *, everywhere: bool = False
) -> list[CheckpointObject]:  # fmt: skip
    """The checkpoints that are meant, newest first, those without an object among them, if the REST API is there."""
    ref = session.ref(execution) if execution else None
    where = "" if everywhere else ref.namespace if ref else session.namespace
    name, uid, why = (ref.name, ref.uid, trigger or "") if ref else ("", "", trigger or "")
    fields = {"spec.executionRef.name": name, "status.executionUid": uid, "spec.trigger": str(why)}
    asked = {field: value for field, value in fields.items() if value}
    found = [objects.view(body) for body in await session.desk.find_checkpoints(where, **asked)]
    answer = await rest.ask(
        session, lambda api: api.checkpoints(where, execution=name, executionId=uid, trigger=str(why))
    )  # fmt: skip
    if answer.away:
        rest.note(answer)
    known = {one.id for one in found}
    found += [_from_row(item) for item in answer.value or () if item["id"] not in known]
    return sorted(found, key=lambda one: (one.taken_at or one.created_at, one.id), reverse=True)


def _from_row(item: Body) -> CheckpointObject:
    """A checkpoint that only the database has, as its object would show it."""
    meta = {
        "name": item["objectName"], "namespace": item["namespace"], "uid": "", "resourceVersion": "",
        "creationTimestamp": item["createdAt"],
    }  # fmt: skip
    spec = {
        "executionRef": {"name": item["execution"]}, "name": item["name"], "trigger": item["trigger"],
        "metadata": item.get("metadata"), "pinned": item.get("pinned"), "createdBy": item.get("createdBy"),
    }  # fmt: skip
    parent = item.get("parent")
    status = {
        "phase": objects.READY, "checkpointId": item["id"], "executionUid": item["executionId"],
        "createdAt": item["createdAt"], "jobCount": item["jobCount"], "executionStatus": item["status"],
        "sizeBytes": item["sizeBytes"], "digest": item["digest"], "stateDigest": item.get("stateDigest", ""),
        "parent": {"checkpointId": parent["id"], "digest": parent["digest"]} if parent else None,
        "conditions": [{"type": names.CONDITION_STORED, "status": "True", "reason": names.STORED}],
    }  # fmt: skip
    return objects.view({"metadata": meta, "spec": spec, "status": status})


def to_wire(one: CheckpointObject) -> dict[str, Any]:
    """A checkpoint for programs."""
    parent = one.parent
    return {
        "id": one.id, "objectName": one.name, "namespace": one.namespace, "executionId": one.execution_uid,
        "execution": one.execution, "name": one.label, "trigger": one.trigger.value,
        "createdAt": format_time(one.taken_at or one.created_at), "createdBy": one.created_by,
        "jobCount": one.job_count, "status": one.execution_status, "sizeBytes": one.size_bytes, "digest": one.digest,
        "stateDigest": one.state_digest, "parent": {"id": parent.id, "digest": parent.digest} if parent else None,
        "pinned": one.pinned, "metadata": dict(one.metadata), "phase": one.phase, "reason": one.ready[0],
        "stored": one.is_stored,
    }  # fmt: skip
