from __future__ import annotations

from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from cairn.core import conditions
from cairn.core.conditions import MAX_LENGTH, Condition, ConditionError, compile, evaluate, references

JOBS: dict[str, Any] = {
    "prep": {
        "state": "Completed",
        "attempt": 2,
        "exitCode": 0,
        "outputs": {"rows": 7, "ratio": 0.5, "names": ["a", "ž"]},
    },
    "a.b": {"state": "Failed", "attempt": 1, "exitCode": 3, "reason": "Error"},
}
PARAMS: dict[str, Any] = {"env": "prod", "zero": 0, "nothing": None, "nested": {"deep": [{"x": 1}]}, "flag": True}


def judge(expression: str, **params: Any) -> bool:
    return evaluate(compile(expression), params={**PARAMS, **params}, jobs=JOBS)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("jobs['prep'].outputs.rows > 0", True),
        ("jobs.prep.state == 'Completed' && jobs[\"a.b\"].exitCode == 3", True),
        ("has(jobs['a.b'].outputs)", False),
        ("has(params.gone) || params.env == 'prod'", True),
        ("jobs.prep.outputs.ratio < 1 && jobs.prep.outputs.rows == 7.0", True),
        ("params.nothing == null", True),
        ("params.nested.deep[0].x == 1", True),
        ("'ž' in jobs.prep.outputs.names", True),
        ("params.flag", True),
        ("jobs.exists(j, jobs[j].state == 'Failed')", True),
        ("jobs.all(j, jobs[j].attempt == 1)", False),
        ("jobs.prep.outputs.names.filter(n, n == 'a').size() == 1 && params.env.matches('^pr.d$')", True),
        ("[1, 2].exists(x, x == 2) && [3].all(x, x == 3) // two loops side by side", True),
    ],
)
def test_evaluate(expression: str, expected: bool) -> None:
    assert judge(expression) is expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("1 ==", r"^1:5: Syntax error: mismatched input '<EOF>'", id="syntax, with its place"),
        pytest.param("", "Syntax error", id="empty"),
        pytest.param(
            "foo || bar", "1:1: undeclared reference to 'foo'.*; 1:8: undeclared reference to 'bar'", id="names"
        ),
        pytest.param("1 + 'a' == 2", "no matching overload", id="types"),
        pytest.param("1 + 1", "must come to true or false, but comes to int", id="no boolean"),
        pytest.param("(" * 50 + "true" + ")" * 50, "recursion limit exceeded", id="nested too deep"),
        pytest.param("true" + " " * MAX_LENGTH, "1028 characters long, at most 1024", id="too long"),
        pytest.param("params.`a` == 1", "contains `", id="quoted field"),
        pytest.param("'\ud800' == ''", "broken Unicode", id="lone surrogate"),
        pytest.param("'\0' == ''", "broken Unicode", id="U+0000"),
        pytest.param("[1].all(x, [2].all(y, x < y))", "a loop .* cannot stand in or on", id="loop in a loop"),
        pytest.param("[1].map(x, x).all(y, true)", "cannot stand in or on", id="loop on a loop"),
        pytest.param("!([1].all(x, true) || [1].all(x, true))", "outside of all brackets", id="loops in brackets"),
        pytest.param("['a'].map(x, x + x) == []", r"cannot use \+", id="growth in a loop"),
        pytest.param("params.env.matches(params.env)", "takes one literal", id="pattern from data"),
        pytest.param("params.env.matches('a' + 'b')", "takes one literal", id="pattern made up"),
        pytest.param("matches(params.env, 'a')", "takes one literal", id="pattern as second argument"),
        pytest.param(f"params.env.matches('{'a' * 99}')", "at most 100 characters", id="long pattern"),
        pytest.param("params.env.matches(r'a{9}')", r"cannot use \{…\}", id="repetition"),
        pytest.param(r"params.env.matches('a\x7b9}')", r"cannot use \{…\}", id="hidden repetition"),
    ],
)
def test_refused_when_compiled(expression: str, words: str) -> None:
    with pytest.raises(ConditionError, match=words) as caught:
        compile(expression)
    assert "\n" not in str(caught.value)
    assert "INVALID_ARGUMENT" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("params.gone > 1", 'Key not found in map : "gone"', id="no such key"),
        pytest.param("jobs.gone.state == ''", "Key not found", id="no such job"),
        pytest.param("params.env > 1", "No matching overloads found", id="types that only the data has"),
        pytest.param("1 / params.zero > 1", "divide by zero", id="division by zero"),
        pytest.param("params.env", "must come to true or false, but came to string", id="no boolean"),
        pytest.param("params.nothing", "came to null", id="null is no boolean"),
    ],
)
def test_failed_when_judged(expression: str, words: str) -> None:
    with pytest.raises(ConditionError, match=words):
        judge(expression)


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        pytest.param(2**64 + 1, "params.v > 1", id="an integer beyond 64 bits becomes a double"),
        pytest.param(-(10**400), "params.v < 0", id="an integer beyond a double becomes infinite"),
        pytest.param(10**400, "params.v > 0", id="the other way"),
        pytest.param(-(2**63), "params.v < 0", id="the least 64 bit integer"),
        pytest.param(float("nan"), "params.v != params.v", id="NaN"),
        pytest.param("\ud800", "params.v == '\ufffd'", id="half a surrogate pair"),
        pytest.param({"\ud800": 1}, "params.v['\ufffd'] == 1", id="half a surrogate pair as key"),
        pytest.param("a\0b", "params.v == 'a\ufffdb' && params.v != 'a'", id="U+0000 does not end a string"),
        pytest.param((1, 2), "params.v == [1, 2]", id="a tuple"),
        pytest.param({}, "params.v == {}", id="an empty map"),
    ],
)
def test_any_value_of_json_is_safe(value: object, expression: str) -> None:
    assert judge(expression, v=value)


