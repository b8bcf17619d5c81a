"""`cairn version`: which version this is, and which one answers as the REST API."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated

import typer

from cairn.cli import rest
from cairn.cli.session import ERROR, ContextOption, Output, OutputOption, serve, write

ShortOption = Annotated[bool, typer.Option("--short", help="Only the number of this one; no server is asked.")]


def run(short: ShortOption = False, output: OutputOption = Output.TEXT, context: ContextOption = None) -> None:
    """Print the version of this program, and that of the REST API if CAIRN_API_URL names one.

    Exit code 2 if that does not answer. With -o json: {client, server}; server is null where there is none.

    Example: kubectl cairn version
    """
    client = version("cairn")
    if short:
        typer.echo(client)
        return
    answer = None
    if os.environ.get(rest.URL):
        answer = serve(None, context, lambda session: rest.ask(session, lambda api: api.version()))
    server = answer.value if answer else None
    told = [f"client: {client}", *([f"server: {server}"] if server else [])]
    write(output, {"client": client, "server": server}, lambda: typer.echo("\n".join(told)))
    if answer and answer.away:
        rest.note(answer)
        raise typer.Exit(ERROR)
