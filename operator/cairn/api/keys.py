"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header) without a store.

The key of a request determines the name, or the request id, of what it creates: sent again, it finds that. The same
key with another body would find it too: so whoever creates an object puts the digest of the body into it, and compares;
and the id of what is asked of an execution ends with that digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from cairn.api.parts import TheCaller, TheParts

_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What identifies a request, whenever and wherever it is sent again."""

    value: str  # 32 hexadecimal digits: from the caller, the method, the path and their key; random if they gave none
    digest: str  # SHA-256 of the body: the same for the same JSON, however it is written
    given: bool  # whether they gave a key

    @property
    def request_id(self) -> str:
        """The id of what it asks of an execution; `core.asking.refuse_reuse` knows its form."""
        return f"api-{self.value}-{self.digest[:16]}"


async def request_key(
    request: Request, caller: TheCaller, parts: TheParts,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key", min_length=1, max_length=255, pattern="^[ -~]+$",
            description="A text that is new for each new request; sent again with the same one, nothing is done twice.",
        ),
    ] = None,
) -> RequestKey:  # fmt: skip
    """The key of a request, given or made up."""
    digest = _digest(await request.body())
    if idempotency_key is None:
        return RequestKey(parts.new_id(), digest, False)
    whole = json.dumps([caller.username, request.method, request.url.path, idempotency_key])
    return RequestKey(hashlib.sha256(whole.encode()).hexdigest()[:_ID_LENGTH], digest, True)


def _digest(body: bytes) -> str:
    try:
        body = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        pass  # no body, or none that FastAPI lets through
    return hashlib.sha256(body).hexdigest()


TheKey = Annotated[RequestKey, Depends(request_key)]
