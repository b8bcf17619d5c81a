"""The process around the API: settings, TLS that is replaced while it runs, and how it is served and told to stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from typer.testing import CliRunner

from cairn.api.app import create_app
from cairn.api.routes import router
from cairn.api.serving import Server, server_config
from cairn.api.settings import ApiSettings, from_environment, variable
from cairn.api.tls import Certificate
from cairn.cli.main import app
from cairn.errors import NotConfigured
from cluster.pki import Authority
from support.rest import ALICE_TOKEN, parts

RUN = CliRunner()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CAIRN_API_PORT", "0", "CAIRN_API_PORT: Input should be greater than or equal to 1"),
        ("CAIRN_API_RATE", "many", "CAIRN_API_RATE: write it as NUMBER/second, or NUMBER/10second for 10 seconds"),
        ("CAIRN_API_TLS_CERT", "a.crt", "CAIRN_API_TLS_CERT and CAIRN_API_TLS_KEY go together: set both, or none"),
        ("CAIRN_API_ACCESS_SECONDS", "3600", "CAIRN_API_ACCESS_SECONDS: Input should be less than or equal to 60"),
        ("CAIRN_LOG_LEVEL", "LOUD", "CAIRN_LOG_LEVEL: String should match pattern"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    done = RUN.invoke(app, ["api"])
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_no_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    done = RUN.invoke(app, ["api", "--kubeconfig", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "no usable kubeconfig" in done.output


def test_settings_come_from_the_environment() -> None:
    given = {
        "CAIRN_API_PORT": "9", "CAIRN_API_CORS_ORIGINS": "https://a.example,https://b.example", "CAIRN_API_HOST": "",
        "CAIRN_LOG_FORMAT": "text", "DATABASE_URL": "postgresql://u:s3cret@h/d", "CAIRN_WORKERS": "not its business",
    }  # fmt: skip
    found = from_environment(given)
    assert (found.port, found.cors_origins) == (9, ("https://a.example", "https://b.example"))
    assert (found.host, found.log_format) == ("127.0.0.1", "text")
    assert "s3cret" not in repr(found)
    with pytest.raises(ValidationError):
        found.port = 10  # type: ignore[misc]


def test_the_names_of_the_variables() -> None:
    assert [variable(name) for name in ("port", "log_level", "database_url")] == [
        "CAIRN_API_PORT", "CAIRN_LOG_LEVEL", "DATABASE_URL",
    ]  # fmt: skip


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "pki")
    made.create()
    return made


@pytest.fixture
def mounted(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, where the process finds them."""
    return _mount(authority, "one", tmp_path)


def _mount(authority: Authority, name: str, directory: Path) -> tuple[Path, Path]:
    cert, key = directory / "tls.crt", directory / "tls.key"
    for source, target in zip(authority.server(name, ["127.0.0.1", name]), (cert, key), strict=True):
        shutil.copy(source, target)
    return cert, key


def test_a_pair_that_does_not_match_is_told_at_the_start(authority: Authority, mounted: tuple[Path, Path]) -> None:
    shutil.copy(authority.server("two", ["two"])[1], mounted[1])
    with pytest.raises(NotConfigured, match="no usable certificate in"):
        Certificate(*mounted)


def test_files_that_are_missing_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="No such file"):
        Certificate(tmp_path / "a.crt", tmp_path / "a.key")


def test_what_is_not_new_is_left_alone(mounted: tuple[Path, Path]) -> None:
    assert not Certificate(*mounted).look()


async def _names(port: int, authority: Authority) -> set[str]:
    """The DNS names in the certificate that a new connection is shown."""
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    found = writer.get_extra_info("peercert")["subjectAltName"]
    writer.close()
    await writer.wait_closed()
    return {name for kind, name in found if kind == "DNS"}


async def test_a_served_process_from_its_start_to_its_end(
    authority: Authority, mounted: tuple[Path, Path], tmp_path: Path
) -> None:
    given, certificate = parts(), Certificate(*mounted)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = Server(server_config(create_app(given), ApiSettings(), certificate), given.closing)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        async with httpx.AsyncClient(verify=trusting, base_url=f"https://127.0.0.1:{port}") as asking:
            me = await asking.get("/api/v1/me", headers=ALICE_TOKEN)
        assert (me.status_code, me.json()["username"]) == (200, "alice")
        assert "server" not in me.headers and "Strict-Transport-Security" in me.headers

        assert await _names(port, authority) == {"one"}
        shutil.copy(authority.server("two", ["127.0.0.1", "two"])[0], mounted[0])  # and not its key yet
        assert not certificate.look()
        assert await _names(port, authority) == {"one"}
        _mount(authority, "two", tmp_path)
        assert certificate.look()
        assert await _names(port, authority) == {"two"}

        assert not given.closing.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving  # and not the end of this process
        assert given.closing.is_set()
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def test_streams_end_by_themselves_when_the_process_is_to_stop() -> None:
    given, streams = parts(), router("/api/streams", "x", media_type="text/event-stream")

    @streams.get("")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"begun\n"
            await given.closing.wait()
            yield b"ended\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    app_ = create_app(given)
    app_.include_router(streams)
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(server_config(app_, ApiSettings(shutdown_seconds=5), None), given.closing)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/streams"
    try:
        async with httpx.AsyncClient() as asking, asking.stream("GET", url, headers=ALICE_TOKEN) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "begun"
            server.should_exit = True
            assert [line async for line in lines] == ["ended"]
        await serving
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def test_the_files_are_looked_at_again_and_again(
    authority: Authority, mounted: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate = Certificate(*mounted)
    watching = asyncio.create_task(certificate.watch(0.001))
    _mount(authority, "two", tmp_path)
    while certificate._loaded[0] != mounted[0].read_bytes():
        await asyncio.sleep(0.001)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
