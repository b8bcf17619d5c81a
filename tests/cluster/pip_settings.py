"""How pip reaches packages on this machine, for a pip that runs elsewhere: in the build of an image.

Only where packages come from is passed on, not where they go. What lies in files (certificates, folders of wheels) is
shown there under its own path.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path

_PATHS = ("cert", "client-cert", "find-links")
_PASSED_ON = (*_PATHS, "proxy", "timeout", "default-timeout", "retries")
_OF_ADDRESSES = ("-url", "-index", "-host")  # what the names of those settings end with that say who is asked


def interpreter() -> str:
    """A Python that has pip."""
    return sys.executable if importlib.util.find_spec("pip") else "python3"


def current() -> dict[str, str]:
    """What files and variables tell pip on this machine."""
    command = [interpreter(), "-m", "pip", "config", "list"]
    return chosen(subprocess.run(command, text=True, capture_output=True, check=True).stdout)


def chosen(listing: str) -> dict[str, str]:
    """Those of the settings that `pip config list` prints which are passed on; a variable wins over a file."""
    lines = [line.partition("=") for line in listing.splitlines()]
    split = [(key.rpartition("."), value) for key, _, value in lines]
    ranked = sorted(split, key=lambda each: each[0][0] == ":env:")
    return {key[2]: str(ast.literal_eval(value)) for key, value in ranked if _is_passed_on(key[2])}


def _is_passed_on(name: str) -> bool:
    return name in _PASSED_ON or name.endswith(_OF_ADDRESSES)


def as_file(settings: dict[str, str]) -> str:
    """The settings as a pip.conf."""
    parser = RawConfigParser()
    parser["global"] = {key.removeprefix("default-"): value for key, value in settings.items()}
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def files(settings: dict[str, str]) -> list[Path]:
    """The files and folders of this machine that the settings name."""
    named = [Path(word) for key in _PATHS for word in settings.get(key, "").split()]
    return [path for path in named if path.is_absolute() and path.exists()]
