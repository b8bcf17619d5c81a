"""How a run that somebody stops early ends."""

from __future__ import annotations

import signal


def sigterm_is_ctrl_c() -> None:
    """From here on SIGTERM ends the run as Ctrl-C does: everything that it has started is removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
