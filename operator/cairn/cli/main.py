"""`cairn`: the entry point and its verbs."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import PurePath

import typer

from cairn.cli import (
    api,
    cancel,
    checkpoint,
    checkpoints,
    complete,
    diff,
    export,
    extend,
    fork,
    get,
    graph,
    hold,
    importing,
    lint,
    listing,
    logs,
    migrate,
    operator,
    outputs,
    pause,
    plan,
    resume,
    retry,
    rewind,
    run,
    skip,
    stats,
    verify,
    version,
    watch,
    why,
)

_PLUGIN = "kubectl-cairn"
_NO_FILES = ":4"  # what kubectl, which speaks cobra's language, takes for: do not add names of files

app = typer.Typer(no_args_is_help=True, help="DAG workflows on Kubernetes that are never lost.")
app.command("operator")(operator.run)
app.command("api")(api.run)
app.command("migrate")(migrate.run)
app.command("run")(run.run)
app.command("list")(listing.run)
app.command("get")(get.run)
app.command("watch")(watch.run)
app.command("graph")(graph.run)
app.command("why")(why.run)
app.command("logs")(logs.run)
app.command("outputs")(outputs.run)
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
app.command("checkpoints")(checkpoints.run)
app.command("stats")(stats.run)
app.command("diff")(diff.run)
app.command("verify")(verify.run)
app.command("export")(export.run)
app.command("import")(importing.run)
app.command("lint")(lint.run)
app.command("version")(version.run)


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
