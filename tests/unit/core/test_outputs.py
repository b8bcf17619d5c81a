from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.core.outputs import (
    INVALID,
    LIMIT,
    TOO_LARGE,
    LogBlockParser,
    Outputs,
    OutputsError,
    from_log,
    from_termination,
    from_text,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-0.0", id="minus zero"),
        pytest.param("1e16", id="exponent"),
        pytest.param("1.0", id="trailing zero"),
        pytest.param("18446744073709551617", id="beyond 64 bits"),
        pytest.param(r'"\u0000"', id="escaped U+0000"),
        pytest.param(r'{"a": "\ud800"}', id="escaped lone surrogate, inner white space"),
        pytest.param('"žluťoučký 😀"', id="unicode"),
        pytest.param("null", id="null is an output"),
        pytest.param("[" * 100 + "]" * 100, id="100 levels"),
    ],
)
def test_the_text_is_kept_as_written(text: str) -> None:
    outputs = from_termination(f" \t{text}\r\n", containers=1)
    assert outputs == Outputs(text)
    assert outputs.digest == hashlib.sha256(text.encode()).hexdigest()
    assert outputs.value == json.loads(text)


@pytest.mark.parametrize("message", [None, "", " \r\n\t"])
def test_nothing_written_is_no_outputs(message: str | None) -> None:
    assert from_termination(message, containers=1) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{"a":\n  oops}', "no JSON: Expecting value at line 2, column 3", id="where it is wrong"),
        pytest.param("{} {}", "Extra data at line 1, column 4", id="two values"),
        pytest.param("Killed", "no JSON", id="plain words"),
        pytest.param('"\0"', "Invalid control character", id="raw U+0000"),
        pytest.param("[NaN]", "contain NaN", id="NaN"),
        pytest.param("-Infinity", "contain -Infinity", id="Infinity"),
        pytest.param("1e400", "beyond 1.8e308", id="a double cannot hold it"),
        pytest.param("9" * 400, "beyond 1.8e308", id="an integer that a double cannot hold"),
        pytest.param("9" * 5000, "beyond 1.8e308", id="an integer that Python refuses"),
        pytest.param('{"a": 1, "b": {"x": 1, "y": 2, "x": 3}}', "the key 'x' twice", id="duplicate key"),
        pytest.param("[" * 101 + "]" * 101, "deeper than 100", id="101 levels"),
        pytest.param('{"a":' * 102 + "1" + "}" * 102, "deeper than 100", id="102 levels of objects"),
        pytest.param("[" * 30000, "deeper than 100", id="deeper than the stack"),
        pytest.param('"\ud800"', "character 2 is half a surrogate pair", id="raw lone surrogate"),
    ],
)
def test_what_readers_would_change_is_refused(text: str, words: str) -> None:
    with pytest.raises(OutputsError, match=words) as caught:
        from_text(text)
    assert caught.value.reason == INVALID


@pytest.mark.parametrize(
    ("size", "containers", "fits"),
    [
        pytest.param(4095, 1, True, id="below the kubelet's limit"),
        pytest.param(4096, 1, False, id="at the limit it may have been cut"),
        pytest.param(4095, 3, True, id="three containers share 12288"),
        pytest.param(3071, 4, True, id="below a quarter of 12288"),
        pytest.param(3072, 4, False, id="at a quarter of 12288"),
    ],
)
def test_a_message_that_may_have_been_cut_is_too_large(size: int, containers: int, fits: bool) -> None:
    message = '"' + "x" * (size - 2) + '"'
    if fits:
        assert from_termination(message, containers=containers) == Outputs(message)
        return
    with pytest.raises(OutputsError, match="outputs: Log") as caught:
        from_termination(message, containers=containers)
    assert caught.value.reason == TOO_LARGE
    assert str(caught.value).startswith("OutputsTooLarge: ")


def test_bytes_count_not_characters() -> None:
    with pytest.raises(OutputsError, match="may have been cut"):
        from_termination('"' + "é" * 2048 + '"', containers=1)


