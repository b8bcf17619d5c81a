"""The errors of Cairn, arranged by who must act.

    CairnError
    ├── NotConfigured   the operator's administrator: there is no cluster to talk to
    ├── NotFound        the user's move: nothing has the name or id that they gave
    ├── WrongState      the user's move: not as things stand; the message says how they stand, and what can be done
    ├── InvalidSpec     the user's move: what they wrote cannot run; carries every violation with its field path
    ├── KeyReused       the caller's: the key of an earlier request, for something else
    ├── Unauthenticated the caller's: no token, or one that nobody vouches for
    ├── Forbidden       the caller's, or whoever grants rights: that caller may not do that
    ├── Conflict        nobody's: the object changed since it was read; read again and decide anew
    ├── Gone            nobody's: the object does not exist (any more)
    ├── AlreadyExists   nobody's: the name is taken; read the object and see whose it is
    ├── Refused         the cluster's administrator or the user: 403 or 429, may pass later
    ├── Rejected        the user's: 400, 413 or 422, will never pass as written
    ├── NotLeading      nobody's: another replica acts, and whatever this was about is left to it; nothing was sent
    ├── Unavailable     the world's: the API server (or the network to it) did not answer; try again
    ├── CannotSave      the user's: this state cannot be saved; carries a reason for the condition
    ├── Unreadable      whoever looks after the stores: a checkpoint that cannot be read
    │   ├── NewerSchema     written by a newer version of Cairn: upgrade the reader
    │   ├── DamagedPayload  not what was written: truncated, changed, or not a checkpoint at all
    │   └── WrongDigest     readable, but its digest is another one: a byte was changed
    └── StoreError      the database's administrator
        ├── StoreUnavailable  away, slow, read-only or full: it passes; carries a reason for the condition
        ├── NotMigrated       its schema is not the one that this version works with
        └── IdTaken           another checkpoint has that id: nothing was written

Adapters translate into these at the border; nothing above an adapter sees the exceptions of a client library.
Response bodies may hold payloads and secrets: texts are cut, and only ``Status`` messages are used. Even those quote
what was sent, where that was wrong: so in a process whose log others read, the text of an ApiError (what is logged)
names fields only, and its `message` (what the user is told, in their own object or answer) is what the API server said.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXT_LIMIT = 256


class CairnError(Exception):
    """Everything Cairn raises on purpose."""


class NotConfigured(CairnError):
    """Nothing says which cluster to talk to, or how."""


class NotFound(CairnError):
    """Nothing has that name or id; the message says what there is."""


class WrongState(CairnError):
    """What was asked for does not go with how things stand, such as a pause of a finished execution."""

    def __init__(self, message: str, *, reason: str = "", problems: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.reason = reason  # that of a condition, where there is one
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong in a resource: where (a field path such as ``spec.jobs[2].when``) and what to do about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidSpec(CairnError):
    """What the user wrote cannot run. Carries every violation, not only the first."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = violations


class KeyReused(CairnError):
    """An object was made by an earlier request with that key, which asked for something else."""


class Unauthenticated(CairnError):
    """Nobody vouches for the caller."""


class Forbidden(CairnError):
    """The caller may not do that; whether what they named exists is not looked at, and not told."""


class ApiError(CairnError):
    """The API server answered with something else than success."""

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None, logged: str = ""
    ) -> None:
        super().__init__((logged or message)[:TEXT_LIMIT])
        self.message = message[:TEXT_LIMIT]  # it may quote what was sent
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Conflict(ApiError):
    """409 on an update: the object has changed since it was read."""


class AlreadyExists(ApiError):
    """409 on a create: the name is taken."""


class Gone(ApiError):
    """404: there is no such object."""


class Refused(ApiError):
    """403 or 429: not now (quota, admission, rights, rate); it may pass later without a change of the request."""


class Rejected(ApiError):
    """400, 413 or 422: the request itself is wrong and will be wrong next time."""


class NotLeading(ApiError):
    """Nothing was sent: this replica holds the Lease no longer."""


class Unavailable(ApiError):
    """No answer, or 5xx: nothing is known about whether the request took effect."""


# --- Checkpoints -----------------------------------------------------------------------------------------------------


class CannotSave(CairnError):
    """A state that cannot be saved: a result is lost or damaged, or it is too large for every store there is."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unreadable(CairnError):
    """A stored checkpoint that cannot be read."""


class NewerSchema(Unreadable):
    """Written by a newer version of Cairn."""


class DamagedPayload(Unreadable):
    """Not what was written."""


class WrongDigest(Unreadable):
    """Its bytes are not those that its digest was made over."""


class StoreError(CairnError):
    """The database did not do what was asked."""


class StoreUnavailable(StoreError):
    """The database is away, slow, read-only or full; nothing is known about whether a write took effect."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message[:TEXT_LIMIT])
        self.reason = reason


class NotMigrated(StoreError):
    """The database's schema is older or newer than this version of Cairn works with."""


class IdTaken(StoreError):
    """Another checkpoint, of this or another tenant, has that id."""
