"""What runs here, and whom it takes its caller for: for trying out a token, and the way to the server."""

from __future__ import annotations

from pydantic import Field

from cairn import build, names
from cairn.api.models import Told
from cairn.api.parts import TheCaller
from cairn.api.routes import router as new_router

router = new_router("/api/v1", "identity")


class Version(Told):
    """What runs here."""

    version: str = Field(description="The version of Cairn.")
    commit: str = Field(description="The commit that it was built from; `unknown` for a checkout.")
    api_version: str = Field(description="The version of the custom resources it works with.")


class Me(Told):
    """Whom the server takes the caller for."""

    username: str
    uid: str
    groups: list[str]


@router.get("/version")
async def get_version() -> Version:
    """What runs here."""
    return Version(version=build.VERSION, commit=build.COMMIT, api_version=names.API_VERSION)


@router.get("/me")
async def get_me(caller: TheCaller) -> Me:
    """Whom the server takes you for: the user of your token."""
    return Me(username=caller.username, uid=caller.uid, groups=list(caller.groups))
