"""`cairn version`: which version this is, and which one answers as the REST API."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cairn import build
from cairn.cli import rest
from cairn.cli.session import ERROR, ContextOption, Output, OutputOption, serve, write

ShortOption = Annotated[bool, typer.Option("--short", help="Only the number of this one; no server is asked.")]


def run(short: ShortOption = False, output: OutputOption = Output.TEXT, context: ContextOption = None) -> None:
    """Print the version of this program, and that of the REST API if CAIRN_API_URL names one, each with its commit.

    A commit is known of an image, and unknown of a checkout. Exit code 2 if the REST API does not answer. With -o json:
    {client, clientCommit, server, serverCommit}; the last two are null where there is none.

    Example: kubectl cairn version
    """
    if short:
        typer.echo(build.VERSION)
        return
    answer = None
    if os.environ.get(rest.URL):
        answer = serve(None, context, lambda session: rest.ask(session, lambda api: api.version()))
    server, commit = (answer.value if answer else None) or (None, None)
    known = {"client": build.VERSION, "clientCommit": build.COMMIT, "server": server, "serverCommit": commit}
    told = [f"client: {build.described(build.VERSION, build.COMMIT)}"]
    told += [f"server: {build.described(server, commit or build.UNKNOWN)}"] if server else []
    write(output, known, lambda: typer.echo("\n".join(told)))
    if answer and answer.away:
        rest.note(answer)
        raise typer.Exit(ERROR)
