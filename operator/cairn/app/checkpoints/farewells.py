"""Deletes that the database does not know of yet: each is an object in the operator's own namespace until it does.

The namespace of a checkpoint may be gone by then, so it cannot be kept there. One object a delete: creating it again
does nothing, and no two writers meet.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta

from cairn import names
from cairn.core.checkpoint import graves
from cairn.core.checkpoint.state import Grave
from cairn.errors import AlreadyExists, Gone, Refused, Rejected, Unavailable
from cairn.ports import Body, Clock, Cluster, Rows

logger = logging.getLogger(__name__)


_TOO_MANY = 429  # requests at this moment: the next try may do
_MAY_STILL_BE_DONE = timedelta(minutes=5)


class Farewells:
    """Remembers deletes, and carries them out later."""

    def __init__(self, cluster: Cluster, home: str, clock: Clock) -> None:
        self._cluster = cluster
        self._home = home
        self._clock = clock
        self.any = True  # whether there may be remembered ones; at the start nobody knows
        # A create whose answer is missing may still be done; an operator that was killed may have sent one as well.
        self._unsure_until: datetime = clock() + _MAY_STILL_BE_DONE

    async def remember(self, grave: Grave) -> None:
        """Keep a delete until the database is there; what is refused for good is only logged.

        Raises Unavailable, and Refused where there were too many requests.
        """
        name = "cairn-delete-" + hashlib.sha256(f"{grave.namespace_uid} {grave.id}".encode()).hexdigest()[:16]
        try:
            await self._cluster.create(graves.remembered(grave, self._home, name))
        except AlreadyExists:
            pass
        except Unavailable:
            self._unsure_until = self._clock() + _MAY_STILL_BE_DONE
            raise
        except (Refused, Rejected, Gone) as error:
            if error.status == _TOO_MANY:
                raise
            # Better a row too many, which is listed and can be deleted, than an object that can never go.
            logger.error("the delete of checkpoint %s cannot be remembered, its row stays: %s", grave.id, error)
            return
        finally:
            self.any = True
        logger.warning("the database is away: the delete of checkpoint %s is remembered in %s/%s", grave.id,
                       self._home, name)  # fmt: skip

    async def carry_out(self, rows: Rows) -> int:
        """Carry out what was remembered; how many there were. Raises StoreError, and the errors of the API."""
        # Now, not in the end: what is remembered meanwhile may have missed the list.
        self.any = self._clock() < self._unsure_until
        try:
            found = await self._cluster.list_config_maps(self._home, f"{names.LABEL_REMEMBERED}=true")
            for body in found:
                await self._carry_out_one(rows, body)
        except BaseException:
            self.any = True
            raise
        return len(found)

    async def _carry_out_one(self, rows: Rows, body: Body) -> None:
        await rows.bury(graves.remembered_grave(body))
        meta = body["metadata"]
        try:
            await self._cluster.delete_config_map(self._home, meta["name"], meta["uid"])
        except Gone:
            pass
