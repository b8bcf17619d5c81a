"""From what psycopg raises to the errors of Cairn. Messages name no parameter: those are people's data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from cairn import names
from cairn.errors import NotMigrated, StoreError, StoreUnavailable

NO_ADDRESS = "DATABASE_URL is not the address of a database, such as postgresql://user@host/database"
NO_ADDRESS_IN_FILE = "the file of DATABASE_URL_FILE holds no address of a database, as postgresql://user@host/database"
_READ_ONLY = "25006"
_FULL = ("53100", "53200", "54000")  # disk full, out of memory, a row larger than can be
_NOT_MIGRATED = ("42P01", "42703", "42883", "42501", "22023", "3F000")  # no such table, column, function, right, role
_OF_THE_DATA = "22"  # the class of errors whose messages quote values: out of range, of a wrong form


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Within it, no exception of psycopg gets out."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable(names.DATABASE_UNAVAILABLE, "no connection to the database in time") from error
    except psycopg.Error as error:
        raise of(error) from error
    except (PoolClosed, TimeoutError) as error:
        raise StoreUnavailable(names.DATABASE_UNAVAILABLE, "the database does not answer in time") from error


def of(error: psycopg.Error) -> StoreError:
    """What an error of psycopg means to Cairn."""
    code, text = error.sqlstate or "", said(error)
    if code == _READ_ONLY:
        return StoreUnavailable(names.DATABASE_READ_ONLY, text)
    if code in _FULL:
        return StoreUnavailable(names.DATABASE_FULL, text)
    if code in _NOT_MIGRATED:
        return NotMigrated(f"{text}: run `cairn migrate`, and see that this user is a member of its role")
    return StoreUnavailable(names.DATABASE_UNAVAILABLE, text)


def said(error: psycopg.Error) -> str:
    """The primary message, where it has no data in it; for errors of the connection, its first line."""
    code = error.sqlstate or ""
    if code.startswith(_OF_THE_DATA) and code not in _NOT_MIGRATED:
        return f"{type(error).__name__} (SQLSTATE {code})"
    if error.diag.message_primary:
        return error.diag.message_primary
    if isinstance(error, psycopg.ProgrammingError):  # quotes the address, and the password in it
        return NO_ADDRESS
    if not isinstance(error, psycopg.OperationalError):
        return type(error).__name__
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
