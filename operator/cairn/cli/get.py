"""`cairn get`: an execution and its jobs, as they are now."""

from __future__ import annotations

import typer
from rich.console import Group
from rich.text import Text

from cairn import names
from cairn.api.told import detail
from cairn.app.looking import look
from cairn.cli.render.header import header
from cairn.cli.render.tables import job_table
from cairn.cli.session import (
    ContextOption,
    ListOutput,
    ListOutputOption,
    NameArgument,
    NamespaceOption,
    Session,
    serve,
    show,
    write,
)


def run(
    execution: NameArgument, output: ListOutputOption = ListOutput.TEXT, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Show how an execution stands, and each of its jobs.

    With -o json or yaml: as the REST API tells it, spec and status of the custom resource included.

    Example: kubectl cairn get my-pipeline -o wide
    """

    async def shown(session: Session) -> None:
        body = await session.executions.get(session.ref(execution))
        view = await look(session.desk, body)

        def told() -> None:
            if output is ListOutput.NAME:
                typer.echo(f"{names.EXECUTION_KIND.lower()}.{names.GROUP}/{view.key.name}")
                return
            now = session.clock()
            jobs = job_table(view.execution, view.shape, now, wide=output is ListOutput.WIDE)
            show(session.console, Group(header(view.execution, now), Text(), jobs))

        write(output, detail(body).model_dump(mode="json"), told)

    serve(namespace, context, shown)
