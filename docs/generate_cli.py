"""Make docs/cli/*.md from the command line itself, so that a page says what `--help` says and nothing else.

Rules: reads the verbs of `cairn.cli.main` and the scenes of `tests/pictures` only; the same verbs give the same bytes;
one page a verb, and an index. The pictures are recorded by `make pictures`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc
from pathlib import Path

from typer.core import TyperArgument, TyperCommand, TyperOption

from cairn.cli.main import VERBS, command
from pictures.scenes import SCENES

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "cli"
NOTICE = "<!-- Made from the command line by `make docs`. Do not edit. -->"

INDEX = """\
# The command line

{notice}

`cairn` and `kubectl cairn` are the same program. It works as the user of the kubeconfig, through the Kubernetes API
alone; what only the database knows, it asks of the [REST API](../api.md), where `CAIRN_API_URL` names one. Every verb
knows `--help`.

| verb | what it does |
| --- | --- |
{rows}

kubectl takes any program named `kubectl-cairn` on the `PATH` for `kubectl cairn`, and asks `kubectl_complete-cairn`
how words go on; `pip install .` brings both. For the shell alone there is `cairn --install-completion`.

| variable | meaning |
| --- | --- |
| `KUBECONFIG` | the clusters, as kubectl has it; `--context` and `-n` choose |
| `CAIRN_API_URL` | the REST API, where what only the database knows is asked; unset: it is not, which is said |
| `CAIRN_API_TOKEN` | the token for it, by default that of the kubeconfig's user |
| `CAIRN_API_CA` | a file with the authority of its certificate |

Exit codes: 0, it is so or it was done; 1, it is not so, or was refused; 2, an error: a wrong word, no cluster, no
right. `-o json` and `-o yaml` are for programs. What is piped has no colours.
"""


def verbs() -> dict[str, TyperCommand]:
    """Every verb by its name, in the order of the help."""
    return {verb: command(verb) for verb in VERBS}


def page(name: str, command: TyperCommand) -> str:
    """The page of one verb."""
    summary, *rest = _paragraphs(command)
    examples = [line for text in rest for line in text.splitlines() if line.startswith("Example: ")]
    prose = [text for text in rest if not text.startswith("Example: ")]
    parts = [f"# cairn {name}", NOTICE, summary, *prose, _code([_usage(name, command)])]
    if examples:
        parts += ["## Example", _code([line.removeprefix("Example: ") for line in examples])]
    for scene in SCENES:
        if scene.verb == name:
            parts += [f"![{_plain(scene.command)}]({name}.svg)"]
    for title, kind in (("Arguments", TyperArgument), ("Options", TyperOption)):
        if rows := list(_rows(command, kind)):
            parts += [f"## {title}", "\n".join(["| name | meaning | default |", "| --- | --- | --- |", *rows])]
    return "\n\n".join([*parts, "[All verbs](README.md)"]) + "\n"


def index() -> str:
    """The page that lists the verbs."""
    rows = "\n".join(f"| [{name}]({name}.md) | {_paragraphs(command)[0]} |" for name, command in verbs().items())
    return INDEX.format(notice=NOTICE, rows=rows)


def _paragraphs(command: TyperCommand) -> list[str]:
    text = cleandoc(command.help or "").replace("\f", "")
    return [re.sub(r"\n(?!Example: )", " ", part) for part in text.split("\n\n")]


def _usage(name: str, command: TyperCommand) -> str:
    words = [_word(each) for each in command.params if isinstance(each, TyperArgument)]
    return " ".join(["kubectl cairn", name, "[OPTIONS]", *words])


def _word(argument: TyperArgument) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def _rows(command: TyperCommand, kind: type[TyperArgument] | type[TyperOption]) -> Iterator[str]:
    for each in command.params:
        if isinstance(each, kind) and each.name != "help":
            help = str(getattr(each, "help", "") or "")
            yield f"| {_names(each)} | {_cell(help)} | {_default(each)} |"


def _names(each: TyperArgument | TyperOption) -> str:
    if isinstance(each, TyperArgument):
        return f"`{each.metavar or str(each.name).upper()}`"
    names = [f"`{name}`" for name in (*each.opts, *each.secondary_opts)]
    kind = each.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        names.append("/".join(str(choice.value) for choice in kind))
    return ", ".join(names)


def _default(each: TyperArgument | TyperOption) -> str:
    default = getattr(each.default, "value", each.default)
    return "" if default in (None, "", False, ()) or callable(default) else f"`{default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(text: str) -> str:
    return re.sub(r"[\[\]]", "", text)


def _code(lines: list[str]) -> str:
    return "\n".join(["```sh", *lines, "```"])


def files() -> dict[Path, str]:
    """Every page by its path."""
    return {PAGES / "README.md": index()} | {PAGES / f"{name}.md": page(name, c) for name, c in verbs().items()}


def main() -> int:
    """Write the pages; with --check, say whether they are up to date."""
    wanted = files()
    if "--check" in sys.argv[1:]:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in wanted.items()))
    PAGES.mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
