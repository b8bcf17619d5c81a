"""Entity tags (RFC 9110): not sending what the client has, not changing what it has not seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response

from cairn.api import kinds
from cairn.api.problems import Problem

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_ANY = "*"


def etag(version: str, *, weak: bool = False) -> str:
    """The tag of a `resourceVersion` or a digest; weak if equal versions are answered with bytes that may differ."""
    return f'W/"{version}"' if weak else f'"{version}"'


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What a client makes its request depend on."""

    none_match: str = ""
    match: str = ""

    def not_modified(self, tag: str) -> Response | None:
        """The answer to who has this already (304), None for others."""
        if self.none_match.strip() == _ANY or _opaque(tag) in set(map(_opaque, _TAG.findall(self.none_match))):
            return Response(status_code=304, headers={"ETag": tag})
        return None

    def require(self, tag: str) -> None:
        """Do nothing if it is still what the client has seen. Raises Problem (412). Weak tags never match."""
        if not self.match or self.match.strip() == _ANY:
            return
        if tag.startswith("W/") or tag not in _TAG.findall(self.match):
            raise Problem(kinds.PRECONDITION, "it is not what If-Match names any more", headers={"ETag": tag})

    @property
    def conditional(self) -> bool:
        """Whether a write must be made on exactly the version that If-Match was held against."""
        return bool(self.match)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")


async def _read(
    if_none_match: Annotated[
        str, Header(alias="If-None-Match", description="Tags that the client has: 304 if it is one of them.")
    ] = "",
) -> Preconditions:
    return Preconditions(none_match=if_none_match)


async def _written(
    if_match: Annotated[
        str, Header(alias="If-Match", description="The tag that the client has seen: 412 if it is another now.")
    ] = "",
) -> Preconditions:
    return Preconditions(match=if_match)


IfNoneMatch = Annotated[Preconditions, Depends(_read)]
IfMatch = Annotated[Preconditions, Depends(_written)]
