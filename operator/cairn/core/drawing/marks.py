"""How a state looks: a sign, a word and colours. The word always goes along: colour is never the only signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cairn.core.status import JobState


@dataclass(frozen=True, slots=True)
class Mark:
    """How one state looks; colours are hexadecimal, for a light ground."""

    glyph: str
    word: str
    fill: str
    stroke: str
    ink: str


UNKNOWN: Final = Mark("", "", "#ffffff", "#64748b", "#334155")  # there is no status: only a file
MARKS: Final[Mapping[JobState, Mark]] = {
    JobState.PENDING: Mark("○", "Pending", "#f4f6f9", "#8492a6", "#475569"),
    JobState.RUNNING: Mark("●", "Running", "#e8f1ff", "#2f6fde", "#1d4ea8"),
    JobState.COMPLETED: Mark("✓", "Completed", "#e8f7ed", "#2e8b4f", "#1f6b3b"),
    JobState.FAILED: Mark("✗", "Failed", "#fdecec", "#c93a36", "#a12623"),
    JobState.SKIPPED: Mark("–", "Skipped", "#fbf6e9", "#b08d3c", "#7a5f1f"),
}


def mark(state: JobState | None) -> Mark:
    """How the state looks."""
    return MARKS[state] if state else UNKNOWN
