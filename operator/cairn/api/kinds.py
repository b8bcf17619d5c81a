"""The kinds of problems that the API tells of, by status; docs/api.md lists them, and a test looks that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    slug: str
    status: int
    title: str
    next: str

    @property
    def type(self) -> str:
        """The URI that programs know it by."""
        return f"urn:cairn:problem:{self.slug}"


_RETRY = "Send the same request again; with an Idempotency-Key nothing is done twice."
MALFORMED = Kind("malformed-request", 400, "The request cannot be read", "Send a well-formed request.")
UNAUTHENTICATED = Kind(
    "unauthenticated", 401, "No valid token",
    "Send `Authorization: Bearer TOKEN` with a token of this cluster, such as `kubectl create token NAME` prints.",
)  # fmt: skip
FORBIDDEN = Kind(
    "forbidden", 403, "Not allowed",
    "Ask the cluster's administrator for that right; `kubectl auth can-i` with the same words shows who has it.",
)  # fmt: skip
POLICY = Kind("refused-by-policy", 403, "A policy or quota of the cluster refuses it", "Do what the detail asks for.")
NOT_FOUND = Kind("not-found", 404, "Not found", "Check the name, the namespace and the path.")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "Not a method of this path", "Use one that `Allow` names.")
NOT_ACCEPTABLE = Kind("not-acceptable", 406, "Not available in that media type", "Accept a type that the detail names.")
CONFLICT = Kind("conflict", 409, "Not in this state", "Look at the present state, and decide anew.")
ALREADY_EXISTS = Kind("already-exists", 409, "The name is taken", "Choose another name, or use what is there.")
CANNOT_SAVE = Kind("cannot-save", 409, "This state cannot be saved", "Remove the cause that the detail names.")
DAMAGED = Kind("damaged-checkpoint", 409, "The checkpoint is damaged", "Use another one; `cairn verify` tells which.")
NEWER = Kind("newer-checkpoint", 409, "A newer version has written it", "Upgrade the API to the operator's version.")
PRECONDITION = Kind("precondition-failed", 412, "It has changed", "Read it again, and send its new ETag in If-Match.")
TOO_LARGE = Kind("body-too-large", 413, "The body is too large", "Send less at once.")
MEDIA = Kind("unsupported-media-type", 415, "The body is no JSON", "Send application/json, not compressed.")
INVALID = Kind("invalid-request", 422, "The request is wrong", "Correct each field that `errors` names.")
REUSED_KEY = Kind(
    "idempotency-key-reused", 422, "The Idempotency-Key belongs to another request",
    "Use a new key for a new request, and the same body for the same key.",
)  # fmt: skip
TOO_MANY = Kind("too-many-requests", 429, "Too many requests", "Wait for as many seconds as Retry-After says.")
INTERNAL = Kind("internal-error", 500, "An error of the API itself", "Report it with the requestId: the log has more.")
ACCOUNT = Kind(
    "missing-right", 502, "The API's own account lacks a right", "Have the administrator grant what the docs list.",
)  # fmt: skip
BUSY = Kind("cluster-busy", 503, "The Kubernetes API is busy", _RETRY)
UNAVAILABLE = Kind("cluster-unavailable", 503, "The Kubernetes API does not answer", _RETRY)
DATABASE = Kind("database-unavailable", 503, "The database does not answer", _RETRY)
NOT_MIGRATED = Kind(
    "database-not-migrated", 503, "The database has another version", "Have the administrator run `cairn migrate`."
)
TIMEOUT = Kind("timeout", 504, "No answer in time", f"It may still take effect. {_RETRY}")

KINDS: Mapping[str, Kind] = {kind.slug: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
