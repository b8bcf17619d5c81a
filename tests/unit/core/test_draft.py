"""The plan while it is being made."""

from __future__ import annotations

from cairn.core.draft import Draft, Shape
from cairn.core.observed import Observed
from cairn.core.outputs import Outputs
from simulation.build import IDENTITY, NOW, ended, execution, intended, job, name_of, running, spec

JOBS = (job("c", "b"), job("b", "a"), job("d"), job("a"))


def test_a_shape_orders_by_level_and_then_as_written() -> None:
    shape = Shape(spec(*JOBS))
    assert [j.id for j in shape.ordered] == ["d", "a", "b", "c"]
    assert shape.levels == {"c": 2, "b": 1, "d": 0, "a": 0}
    assert shape.dependents["a"] == ("b",)
    assert shape.jobs["c"].depends_on == ("b",)


def test_a_draft_knows_what_it_decided_itself_and_what_was_at_hand() -> None:
    given = execution(spec(*JOBS), running("a"), intended("b"), ended("d"))
    assert given.spec is not None
    seen, decided = Outputs("1"), Outputs("2")
    draft = Draft(
        given,
        given.spec,
        Shape(given.spec),
        Observed(outputs={seen.digest: seen}),
        NOW,
        given.status,
        dict(given.status.jobs),
    )
    draft.outputs[decided.digest] = decided
    assert [draft.find_outputs(o.digest) for o in (seen, decided, Outputs("3"))] == [seen, decided, None]
    assert (draft.identity, draft.count_running(), draft.ending) == (IDENTITY, 2, False)
    draft.put(ended("a"))
    assert draft.count_running() == 1
    assert draft.name_of(ended("a", attempt=3)) == name_of("a", 3)
