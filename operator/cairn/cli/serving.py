"""What the verbs share that run a process: a wrong setting, or one that is missing, ends it with exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer
from pydantic import BaseModel, ValidationError

from cairn.errors import CairnError, NotConfigured

S = TypeVar("S", bound=BaseModel)


def settings_from(read: Callable[[], S], variable: Callable[[str], str]) -> S:
    """The settings that `read` gives; what is wrong with them is told by the name of the variable."""
    try:
        return read()
    except ValidationError as error:
        for problem in error.errors():
            where = f"{variable(str(problem['loc'][0]))}: " if problem["loc"] else ""
            typer.echo(where + problem["msg"].removeprefix("Value error, "), err=True)
        raise typer.Exit(2) from None


@contextmanager
def told(kind: type[CairnError] = NotConfigured) -> Iterator[None]:
    """Within it, what NotConfigured (and `kind`) says goes to standard error, and the process ends with exit code 2."""
    try:
        yield
    except (NotConfigured, kind) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