def test_deep_data_is_refused_before_it_can_crash_the_process() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    with pytest.raises(ConditionError, match="deeper than 200"):
        judge("params.v == params.v", v=value)
    with pytest.raises(TypeError, match="object is no JSON"):
        judge("true", v=object())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("params.v.all(x, params.v == params.v)", list(range(3000)), id="quadratic"),
        pytest.param("params.v.map(x, x).size() > 0", list(range(5000)), id="a copy per element"),
        pytest.param("params.v.exists(x, x.matches('^(a|b)*$'))", ["ab" * 5000] * 50, id="patterns on long texts"),
    ],
)
def test_a_loop_beside_too_much_data_is_refused(expression: str, value: object) -> None:
    with pytest.raises(ConditionError, match="takes too long"):
        judge(expression, v=value)


def test_cels_own_budget_is_an_error_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "MAX_WORK", float("inf"))
    with pytest.raises(ConditionError, match=r"^Iteration budget exceeded$"):
        judge("params.v.all(x, true)", v=[1] * 20_000)


def test_only_the_data_that_an_expression_can_see_counts() -> None:
    jobs = {"small": {"outputs": [1]}, "large": {"outputs": list(range(20_000))}}
    assert evaluate(compile("jobs.small.outputs.all(x, x > 0)"), params={}, jobs=jobs)
    with pytest.raises(ConditionError, match="takes too long"):
        evaluate(compile("jobs.all(j, has(jobs[j].outputs))"), params={}, jobs=jobs)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("jobs['a.b'].x == jobs[\"c\"].y && jobs.d.z", {"a.b", "c", "d"}),
        ("jobs [ 'a' ] . x && jobs\n.b.x", {"a", "b"}),
        ("has(jobs.a.outputs)", {"a"}),
        ("jobs['''a'''].x", {"a"}),
        ("jobs[r'a'].x", {"a"}),
        ("params.jobs.a && jobs.exists(j, true) && jobs[params.x].y && 'x' in jobs", set()),
        ("'jobs.a' == \"jobs['b']\" // jobs.c", set()),
        ("jobs", set()),
    ],
)
def test_references(expression: str, expected: set[str]) -> None:
    assert references(expression) == expected


def test_an_open_literal_takes_no_time() -> None:
    assert references("'''" + "\\\\" * 500) == frozenset()


def test_a_condition_is_compiled_once() -> None:
    first = compile("jobs.a.x && jobs.exists(j, true)")
    assert first is compile("jobs.a.x && jobs.exists(j, true)")
    assert (first.references, first.sees_all) == ({"a"}, True)
    assert isinstance(first, Condition)


@given(st.text(max_size=40) | st.text(alphabet="jobsparm.[]()'\"&|=+ 1x,", max_size=30))
def test_any_text_compiles_or_is_refused_in_one_line(expression: str) -> None:
    try:
        compile(expression)
    except ConditionError as error:
        assert str(error)
        assert "\n" not in str(error)


@given(
    st.sampled_from(["'", '"', "'''", '"""']),
    st.sampled_from(["", "r", "b", "br", "R"]),
    st.text("a'\"\\ \n.(", max_size=8),
)
def test_a_loop_cannot_hide_behind_a_literal(quote: str, prefix: str, text: str) -> None:
    """Whatever CEL takes for a literal ends where this module thinks it ends."""
    literal = f"{prefix}{quote}{text}{quote}"
    try:
        cel.NewEnv().compile(f"[{literal}].all(x, true)")
    except RuntimeError:
        return
    with pytest.raises(ConditionError, match="cannot stand in"):
        compile(f"[{literal}].all(x, [1].all(y, true))")
