"""What every verb that talks to a cluster shares: who asks, where, how the answer is written, what an error costs.

Rules:
- The user's own kubeconfig decides what they may: each call is made as them, to the API server.
- Exit codes: 0, it is so or it was done; 1, it is not so or was refused; 2, an error (a wrong word, no cluster, no
  right).
- Several names are worked on one after the other: one that fails is told, and holds up no other.
- Colours and moving pictures are for terminals; what is piped is plain.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import yaml
from rich.console import Console, RenderableType

from cairn import names
from cairn.adapters.clock import system_clock
from cairn.adapters.ids import random_id
from cairn.adapters.kube.api import connect, default_namespace
from cairn.adapters.kube.desk import KubeDesk
from cairn.app.checkpoints.inspector import Inspector
from cairn.app.control.executions import Executions
from cairn.app.control.reading import Reading
from cairn.app.control.restores import RestoreControl
from cairn.cli.render import words
from cairn.core.checkpoint.changes import readable
from cairn.core.refs import ExecutionRef, execution_ref
from cairn.errors import CairnError, InvalidSpec, WrongState
from cairn.ports import Body, Clock, Desk

REFUSED = 1
ERROR = 2

T = TypeVar("T")

_COMPLETED_WITHIN = 3.0  # seconds
_NAMED = 5  # executions that a question names
_FROM_NOW = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class ListOutput(StrEnum):
    """How a list is written."""

    TEXT = "text"
    WIDE = "wide"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"


# --- What can be completed -------------------------------------------------------------------------------------------


def known_executions(ctx: typer.Context, incomplete: str) -> list[str]:
    """The executions that a word may become."""

    async def found(session: Session) -> list[str]:
        page = await session.desk.list_executions(session.namespace)
        return [body["metadata"]["name"] for body in page.items]

    return [name for name in _completed(ctx, found) if name.startswith(incomplete)]


def known_jobs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The jobs, of the execution that is named before, that a word may become."""
    execution = ctx.params.get("execution") or ""

    async def found(session: Session) -> list[str]:
        view = await session.executions.view(session.ref(execution))
        return list(view.execution.status.jobs)

    return [id for id in _completed(ctx, found) if id.startswith(incomplete)]


def _completed(ctx: typer.Context, found: Callable[[Session], Awaitable[list[str]]]) -> list[str]:
    """What a cluster says in time. Nothing else is said: whoever types is not to be disturbed."""

    async def worked() -> list[str]:
        async with (
            asyncio.timeout(_COMPLETED_WITHIN),
            connected(ctx.params.get("namespace"), ctx.params.get("context")) as session,
        ):
            return await found(session)

    _hush()
    try:
        return asyncio.run(worked())
    except (CairnError, TimeoutError):
        return []


# --- What verbs are given --------------------------------------------------------------------------------------------

NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="By default that of the kubeconfig's context.")
]
ContextOption = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context to use.")]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", help="Executions with these labels, as in kubectl: team=ml,env!=dev.")
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="text for people, json and yaml for programs.")
]
ListOutputOption = Annotated[
    ListOutput, typer.Option("--output", "-o", help="text or wide for people, name, json and yaml for programs.")
]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The id of a job.", autocompletion=known_jobs)]
NameArgument = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="A name, namespace/name, or a UID.", autocompletion=known_executions)
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="EXECUTION…", help="Names, namespace/name, or UIDs.", autocompletion=known_executions),
]
JobsArgument = Annotated[list[str], typer.Argument(metavar="JOB…", help="Ids of jobs.", autocompletion=known_jobs)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for people.")]
TimeoutOption = Annotated[str, typer.Option(help="How long to wait: 30s, 10m; 0 for as long as it takes.")]
RequestOption = Annotated[
    str, typer.Option("--request-id", metavar="ID", help="A text of your own: with it, asking twice acts once.")
]


async def nobody() -> str:
    """The authorization of a user who has no token."""
    return ""


@dataclass(frozen=True, slots=True)
class Session:
    """A user at work in a namespace."""

    desk: Desk
    namespace: str
    console: Console
    clock: Clock = system_clock
    new_id: Callable[[], str] = random_id
    authorization: Callable[[], Awaitable[str]] = nobody  # what a REST API is told of the user

    @property
    def executions(self) -> Executions:
        """Executions, as this user may use them."""
        return Executions(self.desk)

    @property
    def restores(self) -> RestoreControl:
        """Restores, from what the objects hold."""
        return RestoreControl(self.desk, None, self.clock)

    @property
    def reading(self) -> Reading:
        """Logs and outputs."""
        return Reading(self.desk)

    @property
    def inspector(self) -> Inspector:
        """Diff and verify, of what the objects hold."""
        return Inspector(self.desk, None, self.clock)

    def ref(self, text: str) -> ExecutionRef:
        """The execution that is meant; `dagx/name` is understood as kubectl writes it. Raises InvalidSpec."""
        kind, slash, name = text.partition("/")
        is_kind = slash and kind in ("dagx", "dagexecution", names.EXECUTIONS, f"{names.EXECUTIONS}.{names.GROUP}")
        return execution_ref(name if is_kind else text, self.namespace, "EXECUTION")


Work = Callable[[Session], Awaitable[T]]


def console() -> Console:
    """Standard output: 120 columns where it is no terminal, so that what is piped does not depend on one."""
    plain = not sys.stdout.isatty()
    return Console(width=120 if plain and "COLUMNS" not in os.environ else None, soft_wrap=False, highlight=False)


def asks_on_a_terminal() -> bool:
    """Whether there is somebody who can be asked."""
    return sys.stdin.isatty()


@asynccontextmanager
async def connected(namespace: str | None, context: str | None) -> AsyncIterator[Session]:
    """A session of the user of the kubeconfig. Raises NotConfigured."""
    api = await connect(context=context)
    try:
        desk, where = KubeDesk(api, names.CLI_MANAGER), namespace or default_namespace(context)
        yield Session(desk, where, console(), authorization=api.authorization)
    finally:
        await api.close()


def serve(namespace: str | None, context: str | None, work: Work[T]) -> T:
    """Do some work as the user of the kubeconfig; an error is told, and ends the program with its exit code."""

    async def worked() -> T:
        async with connected(namespace, context) as session:
            return await work(session)

    _hush()
    try:
        return asyncio.run(worked())
    except (CairnError, TimeoutError) as error:
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _hush() -> None:
    logging.getLogger("kubernetes").setLevel(logging.ERROR)  # it warns of a missing kubeconfig, which is told anyway


def fail(error: Exception) -> NoReturn:
    """Tell an error, and end the program."""
    tell(error)
    raise typer.Exit(REFUSED if isinstance(error, WrongState) else ERROR) from None


def tell(error: Exception, about: str = "") -> None:
    """Write an error to standard error: each violation on a line of its own."""
    lines = [str(v) for v in error.violations] if isinstance(error, InvalidSpec) else [str(error)]
    for line in map(plain, lines):
        typer.echo(f"{about}: {line}" if about else line or type(error).__name__, err=True)


def plain(text: str) -> str:
    """A text of several lines, with nothing in it that does anything to a terminal."""
    return "\n".join(map(readable, text.split("\n")))


# --- Several executions ----------------------------------------------------------------------------------------------


async def chosen(session: Session, given: Sequence[str] | None, selector: str = "") -> list[ExecutionRef]:
    """The executions that are named, or that carry the labels. Raises typer's error for both, or for neither."""
    if bool(given) is bool(selector):
        raise typer.BadParameter("name executions, or choose them by labels (-l)")
    if given:
        return [session.ref(name) for name in given]
    found: list[ExecutionRef] = []
    cursor = ""
    while True:
        page = await session.desk.list_executions(session.namespace, selector=selector, cursor=cursor)
        found += [ExecutionRef(b["metadata"]["namespace"], b["metadata"]["name"]) for b in page.items]
        if not (cursor := page.cursor):
            return found


async def each(
    session: Session, given: Sequence[str] | None, selector: str,
    work: Callable[[Session, ExecutionRef], Awaitable[str]],
    sure: Callable[[Sequence[ExecutionRef]], None] = lambda refs: None,
) -> int:  # fmt: skip
    """Do something to each of several executions, and tell what it has come to; the exit code. `sure` asks before."""
    refs = await chosen(session, given, selector)
    if not refs:
        typer.echo(f"no execution in namespace {session.namespace} has the labels {selector}", err=True)
    else:
        sure(refs)
    code = 0
    for ref in refs:
        try:
            said = await work(session, ref)
        except (CairnError, TimeoutError) as error:
            tell(error, f"{ref.namespace}/{ref.name}" if ref.name else ref.uid)
            code = max(code, REFUSED if isinstance(error, WrongState) else ERROR)
        else:
            typer.echo(said)
    return code


def done(body: Body, what: str) -> str:
    """What was done to an object, as kubectl says it."""
    return f"{body.get('kind', names.EXECUTION_KIND).lower()}.{names.GROUP}/{body['metadata']['name']} {plain(what)}"


def named(refs: Sequence[ExecutionRef]) -> str:
    """Executions in a question: the first few by name."""
    shown = [ref.name or ref.uid for ref in refs[:_NAMED]]
    more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
    return f"{len(refs)} executions ({', '.join(shown)}{more})" if len(refs) > 1 else f"execution {shown[0]}"


def seconds(text: str) -> float | None:
    """A duration as people write it: `30s`, `10m`; None for `0`, which is without end. Raises typer's error."""
    if text == "0":
        return None
    if (found := _FROM_NOW.fullmatch(text)) is None:
        raise typer.BadParameter(f"{text!r} is no duration such as 30s, 10m or 2h, nor 0 for no limit")
    return int(found[1]) * _UNITS[found[2]]


def moment(text: str, now: datetime) -> datetime:
    """A time as people write it: RFC 3339, or from now on: `30m`, `2h`, `1d`. Raises typer's error for others."""
    try:
        found = _FROM_NOW.fullmatch(text)
        at = now + timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else datetime.fromisoformat(text)
    except (ValueError, OverflowError):  # of what no calendar holds
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-01-31T18:00:00Z, nor one from now on: 30m, 2h, 1d")
    return at


# --- Answers ---------------------------------------------------------------------------------------------------------


def write(output: StrEnum, wire: Mapping[str, Any] | Sequence[Any], text: Callable[[], None]) -> None:
    """Write an answer to standard output: for people as `text` does it, for programs as it is."""
    match output:
        case Output.JSON:
            typer.echo(json.dumps(wire, indent=2, ensure_ascii=False))
        case Output.YAML:
            typer.echo(yaml.safe_dump(wire, sort_keys=False, allow_unicode=True), nl=False)
        case _:
            text()


def show(console: Console, made: RenderableType) -> None:
    """Write something to standard output, in colours if it is a terminal; nothing is cut, as kubectl cuts nothing."""
    if console.is_terminal:
        console.print(made, width=words.WIDE, crop=False)
    else:
        typer.echo(words.plain(made), nl=False)


def confirm(yes: bool, question: str) -> None:
    """Ask before something is lost. Without a terminal to ask on, only `--yes` will do."""
    if yes:
        return
    if not asks_on_a_terminal():
        typer.echo(f"{question} There is no terminal to ask on: give --yes", err=True)
        raise typer.Exit(ERROR)
    if not typer.confirm(question, err=True):
        raise typer.Exit(REFUSED)
