"""`cairn graph`: the picture of a DAG, of a file or of an execution as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cairn.cli.files import read_execution
from cairn.cli.session import ContextOption, NamespaceOption, Session, fail, known_executions, serve
from cairn.core.drawing.dot import dot
from cairn.core.drawing.mermaid import mermaid
from cairn.core.drawing.model import Drawing, draw
from cairn.core.drawing.svg import svg
from cairn.core.drawing.text import text
from cairn.core.parse import parse
from cairn.core.shape import Shape
from cairn.errors import CairnError, InvalidSpec, Violation, WrongState


class Form(StrEnum):
    """What it is drawn as."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


_FORMS: Mapping[Form, Callable[[Drawing], str]] = {
    Form.TEXT: text, Form.MERMAID: mermaid, Form.DOT: dot, Form.SVG: svg
}  # fmt: skip

ExecutionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[EXECUTION]", help="A name, namespace/name, or a UID.", autocompletion=known_executions),
]
FileOption = Annotated[
    str | None, typer.Option("--filename", "-f", metavar="FILE", help="Of a file, without a cluster; - for stdin.")
]
FormOption = Annotated[
    Form | None, typer.Option("--format", help="By default text, or what the name after --out ends in.")
]
OutOption = Annotated[Path | None, typer.Option("--out", dir_okay=False, metavar="FILE", help="Where to.")]


def run(
    execution: ExecutionArgument = None, file: FileOption = None, form: FormOption = None, out: OutOption = None,
    namespace: NamespaceOption = None, context: ContextOption = None,
) -> None:  # fmt: skip
    """Draw an execution with the states of its jobs, or the DAG in a file.

    Example: kubectl cairn graph -f manifests/samples/02-fan-out-join.yaml --out dag.svg
    """
    if (execution is None) is (file is None):
        raise typer.BadParameter("give either an EXECUTION or a file (-f)")
    drawing = _of_file(file) if file is not None else serve(namespace, context, lambda s: _of(s, execution or ""))
    drawn = _FORMS[form or _form_of(out)](drawing)
    if out is None:
        typer.echo(drawn.rstrip("\n"))
        return
    try:
        out.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None


def _form_of(out: Path | None) -> Form:
    """The form that the name of a file asks for."""
    endings = {".svg": Form.SVG, ".dot": Form.DOT, ".gv": Form.DOT, ".mmd": Form.MERMAID, ".mermaid": Form.MERMAID}
    return endings.get(out.suffix, Form.TEXT) if out is not None else Form.TEXT


def _of_file(file: str) -> Drawing:
    try:
        body = read_execution(file)
        spec = parse(body["spec"])
        if not spec.jobs:
            text = "is empty: the jobs come from a checkpoint, which only the cluster knows; draw the execution instead"
            raise InvalidSpec((Violation("spec.jobs", text),))
    except CairnError as error:
        fail(error)
    meta = body["metadata"]
    return draw(spec, Shape(spec), name=str(meta.get("name") or meta.get("generateName")))


async def _of(session: Session, execution: str) -> Drawing:
    view = await session.executions.view(session.ref(execution))
    spec = view.execution.spec
    if spec is None or view.shape is None:
        raise WrongState(f"{view.key} has no accepted spec to draw: {'; '.join(map(str, view.execution.violations))}")
    return draw(spec, view.shape, view.execution.status, session.clock(), name=view.key.name)
