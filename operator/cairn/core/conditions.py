"""`when`: a CEL expression over params and the direct dependencies that says whether a job runs.

A condition is judged inside the operator, beside everybody else's executions, so it must be unable to hurt them.
What follows was measured with cel-expr-python 0.1.3:

1. CEL has an iteration budget of 10,000 and refuses expressions nested deeper than 32, but neither bounds memory: eight
   chained `map`s that join a string took 41 s and 9 GB, one `map` over 10,000 elements 6 s and 1.6 GB. Hence an
   expression has at most 1,024 characters; a loop (`all`, `exists`, `exists_one`, `map`, `filter`) stands alone
   between `&&`, `||`, `?` and `:`, never in or on another loop; an expression with a loop may not use `+`; and
   (longest container) x (size of the data) x (tokens of the expression) stays under 20 million: 3 s at worst.
2. A regular expression of 900 characters held the CPU for 20 s on a text of 64 KiB. Hence `matches` takes a
   literal of at most 100 characters without `{`: 0.2 s at worst.
3. Data nested 10,000 deep crashes the process (1,000 does not). Hence data is refused below 200 levels.
4. An integer beyond 64 bits is an error wherever it is read, a string ends at U+0000 ("a\\0b" == "a"), a lone surrogate
   raises, and anything but exact dicts and lists is refused. Hence data is copied: such integers become the nearest
   double, such characters U+FFFD.
5. 1 == 1.0, null and NaN are as in CEL elsewhere; a missing key is an error, which `has()` avoids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from cairn.errors import TEXT_LIMIT, CairnError

MAX_LENGTH = 1024
MAX_PATTERN = 100
MAX_DEPTH = 200  # outputs may be nested 100 deep
MAX_WORK = 20_000_000
MAX_ITERATIONS = 10_000  # CEL's own
MATCH_COST = 150  # for each character that a pattern is matched with

_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_ENV = cel.NewEnv(variables={"params": _MAP, "jobs": _MAP})

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
    |(?P<raw>(?i:rb?|br)(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'))
    |(?P<string>[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>\d[\w.]*)
    |(?P<name>\w+)
    |(?P<operator>&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_SEPARATORS = frozenset({"&&", "||", "?", ":"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_NOISE = re.compile(r"^(?:[A-Z_]+: )*(?:<input>:(?:-1:-1: )?)?| \[[A-Z_]+\]$")
_HINT = "compute the value in a job and hand it out"
_BROKEN = re.compile("[\0\ud800-\udfff]")


class ConditionError(CairnError):
    """A condition that cannot be compiled or judged; the message is one line."""


@dataclass(frozen=True, slots=True)
class _Loops:
    """What an expression with loops may do per element."""

    elements: int  # of literal lists and maps, at most
    tokens: int
    patterns: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition."""

    expression: str
    references: frozenset[str]  # job ids that it names
    sees_all: bool  # it also uses `jobs` as a whole, as in jobs.exists(…)
    loops: _Loops | None  # what bounds its cost, if it loops
    program: cel.Expression = field(repr=False, compare=False)


@lru_cache(maxsize=4096)
def compile(expression: str) -> Condition:
    """Compile a condition, or say in one line what is wrong with it."""
    if len(expression) > MAX_LENGTH:
        raise ConditionError(f"is {len(expression)} characters long, at most {MAX_LENGTH} are allowed")
    tokens = _tokens(expression)
    if "`" in tokens or _BROKEN.search(expression):
        raise ConditionError("contains `, U+0000 or broken Unicode: write unusual names as ['name']")
    try:
        program = _ENV.compile(expression)
    except RuntimeError as error:
        raise ConditionError(_one_line(str(error))) from error
    if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise ConditionError(f"must come to true or false, but comes to {_name(program.return_type())}")
    _check_patterns(tokens)
    named, whole = _named(tokens)
    return Condition(expression, named, whole, _loops(tokens), program)


def evaluate(condition: Condition, *, params: Mapping[str, Any], jobs: Mapping[str, Any]) -> bool:
    """Judge a condition; `jobs` holds state, outputs, exitCode, attempt and reason of each direct dependency."""
    seen = {job: jobs[job] for job in jobs if condition.sees_all or job in condition.references}
    data = {"params": _copy(params, 0), "jobs": _copy(seen, 0)}
    if condition.loops:
        _check_work(condition.loops, data)
    try:
        result = condition.program.eval(data=data)
    except RuntimeError as error:
        raise ConditionError(_one_line(str(error))) from error
    value = result.value()
    if result.type() == cel.Type.ERROR:
        raise ConditionError(_one_line(str(value)))
    if not isinstance(value, bool):
        raise ConditionError(f"must come to true or false, but came to {_name(result.type())}")
    return value


