"""A drawing as Mermaid, DOT and SVG: what stands there, and that nothing in it breaks the form."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from pytest import param

from cairn.core.drawing.dot import dot
from cairn.core.drawing.layout import HEIGHT, WIDTH, Kind, Layout, layout
from cairn.core.drawing.mermaid import mermaid
from cairn.core.drawing.model import Drawing, Edge, Flag, Junction, Node, draw
from cairn.core.drawing.svg import svg
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec
from cairn.core.status import JobState, Phase
from simulation.build import failed, job, spec
from unit.core.test_drawing import drawn, ids, many, random_dag

SMALL = drawn(spec(job("end"), job("b.x-Y", "end", when="true"), hold=frozenset({"b.x-Y"})), failed("end"))
JOINED = drawn(spec(*many("a", 5, group="g"), *many("b", 5, *ids("a", 5))))
NASTY = Drawing(
    'x"; }<&>\x1b', (Node('a"]-->b<&>\\\n', 0, JobState.FAILED, reason="Er\"r<or>\x07"), Node("#quot;", 1)),
    (Edge('a"]-->b<&>\\\n', "#quot;"),), (Junction(("#quot;",), ("#quot;",), 'g"<'),), Phase.RUNNING,
)  # fmt: skip


# --- Mermaid ---------------------------------------------------------------------------------------------------------


def test_mermaid() -> None:
    assert mermaid(SMALL) == (
        "flowchart LR\n"
        '  j0("end<br/>✗ Failed, Error")\n'
        '  j1("b.x-Y<br/>○ Pending<br/>(held, when)")\n'
        "  j0 --> j1\n"
        "  classDef pending fill:#f4f6f9,stroke:#8492a6,color:#475569\n"
        "  class j1 pending\n"
        "  classDef failed fill:#fdecec,stroke:#c93a36,color:#a12623\n"
        "  class j0 failed\n"
        "  classDef held stroke-dasharray:4 3\n"
        "  class j1 held\n"
    )


def test_mermaid_of_a_file_has_no_classes() -> None:
    given = spec(job("a"))
    assert mermaid(draw(given, Shape(given))) == 'flowchart LR\n  j0("a")\n'


def test_junctions_in_mermaid() -> None:
    made = mermaid(JOINED)
    assert '  g0(("g"))' in made
    assert made.count(" --- g0\n") == made.count("  g0 --> j") == 5


def test_nothing_ends_a_label_of_mermaid() -> None:
    labels = re.findall(r'^  [jg]\d+\(+"(.*)"\)+$', mermaid(NASTY), re.MULTILINE)
    assert len(labels) == 3
    for label in labels:
        assert re.fullmatch(r"([A-Za-z0-9 .,:()\[\]/+_-]|#\d+;|<br/>|[✗])*", label)


# --- DOT -------------------------------------------------------------------------------------------------------------


def test_dot() -> None:
    lines = dot(SMALL).splitlines()
    assert lines[0] == 'digraph "sample" {'
    assert lines[4:] == [
        '  "end" [label="end\\n✗ Failed, Error" fillcolor="#fdecec" color="#c93a36" fontcolor="#a12623"]',
        '  "b.x-Y" [label="b.x-Y\\n○ Pending\\n(held, when)" fillcolor="#f4f6f9" color="#8492a6" fontcolor="#475569"'
        ' style="rounded,filled,dashed"]',
        '  "end" -> "b.x-Y"',
        "}",
    ]


def test_junctions_in_dot() -> None:
    made = dot(JOINED)
    assert made.count('-> " 0" [arrowhead=none]') == made.count('  " 0" -> ') == 5
    assert 'xlabel="g"' in made


def test_every_quote_of_dot_is_closed() -> None:
    for line in dot(NASTY).splitlines():
        bare = re.sub(r'"([^"\\]|\\.)*"', "", line)
        assert '"' not in bare and not re.search("[<&#]", bare)


# --- SVG -------------------------------------------------------------------------------------------------------------


def texts(made: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(made).iter() if element.text]


def test_svg_tells_every_state_in_words() -> None:
    given = spec(*(job(state.value) for state in JobState))
    made = Drawing("all", tuple(Node(j.id, 0, JobState(j.id)) for j in given.jobs), (), phase=Phase.FAILED)
    told = texts(svg(made))
    for state, glyph in zip(JobState, "○●✓✗–", strict=True):
        assert f"{glyph} {state}" in told and f"{glyph} 1 {state.lower()}" in told
    assert "allFailed" in told


def test_svg_of_a_file() -> None:
    given = spec(job("a"), job("b", "a"))
    told = texts(svg(draw(given, Shape(given))))
    assert "execution" in told and "2 jobs" in told and not any(state.value in " ".join(told) for state in JobState)


def test_what_does_not_fit_is_in_the_tooltip() -> None:
    long = "x" * 30 + "-" + "y" * 30
    node = Node(
        long, 1, JobState.FAILED, 2, 61, "CreateContainerConfigError", (Flag.UNSAFE, Flag.HELD), depends_on=("a",)
    )  # fmt: skip
    told = texts(svg(Drawing("n", (Node("a", 0), node), (Edge("a", long),))))
    assert f"{long}\nFailed, CreateContainerConfigError, 1m1s, attempt 2\nunsafe, held\nafter a" in told
    assert "xxxxxxxxxxxx…yyyyyyyyyyy" in told and "✗ Failed · 1m1s · attempt 2" in told and "unsafe" in told


def test_nothing_breaks_svg() -> None:
    made = svg(NASTY)
    assert 'a"]-->b<&>\\' in "\n".join(texts(made))
    assert not re.search("[\x00-\x09\x0b-\x1f]", made)


GRID = spec(*many("a", 300, group="g"), *many("b", 300, *ids("a", 300)), job("last", "b0", "a1"))
CHAIN = spec(job("j0"), *(job(f"j{n}", f"j{n - 1}") for n in range(1, 100)))
LAID_OUT = [
    param(spec(), id="nothing"),
    param(spec(job("a")), id="one job"),
    param(spec(*many("a", 5, group="g"), *many("b", 5, *ids("a", 5)), job("c", *ids("a", 5), "b1")), id="junctions"),
    *(param(random_dag(seed), id=f"random {seed}") for seed in range(5)),
    param(random_dag(7, size=400), id="random and large"),
    param(GRID, id="long levels"),
    param(CHAIN, id="many levels"),
]


@pytest.mark.parametrize("given", LAID_OUT)
def test_no_two_things_stand_on_each_other(given: ExecutionSpec) -> None:
    found = layout(drawn(given))
    jobs = [(place, HEIGHT) for slot, place in found.places.items() if slot.kind is Kind.JOB]
    passing = [(place, 0) for slot, place in found.places.items() if slot.kind is Kind.PASSING]
    for (one, high), (other, tall) in combinations([*jobs, *passing], 2):
        beside = one.end < other.x or other.end < one.x
        assert beside or abs(one.y - other.y) > (high + tall) / 2
    for place, _ in jobs:
        assert 0 <= place.x and place.end <= found.width and place.width == WIDTH
        assert HEIGHT / 2 <= place.y <= found.height - HEIGHT / 2


@pytest.mark.parametrize("given", LAID_OUT)
def test_every_line_leads_from_left_to_right_in_layers(given: ExecutionSpec) -> None:
    found = layout(drawn(given))
    assert found.crowded or all(found.places[a].end < found.places[b].x for a, b in found.links)


@pytest.mark.parametrize(("given", "crowded"), [(random_dag(1), False), (GRID, True), (CHAIN, True)])
def test_what_is_large_is_a_grid_that_can_be_scrolled(given: ExecutionSpec, crowded: bool) -> None:
    found = layout(drawn(given))
    assert found.crowded is crowded
    assert found.width < 8000 and found.height < 10_000


def column(found: Layout, level: int) -> float:
    return next(x for number, x, _ in found.titles if number == level)


def test_a_line_that_passes_a_level_has_a_place_there() -> None:
    found = layout(drawn(spec(job("a"), job("b", "a"), job("c", "b", "a"))))
    passing = [place for slot, place in found.places.items() if slot.kind is Kind.PASSING]
    assert [place.x for place in passing] == [column(found, 1)]


def test_the_same_drawing_gives_the_same_picture() -> None:
    assert svg(drawn(random_dag(3))) == svg(drawn(random_dag(3)))
    assert svg(drawn(GRID)).count("edges crowded") == 1


def test_a_chain_is_straight() -> None:
    found = layout(drawn(spec(job("a"), job("b", "a"), job("c", "b"))))
    assert len({place.y for place in found.places.values()}) == 1
