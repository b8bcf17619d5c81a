"""Clusters and operators for the tests that need them: started on first use, once a run, and always removed.

With several workers (`-n 2`) each has its own; the tests on a real node, of which there is one, all go to the same.
"""

from __future__ import annotations

import gc
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from cluster import Cluster, start, stop
from cluster.state import Nodes
from support.api_process import ApiProcess
from support.checkpoints import Rows
from support.kinds import with_kinds
from support.kube import Kube, until
from support.operator_process import OperatorProcess
from support.postgres import Databases, PostgresServer
from support.service import Service, deployed

ROOT = Path(__file__).resolve().parents[1]
REAL_NODE = "tests/e2e/"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_serial = itertools.count()

# The same examples each time, however slow the machine: no test may depend on luck. `explore` looks further.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
_shown: list[Path] = []  # logs whose ends a failing test shows


def cluster_of_run(nodes: Nodes) -> Iterator[Cluster]:
    """A cluster for this run; CAIRN_TEST_FAKE or CAIRN_TEST_REAL names one that stays, to save a developer's time."""
    kept = os.environ.get(f"CAIRN_TEST_{nodes.upper()}")
    there = start(nodes, kept or "-".join(filter(None, ("test", nodes, WORKER))))
    try:
        yield with_kinds(there)
    finally:
        if not kept:
            stop(there)


@pytest.fixture(scope="session")
def fake_cluster() -> Iterator[Cluster]:
    """A control plane with fake nodes."""
    yield from cluster_of_run("fake")


def namespace_in(there: Cluster, prefix: str) -> Iterator[Kube]:
    """A namespace of its own for one test."""
    kube = Kube(there.bin / "kubectl", there.kubeconfig, f"{prefix}-{os.getpid()}-{next(_serial)}")
    kube.kubectl("create", "namespace", kube.namespace)
    until(lambda: kube.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, "a service account")
    yield kube
    kube.kubectl("delete", "namespace", kube.namespace, "--wait=false", check=False)


def deserted(namespace: Iterator[Kube]) -> Iterator[Kube]:
    """One whose operators are gone before it is: what waits for them to let it go would keep it in deletion for ever,
    and the API server busy with that."""
    for kube in namespace:
        yield kube
        left = kube.kubectl("get", "dagexecutions,checkpoints", "-o", "name").stdout.split()
        if left:
            kube.kubectl("patch", *left, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)


@pytest.fixture(scope="session")
def _shared_operator(fake_cluster: Cluster) -> Iterator[OperatorProcess]:
    log = ROOT / f"build/logs/test-operator{WORKER}.log"
    operator = OperatorProcess(fake_cluster.kubeconfig, log, f"test-{os.getpid()}-*")
    _shown.append(operator.log)
    yield operator.start()
    operator.stop()


@pytest.fixture
def kube(fake_cluster: Cluster) -> Iterator[Kube]:
    """A namespace on fake nodes, with no operator."""
    yield from deserted(namespace_in(fake_cluster, "bare"))


@pytest.fixture
def served(fake_cluster: Cluster, _shared_operator: OperatorProcess) -> Iterator[Kube]:
    """A namespace on fake nodes that the shared operator serves."""
    yield from namespace_in(fake_cluster, "test")


@pytest.fixture
def solo(fake_cluster: Cluster) -> Iterator[Kube]:
    """A namespace on fake nodes for a test that starts (and kills) operators of its own."""
    yield from deserted(namespace_in(fake_cluster, "solo"))


Start = Callable[[Kube], OperatorProcess]


@pytest.fixture
def start_operator() -> Iterator[Start]:
    """Start an operator for one namespace; all are stopped in the end."""
    started: list[OperatorProcess] = []

    def begin(kube: Kube, **settings: str) -> OperatorProcess:
        log = ROOT / f"build/logs/operator-{kube.namespace}-{len(started)}.log"
        _shown.append(log)
        started.append(OperatorProcess(kube.kubeconfig, log, kube.namespace, **settings))
        return started[-1].start()

    yield begin
    for operator in started:
        operator.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server of this run, which a test may stop as long as it starts it again."""
    server = PostgresServer().start()
    yield server
    server.remove()


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    """The rows of a database of its own.

    On the server that DATABASE_URL names (for an administrator), if it is set and the test does not stop the server.
    """
    given = os.environ.get("DATABASE_URL")
    if given and "postgres" not in request.fixturenames:
        databases = Databases(given)
        url = databases.migrated()
        yield Rows(url)
        databases.drop(url)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield Rows(server.migrated())


@pytest.fixture(scope="session")
def tenants() -> Iterator[ExitStack]:
    """The namespaces that the service has served: they go once it is stopped, and keep no test waiting meanwhile."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def service(fake_cluster: Cluster, tenants: ExitStack, request: pytest.FixtureRequest) -> Iterator[Service]:
    """The REST API with just the documented rights, an operator, and their database: for all tests of a run."""
    given = os.environ.get("DATABASE_URL")
    server: PostgresServer | None = None if given else request.getfixturevalue("postgres")
    url = Databases(given).migrated() if given else server.migrated() if server else ""
    with deployed(fake_cluster, url, ROOT / "build/logs") as there:
        _shown.extend([there.operator.log, there.api.log])
        yield there
    if given:
        Databases(given).drop(url)


@pytest.fixture
def start_api(service: Service) -> Iterator[Callable[..., ApiProcess]]:
    """Start another API beside the service's, with other settings; all are stopped in the end."""
    started: list[ApiProcess] = []

    def begin(**settings: str) -> ApiProcess:
        started.append(service.another(next(_serial), **settings))
        _shown.append(started[-1].log)
        return started[-1].start()

    yield begin
    for api in started:
        api.stop()


@pytest.fixture
def tenant(fake_cluster: Cluster, service: Service, tenants: ExitStack) -> Kube:
    """A namespace on fake nodes that the service serves."""
    return tenants.enter_context(contextmanager(namespace_in)(fake_cluster, "api"))


@pytest.fixture(scope="module")
def shared_tenant(fake_cluster: Cluster, service: Service, tenants: ExitStack) -> Kube:
    """One for all tests of a module."""
    return tenants.enter_context(contextmanager(namespace_in)(fake_cluster, "api"))


@pytest.fixture(scope="module")
def other_tenant(fake_cluster: Cluster, service: Service, tenants: ExitStack) -> Kube:
    """Another one."""
    return tenants.enter_context(contextmanager(namespace_in)(fake_cluster, "api"))


@pytest.fixture(scope="module", autouse=True)
def _left_open() -> Iterator[None]:
    """What a module has left open is told while its last test ends, and not, by chance, during a later one."""
    yield
    gc.collect()


class _ByFile(LoadScopeScheduling):
    """A file goes to one worker, as what its tests share does; all files on the real node go to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        return REAL_NODE if nodeid.startswith(REAL_NODE) else nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests with the same id a worker would run one only, and nobody would be told of the others."""
    found = Counter(item.nodeid for item in items)
    if twice := sorted(id for id, times in found.items() if times > 1):
        raise pytest.UsageError(f"tests with the same id: {', '.join(twice)}")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """How tests are given to workers."""
    return _ByFile(config, log)  # type: ignore[arg-type]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failing test shows the ends of the operators' logs."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for log in _shown[-3:]:
            if log.exists():
                report.sections.append((f"end of {log.name}", log.read_text()[-6000:]))  # type: ignore[attr-defined]
    return report
