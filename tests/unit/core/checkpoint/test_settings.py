"""What holds for the checkpoints of an execution: explicit, else the profile's, else built in."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from cairn.core import schema
from cairn.core.checkpoint.settings import (
    CheckpointSettings,
    DeletionPolicy,
    OnError,
    Profile,
    Trigger,
    resolve,
    to_wire,
)

CRD = Path(__file__).resolve().parents[4] / "crds" / "dagexecutions.yaml"
MANUAL, TIMED, JOB, LEVEL, CRITICAL = Trigger

EVERYTHING = {
    "enabled": False, "profile": "LongRunning", "triggers": ["before-critical", "manual"], "timeIntervalMs": 1000,
    "retentionCount": 1, "retention": {"maxAgeSeconds": 2, "maxBytes": 3, "afterDeletionSeconds": 4},
    "criticalJobIds": ["b", "a"], "onError": "Pause", "deletionPolicy": "Delete",
}  # fmt: skip


def crd() -> dict[str, Any]:
    """The schema of a DAGExecution."""
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    properties: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return properties


def test_built_in() -> None:
    assert resolve({}) == CheckpointSettings(
        enabled=True, profile=None, triggers=frozenset({MANUAL, LEVEL}), time_interval_ms=300_000, retention_count=10,
        max_age_seconds=0, max_bytes=0, after_deletion_seconds=604_800, critical_job_ids=frozenset(),
        on_error=OnError.CONTINUE, deletion_policy=DeletionPolicy.RETAIN,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "triggers", "interval", "count"),
    [
        (Profile.DEVELOPMENT, {MANUAL}, 300_000, 5),
        (Profile.PRODUCTION, {MANUAL, CRITICAL, LEVEL}, 300_000, 20),
        (Profile.LONG_RUNNING, {TIMED, JOB}, 600_000, 50),
    ],
)
def test_a_profile_sets_what_it_names(profile: Profile, triggers: set[Trigger], interval: int, count: int) -> None:
    assert resolve({"profile": profile.value}) == CheckpointSettings(
        profile=profile, triggers=frozenset(triggers), time_interval_ms=interval, retention_count=count
    )


def test_what_is_set_wins() -> None:
    assert resolve(EVERYTHING) == CheckpointSettings(
        enabled=False, profile=Profile.LONG_RUNNING, triggers=frozenset({CRITICAL, MANUAL}), time_interval_ms=1000,
        retention_count=1, max_age_seconds=2, max_bytes=3, after_deletion_seconds=4,
        critical_job_ids=frozenset({"a", "b"}), on_error=OnError.PAUSE, deletion_policy=DeletionPolicy.DELETE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "triggers"),
    [
        ({"profile": "Production", "triggers": []}, set()),
        ({"triggers": []}, set()),
        ({"profile": "Development", "triggers": None}, {MANUAL}),
        ({"profile": None, "triggers": None, "retention": None}, {MANUAL, LEVEL}),
    ],
    ids=["an empty list over a profile", "an empty list", "null under a profile", "nulls"],
)
def test_null_is_not_set_but_nothing_is(given_: dict[str, Any], triggers: set[Trigger]) -> None:
    assert resolve(given_).triggers == triggers


def test_zero_and_false_are_set() -> None:
    settings = resolve({"enabled": False, "retention": {"afterDeletionSeconds": 0}})
    assert (settings.enabled, settings.after_deletion_seconds) == (False, 0)


@pytest.mark.parametrize("profile", [None, *Profile])
@pytest.mark.parametrize("field", sorted(EVERYTHING.keys() - {"profile"}))
def test_each_field_wins_by_itself_and_changes_no_other(field: str, profile: Profile | None) -> None:
    given_ = {"profile": profile.value} if profile else {}
    before, after = resolve(given_), resolve(given_ | {field: EVERYTHING[field]})
    changed = {f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)}
    assert len(changed) == (3 if field == "retention" else 1)
    assert all(getattr(after, name) == getattr(resolve(EVERYTHING), name) for name in changed)


def test_the_status_shows_everything_in_a_fixed_order() -> None:
    given_ = {"triggers": [t.value for t in reversed(Trigger)], "criticalJobIds": ["b", "a"], "profile": "Development"}
    wire = to_wire(resolve(given_))
    assert wire == {
        "enabled": True, "profile": "Development",
        "triggers": ["manual", "time-based", "job-completed", "level-completed", "before-critical"],
        "timeIntervalMs": 300_000, "retentionCount": 5, "maxAgeSeconds": 0, "maxBytes": 0,
        "afterDeletionSeconds": 604_800, "criticalJobIds": ["a", "b"], "criticalJobCount": 2,
        "onError": "Continue", "deletionPolicy": "Retain",
    }  # fmt: skip
    assert "profile" not in to_wire(CheckpointSettings())


def test_the_status_shows_the_first_critical_jobs_and_how_many_there_are() -> None:
    wire = to_wire(resolve({"criticalJobIds": [f"j{i:04}" for i in reversed(range(2000))]}))
    assert wire["criticalJobIds"] == [f"j{i:04}" for i in range(20)]
    assert wire["criticalJobCount"] == 2000


# --- The same as the custom resource says ----------------------------------------------------------------------------

BOUNDED = {
    "timeIntervalMs": st.integers(-1, 2) | st.integers(999, 1001) | st.integers(604_799_999, 604_800_001),
    "retentionCount": st.integers(-1, 2) | st.integers(9_999, 10_001),
    "triggers": st.lists(st.sampled_from([*(t.value for t in Trigger), "daily"]), max_size=6, unique=True),
    "profile": st.sampled_from([*(p.value for p in Profile), "production", ""]),
    "criticalJobIds": st.lists(st.sampled_from(["", "a", "b" * 63, "c" * 64]), max_size=3, unique=True),
    "onError": st.sampled_from(["Continue", "Pause", "Stop"]),
    "deletionPolicy": st.sampled_from(["Retain", "Delete", "Orphan"]),
    "enabled": st.sampled_from([True, False, "true", 1]),
    "retention": st.dictionaries(
        st.sampled_from(["maxAgeSeconds", "maxBytes", "afterDeletionSeconds", "maxAge"]),
        st.sampled_from([-1, 0, 1, 3_153_600_000, 3_153_600_001, 2**40, "1"]),
    ),
    "profil": st.none(),
}
RESOURCE = crd()["spec"]["properties"]["checkpoint"]


@given(st.sampled_from(sorted(BOUNDED)).flatmap(lambda name: st.fixed_dictionaries({name: BOUNDED[name]})))
def test_the_operator_accepts_what_the_api_server_accepts(one: dict[str, Any]) -> None:
    closed = RESOURCE | {"additionalProperties": False}
    closed["properties"] = RESOURCE["properties"] | {
        "retention": RESOURCE["properties"]["retention"] | {"additionalProperties": False}
    }
    accepted = Draft202012Validator(closed).is_valid(one)
    try:
        schema.Checkpoint.model_validate(one)
    except ValidationError:
        assert not accepted
    else:
        assert accepted


@pytest.mark.parametrize("given_", [{}, EVERYTHING, {"profile": "LongRunning"}], ids=["built in", "all", "profile"])
def test_the_status_has_a_place_for_what_is_shown(given_: dict[str, Any]) -> None:
    shown = crd()["status"]["properties"]["checkpointing"]["properties"]["settings"]
    wire = to_wire(resolve(given_))
    assert set(wire) | {"profile"} == set(shown["properties"])
    assert Draft202012Validator(shown).is_valid(wire)
