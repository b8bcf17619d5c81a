"""`cairn import`: a checkpoint from a file, checked on the way in."""

from __future__ import annotations

from typing import Annotated

import typer
import yaml

from cairn import names
from cairn.app.checkpoints.importing import bring_in
from cairn.cli.files import documents, read_text
from cairn.cli.session import ContextOption, NamespaceOption, Session, plain, serve
from cairn.core.checkpoint import filed
from cairn.core.checkpoint.state import Stored
from cairn.errors import InvalidSpec, Unreadable, Violation

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="What `export` has written; - for standard input.")]
NameOption = Annotated[str, typer.Option("--name", help="The name of its object; by default that in the file.")]
PinOption = Annotated[bool, typer.Option("--pin/--no-pin", help="Whether it stays until somebody deletes it.")]


def run(
    file: FileArgument, name: NameOption = "", pin: PinOption = True, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Bring in a checkpoint from a file, whatever namespace or cluster it is from; `fork` starts from it.

    Every byte is checked against its digest before anything is written. It is pinned, since its execution may be gone.
    It takes the right to create checkpoints and to update their status. Doing it again does nothing.

    Example: kubectl cairn import before-deployment.yaml -n staging
    """

    async def imported(session: Session) -> None:
        found = _read(file, session.namespace, name, pin)
        done = await bring_in(session.desk, found, session.clock())
        title = f"checkpoint.{names.GROUP}/{found.checkpoint.object_name}"
        typer.echo(plain(f"{title} {'imported' if done else 'unchanged'}: {found.checkpoint.id}"))

    serve(namespace, context, imported)


def _read(file: str, namespace: str, name: str, pin: bool) -> Stored:
    """The checkpoint in a file. Raises InvalidSpec, Unreadable, and typer's error."""
    try:
        found = list(documents(read_text(file)))
    except yaml.YAMLError as error:
        text = f"that is no YAML, or not all of it: {' '.join(str(error).split())}"
        raise _wrong(file, Violation("", text)) from None
    if len(found) != 1:
        raise _wrong(file, Violation("", f"must hold one {names.CHECKPOINT_KIND}, not {len(found)} documents"))
    try:
        return filed.from_file(found[0], namespace=namespace, name=name, pinned=pin)
    except InvalidSpec as error:
        raise _wrong(file, *error.violations) from None
    except Unreadable as error:
        raise type(error)(f"{file}: it is not what was exported, so nothing was imported: {error}") from None


def _wrong(file: str, *violations: Violation) -> InvalidSpec:
    places = (f"{file}: {violation.field}" if violation.field else file for violation in violations)
    return InvalidSpec(tuple(Violation(place, v.message) for place, v in zip(places, violations, strict=True)))
