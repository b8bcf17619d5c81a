"""Settings that are wrong or missing end every process alike: exit code 2, and one line that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from cairn.cli.main import app
from cairn.config import Settings, from_environment, lease_of, replica_name

RUN = CliRunner()
SERVERS = ("operator", "api", "migrate")
URL = "postgresql://cairn@127.0.0.1:1/none"
BOTH = "DATABASE_URL and DATABASE_URL_FILE are both set: unset one, they may not say the same\n"


@pytest.fixture
def somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A kubeconfig for a cluster that does not answer, in a folder for other files."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster],
              "contexts": [context], "users": [{"name": "u", "user": {"token": "t"}}]}  # fmt: skip
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("CAIRN_HEALTH_PORT", "0")
    return tmp_path


def said(verb: str) -> str:
    """What a process says that ends at once with exit code 2."""
    done = RUN.invoke(app, [verb])
    assert done.exit_code == 2, (done.output, done.exception)
    return done.output.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("verb", SERVERS)
def test_two_addresses_of_the_database_are_one_too_many(
    verb: str, somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("DATABASE_URL_FILE", str(somewhere / "url"))
    assert said(verb) == BOTH


@pytest.mark.parametrize("verb", SERVERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "DATABASE_URL_FILE: {} cannot be read: No such file or directory\n", id="it is missing"),
        pytest.param(b" \n", "DATABASE_URL_FILE: {} is empty: it has to hold the address of a database\n", id="empty"),
        pytest.param(b"\xff", "DATABASE_URL_FILE: {} cannot be read: it is no text\n", id="no text"),
        pytest.param(
            b"user:secret at home",
            "the file of DATABASE_URL_FILE holds no address of a database, as postgresql://user@host/database\n",
            id="no address, and it is not quoted",
        ),
    ],
)
def test_a_file_that_holds_no_address(
    verb: str, content: bytes | None, message: str, somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = somewhere / "url"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    assert said(verb) == message.format(file)


def test_the_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "url"
    address = from_environment({"DATABASE_URL_FILE": str(file)}).address()
    assert callable(address)
    for url in (URL, URL + "2"):
        file.write_text(url + "\n")
        assert address() == url


@pytest.mark.parametrize(
    ("given", "address"), [({}, None), ({"DATABASE_URL": URL}, URL), ({"DATABASE_URL_FILE": ""}, None)]
)
def test_an_address_that_does_not_change(given: dict[str, str], address: str | None) -> None:
    assert from_environment(given).address() == address


def test_leader_election_is_off_unless_it_is_asked_for() -> None:
    assert (Settings().leader_election, Settings().lease_name, Settings().lease_seconds) == (False, "cairn-operator", 8)
    assert from_environment({"CAIRN_LEADER_ELECTION": "true"}).leader_election


@pytest.mark.parametrize(("variable", "value"), [("CAIRN_LEASE_NAME", "No/Name"), ("CAIRN_LEASE_SECONDS", "1")])
def test_a_lease_that_cannot_be(variable: str, value: str, somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert said("operator").startswith(f"{variable}: ")


def test_a_replica_is_known_by_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "cairn-operator-7d4b9-x2x2x")
    assert replica_name() == "cairn-operator-7d4b9-x2x2x"
    monkeypatch.delenv("POD_NAME")
    assert replica_name()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CAIRN_SHARD": "a", "CAIRN_SHARDS": "b"}, "both set"), ({"CAIRN_SHARDS": "a,a"}, "named twice"),
        ({"CAIRN_SHARD": "A"}, "shard"), ({"CAIRN_SHARD": "a" * 64}, "shard"), ({"CAIRN_SHARDS": "a,b_c"}, "shards"),
    ],
)  # fmt: skip
def test_names_of_shards_that_cannot_be(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        from_environment(given)


@pytest.mark.parametrize(
    ("given", "selector", "lease"),
    [
        ({}, "", "cairn-operator"), ({"CAIRN_SHARDS": "a,b"}, "!cairn.dev/shard", "cairn-operator"),
        ({"CAIRN_SHARD": "a"}, "cairn.dev/shard=a", "cairn-operator-a"),
    ],
)  # fmt: skip
def test_each_shard_has_its_selection_and_its_lease(given: dict[str, str], selector: str, lease: str) -> None:
    settings = from_environment(given)
    assert (settings.selection.selector, lease_of(settings)) == (selector, lease)
