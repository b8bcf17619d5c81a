"""Fuzz every target for a time; keep what fails or reaches new code; write docs/reliability/fuzz.json: `make fuzz`."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import NonInteractiveExampleWarning

from fuzz import corpus
from fuzz.inputs import inputs
from fuzz.targets import TARGETS, Target, bounded
from support.reliability import Bug, Cell, Part, Table, save

KEPT_MOST = 60  # inputs of a target that only reach new code
KEPT_BYTES = 20_000
BATCH = 250  # examples, after which the time is looked at
FAILURES_MOST = 5  # of one target: then they are mended first
TEXT = """\
Hypothesis makes inputs: nearly right ones by the shape of what is read, anything at all, known bombs (deep nesting,
huge numbers, NaN, lone surrogates, U+0000), and kept ones with bytes cut out, put in or spliced. Each target holds a
promise: only documented errors, nothing lost on the way there and back, the same answer however the input is cut, and
no input takes longer than 5 s. Inputs that fail, or reach lines of Cairn that none did before, are kept in
`tests/fuzz/corpus` and tried again at every `make test`."""
BUGS = (
    Bug("`cairn lint` broke off at a spec whose top level has a key that is no text, instead of saying so",
        "tests/unit/core/test_parse.py::test_a_key_that_is_no_text_is_a_violation_wherever_it_stands"),
    Bug("half a surrogate pair in a key of `jobDefaults` or a job broke off the reading of the whole spec",
        "tests/unit/core/test_parse.py::test_a_key_that_is_no_text_is_a_violation_wherever_it_stands"),
    Bug("a time from now on that no calendar holds (`--until 99999999999d`) broke off the command",
        "tests/unit/cli/test_moments.py::test_a_time_that_no_calendar_holds_is_refused"),
)  # fmt: skip
NOT_COVERED = (
    "Coverage of C code below Python (cel-expr-python, zlib, json's scanner, pydantic-core) does not guide the search.",
    "The REST API stands on a cluster in which there is nothing: what lies behind a found object is not fuzzed here.",
    "No watch of memory but for the bounds that a target checks itself.",
)


@dataclass
class Ran:
    """What one target's turn came to."""

    examples: int = 0
    seconds: float = 0.0
    added: int = 0
    failures: list[str] = field(default_factory=list)


class Lines:
    """Which lines of Cairn were ever reached."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()

    def new(self, work: Callable[[], None]) -> bool:
        """Do it; whether it reached a line that nothing had reached before."""
        before = len(self._seen)
        sys.settrace(self._enter)
        try:
            work()
        finally:
            sys.settrace(None)
        return len(self._seen) > before

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._line if "/cairn/" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        self._seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def fuzz(target: Target, seconds: float, number: int) -> Ran:
    """One target for so many seconds."""
    ran, lines, began = Ran(), Lines(), time.monotonic()
    for _, data in corpus.kept(target.name):
        lines.new(partial(_tried, target, data, ran))
    for batch in count():
        if time.monotonic() - began > seconds or len(ran.failures) >= FAILURES_MOST:
            break
        seed(number * 1_000_003 + batch)(_batch(target, ran, None if batch % 3 else lines))()
    ran.seconds = time.monotonic() - began
    return ran


def _batch(target: Target, ran: Ran, lines: Lines | None) -> Callable[[], None]:
    """Some inputs; with `lines`, those are kept that reach new ones, which takes much longer."""

    @settings(max_examples=BATCH, database=None, derandomize=False, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(data=inputs(target.name))
    def some(data: bytes) -> None:
        ran.examples += 1
        if lines is None:
            _tried(target, data, ran)
        elif lines.new(partial(_tried, target, data, ran)) and ran.added < KEPT_MOST and len(data) <= KEPT_BYTES:
            corpus.keep(target.name, data)
            ran.added += 1

    return some


def _tried(target: Target, data: bytes, ran: Ran) -> None:
    try:
        with bounded():
            target.check(data)
    except Exception as error:
        told = f"{target.name}: {type(error).__name__}: {error}"[:400]
        if all(told.partition(": ")[2][:60] != known.partition(": ")[2][:60] for known in ran.failures):
            corpus.keep(target.name, data)
            ran.failures.append(f"{told}\n  {data[:300]!r}")


def part(rans: dict[str, Ran], command: str) -> Part:
    """What the run has come to."""
    rows: list[list[Cell]] = [
        [TARGETS[name].what, ran.examples, round(ran.examples / ran.seconds), len(corpus.kept(name)), len(ran.failures)]
        for name, ran in rans.items()
    ]  # fmt: skip
    table = Table("Inputs tried", ("what reads them", "inputs", "a second", "kept", "failures"), rows)
    return Part("fuzz", "Fuzzed parsers", command, TEXT, (table,), BUGS, NOT_COVERED)


def main() -> int:
    """Fuzz, write, and say what was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="by default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10, help="of all targets together")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    names, began = asked.targets or list(TARGETS), time.monotonic()
    rans = {name: fuzz(TARGETS[name], asked.minutes * 60 / len(names), asked.seed) for name in names}
    for name, ran in rans.items():
        print(f"{name}: {ran.examples} inputs, {ran.added} kept, {len(ran.failures)} failures")
        print(*ran.failures, sep="\n", end="\n" if ran.failures else "")
    if not asked.targets:
        save(part(rans, f"make fuzz SEED={asked.seed}"), seconds=time.monotonic() - began)
    return 1 if any(ran.failures for ran in rans.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