BEGIN, END = "::cairn-outputs::", "::end-cairn-outputs::"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        pytest.param(["hello", "world"], None, id="no block"),
        pytest.param([BEGIN, END], None, id="an empty block"),
        pytest.param(["x", BEGIN, '{"a":', " 1}", END, "y"], '{"a":\n 1}', id="a block among lines"),
        pytest.param([f" \t{BEGIN}\r\n", "1\n", f"{END} \r\n"], "1", id="white space around the markers"),
        pytest.param([BEGIN, "1", END, BEGIN, "2", END], "2", id="the last block counts"),
        pytest.param([BEGIN, '"unended"', BEGIN, "2", END], "2", id="a block begun again"),
        pytest.param([BEGIN, "x" * LIMIT * 2, END, BEGIN, "2", END], "2", id="an earlier one that is too large"),
        pytest.param([END, BEGIN, "1", END, END], "1", id="an end without a begin"),
        pytest.param([f"echo {BEGIN}", "1", END], None, id="a marker with something beside it"),
        pytest.param([BEGIN + " " * 2000 + "x", "1", END], None, id="a line that is too long for a marker"),
    ],
)
def test_blocks_in_a_log(lines: list[str], text: str | None) -> None:
    assert from_log(lines) == (None if text is None else Outputs(text))


@pytest.mark.parametrize(
    ("lines", "reason", "words"),
    [
        pytest.param([BEGIN, "1"], INVALID, "not ended", id="not ended"),
        pytest.param([BEGIN, "1", END, BEGIN, "2"], INVALID, "not ended", id="not ended after one that was"),
        pytest.param([BEGIN, "nope", END], INVALID, "no JSON", id="no JSON"),
        pytest.param([BEGIN, '"' + "x" * LIMIT + '"', END], TOO_LARGE, "at most 65536", id="a little too large"),
        pytest.param([BEGIN, "x" * LIMIT * 2, END], TOO_LARGE, "longer than 65536", id="one line far too large"),
        pytest.param([BEGIN, *["1,"] * LIMIT, END], TOO_LARGE, "longer than 65536", id="far too many lines"),
        pytest.param([BEGIN, '"\udcff"', END], INVALID, "byte 2 of the block is no UTF-8", id="no UTF-8"),
    ],
)
def test_a_block_that_cannot_be_taken(lines: list[str], reason: str, words: str) -> None:
    with pytest.raises(OutputsError, match=words) as caught:
        from_log(lines)
    assert caught.value.reason == reason


def test_a_block_of_64_kib_is_taken() -> None:
    text = '"' + "x" * (LIMIT - 2) + '"'
    assert from_log([BEGIN, text, END]) == Outputs(text)


def fed(chunks: Iterable[bytes]) -> LogBlockParser:
    parser = LogBlockParser()
    for chunk in chunks:
        parser.feed(chunk)
    return parser


@given(st.lists(st.sampled_from([BEGIN, END, "1", '"x"', "noise", "", " "]), max_size=12), st.integers(1, 9))
def test_chunks_do_not_matter(lines: list[str], size: int) -> None:
    log = "\n".join(lines).encode()
    results = []
    for chunks in ([log], [log[i : i + size] for i in range(0, len(log), size)]):
        try:
            results.append(fed(chunks).finish())
        except OutputsError as error:
            results.append(error.message)
    assert results[0] == results[1]


@pytest.mark.parametrize("begin", [b"", b"::cairn-outputs::\n"], ids=["outside of a block", "in a block"])
@pytest.mark.parametrize("chunk", [b"x" * 65536, b"x\n" * 32768], ids=["one line", "many lines"])
def test_memory_is_bounded(begin: bytes, chunk: bytes) -> None:
    parser = fed([begin, *[chunk] * 10])
    assert sum(len(part) for part in vars(parser).values() if part) < 3 * LIMIT


@given(JSON)
def test_any_json_comes_back_as_written(value: object) -> None:
    text = json.dumps(value)
    outputs = from_log([BEGIN, *json.dumps(value, indent=1).split("\n"), END])
    assert outputs is not None
    assert outputs.value == json.loads(text)
    assert from_text(text) == Outputs(text)
