"""`cairn export`: a checkpoint as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from cairn.cli.session import ContextOption, NamespaceOption, Session, plain, serve
from cairn.core.checkpoint import filed, objects
from cairn.core.refs import checkpoint_source
from cairn.errors import Gone, NotFound, WrongState
from cairn.ports import Body

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="Its name, namespace/name, or its id.")
]
FileOption = Annotated[
    Path | None, typer.Option("--output", "-o", dir_okay=False, metavar="FILE", help="Where to; JSON if it is .json.")
]


def run(
    checkpoint: CheckpointArgument, file: FileOption = None, namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:  # fmt: skip
    """Write a checkpoint with all that it holds to a file, or to standard output; `import` brings it in elsewhere.

    It holds what the jobs have handed out and the ends of their logs: keep the file as you would keep those.

    Example: kubectl cairn export before-deployment -o before-deployment.yaml
    """

    async def exported(session: Session) -> None:
        written = await _file(session, checkpoint)
        if file is None:
            typer.echo(_text(written, json_wanted=False), nl=False)
            return
        try:
            file.write_text(_text(written, json_wanted=file.suffix == ".json"), encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}") from None
        typer.echo(plain(f"checkpoint.cairn.dev/{written['metadata']['name']} exported to {file}"))

    serve(namespace, context, exported)


async def _file(session: Session, checkpoint: str) -> Body:
    """The file, checked as `import` will. Raises NotFound, WrongState, Unreadable, and the errors of the API."""
    source = checkpoint_source(checkpoint, "CHECKPOINT")
    where = source.get("namespace", session.namespace)
    body = await _object(session, where, source)
    if body is None:
        raise NotFound(f"there is no checkpoint {checkpoint} in namespace {where}; `checkpoints` lists those there are")
    seen = objects.view(body)
    if not seen.is_ready:
        raise WrongState(f"checkpoint {seen.name} is {seen.phase} and holds no state: {' '.join(seen.ready)}")
    if not seen.has_state:
        raise WrongState(f"the state of checkpoint {seen.name} is too large for an object: only the database holds it")
    written = filed.to_file(body)
    filed.from_file(written, namespace=where, pinned=True)
    return written


async def _object(session: Session, where: str, source: dict[str, str]) -> Body | None:
    if id := source.get("checkpointId"):
        return next(iter(await session.desk.find_checkpoints(where, **{"status.checkpointId": id})), None)
    try:
        return await session.desk.get_checkpoint(where, source["checkpointName"])
    except Gone:
        return None


def _text(written: Body, *, json_wanted: bool) -> str:
    if json_wanted:
        return json.dumps(written, indent=2) + "\n"
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=1_000_000)
