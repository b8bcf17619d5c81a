"""`cairn list`: which executions there are, and how they stand."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn import names
from cairn.api.told import execution as as_told
from cairn.cli.render.tables import Listed, executions_table
from cairn.cli.session import (
    ContextOption,
    EverywhereOption,
    ListOutput,
    ListOutputOption,
    NamespaceOption,
    SelectorOption,
    Session,
    serve,
    show,
    write,
)
from cairn.core import asking
from cairn.core.status import Phase
from cairn.ports import Body

PhaseOption = Annotated[
    list[Phase] | None, typer.Option(help="Only those in this phase; can be repeated.", case_sensitive=False)
]


def run(
    everywhere: EverywhereOption = False, selector: SelectorOption = "", phase: PhaseOption = None,
    output: ListOutputOption = ListOutput.TEXT, namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """List executions: phase, pause, progress, what runs and what has failed.

    With -o json or yaml: {items}, each item as the REST API tells it in a list.

    Example: kubectl cairn list -A -l team=ml --phase Running
    """

    async def listed(session: Session) -> None:
        where = "" if everywhere else session.namespace
        found = [b for b in await every(session, where, selector) if not phase or asking.phase_of(b) in phase]

        def told() -> None:
            if output is ListOutput.NAME:
                titles = (f"{names.EXECUTION_KIND.lower()}.{names.GROUP}/{body['metadata']['name']}" for body in found)
                typer.echo("".join(f"{title}\n" for title in titles), nl=False)
            elif found:
                rows, wide = map(Listed.of, found), output is ListOutput.WIDE
                show(session.console, executions_table(rows, session.clock(), wide=wide, namespaces=everywhere))
            else:
                typer.echo(f"no executions found in {f'namespace {where}' if where else 'any namespace'}", err=True)

        write(output, {"items": [as_told(body).model_dump(mode="json") for body in found]}, told)

    serve(namespace, context, listed)


async def every(session: Session, namespace: str, selector: str = "") -> list[Body]:
    """The executions of a namespace, or of all, page by page."""
    found: list[Body] = []
    cursor = ""
    while True:
        page = await session.desk.list_executions(namespace, selector=selector, cursor=cursor)
        found += page.items
        if not (cursor := page.cursor):
            return found
