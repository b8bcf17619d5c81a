"""Make docs/performance.md and its plots of what `python -m bench --keep` has measured: `make docs`."""

from __future__ import annotations

from pathlib import Path

from bench import records, report

PAGE = Path(__file__).resolve().parent / "performance.md"


def page() -> str:
    """The page as it should be."""
    return report.page(records.load())[0]


def plots() -> dict[Path, str]:
    """The plots as they should be."""
    return {records.KEPT / f"{name}.svg": text for name, text in report.page(records.load())[1].items()}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    for path, text in plots().items():
        path.write_text(text, encoding="utf-8")