def references(expression: str) -> frozenset[str]:
    """The job ids that an expression names: `jobs['x']`, `jobs["x"]` or `jobs.x`."""
    return _named(_tokens(expression))[0]


def _tokens(expression: str) -> list[str]:
    return [match.group() for match in _TOKEN.finditer(expression) if match.lastgroup != "skip"]


def _named(tokens: Sequence[str]) -> tuple[frozenset[str], bool]:
    """The jobs that are named, and whether `jobs` is used as a whole. A field such as `params.jobs` is neither."""
    found: set[str] = set()
    whole = False
    padded = ("", *tokens, "", "", "")
    for place, token in enumerate(tokens):
        if token != "jobs" or padded[place] == ".":
            continue
        mark, name, after = padded[place + 2 : place + 5]
        if mark == "[" and after == "]" and _is_text(name):
            found.add(_unquote(name))
        elif mark == "." and after != "(":
            found.add(name)
        else:
            whole = True
    return frozenset(found), whole


def _is_text(token: str) -> bool:
    return token.endswith(("'", '"'))


def _unquote(literal: str) -> str:
    """The text of a literal, its escapes as written: no id needs one."""
    return re.sub(r"^\w*('{3}|\"{3}|'|\")(.*)\1$", r"\2", literal, flags=re.DOTALL)


def _check_patterns(tokens: Sequence[str]) -> None:
    for place, token in enumerate(tokens):
        if token != "matches" or tokens[place + 1] != "(":
            continue
        pattern, end = tokens[place + 2 : place + 4]
        if tokens[place - 1] != "." or end != ")" or not _is_text(pattern) or len(pattern) > MAX_PATTERN:
            raise ConditionError(f"matches() takes one literal of at most {MAX_PATTERN} characters: x.matches('…')")
        if re.search(r"\{|\\[xXuU0-3]", pattern):
            raise ConditionError("the pattern of matches() cannot use {…} or character codes: write the repetition out")


def _loops(tokens: Sequence[str]) -> _Loops | None:
    """What bounds the cost of an expression with loops; raises if its loops could multiply."""
    depth = loops = total = 0
    for before, token, after in zip(("", *tokens), tokens, (*tokens[1:], ""), strict=False):
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth == 0 and token in _SEPARATORS:
            loops = 0
        if before == "." and token in _MACROS and after == "(":
            loops, total = loops + 1, total + 1
        if loops > 1:
            raise ConditionError(
                "a loop (all, exists, exists_one, map, filter) cannot stand in or on another one: join them with"
                f" && or || outside of all brackets, or {_HINT}"
            )
    if not total:
        return None
    if "+" in tokens:
        raise ConditionError(f"an expression with a loop cannot use +: {_HINT}")
    return _Loops(tokens.count(",") + 1, len(tokens), tokens.count("matches"))


def _check_work(loops: _Loops, data: Mapping[str, Any]) -> None:
    size, elements, characters = 0, loops.elements, MAX_LENGTH
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        size += 1
        if isinstance(value, str):
            size += len(value) // 64
            characters = max(characters, len(value))
        elif isinstance(value, dict | list):
            elements = max(elements, len(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)
    per_element = loops.tokens * size + MATCH_COST * loops.patterns * characters
    if min(elements, MAX_ITERATIONS) * per_element > MAX_WORK:
        raise ConditionError(f"a loop beside so much data ({size} values) takes too long: {_HINT}")


def _copy(value: Any, depth: int) -> Any:
    """What CEL can read safely: exact dicts and lists, no broken strings, no integer beyond 64 bits."""
    if depth > MAX_DEPTH:
        raise ConditionError(f"the data is nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            return _BROKEN.sub("\ufffd", value)
        case bool() | None | float():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else _nearest(value)
        case Mapping():
            return {_copy(key, depth): _copy(item, depth + 1) for key, item in value.items()}
        case Sequence():
            return [_copy(item, depth + 1) for item in value]
    raise TypeError(f"{type(value).__name__} is no JSON")


def _nearest(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _name(kind: cel.Type) -> str:
    return str(kind.name()).lower()


def _one_line(message: str) -> str:
    """CEL's own words without its codes, its quotes of the source and what it repeats; positions as `line:column`."""
    said = (_NOISE.sub("", line) for line in message.splitlines() if not line.startswith(" |"))
    return "; ".join(dict.fromkeys(said))[:TEXT_LIMIT]
