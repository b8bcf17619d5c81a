"""`cairn lint`: everything that is wrong in files of executions, and what their checkpoints cost, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
import yaml

from cairn import names
from cairn.cli.files import documents, read_text
from cairn.cli.session import REFUSED, Output, OutputOption, plain, write
from cairn.core.checkpoint import cost
from cairn.core.parse import parse
from cairn.core.spec import ExecutionSpec
from cairn.errors import InvalidSpec, Violation

FilesArgument = Annotated[list[str], typer.Argument(metavar="FILE…", help="YAML or JSON; - for standard input.")]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of an execution in a file."""

    file: str
    name: str
    spec: ExecutionSpec | None = None
    written: Any = None
    violations: tuple[Violation, ...] = ()

    @property
    def cost(self) -> cost.Cost | None:
        """What its checkpoints cost; nothing is known of jobs that come from a checkpoint."""
        return cost.estimate(self.spec, self.written) if self.spec and self.spec.jobs else None


def run(files: FilesArgument, output: OutputOption = Output.TEXT) -> None:
    """Say what is wrong in each DAGExecution of some files, cycles included, and what its checkpoints cost.

    Exit code 0: all can run, 1: something is wrong, 2: no file. With -o json: a list of {file, name, ok, jobs,
    violations: [{field, message}], cost}; cost is null where the jobs come from a checkpoint, or something is wrong.

    Example: kubectl cairn lint manifests/samples/01-hello.yaml
    """
    found = [judged for file in files for judged in _judge(file)]
    write(output, [_wire(judged) for judged in found], lambda: typer.echo(plain("\n".join(_lines(found)))))
    if any(judged.violations for judged in found):
        raise typer.Exit(REFUSED)


def _judge(file: str) -> Iterator[Judged]:
    try:
        found = list(documents(read_text(file)))
    except yaml.YAMLError as error:
        yield Judged(file, file, violations=(Violation("", f"that is no YAML: {' '.join(str(error).split())}"),))
        return
    for body in found:
        if isinstance(body, dict) and body.get("kind") == names.EXECUTION_KIND:
            yield _execution(file, body)


def _execution(file: str, body: dict[str, Any]) -> Judged:
    meta, spec = body.get("metadata"), body.get("spec")
    meta = meta if isinstance(meta, dict) else {}
    name = str(meta.get("name") or meta.get("generateName") or "(no name)")
    if not isinstance(spec, dict):
        return Judged(file, name, violations=(Violation("spec", "must be an object"),))
    try:
        return Judged(file, name, parse(spec), spec)
    except InvalidSpec as error:
        return Judged(file, name, violations=error.violations)


def _lines(found: list[Judged]) -> Iterator[str]:
    if not found:
        yield f"there is no {names.EXECUTION_KIND} in it"
    for judged in found:
        for violation in judged.violations:
            yield f"{judged.name}: {violation}" if violation.field else f"{judged.name}: {violation.message}"
        if judged.spec is not None:
            yield f"{judged.name}: ok, {len(judged.spec.jobs)} jobs"
            if (estimate := judged.cost) is not None:
                yield from (f"  {line}" for line in cost.lines(estimate, judged.spec.checkpoint))


def _wire(judged: Judged) -> dict[str, Any]:
    estimate = judged.cost
    return {
        "file": judged.file, "name": judged.name, "ok": not judged.violations,
        "jobs": len(judged.spec.jobs) if judged.spec else None,
        "violations": [{"field": v.field, "message": v.message} for v in judged.violations],
        "cost": cost.to_wire(estimate) if estimate else None,
    }  # fmt: skip
