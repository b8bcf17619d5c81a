"""A terminal that nobody looks at: a program runs in it, and what it shows in the end becomes a picture."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import groupby

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, LINES = 160, 46
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}


def shown(
    command: Sequence[str], environment: Mapping[str, str], *, typed: str = "", interrupt_after: float | None = None,
    seconds: float = 120,
) -> tuple[pyte.Screen, int]:  # fmt: skip
    """The screen after a program has run in a terminal; or as it is so many seconds after it has first shown something,
    when it is interrupted (Ctrl-C).

    The other is its exit code.

    Raises AssertionError if the program runs longer than it may.
    """
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    given = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)} | dict(environment)
    program = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=given, start_new_session=True)
    os.close(slave)
    if typed:
        os.write(master, typed.encode())
    began, begun = time.monotonic(), None
    while True:
        if interrupt_after is not None and begun is not None and time.monotonic() - begun > interrupt_after:
            screen = deepcopy(screen)
            program.send_signal(signal.SIGINT)
            break
        assert time.monotonic() - began < seconds, f"{' '.join(command)} has not ended within {seconds} s"
        if select.select([master], [], [], 0.1)[0]:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the terminal is closed: the program has ended
                break
            if not chunk:
                break
            stream.feed(chunk)
            begun = begun or time.monotonic()
    code = program.wait(timeout=seconds)
    os.close(master)
    return screen, code


def text_of(screen: pyte.Screen) -> Text:
    """What a screen shows, down to its last line that is not empty."""
    lines = [_line(screen, y) for y in range(screen.lines)]
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def _line(screen: pyte.Screen, y: int) -> Text:
    line = Text(no_wrap=True)
    for style, cells in groupby((screen.buffer[y][x] for x in range(screen.columns)), _style):
        line.append("".join(cell.data for cell in cells), style)
    line.rstrip()
    return line


def _style(cell: pyte.screens.Char) -> Style:
    return Style(color=_colour(cell.fg), bgcolor=_colour(cell.bg), bold=cell.bold, italic=cell.italics,
                 underline=cell.underscore, reverse=cell.reverse)  # fmt: skip


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if len(name) == 6 and all(c in "0123456789abcdef" for c in name):
        return f"#{name}"
    return _COLOURS.get(name, name.replace("bright", "bright_"))


def picture(command: str, screen: pyte.Screen, name: str) -> str:
    """An SVG of a terminal in which a command was given; without anything that has to be fetched to show it."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(text_of(screen))
    svg = console.export_svg(title=name, unique_id=f"cairn-{name.replace(' ', '-')}")
    return _without_fonts(svg)


def _without_fonts(svg: str) -> str:
    """The same without the fonts that Rich would have fetched from elsewhere."""
    begin = svg.find("@font-face")
    while begin >= 0:
        end = svg.index("}", begin) + 1
        svg = svg[:begin] + svg[end:].lstrip()
        begin = svg.find("@font-face")
    return svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
