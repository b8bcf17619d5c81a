"""`cairn`: the entry point and its verbs."""

from __future__ import annotations

import sys
from pathlib import PurePath

import typer

from cairn.cli import (
    api,
    cancel,
    checkpoint,
    complete,
    diff,
    extend,
    fork,
    hold,
    lint,
    migrate,
    operator,
    pause,
    plan,
    resume,
    retry,
    rewind,
    run,
    skip,
    verify,
    version,
)

_PLUGIN = "kubectl-cairn"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="DAG workflows on Kubernetes that are never lost.")
app.command("operator")(operator.run)
app.command("api")(api.run)
app.command("migrate")(migrate.run)
app.command("run")(run.run)
app.command("pause")(pause.run)
app.command("resume")(resume.run)
app.command("cancel")(cancel.run)
app.command("hold")(hold.run)
app.command("retry")(retry.run)
app.command("skip")(skip.run)
app.command("complete")(complete.run)
app.command("extend")(extend.run)
app.command("checkpoint")(checkpoint.run)
app.command("plan")(plan.run)
app.command("fork")(fork.run)
app.command("rewind")(rewind.run)
app.command("diff")(diff.run)
app.command("verify")(verify.run)
app.command("lint")(lint.run)
app.command("version")(version.run)


def program(path: str) -> str:
    """What a person has typed to get here: kubectl runs `kubectl-cairn` for `kubectl cairn`."""
    return "kubectl cairn" if PurePath(path).name.startswith(_PLUGIN) else "cairn"


def main() -> None:
    """Both console scripts."""
    app(prog_name=program(sys.argv[0]))
