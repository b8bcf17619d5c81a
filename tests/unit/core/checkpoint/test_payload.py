"""The forms in which a checkpoint lies in an object and in a column: nothing is lost there, and nothing is believed."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.core.checkpoint import payload
from cairn.core.checkpoint.canonical import canonical
from cairn.core.checkpoint.payload import PLAIN_LIMIT, from_jsonb, from_text, jsonb_form, to_text
from cairn.core.checkpoint.serializer import deserialize, document_digest, serialize
from cairn.core.checkpoint.state import CheckpointState
from cairn.core.outputs import Outputs
from cairn.errors import DamagedPayload, NewerSchema, Unreadable
from support.states import JSON, a_state, checkpoint_states, completed, five_states, realistic_state, state_of

SMALL = serialize(a_state(0))
LARGE = serialize(realistic_state())


def jsonb(text: str) -> Any:
    """What a jsonb column returns for a text, loaded: numbers are decimals, without a sign on zero or an exponent."""

    def number(written: str) -> Any:
        value = Decimal(written)
        return json.loads(format(value if value else abs(value), "f"))

    return json.loads(text, parse_float=number)


# --- In an object ----------------------------------------------------------------------------------------------------


def test_a_small_one_can_be_read_by_people() -> None:
    text = to_text(SMALL)
    assert text == "json:" + SMALL.document.decode() + "\n{}"


def test_a_large_one_is_compressed() -> None:
    text = to_text(LARGE)
    assert text.startswith("zlib:")
    assert len(text) < LARGE.size / 3
    assert zlib.decompress(b64decode(text[5:])).partition(b"\n")[0] == LARGE.document


def test_compression_begins_above_the_limit() -> None:
    sizes = [len(SMALL.document) + len(canonical({"a": ""})) + 1]
    at_limit = replace(SMALL, texts={"a": "x" * (PLAIN_LIMIT - sizes[0])})
    assert to_text(at_limit).startswith("json:")
    assert to_text(replace(at_limit, texts={"a": at_limit.texts["a"] + "x"})).startswith("zlib:")


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["plain", "compressed"])
def test_from_text(content: Any) -> None:
    assert from_text(to_text(content), content.digest) == content


@given(checkpoint_states())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_full_checkpoint_workflow(state: CheckpointState) -> None:
    """Saved into an object and a row, and restored from either."""
    content = serialize(state)
    text = to_text(content)
    assert text.isascii() and text.replace("\n", "", 1).isprintable()
    from_object = from_text(json.loads(json.dumps(text)), content.digest)
    assert from_object == content
    assert deserialize(from_object) == state
    form, exact = jsonb_form(content.document)
    assert (from_jsonb(jsonb(form)) == content.document) is exact
    row = replace(content, document=from_jsonb(jsonb(form)) if exact else content.document)
    assert deserialize(row) == state


def zipped(frame: bytes) -> str:
    return "zlib:" + b64encode(zlib.compress(frame)).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no tag"),
        ("{}", "no tag"),
        ("JSON:{}", "no tag"),
        ('{"a":1}', "no tag"),
        ("json:", "there are no texts after the document"),
        ("json:{}\n[]", "the texts: not a map of texts"),
        ('json:{}\n{"a":1}', "the texts: not a map of texts"),
        ("json:{}\n{", "the texts: Expecting"),
        ("json:{}\n{}", "schemaVersion"),
        ("json:ž\n{}", "can't encode"),
        ("json:" + to_text(LARGE)[5:], "there are no texts"),
        ("zlib:" + SMALL.document.decode(), "the payload: "),
        ("zlib:a", "the payload: "),
        ("zlib:ž", "the payload: "),
        ("zlib:" + b64encode(b"something else").decode(), "the payload: Error -3"),
        ("zlib:", "truncated"),
        (to_text(LARGE)[:1005], "truncated"),
        ("zlib:" + b64encode(zlib.compress(b"{}\n{}") + b"x").decode(), "something follows the compressed data"),
        (zipped(b"{}"), "there are no texts"),
    ],
)
def test_a_damaged_payload(text: str, said: str) -> None:
    with pytest.raises(DamagedPayload, match=said):
        from_text(text, "00")


def test_a_bomb_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "DECOMPRESSED_LIMIT", 100_000)
    with pytest.raises(DamagedPayload, match="more than 100000 bytes when decompressed"):
        from_text(zipped(b"0" * 10_000_000), "00")


@pytest.mark.parametrize("text", ["zstd:KLUv", "json2:{}", "zlib.v2:eJw="])
def test_a_newer_codec(text: str) -> None:
    with pytest.raises(NewerSchema, match=r"^codec .*, but this version of Cairn reads json and zlib$"):
        from_text(text, "00")


def test_a_newer_schema() -> None:
    document = SMALL.document.replace(b'"schemaVersion":2', b'"schemaVersion":12')
    with pytest.raises(NewerSchema, match="schema 12"):
        from_text(f"json:{document.decode()}\n{{}}", document_digest(document, None))


FIVE = serialize(five_states())
BOTH = st.sampled_from([(to_text(FIVE), FIVE), (to_text(SMALL), SMALL)])


@given(BOTH, st.data())
def test_any_character_of_a_payload_changed(case: tuple[str, Any], data: st.DataObject) -> None:
    """Refused, or (as with the last bits of base64, which mean nothing) still the very same content."""
    text, content = case
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_characters=text[place]))
    try:
        read = from_text(text[:place] + other + text[place + 1 :], content.digest)
        deserialize(read)
    except Unreadable:
        return
    assert read == content


@given(BOTH, st.data())
def test_a_payload_cut_short(case: tuple[str, Any], data: st.DataObject) -> None:
    text, content = case
    with pytest.raises(Unreadable):
        deserialize(from_text(text[: data.draw(st.integers(0, len(text) - 1))], content.digest))


# --- In a column -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ({"a": [1, 2**64 + 1, None, True, "x"]}, True),
        ([1.0, 0.1, 1e-7, 5e-324, 0.0, -0.05, 123456.789], True),
        (1e16, False),
        (1.7976931348623157e308, False),
        (-0.0, False),
        (["1e+16", "-0.0", "e+", "nine-0.0"], True),
        ({"-0.0": 1.0}, True),
        ("\0", False),
        ({"\0": 1}, False),
        ("\ud800", False),
        ("\udfff\ud800", False),
        ("😀", True),
        ("\\u0000 \\ud800", True),
        ("\\\\u0000", True),
        ("\ufffd", True),
        ("ž", True),
    ],
)
def test_the_jsonb_form(value: Any, exact: bool) -> None:
    document = canonical(value)
    form, said = jsonb_form(document)
    assert said is exact
    assert (from_jsonb(jsonb(form)) == document) is exact


def test_what_jsonb_cannot_hold_is_replaced_everywhere() -> None:
    value = {"a\0": ["\ud800x", "\\u0000", "\udbff\ud83d", "\\\0", "😀\udc00", "\\\\"], "\udfff": "\n"}
    form, exact = jsonb_form(canonical(value))
    assert not exact
    assert json.loads(form) == {
        "a\ufffd": ["\ufffdx", "\\u0000", "\ufffd\ufffd", "\\\ufffd", "😀\ufffd", "\\\\"], "\ufffd": "\n",
    }  # fmt: skip


@given(JSON)
def test_the_flag_is_never_wrong(value: Any) -> None:
    document = canonical(value)
    form, exact = jsonb_form(document)
    assert "\0" not in json.dumps(json.loads(form), ensure_ascii=False)
    json.dumps(json.loads(form), ensure_ascii=False).encode()  # no lone surrogate
    assert (from_jsonb(jsonb(form)) == document) is exact


def test_outputs_are_no_matter_to_jsonb() -> None:
    """They are beside the document, so its numbers are those of params and jobs only."""
    _, exact = jsonb_form(serialize(state_of(completed("a", Outputs("[-0.0, 1e16]")))).document)
    assert exact
