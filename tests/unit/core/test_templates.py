from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.templates import Kind, Reference, TemplateError, references, resolve

PARAMS: dict[str, Any] = {
    "name": "Ada",
    "n": 3,
    "money": "$(HOME) $$ $x",
    "deep": {"a": [1, "é"]},
    "none": None,
    "a b": 1,
}
OUTPUTS: dict[str, Any] = {"prep": {"rows": 7, "best": {"model": "tree"}}, "a.b": "plain", "x.outputs-1": {"k": True}}


def pod(text: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "args": [text]}]}}


def resolved(text: str) -> str:
    return str(resolve(pod(text), params=PARAMS, outputs=OUTPUTS)["spec"]["containers"][0]["args"][0])


def kubernetes(text: str, variables: dict[str, str]) -> str:
    """Kubernetes' own expansion, as its documentation of `command` describes it."""

    def expand(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", expand, text)


@pytest.mark.parametrize(
    ("text", "in_the_container"),
    [
        pytest.param("hello $(params.name)!", "hello Ada!", id="a string as it is"),
        pytest.param("$(params.n)$(params.none)", "3null", id="other values as JSON"),
        pytest.param("$(params.deep)", '{"a":[1,"é"]}', id="compact JSON"),
        pytest.param("$(params.a b)", "1", id="an unusual name"),
        pytest.param("$(jobs.prep.outputs.rows)", "7", id="a key"),
        pytest.param("$(jobs.prep.outputs.best.model)", "tree", id="a dotted path"),
        pytest.param("$(jobs.a.b.outputs)", "plain", id="the whole value, an id with a dot"),
        pytest.param("$(jobs.x.outputs-1.outputs.k)", "true", id="an id that looks like a path"),
        pytest.param("$(params.money)", "$(HOME) $$ $x", id="a value is never expanded again"),
        pytest.param("$$(params.name)", "$(params.name)", id="an escape yields the text"),
        pytest.param("$$$(params.name)", "$Ada", id="an escaped dollar before a reference"),
        pytest.param("$$$$(params.name)", "$$(params.name)", id="two escaped dollars"),
        pytest.param("$(HOME)/$(params.name)", "/root/Ada", id="a variable of Kubernetes beside a reference"),
        pytest.param("$(HOME) $$(HOME) $(NONE)", "/root $(HOME) $(NONE)", id="without a reference"),
        pytest.param("echo $(cat $(params.money))", "echo $(cat $(HOME) $$ $x)", id="inside a shell substitution"),
        pytest.param("$x $ $(params.name) $", "$x $ Ada $", id="single dollars"),
        pytest.param("$(params) $(jobs)", "$(params) $(jobs)", id="no references at all"),
    ],
)
def test_what_arrives_in_the_container(text: str, in_the_container: str) -> None:
    assert kubernetes(resolved(text), {"HOME": "/root"}) == in_the_container


@given(st.text(alphabet="$()ax .", max_size=12), st.text(alphabet="$()ax .", max_size=6))
def test_any_value_arrives_as_it_is(value: str, around: str) -> None:
    template = pod(f"{around.replace('$', '$$')}$(params.v){around.replace('$', '$$')}")
    text = resolve(template, params={"v": value}, outputs={})["spec"]["containers"][0]["args"][0]
    assert kubernetes(text, {"a": "expanded", "x": "expanded"}) == around + value + around


@given(st.text(alphabet="$()ax.", max_size=12))
def test_a_string_without_a_reference_is_not_touched(text: str) -> None:
    assert resolved(text) == text


TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"x": "$(params.name)"}},
    "spec": {
        "nodeSelector": {"x": "$(params.name)"},
        "initContainers": [{"name": "init", "command": ["sh", "$(params.n)"]}],
        "containers": [
            {"name": "main", "args": ["$(jobs.a.b.outputs)", "$(jobs.prep.output)"]},
            {"name": "side", "env": [{"name": "A", "value": "$(jobs.prep.outputs.best.model)"}, {"name": "B"}]},
        ],
    },
}


def test_references_say_where_they_stand() -> None:
    assert references(TEMPLATE) == [
        Reference("spec.initContainers[0].command[1]", Kind.PARAM, "n"),
        Reference("spec.containers[0].args[0]", Kind.OUTPUT, "a.b"),
        Reference("spec.containers[0].args[1]", Kind.MALFORMED, "jobs.prep.output"),
        Reference("spec.containers[1].env[0].value", Kind.OUTPUT, "prep", ("best", "model")),
    ]
    assert references({}) == []


def test_only_command_lines_and_variables_are_resolved() -> None:
    TEMPLATE["spec"]["containers"][0]["args"].pop()
    before = str(TEMPLATE)
    done = resolve(TEMPLATE, params=PARAMS, outputs=OUTPUTS)
    assert done["metadata"] == TEMPLATE["metadata"]
    assert done["spec"]["nodeSelector"] == {"x": "$(params.name)"}
    assert done["spec"]["initContainers"][0]["command"] == ["sh", "3"]
    assert done["spec"]["containers"][1]["env"] == [{"name": "A", "value": "tree"}, {"name": "B"}]
    assert str(TEMPLATE) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("$(params.gone)", "no param 'gone'", id="unknown param"),
        pytest.param("$(jobs.gone.outputs.k)", "job 'gone' has handed out no outputs", id="no outputs"),
        pytest.param("$(jobs.prep.outputs.best.gone)", "'prep' have no 'best.gone'", id="no such key"),
        pytest.param("$(jobs.prep.outputs.rows.deep)", "'prep' have no 'rows.deep'", id="a path into a number"),
        pytest.param("$(jobs.prep.outputs.)", r"write \$\(params.NAME\)", id="malformed"),
    ],
)
def test_a_reference_without_a_value(text: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as caught:
        resolved(text)
    assert caught.value.field_path == "spec.containers[0].args[0]"
    assert str(caught.value) == f"spec.containers[0].args[0]: {caught.value.message}"


@pytest.mark.parametrize("value", ["a\0b", "\ud800", ["\ud800"]], ids=["U+0000", "lone surrogate", "inside JSON"])
def test_a_value_that_no_command_line_can_carry(value: object) -> None:
    with pytest.raises(TemplateError, match="no command line can carry"):
        resolve(pod("$(jobs.a.outputs.k)"), params={}, outputs={"a": {"k": value}})
