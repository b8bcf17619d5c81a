"""TLS to an external database, asked for by the variables that the chart sets: the server must be who it says it is."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from support.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    """A new authority: its key and its certificate."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=folder)  # fmt: skip


class Front:
    """TLS before a Postgres that was built without: it takes the request for TLS, and passes on what comes by it."""

    def __init__(self, certificate: Path, key: Path, behind: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._behind = behind
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port: int = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "no request for TLS"
        writer.write(b"S")
        async with closing(writer):
            await writer.start_tls(self._context)
            inner, outer = await asyncio.open_connection("127.0.0.1", self._behind)
            async with closing(outer):
                passing = [asyncio.create_task(_pass(reader, outer)), asyncio.create_task(_pass(inner, writer))]
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
                for task in passing:
                    task.cancel()
                await asyncio.gather(*passing, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection in the end; that the other side closed it first, or trusts it not, is nothing."""
    with suppress(OSError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


@pytest.fixture
def secured(postgres: PostgresServer, tmp_path: Path) -> Iterator[Front]:
    """A server whose certificate is for `localhost`, signed by the authority `ours`."""
    for name in ("ours", "theirs"):
        authority(tmp_path, name)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.csr",
            cwd=tmp_path)  # fmt: skip
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ours.crt", "-CAkey", "ours.key", "-days", "2",
            "-copy_extensions", "copyall", "-out", "server.crt", cwd=tmp_path)  # fmt: skip
    front = Front(tmp_path / "server.crt", tmp_path / "server.key", postgres.port)
    yield front
    front.stop()


@pytest.mark.parametrize(
    ("host", "signed_by", "said"),
    [
        ("localhost", "ours", ""),
        ("localhost", "theirs", "certificate verify failed"),
        ("127.0.0.1", "ours", 'does not match host name "127.0.0.1"'),
    ],
    ids=["who it says it is", "of an authority that nobody trusts", "under another name"],
)
def test_the_server_is_checked(
    secured: Front, postgres: PostgresServer, tmp_path: Path, host: str, signed_by: str, said: str
) -> None:
    url = make_conninfo(postgres.new_database(), host=host, port=secured.port)
    (tmp_path / "url").write_text(url)
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"} | {
        "DATABASE_URL_FILE": str(tmp_path / "url"), "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(tmp_path / f"{signed_by}.crt"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "cairn", "migrate"], env=environment, text=True, capture_output=True, check=False
    )  # fmt: skip
    assert (done.returncode == 0) == (not said), done.stderr
    assert said in done.stderr
