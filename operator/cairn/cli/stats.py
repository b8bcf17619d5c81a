"""`cairn stats`: checkpoints in numbers, and which will go next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import typer

from cairn.app.checkpoints.manager import due
from cairn.cli import checkpoints
from cairn.cli.checkpoints import ExecutionArgument
from cairn.cli.render.tables import size
from cairn.cli.session import ContextOption, NamespaceOption, Output, OutputOption, Session, plain, serve, write
from cairn.core.ages import age
from cairn.core.times import format_time, known_time
from cairn.errors import Gone
from cairn.ports import Stats


def run(
    execution: ExecutionArgument = None, output: OutputOption = Output.TEXT, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Count checkpoints that can be restored: how many, how large, why taken; and which go next, of an EXECUTION.

    Those of which only the database has a copy count, too, if CAIRN_API_URL names Cairn's REST API. With -o json:
    {totalCheckpoints, bytes, triggers, oldestCheckpoint, newestCheckpoint, due, next}; `due` goes now, `next` goes
    when another one has been taken, each as {objectName, reason}.

    Example: kubectl cairn stats my-pipeline
    """

    async def counted(session: Session) -> None:
        every = await checkpoints.every(session, execution)
        wire = _counts(Stats.of([one.summary("") for one in every if one.is_ready]))
        if execution is not None:
            wire |= {"due": await _due(session, execution), "next": await _due(session, execution, after_another=True)}
        write(output, wire, lambda: typer.echo(plain("\n".join(_lines(wire, session.clock())))))

    serve(namespace, context, counted)


def _counts(found: Stats) -> dict[str, Any]:
    oldest, newest = found.oldest_checkpoint, found.newest_checkpoint
    return {
        "totalCheckpoints": found.total_checkpoints, "bytes": found.bytes,
        "triggers": {trigger.value: count for trigger, count in sorted(found.triggers.items())},
        "oldestCheckpoint": format_time(oldest) if oldest else None,
        "newestCheckpoint": format_time(newest) if newest else None,
    }  # fmt: skip


async def _due(session: Session, execution: str, *, after_another: bool = False) -> list[dict[str, str]]:
    ref = await session.executions.locate(session.ref(execution))
    if ref is None:
        return []
    now = session.clock()
    try:
        found = await due(session.desk, ref.namespace, ref.name, now, after_another=after_another)
    except Gone:
        return []  # what is left of a deleted one goes by its age
    return [{"objectName": one.name, "reason": one.reason} for one in found]


def _lines(wire: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield f"{wire['totalCheckpoints']} checkpoints, {size(wire['bytes'])}"
    if wire["triggers"]:
        yield "by trigger: " + ", ".join(f"{count} {trigger}" for trigger, count in wire["triggers"].items())
        for which in ("oldest", "newest"):
            at = wire[f"{which}Checkpoint"]
            yield f"{which}: {at}, {age(known_time(at), now)} ago"
    for one in wire.get("due", ()):
        yield f"goes now: {one['objectName']}, {one['reason']}"
    for one in wire.get("next", ()):
        if one not in wire["due"]:
            yield f"goes when another one is taken: {one['objectName']}, {one['reason']}"
