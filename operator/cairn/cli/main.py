"""`cairn`: the entry point and its verbs."""

from __future__ import annotations

import os
import shlex
import sys
from importlib import import_module
from pathlib import PurePath
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cairn import build

_PLUGIN = "kubectl-cairn"
_NO_FILES = ":4"  # what kubectl, which speaks cobra's language, takes for: do not add names of files

VERBS = (
    "run", "list", "get", "watch", "graph", "why", "logs", "outputs",
    "pause", "resume", "cancel", "hold", "retry", "skip", "complete", "extend",
    "checkpoint", "checkpoints", "stats", "diff", "verify", "plan", "fork", "rewind", "export", "import",
    "lint", "version", "operator", "api", "migrate",
)  # fmt: skip
HIDDEN = ("detach", "check")  # for the chart's own pods; no help lists them
_MODULES = {"list": "listing", "import": "importing"}  # names that modules cannot have


class Verbs(TyperGroup):
    """Verbs by name; the module of a verb is imported when it is used, so that none waits for what others need."""

    def list_commands(self, ctx: object) -> list[str]:
        """The verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:
        """A verb."""
        return command(cmd_name) if cmd_name in VERBS + HIDDEN else None


def command(verb: str) -> TyperCommand:
    """A verb by its name."""
    module = import_module(f"cairn.cli.{_MODULES.get(verb, verb)}")
    alone = typer.Typer(add_completion=False)
    alone.command(verb)(module.run)
    made = get_command(alone)
    assert isinstance(made, TyperCommand)
    return made


app = typer.Typer(cls=Verbs, no_args_is_help=True)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cairn {build.described(build.VERSION, build.COMMIT)}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and the commit.")
]


@app.callback()
def cairn(version: VersionOption = False) -> None:
    """DAG workflows on Kubernetes that are never lost."""


def program(path: str) -> str:
    """What a person has typed to get here: kubectl runs `kubectl-cairn` for `kubectl cairn`."""
    return "kubectl cairn" if PurePath(path).name.startswith(_PLUGIN) else "cairn"


def complete_for_kubectl() -> None:
    """The console script that kubectl asks what a word may become: a candidate a line, then that these are all."""
    *words, last = sys.argv[1:] or [""]
    typed = shlex.join(["cairn", *words]) + " " + (shlex.quote(last) if last else "")
    os.environ |= {
        "_CAIRN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": typed,
    }  # fmt: skip
    try:
        app(prog_name="cairn")
    finally:
        print(_NO_FILES)


def main() -> None:
    """Both console scripts."""
    app(prog_name=program(sys.argv[0]))
