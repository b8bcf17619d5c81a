"""`cairn checkpoint`: the state as it is now, to be looked at, forked or gone back to."""

from __future__ import annotations

from typing import Annotated

import typer

from cairn.app.checkpoints.manager import Wish, ask_for, settled
from cairn.app.control.executions import Where
from cairn.cli.session import (
    ContextOption,
    NamesArgument,
    NamespaceOption,
    RequestOption,
    SelectorOption,
    Session,
    TimeoutOption,
    each,
    plain,
    seconds,
    serve,
)
from cairn.core.refs import ExecutionRef
from cairn.names import GROUP

LabelOption = Annotated[str, typer.Option("--name", help="What people call it, such as 'Before deployment'.")]
MetaOption = Annotated[list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Kept with it; repeatable.")]
PinOption = Annotated[bool, typer.Option("--pin", help="Retention leaves it alone.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Until it can be restored; then its id is told, too.")]


def run(
    names: NamesArgument = None, selector: SelectorOption = "", name: LabelOption = "", meta: MetaOption = None,
    pin: PinOption = False, wait: WaitOption = False, timeout: TimeoutOption = "0", request_id: RequestOption = "",
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Take a checkpoint of executions as they are now, running or not.

    Example: kubectl cairn checkpoint my-pipeline --name "Before deployment" --meta ticket=OPS-17 --wait
    """
    limit, metadata = seconds(timeout), dict(map(_pair, meta or ()))

    async def taken(session: Session, ref: ExecutionRef) -> str:
        where = Where.of(await session.executions.get(ref))
        key = request_id or f"cli-{session.new_id()}"
        by = await session.desk.whoami()
        wish = Wish(where.namespace, where.name, key, name, metadata, by, pin)
        made = await ask_for(session.desk, wish)
        told = f"checkpoint.{GROUP}/{made} "
        if not wait:
            return f"{told}created"
        ready = await settled(session.desk, where.namespace, made, seconds=limit)
        return plain(f"{told}ready: {ready.id}")

    raise typer.Exit(serve(namespace, context, lambda session: each(session, names, selector, taken)))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--meta")
    return key, value
