"""What an error of psycopg says in a log: never a value of somebody's data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from cairn.adapters.postgres import errors


def error(kind: type[psycopg.Error], code: str | None, primary: str | None, text: str = "") -> psycopg.Error:
    """One as the server or the client library makes it."""

    class Made(kind):  # type: ignore[misc, valid-type]
        sqlstate = code
        diag: Any = SimpleNamespace(message_primary=primary)

    Made.__name__ = kind.__name__
    return Made(text)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (error(psycopg.DataError, "22003", 'value "s3cret" is out of range'), "DataError (SQLSTATE 22003)"),
        (error(psycopg.DataError, "22P02", 'invalid syntax for type uuid: "s3cret"'), "DataError (SQLSTATE 22P02)"),
        (error(psycopg.DataError, None, None, "s3cret cannot be adapted"), "DataError"),
        (error(psycopg.IntegrityError, "23505", "duplicate key value", "DETAIL: (s3cret)"), "duplicate key value"),
        (error(psycopg.DataError, "22023", 'there is no role "r"'), 'there is no role "r"'),
        (error(psycopg.OperationalError, None, None, "refused\ns3cret"), "OperationalError: refused"),
    ],
    ids=["a number", "a form", "of the client", "beside the data", "a role", "a connection"],
)  # fmt: skip
def test_what_is_said(made: psycopg.Error, said: str) -> None:
    assert errors.said(made) == said
    assert "s3cret" not in str(errors.of(made))
