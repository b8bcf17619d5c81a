"""What a fork takes over, in objects: what is in them, how large they are, and that nothing damaged is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest import param

from cairn import names
from cairn.core.checkpoint.canonical import canonical, digest_of
from cairn.core.checkpoint.state import Attempt
from cairn.core.outputs import LIMIT, Outputs
from cairn.core.restore import packs
from cairn.core.status import JobState
from cairn.errors import DamagedPayload
from simulation.build import EARLIER, IDENTITY, NOW
from support.states import attempts

CRD = Path(__file__).parents[4] / "crds" / "jobresults.yaml"


def done(text: str | None = None, number: int = 1, **fields: Any) -> Attempt:
    out = Outputs(text) if text is not None else None
    return Attempt(number, JobState.COMPLETED, **{"started_at": EARLIER, "finished_at": NOW, "outputs": out} | fields)


def held(attempts: dict[str, Iterable[Attempt]]) -> list[dict[str, Any]]:
    return list(packs.results(IDENTITY, attempts, "checkpoint checkpoint_1"))


def read(found: Iterable[dict[str, Any]]) -> list[tuple[str, Attempt]]:
    return [each for pack in found for each in packs.read_results(pack)]


def accepted(pack: dict[str, Any]) -> None:
    """The object is what its CRD accepts."""
    [version] = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    jsonschema.validate(pack, version["schema"]["openAPIV3Schema"])


# --- Results ---------------------------------------------------------------------------------------------------------


def test_nothing_kept_is_no_pack() -> None:
    assert held({}) == held({"a": ()}) == []


def test_a_pack_is_an_object_of_the_execution() -> None:
    [pack] = held({"a": (done("1"),)})
    meta = pack["metadata"]
    assert (pack["kind"], meta["namespace"]) == ("JobResult", "default")
    assert meta["labels"][names.LABEL_EXECUTION_UID] == meta["ownerReferences"][0]["uid"] == IDENTITY.uid
    assert (pack["spec"]["reason"], pack["spec"]["message"]) == ("Restored", "1 results of checkpoint checkpoint_1")
    assert packs.name_of(pack) == meta["name"]
    assert meta["name"].startswith("sample-restored-")
    assert packs.is_pack(pack)
    accepted(pack)


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": {"outputs": "1"}}], ids=str)
def test_a_result_of_one_attempt_is_no_pack(body: dict[str, Any]) -> None:
    assert not packs.is_pack(body)


@pytest.mark.parametrize(
    "attempt",
    [
        param(done(), id="no outputs"),
        param(done("null"), id="null"),
        param(done('"žluťoučký \U0001f600"'), id="unicode"),
        param(done(r'"\u0000\ud800"'), id="escapes that are no UTF-8"),
        param(done('{ "a" :\t1e16, "b": -0.0, "c": 18446744073709551617 }'), id="numbers and space as they are"),
        param(done(f'"{"x" * (LIMIT - 2)}"'), id="64 KiB"),
        param(done(f'"{"😀" * ((LIMIT - 2) // 4)}"'), id="64 KiB, escaped three times as long"),
        param(done(started_at=None, finished_at=None), id="no times"),
        param(done(number=7, exit_code=0, reason="r", message='a "line"\n\0\ud800'), id="a message of any kind"),
        param(Attempt(2, JobState.FAILED, "Error", "m", EARLIER, NOW, 137), id="a failure"),
    ],
)
def test_a_result_comes_back_as_it_was(attempt: Attempt) -> None:
    found = held({"a": (attempt,)})
    assert read(found) == [("a", attempt)]
    assert len(found) == 1
    accepted(found[0])
    json.dumps(found[0]).encode()


@given(st.dictionaries(st.text(max_size=9), attempts(3, JobState.COMPLETED, Outputs("null")), max_size=3))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_kept_comes_back_but_log_tails_and_uids(tries: dict[str, tuple[Attempt, ...]]) -> None:
    expected = [(job, replace(one, uid="", log_tail=None)) for job, each in tries.items() for one in each]
    assert read(held(tries)) == expected


def test_packs_are_filled_and_none_is_larger_than_it_may_be() -> None:
    tries = {f"j{n}": (done(f'"{n}{"x" * 60_000}"'),) for n in range(20)}
    found = held(tries)
    sizes = [len(pack["spec"]["pack"]) for pack in found]
    assert len(found) == 3
    assert max(sizes) <= names.PACK_BYTES + 100
    assert min(sizes[:-1]) > names.PACK_BYTES - 65_000
    assert [job for job, _ in read(found)] == list(tries), "nothing is lost between two packs"


def test_two_thousand_small_results_are_few_objects() -> None:
    assert len(held({f"j{n}": (done(f'{{"rows":{n}}}'),) for n in range(2000)})) <= 2


def test_a_pack_is_named_by_its_content() -> None:
    [one], [same], [other] = held({"a": (done("1"),)}), held({"a": (done("1"),)}), held({"a": (done("2"),)})
    assert one == same
    assert packs.name_of(one) != packs.name_of(other)
    [elsewhere] = packs.results(replace(IDENTITY, uid="another"), {"a": (done("1"),)}, "checkpoint checkpoint_1")
    assert packs.name_of(elsewhere) != packs.name_of(one), "a successor of the same name has its own"


# --- Jobs ------------------------------------------------------------------------------------------------------------

SPEC = {"jobs": [{"id": "a"}], "jobDefaults": {"image": "x"}, "params": {"day": "žluť"}, "paused": True, "cancel": {}}


def test_the_jobs_are_held_with_what_belongs_to_them_and_nothing_else() -> None:
    pack = packs.configs(IDENTITY, SPEC, "checkpoint checkpoint_1")
    assert packs.read_configs(pack) == {key: SPEC[key] for key in ("jobs", "jobDefaults", "params")}
    assert packs.read_results(pack) == []
    assert pack["spec"]["message"] == "the jobs of checkpoint checkpoint_1"
    accepted(pack)


def test_what_the_spec_does_not_have_is_not_held() -> None:
    assert packs.read_configs(packs.configs(IDENTITY, {"jobs": []}, "")) == {"jobs": []}


def test_a_pack_of_results_holds_no_jobs() -> None:
    assert packs.read_configs(held({"a": (done(),)})[0]) is None


@pytest.mark.parametrize(
    ("size", "compressed"), [(1000, False), (1_000_000, False), (1_100_000, True), (3_000_000, True)]
)
def test_many_jobs_are_compressed(size: int, compressed: bool) -> None:
    spec = {"jobs": [{"id": f"j{n:06}", "args": ["x" * 80]} for n in range(size // 114)]}
    pack = packs.configs(IDENTITY, spec, "checkpoint")
    assert pack["spec"]["pack"].startswith("zlib:" if compressed else "json:")
    assert len(pack["spec"]["pack"]) < 1_100_000
    assert packs.read_configs(pack) == spec
    accepted(pack)


# --- Damage ----------------------------------------------------------------------------------------------------------

SMALL = packs.configs(IDENTITY, SPEC, "")
LARGE = packs.configs(IDENTITY, {"jobs": [{"id": "a", "args": ["x" * 1_100_000]}]}, "")


def damaged(pack: dict[str, Any], text: str, **spec: Any) -> dict[str, Any]:
    return pack | {"spec": pack["spec"] | {"pack": text} | spec}


def with_digest(text: str) -> dict[str, Any]:
    """A pack whose digest is right for what is in it."""
    return damaged(SMALL, f"json:{text}", digest=digest_of(text.encode()))


@pytest.mark.parametrize(
    "pack",
    [
        param(damaged(SMALL, SMALL["spec"]["pack"].replace("a", "b", 1)), id="a character changed"),
        param(damaged(SMALL, SMALL["spec"]["pack"][:-1]), id="cut"),
        param(damaged(SMALL, ""), id="empty"),
        param(damaged(SMALL, SMALL["spec"]["pack"] + "ž"), id="beyond ASCII"),
        param(damaged(SMALL, SMALL["spec"]["pack"], digest="0" * 64), id="another digest"),
        param(damaged(LARGE, LARGE["spec"]["pack"][:-8]), id="compressed, cut"),
        param(damaged(LARGE, LARGE["spec"]["pack"] + "!"), id="compressed, no base64"),
        param(damaged(LARGE, "zlib:" + LARGE["spec"]["pack"][9:]), id="compressed, its beginning lost"),
        param(with_digest('{"results":['), id="no JSON"),
    ],
)
def test_what_is_damaged_is_refused(pack: dict[str, Any]) -> None:
    with pytest.raises(DamagedPayload):
        packs.read_results(pack)
    with pytest.raises(DamagedPayload):
        packs.read_configs(pack)


def test_a_pack_without_a_digest_is_refused() -> None:
    spec = {key: value for key, value in SMALL["spec"].items() if key != "digest"}
    with pytest.raises(DamagedPayload):
        packs.read_configs(SMALL | {"spec": spec})


def test_the_digest_is_over_what_is_held_not_over_how() -> None:
    held_ = canonical({"configs": {key: SPEC[key] for key in packs.CONFIGS}})
    assert SMALL["spec"]["digest"] == digest_of(held_)
