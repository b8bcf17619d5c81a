"""`cairn`: the entry point and its verbs."""

from __future__ import annotations

import typer

from cairn.cli import api, diff, lint, migrate, operator, pause, verify, version

app = typer.Typer(no_args_is_help=True, add_completion=False, help="DAG workflows on Kubernetes that are never lost.")
app.command("operator")(operator.run)
app.command("api")(api.run)
app.command("migrate")(migrate.run)
app.command("pause")(pause.run)
app.command("diff")(diff.run)
app.command("verify")(verify.run)
app.command("lint")(lint.run)
app.command("version")(version.run)
