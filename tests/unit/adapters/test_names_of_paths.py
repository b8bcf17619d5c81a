"""A name that a user gave leads to the object that it names, or nowhere."""

from __future__ import annotations

import pytest

from cairn import errors
from cairn.adapters.kube.api import Api
from cairn.adapters.kube.cluster import KubeCluster

ODD = (" ", "${HOME}", "a b", "../secrets/x", "x/status", "..", "ž", "x\0", "a?b=c", "a#b")


class Silent:
    """A client that nobody asks anything."""


@pytest.mark.parametrize("name", ODD)
async def test_what_has_a_name_that_none_can_have_is_not_there(name: str) -> None:
    cluster = KubeCluster(Api(Silent()))
    for ask in (cluster.get_checkpoint, cluster.get_execution):
        with pytest.raises(errors.Gone):
            await ask("default", name)
    with pytest.raises(errors.Rejected):
        await cluster.patch_checkpoint("default", name, {"metadata": {"uid": "u"}})
