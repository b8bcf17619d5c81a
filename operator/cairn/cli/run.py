"""`cairn run`: executions from a file, checked, applied and followed."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn import names
from cairn.app.control.executions import Where
from cairn.cli import following
from cairn.cli.files import read_manifests
from cairn.cli.session import ContextOption, NamespaceOption, Session, done, serve
from cairn.errors import Conflict, InvalidSpec, Violation
from cairn.ports import Body

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A YAML or JSON file; - for standard input.")]
NameOption = Annotated[str, typer.Option("--name", help="For the only execution in the file, instead of its own name.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Let the API server check it, and change nothing.")]
FollowOption = Annotated[bool, typer.Option("--follow/--no-follow", help="Until all have finished.")]
ForceOption = Annotated[bool, typer.Option("--force-conflicts", help="Take over fields that others have written.")]


def run(
    file: FileArgument, name: NameOption = "", dry_run: DryRunOption = False, follow: FollowOption = True,
    force_conflicts: ForceOption = False, namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Apply every DAGExecution and Checkpoint of a file, and follow the executions.

    All that is wrong is told before anything is applied. A file with generateName, or with --name, makes a new
    execution. Exit code 0: all have succeeded, 1: one has failed, was cancelled or refused. Ctrl-C ends the following
    only.

    Example: kubectl cairn run manifests/samples/01-hello.yaml
    """

    async def applied(session: Session) -> int:
        bodies = _placed(read_manifests(file), name, namespace, session)
        made = []
        for body in bodies:
            made.append(await _apply(session, body, force=force_conflicts, dry_run=dry_run))
        executions = [Where.of(body) for body in made if body["kind"] == names.EXECUTION_KIND]
        return await following.follow(session, executions) if follow and not dry_run else 0

    raise typer.Exit(serve(namespace, context, applied))


async def _apply(session: Session, body: Body, *, force: bool, dry_run: bool) -> Body:
    try:
        made = await session.desk.apply(body, force=force, dry_run=dry_run)
    except Conflict as error:
        text = f"{error}; --force-conflicts takes such fields over"
        raise Conflict(text, status=error.status, reason=error.reason) from None
    typer.echo(done(made, "serverside-applied" + (" (server dry run)" if dry_run else "")))
    return made


def _placed(bodies: list[Body], name: str, namespace: str | None, session: Session) -> list[Body]:
    """Each with its name and namespace. Raises InvalidSpec."""
    if name and [body["kind"] for body in bodies] != [names.EXECUTION_KIND]:
        raise typer.BadParameter("a name is for a file with one execution and nothing else", param_hint="--name")
    placed, violations = [], []
    for body in bodies:
        meta = dict(body["metadata"])
        if namespace and meta.get("namespace", namespace) != namespace:
            text = f"is {meta['namespace']}, and the namespace given is {namespace}"
            violations.append(Violation(f"{meta.get('name')}: metadata.namespace", text))
        prefix = meta.pop("generateName", "")
        meta["name"] = name or meta.get("name") or f"{prefix}{session.new_id()[:8]}"
        meta.setdefault("namespace", session.namespace)
        placed.append({**body, "metadata": meta})
    if violations:
        raise InvalidSpec(tuple(violations))
    return placed
