"""The bundled database's own files against a real Postgres: what they make, for whom, and again at each start.

The image has no part in this: paths are those of a folder, and where the files name the user postgres of the image, the
user that Postgres runs as here is let in.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from cairn.adapters.postgres import migrate
from support.chart import CHART
from support.postgres import PostgresServer, free_port, wait_for

pytestmark = pytest.mark.postgres

USERS = {"migrate": "migrator", "operator": "operator", "api": "api"}


class Bundled:
    """The pod of the bundled database, as processes."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.home, self.port = server.home, free_port()
        for name in ("files", "passwords", "volume", "tmp"):
            (self.home / name).mkdir()
        for role in USERS:
            self.set_password(role, f"first-{role}'s")
        for path in (CHART / "files" / "database").iterdir():
            (self.home / "files" / path.name).write_text(self._placed(path.read_text()))
        self.own(self.home)
        self._process: subprocess.Popen[bytes] | None = None

    def _placed(self, text: str) -> str:
        places = {"=/tmp": "tmp", "/etc/cairn-passwords": "passwords", "/etc/cairn": "files",
                  "/var/lib/postgresql": "volume"}  # fmt: skip
        for path, folder in places.items():
            text = text.replace(path, f"{'=' if path[0] == '=' else ''}{self.home / folder}")
        return text.replace("local all   postgres              peer", "local all   postgres              trust")

    def own(self, folder: Path) -> None:
        """Give a folder to the user that Postgres runs as."""
        if self.server.user is not None:
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, self.server.user, self.server.user)

    def set_password(self, role: str, password: str) -> None:
        """What the Secret holds."""
        (self.home / "passwords" / f"{role}-password").write_text(password)

    def prepare(self) -> subprocess.CompletedProcess[str]:
        """The first container."""
        environment = {"PATH": f"{self.server.programs}:{os.environ['PATH']}", "LC_ALL": "C"}
        return subprocess.run(
            ["sh", str(self.home / "files" / "prepare.sh")], env=environment, text=True, capture_output=True,
            check=False, cwd="/", user=self.server.user, group=self.server.user,
        )  # fmt: skip

    def start(self) -> None:
        """The second one."""
        command = [
            self.server.programs / "postgres", "-D", self.home / "volume" / "data", "--listen-addresses=127.0.0.1",
            f"--port={self.port}", f"--hba-file={self.home / 'files' / 'pg_hba.conf'}",
            f"--unix-socket-directories={self.home / 'tmp'}",
        ]  # fmt: skip
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", user=self.server.user, group=self.server.user
            )  # fmt: skip
        admin = f"postgresql://postgres@/postgres?host={self.home / 'tmp'}&port={self.port}"
        wait_for(admin, lambda: self._process is not None and self._process.poll() is None, self.home / "log")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(2)
            self._process.wait(timeout=30)
            self._process = None

    def url(self, role: str, password: str) -> str:
        """The address, as the chart writes it."""
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, dbname="cairn", user=USERS[role], password=password
        )  # fmt: skip


@pytest.fixture
def bundled(tmp_path: Path) -> Iterator[Bundled]:
    server = PostgresServer()
    server.enter()
    pod = Bundled(server)
    yield pod
    pod.stop()
    server.remove()


def first(role: str) -> str:
    return f"first-{role}'s"


def test_each_user_may_do_its_part_and_no_other(bundled: Bundled) -> None:
    done = bundled.prepare()
    assert done.returncode == 0, done.stderr
    assert "first-" not in done.stdout + done.stderr, "a password is shown"
    bundled.start()
    assert asyncio.run(migrate.migrate(bundled.url("migrate", first("migrate"))))
    for role, may in (("operator", "cairn_operator"), ("api", "cairn_reader")):
        with psycopg.connect(bundled.url(role, first(role)), autocommit=True) as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(may)))
            connection.execute("SELECT id FROM workflow_checkpoints")
            connection.execute("RESET ROLE")
            for other in {"cairn_owner", "cairn_operator", "cairn_reader", "postgres"} - {may}:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(other)))
            for forbidden in ("CREATE TABLE mine (id int)", "CREATE ROLE mine", "DROP TABLE workflow_checkpoints"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(forbidden)
        assert asyncio.run(migrate.missing(bundled.url(role, first(role)))) == ()


def test_nobody_else_comes_in(bundled: Bundled) -> None:
    assert bundled.prepare().returncode == 0
    bundled.start()
    refused = {
        "a wrong password": bundled.url("api", "wrong"),
        "the superuser": f"postgresql://postgres@127.0.0.1:{bundled.port}/cairn",
        "another database": f"postgresql://api@127.0.0.1:{bundled.port}/postgres",
    }
    for who, url in refused.items():
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5).close()
            raise AssertionError(f"{who} came in")


def test_a_new_password_holds_after_the_next_start_and_the_rows_stay(bundled: Bundled) -> None:
    assert bundled.prepare().returncode == 0
    bundled.start()
    asyncio.run(migrate.migrate(bundled.url("migrate", first("migrate"))))
    bundled.stop()
    bundled.set_password("api", "second")
    done = bundled.prepare()
    assert done.returncode == 0, done.stderr
    bundled.start()
    psycopg.connect(bundled.url("api", "second")).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(bundled.url("api", first("api")))
    assert asyncio.run(migrate.missing(bundled.url("migrate", first("migrate")))) == ()


def test_what_an_interrupted_first_start_has_left_is_made_anew(bundled: Bundled) -> None:
    half = bundled.home / "volume" / "new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    bundled.own(half)
    assert bundled.prepare().returncode == 0
    assert (bundled.home / "volume" / "data" / "PG_VERSION").exists() and not half.exists()


def test_a_failure_is_no_success(bundled: Bundled) -> None:
    users = bundled.home / "files" / "users.sql"
    users.write_text(users.read_text() + "SELECT nonsense;\n")
    done = bundled.prepare()
    assert done.returncode != 0 and "nonsense" in done.stderr
    assert not (bundled.home / "volume" / "data" / "postmaster.pid").exists(), "the server was not stopped"
