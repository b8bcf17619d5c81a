"""An address that asks for `verify-full`: the server's name and who vouches for it are checked, or nothing is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cairn.adapters.postgres import migrate
from cairn.adapters.postgres.pool import OPERATOR, Pool
from cairn.adapters.postgres.store import PostgresStore
from cairn.errors import StoreUnavailable
from cluster.pki import Authority
from support.postgres import PostgresServer
from support.tls import TlsFront

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class Secured:
    """A database behind TLS, and the certificates of two authorities, of which the first has signed its own."""

    front: TlsFront
    url: str
    authority: Path
    stranger: Path

    def address(self, host: str, authority: Path) -> str:
        return make_conninfo(self.url, host=host, sslmode="verify-full", sslrootcert=str(authority))


@pytest.fixture
def secured(postgres: PostgresServer, tmp_path: Path) -> Iterator[Secured]:
    ours, strangers = Authority(tmp_path / "ours"), Authority(tmp_path / "strangers")
    ours.create()
    strangers.create()
    front = TlsFront(*ours.server("database", ["localhost"]), port=postgres.port)
    url = make_conninfo(postgres.new_database(), port=front.start())
    yield Secured(front, url, ours.certificate, strangers.certificate)
    front.stop()


async def test_migrations_and_the_store_work_over_it(secured: Secured) -> None:
    url = secured.address("localhost", secured.authority)
    assert await migrate.migrate(url)
    pool = Pool(url, OPERATOR)
    await pool.open()
    try:
        assert (await PostgresStore(pool).stats(["uid"])).total_checkpoints == 0
    finally:
        await pool.close()
    assert secured.front.clients >= 2


@pytest.mark.parametrize("wrong", ["a name that the certificate does not have", "an authority that did not sign it"])
async def test_a_server_that_is_not_who_it_should_be_is_not_spoken_to(secured: Secured, wrong: str) -> None:
    host, authority = ("127.0.0.1", secured.authority) if "name" in wrong else ("localhost", secured.stranger)
    with pytest.raises(StoreUnavailable, match="certificate"):
        await migrate.migrate(secured.address(host, authority))
