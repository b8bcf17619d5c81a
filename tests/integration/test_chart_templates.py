"""What the chart renders, without a cluster: rules for every pod and object, and what each value changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cairn import names
from cairn.config import Settings, from_environment, lease_of, variable
from support import chart
from support.chart import HELMS, container, has, named, pods, rendered, run, variables
from support.generated import generator
from support.kube import Object, Objects

made = generator("generate_chart")

EXTERNAL = {"database": {"mode": "external", "external": {"secretName": "urls"}}}
EVERYTHING: Object = {
    "networkPolicy": {"enabled": True}, "watch": {"namespaces": ["team-a", "team-b"]},
    "api": {"tls": {"secretName": "certificate"}, "ingress": {"enabled": True, "host": "cairn.example.com"}},
    "metrics": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
    "commonLabels": {"team": "platform"},
}  # fmt: skip
MONITORING = "--api-versions=monitoring.coreos.com/v1"
MODES: dict[str, Object] = {
    "defaults": {}, "everything": EVERYTHING, "external": EXTERNAL, "none": {"database": {"mode": "none"}},
    "shards": {"operator": {"shards": ["a", "b"]}, **{k: EVERYTHING[k] for k in ("networkPolicy", "metrics")}},
}  # fmt: skip


@pytest.fixture(params=MODES)
def objects(request: pytest.FixtureRequest) -> Objects:
    """A release in one of the ways that it can be installed."""
    return rendered(MODES[request.param], MONITORING)


def label(component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "cairn", "app.kubernetes.io/instance": "cairn",
        "app.kubernetes.io/component": component,
    }  # fmt: skip


# --- Rules for everything --------------------------------------------------------------------------------------------


def test_every_pod_keeps_to_pod_security_restricted(objects: Objects) -> None:
    found = dict(pods(objects))
    assert {"Deployment/cairn-operator", "Deployment/cairn-api", "Job/cairn-uninstall", "Pod/cairn-test"} <= set(found)
    for name, pod in found.items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        for each in chart.containers(pod):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
            }, name  # fmt: skip
            assert each["resources"]["requests"]["memory"] and each["resources"]["limits"]["memory"], name
        assert all("hostPath" not in volume for volume in pod["volumes"]), name


def test_no_pod_has_a_token_that_it_does_not_need(objects: Objects) -> None:
    with_token = {name for name, pod in pods(objects) if pod["automountServiceAccountToken"]}
    of_shards = {name for name in with_token if name.startswith("Deployment/cairn-operator-")}
    assert with_token - of_shards == {
        "Deployment/cairn-operator", "Deployment/cairn-api", "Job/cairn-uninstall", "Pod/cairn-test"
    }  # fmt: skip
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    assert all(each["automountServiceAccountToken"] is False for each in accounts)


def test_no_secret_is_in_the_environment(objects: Objects) -> None:
    for name, pod in pods(objects):
        for each in chart.containers(pod):
            assert "envFrom" not in each, name
            for item in each.get("env", []):
                assert "secretKeyRef" not in item.get("valueFrom", {}), f"{name}: {item['name']}"
                assert "postgresql://" not in item.get("value", ""), f"{name}: {item['name']}"


def test_every_object_is_labelled_and_in_its_namespace(objects: Objects) -> None:
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    for each in objects:
        where = f"{each['kind']}/{each['metadata']['name']}"
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/instance"] == "cairn", where
        assert labels["app.kubernetes.io/version"] == "0.2.0", where
        assert labels["app.kubernetes.io/managed-by"] == "Helm", where
        alone = each["kind"] in cluster_wide or each["kind"].startswith("ValidatingAdmission")
        assert alone == ("namespace" not in each["metadata"]), where


def test_common_labels_are_on_every_object() -> None:
    for each in rendered(EVERYTHING, MONITORING):
        assert each["metadata"]["labels"]["team"] == "platform", f"{each['kind']}/{each['metadata']['name']}"


def test_no_name_is_given_twice() -> None:
    objects = rendered(EVERYTHING | {"watch": {"namespaces": [chart.NAMESPACE, "team-a"]}}, MONITORING)
    found = [(e["apiVersion"], e["kind"], e["metadata"].get("namespace"), e["metadata"]["name"]) for e in objects]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("kind", "name", "component"),
    [
        ("Deployment", "cairn-operator", "operator"), ("Deployment", "cairn-api", "api"),
        ("StatefulSet", "cairn-database", "database"),
    ],
)  # fmt: skip
def test_selectors_stay_as_they_are_whatever_the_version_and_the_labels(kind: str, name: str, component: str) -> None:
    for values in ({}, {"commonLabels": {"team": "x"}}, {"operator": {"podLabels": {"a": "b"}}}):
        found = named(rendered(values), kind, name)
        assert found["spec"]["selector"]["matchLabels"] == label(component)
        assert label(component).items() <= found["spec"]["template"]["metadata"]["labels"].items()


def test_a_new_version_of_the_chart_does_not_restart_the_database() -> None:
    found = named(rendered(), "StatefulSet", "cairn-database")
    assert found["spec"]["template"]["metadata"]["labels"] == label("database")


def test_services_and_budgets_select_what_there_is(objects: Objects) -> None:
    makers = [each for each in objects if each["kind"] in ("Deployment", "StatefulSet")]
    made = [each["spec"]["template"]["metadata"]["labels"] for each in makers]
    for each in objects:
        if each["kind"] in ("Service", "PodDisruptionBudget"):
            selector = each["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            assert sum(wanted <= labels.items() for labels in made) == 1, each["metadata"]["name"]


def test_images_have_no_registry_unless_one_is_given(objects: Objects) -> None:
    images = {each["image"] for _, pod in pods(objects) for each in chart.containers(pod)}
    assert images <= {"cairn:0.2.0", "postgres:18"}


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_both_helms_render_the_same(values: Object) -> None:
    def without_passwords(objects: Objects) -> list[Object]:
        return [each for each in objects if each["kind"] != "Secret"]

    three, four = (without_passwords(rendered(values, MONITORING, name=name)) for name in HELMS)
    assert three == four


@pytest.mark.parametrize("name", HELMS)
def test_lint_has_nothing_to_say(name: str) -> None:
    for values in MODES.values():
        run(name, "lint", "--strict", "--quiet", str(chart.CHART), values=values)


@pytest.mark.parametrize("name", HELMS)
def test_the_schema_refuses_with_a_path(name: str) -> None:
    values = {"operator": {"workers": 0, "replica": 3}, "image": {"digest": "x"}}
    done = run(name, "template", "cairn", str(chart.CHART), values=values, check=False)
    assert done.returncode != 0
    assert "'/operator/workers'" in done.stderr and "'replica'" in done.stderr and "'/image/digest'" in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"leaderElection": {"enabled": False}}, "operator.replicas: more than one needs leaderElection.enabled"),
        ({"policies": {"enabled": False, "forkAcrossNamespaces": True}}, "policies.forkAcrossNamespaces: needs"),
    ],
)  # fmt: skip
def test_values_that_do_not_go_together_are_refused(values: Object, said: str) -> None:
    done = run("helm4", "template", "cairn", str(chart.CHART), values=values, check=False)
    assert done.returncode != 0 and said in done.stderr


# --- What each value changes -----------------------------------------------------------------------------------------

Look = Callable[[Objects], Any]


def of_pod(kind: str, name: str, *path: str) -> Look:
    """A field of a pod."""

    def look(objects: Objects) -> Any:
        found: Any = dict(pods(objects))[f"{kind}/{name}"]
        for step in path:
            found = found.get(step)
        return found

    return look


def variable_of(kind: str, name: str, wanted: str) -> Look:
    return lambda objects: variables(objects, kind, name).get(wanted)


def there(kind: str, name: str = "") -> Look:
    return lambda objects: has(objects, kind, name)


def image_of(kind: str, name: str) -> Look:
    return lambda objects: container(objects, kind, name)["image"]


def replicas(name: str) -> Look:
    return lambda objects: named(objects, "Deployment", name)["spec"]["replicas"]


OPERATOR, API = ("Deployment", "cairn-operator"), ("Deployment", "cairn-api")
DATABASE = ("StatefulSet", "cairn-database")
TOLERATIONS = [{"key": "gpu", "operator": "Exists"}]
CHANGES: list[tuple[Object, Look, Any]] = [
    ({"image": {"registry": "r.example.com/x/", "tag": "2"}}, image_of(*OPERATOR), "r.example.com/x/cairn:2"),
    ({"image": {"repository": "own"}}, image_of("Pod", "cairn-test"), "own:0.2.0"),
    ({"image": {"tag": "2", "digest": f"sha256:{'a' * 64}"}}, image_of(*API), f"cairn@sha256:{'a' * 64}"),
    ({"image": {"pullPolicy": "Always"}}, lambda o: container(o, *OPERATOR)["imagePullPolicy"], "Always"),
    ({"image": {"pullSecrets": [{"name": "p"}]}}, of_pod(*DATABASE, "imagePullSecrets"), [{"name": "p"}]),
    ({"image": {"pullSecrets": [{"name": "p"}]}}, of_pod("Job", "cairn-migrate", "imagePullSecrets"), [{"name": "p"}]),
    ({"operator": {"replicas": 3}}, replicas("cairn-operator"), 3),
    ({"operator": {"workers": 99}}, variable_of(*OPERATOR, "CAIRN_WORKERS"), "99"),
    ({"operator": {"resyncSeconds": 60}}, variable_of(*OPERATOR, "CAIRN_RESYNC_SECONDS"), "60"),
    ({"operator": {"sweepSeconds": 60}}, variable_of(*OPERATOR, "CAIRN_SWEEP_SECONDS"), "60"),
    ({}, variable_of(*OPERATOR, "CAIRN_OBJECT_STATE_BYTES"), "1000000"),
    ({"operator": {"shards": ["a", "b"]}}, variable_of(*OPERATOR, "CAIRN_SHARDS"), "a,b"),
    ({"operator": {"shards": ["a"]}}, there("Deployment", "cairn-operator-a"), True),
    ({}, variable_of(*OPERATOR, "CAIRN_SHARDS"), None),
    ({"operator": {"shards": ["a"]}}, there("Lease", "cairn-operator-a"), True),
    ({"operator": {"shards": ["a"]}}, there("PodDisruptionBudget", "cairn-operator-a"), True),
    ({"operator": {"shards": ["a"]}}, there("ValidatingAdmissionPolicy", "cairn-shards"), True),
    ({}, there("ValidatingAdmissionPolicy", "cairn-shards"), False),
    ({"operator": {"priorityClassName": "high"}}, of_pod(*OPERATOR, "priorityClassName"), "high"),
    ({"operator": {"terminationGracePeriodSeconds": 60}}, of_pod(*OPERATOR, "terminationGracePeriodSeconds"), 60),
    ({"operator": {"terminationGracePeriodSeconds": 60}}, variable_of(*OPERATOR, "CAIRN_SHUTDOWN_SECONDS"), "45"),
    ({"operator": {"nodeSelector": {"a": "b"}}}, of_pod(*OPERATOR, "nodeSelector"), {"a": "b"}),
    ({"operator": {"nodeSelector": {"a": "b"}}}, of_pod("Job", "cairn-uninstall", "nodeSelector"), {"a": "b"}),
    ({"operator": {"tolerations": TOLERATIONS}}, of_pod(*OPERATOR, "tolerations"), TOLERATIONS),
    ({"operator": {"tolerations": TOLERATIONS}}, of_pod("Job", "cairn-migrate", "tolerations"), TOLERATIONS),
    ({"operator": {"tolerations": TOLERATIONS}}, of_pod("Pod", "cairn-test", "tolerations"), TOLERATIONS),
    ({"operator": {"affinity": {"nodeAffinity": {}}}}, of_pod(*OPERATOR, "affinity"), {"nodeAffinity": {}}),
    ({"operator": {"topologySpreadConstraints": [{"maxSkew": 1}]}}, of_pod(*OPERATOR, "topologySpreadConstraints"),
     [{"maxSkew": 1, "labelSelector": {"matchLabels": label("operator")}}]),
    ({"operator": {"extraEnv": [{"name": "X", "value": "y"}]}}, variable_of(*OPERATOR, "X"), "y"),
    ({"operator": {"serviceAccount": {"name": "own"}}}, of_pod(*OPERATOR, "serviceAccountName"), "own"),
    ({"operator": {"serviceAccount": {"create": False}}}, there("ServiceAccount", "cairn-operator"), False),
    ({"operator": {"podDisruptionBudget": {"enabled": False}}}, there("PodDisruptionBudget", "cairn-operator"), False),
    ({"leaderElection": {"leaseSeconds": 20}}, variable_of(*OPERATOR, "CAIRN_LEASE_SECONDS"), "20"),
    ({}, variable_of(*OPERATOR, "CAIRN_LEADER_ELECTION"), "true"),
    ({"operator": {"replicas": 1}, "leaderElection": {"enabled": False}}, there("Lease"), False),
    ({"api": {"enabled": False}}, there("Deployment", "cairn-api"), False),
    ({"api": {"enabled": False}}, there("Service", "cairn-api"), False),
    ({"api": {"enabled": False}}, there("ClusterRole", "cairn-api"), False),
    ({"api": {"replicas": 5}}, replicas("cairn-api"), 5),
    ({"api": {"audiences": ["a", "b"]}}, variable_of(*API, "CAIRN_API_AUDIENCES"), "a,b"),
    ({"api": {"corsOrigins": ["https://a"]}}, variable_of(*API, "CAIRN_API_CORS_ORIGINS"), "https://a"),
    ({"api": {"trustedProxies": ["10.0.0.0/8"]}}, variable_of(*API, "CAIRN_API_TRUSTED_PROXIES"), "10.0.0.0/8"),
    ({"api": {"defaultNamespace": "ml"}}, variable_of(*API, "CAIRN_API_DEFAULT_NAMESPACE"), "ml"),
    ({"api": {"rate": "9/second"}}, variable_of(*API, "CAIRN_API_RATE"), "9/second"),
    ({"api": {"failedRate": "9/second"}}, variable_of(*API, "CAIRN_API_FAILED_RATE"), "9/second"),
    ({"api": {"bodyBytes": 9000000}}, variable_of(*API, "CAIRN_API_BODY_BYTES"), "9000000"),
    ({"api": {"terminationGracePeriodSeconds": 60}}, variable_of(*API, "CAIRN_API_SHUTDOWN_SECONDS"), "50"),
    ({}, variable_of(*API, "CAIRN_API_TLS_CERT"), None),
    ({"api": {"tls": {"secretName": "t"}}}, variable_of(*API, "CAIRN_API_TLS_CERT"), "/etc/cairn/tls/tls.crt"),
    ({"api": {"service": {"type": "LoadBalancer", "port": 443}}},
     lambda o: [(spec["type"], spec["ports"][0]["port"]) for spec in [named(o, "Service", "cairn-api")["spec"]]],
     [("LoadBalancer", 443)]),
    ({"logging": {"level": "DEBUG"}}, variable_of(*API, "CAIRN_LOG_LEVEL"), "DEBUG"),
    ({"logging": {"format": "text"}}, variable_of(*OPERATOR, "CAIRN_LOG_FORMAT"), "text"),
    ({"tracing": {"otlpEndpoint": "http://c:4318"}}, variable_of(*OPERATOR, "OTEL_EXPORTER_OTLP_ENDPOINT"),
     "http://c:4318"),
    ({"watch": {"namespaces": ["a", "b"]}}, variable_of(*OPERATOR, "CAIRN_NAMESPACES"), "a,b"),
    ({}, variable_of(*OPERATOR, "CAIRN_NAMESPACES"), None),
    ({"policies": {"forkAcrossNamespaces": True}}, variable_of(*OPERATOR, "CAIRN_FORK_ACROSS_NAMESPACES"), "true"),
    ({}, variable_of(*OPERATOR, "CAIRN_FORK_ACROSS_NAMESPACES"), "false"),
    ({"policies": {"enabled": False}}, there("ValidatingAdmissionPolicy"), False),
    ({"crds": {"install": False}}, there("CustomResourceDefinition"), False),
    ({"rbac": {"create": False}}, there("ClusterRole"), False),
    ({"rbac": {"create": False}}, there("RoleBinding"), False),
    ({"rbac": {"aggregate": False}}, there("ClusterRole", "cairn-edit"), False),
    ({"uninstall": {"releaseFinalizers": False}}, there("Job", "cairn-uninstall"), False),
    ({"migration": {"enabled": False}}, there("Job", "cairn-migrate"), False),
    ({"migration": {"waitSeconds": 7}}, lambda o: container(o, "Job", "cairn-migrate")["args"][-1], "7"),
    ({"networkPolicy": {"enabled": False}}, there("NetworkPolicy"), False),
    ({"database": {"mode": "none"}}, there("StatefulSet"), False),
    ({"database": {"mode": "none"}}, there("Secret"), False),
    ({"database": {"mode": "none"}}, there("Job", "cairn-migrate"), False),
    ({"database": {"mode": "none"}}, variable_of(*OPERATOR, "DATABASE_URL_FILE"), None),
    (EXTERNAL, there("StatefulSet"), False),
    (EXTERNAL, there("Secret"), False),
    ({"database": {"bundled": {"existingSecret": "own"}}}, there("Secret"), False),
    ({"database": {"bundled": {"image": {"tag": "18.6"}}}}, image_of(*DATABASE), "postgres:18.6"),
    ({"database": {"bundled": {"parameters": {"shared_buffers": "1GB"}}}},
     lambda o: container(o, *DATABASE)["command"][-1], "--shared-buffers=1GB"),
    ({"nameOverride": "dag"}, there("Deployment", "cairn-dag-operator"), True),
    ({"fullnameOverride": "dag"}, there("Lease", "dag-operator"), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "look", "expected"), CHANGES, ids=lambda given: str(given)[:60] if isinstance(given, dict) else ""
)
def test_a_value_changes_what_it_should(values: Object, look: Look, expected: Any) -> None:
    assert look(rendered(values)) == expected
    if values:
        assert look(rendered(values)) != look(rendered()) or "enabled" in str(values)


def test_every_variable_is_a_setting_that_there_is() -> None:
    known = {variable(name) for name in Settings.model_fields}
    given = set(variables(rendered(EVERYTHING), "Deployment", "cairn-operator"))
    assert given - known <= {"OTEL_EXPORTER_OTLP_ENDPOINT"}


# --- Shards ----------------------------------------------------------------------------------------------------------


def test_each_shard_is_an_operator_that_differs_by_its_name_only() -> None:
    found = rendered({"operator": {"shards": ["a", "b"]}})
    for shard in ("a", "b"):
        own = named(found, "Deployment", f"cairn-operator-{shard}")
        text = yaml.safe_dump(own).replace(f"operator-{shard}", "operator")
        text = re.sub(rf"name: CAIRN_SHARD\n(\s+)value: {shard}\n", r"name: CAIRN_SHARDS\n\1value: a,b\n", text)
        assert yaml.safe_load(text) == named(found, "Deployment", "cairn-operator")
        assert own["spec"]["selector"]["matchLabels"] == label(f"operator-{shard}")


def test_a_lease_is_named_as_the_operator_of_its_shard_names_it() -> None:
    found = rendered({"operator": {"shards": ["a"]}})
    given = variables(found, "Deployment", "cairn-operator-a")
    settings = from_environment({name: given[name] for name in ("CAIRN_LEASE_NAME", "CAIRN_SHARD")})
    assert has(found, "Lease", lease_of(settings))
    allowed = {rule[3:] for rule in rules(found, "cairn-operator-home") if rule[2] == "update"}
    assert allowed == {("cairn-operator", "cairn-operator-a")}


def test_an_uninstall_stops_every_shard() -> None:
    arguments = container(rendered({"operator": {"shards": ["a"]}}), "Job", "cairn-uninstall")["args"]
    assert [a for a in arguments if "--deployment" in a] == [
        f"--deployment={chart.NAMESPACE}/cairn-operator", f"--deployment={chart.NAMESPACE}/cairn-operator-a"
    ]  # fmt: skip


def test_a_test_of_the_release_asks_every_shard() -> None:
    found = rendered({"operator": {"shards": ["a"]}})
    asked = [a.partition("//")[2] for a in container(found, "Pod", "cairn-test")["args"] if "--operator" in a]
    assert asked == ["cairn-operator:8080", "cairn-operator-a:8080"]
    assert all(has(found, "Service", each.partition(":")[0]) for each in asked)


@pytest.mark.parametrize("shards", [["A"], ["a", "a"], ["a,b"], ["a-name-too-long"], [""]])
def test_names_of_shards_are_parts_of_names(shards: list[str]) -> None:
    done = run("helm4", "template", "cairn", str(chart.CHART), values={"operator": {"shards": shards}}, check=False)
    assert done.returncode != 0 and "/operator/shards" in done.stderr


def test_pods_of_shards_are_under_network_policies_too() -> None:
    found = rendered({"operator": {"shards": ["a"]}, "networkPolicy": {"enabled": True}})
    own, default = (named(found, "NetworkPolicy", name)["spec"] for name in ("cairn-operator-a", "cairn-operator"))
    assert own["podSelector"]["matchLabels"] == label("operator-a")
    assert own | {"podSelector": None} == default | {"podSelector": None}
    [source] = named(found, "NetworkPolicy", "cairn-database")["spec"]["ingress"][0]["from"]
    assert "operator-a" in source["podSelector"]["matchExpressions"][0]["values"]


# --- Database --------------------------------------------------------------------------------------------------------


def url_keys(objects: Objects) -> dict[str, tuple[str, str]]:
    """Whence each pod has the address of the database: name and key of a Secret."""
    found = {}
    for name, pod in pods(objects):
        for volume in pod["volumes"]:
            if volume["name"] == "database":
                [item] = volume["secret"]["items"]
                found[name] = (volume["secret"]["secretName"], item["key"])
    return found


@pytest.mark.parametrize(
    ("values", "secret", "keys"),
    [
        ({}, "cairn-database", ("operator-url", "api-url", "migrate-url")),
        (EXTERNAL, "urls", ("operator-url", "api-url", "migrate-url")),
        ({"database": {"mode": "external", "external": {
            "secretName": "pg-app", "keys": {"operator": "uri", "api": "uri", "migrate": "uri"}}}},
         "pg-app", ("uri", "uri", "uri")),
    ],
    ids=["bundled", "external", "one key for all, as CloudNativePG makes it"],
)  # fmt: skip
def test_each_component_has_the_address_of_its_own_user(values: Object, secret: str, keys: tuple[str, ...]) -> None:
    operator, api, migrate = keys
    assert url_keys(rendered(values)) == {
        "Deployment/cairn-operator": (secret, operator), "Deployment/cairn-api": (secret, api),
        "Job/cairn-migrate": (secret, migrate), "Pod/cairn-test": (secret, operator),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("external", "mode", "root"),
    [
        ({}, "verify-full", "/etc/ssl/certs/ca-certificates.crt"),
        ({"ca": {"secretName": "ca"}}, "verify-full", "/etc/cairn/database-ca/ca.crt"),
        ({"ca": {"configMapName": "ca", "key": "root.pem"}}, "verify-full", "/etc/cairn/database-ca/ca.crt"),
        ({"sslMode": "require"}, "require", None),
        ({"sslMode": ""}, None, None),
    ],
)
def test_an_external_database_is_who_it_says_unless_told_otherwise(external: Object, mode: str, root: str) -> None:
    objects = rendered({"database": {"mode": "external", "external": {"secretName": "urls"} | external}})
    for kind, name in (OPERATOR, API, ("Job", "cairn-migrate"), ("Pod", "cairn-test")):
        found = variables(objects, kind, name)
        assert (found.get("PGSSLMODE"), found.get("PGSSLROOTCERT")) == (mode, root)
        mounted = {mount["mountPath"] for mount in container(objects, kind, name)["volumeMounts"]}
        assert ("/etc/cairn/database-ca" in mounted) == ("ca" in external)


@pytest.mark.parametrize(
    ("values", "when"), [({}, "post-install,pre-upgrade"), (EXTERNAL, "pre-install,pre-upgrade")],
    ids=["a bundled database does not exist before the install", "an external one does"],
)  # fmt: skip
def test_tables_are_brought_up_to_date_before_anything_else_changes(values: Object, when: str) -> None:
    job = named(rendered(values), "Job", "cairn-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == when
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never" and job["spec"]["activeDeadlineSeconds"]


def test_passwords_are_long_and_of_one_user_each() -> None:
    data = named(rendered(), "Secret", "cairn-database")["data"]
    assert set(data) == {f"{role}-{what}" for role in ("operator", "api", "migrate") for what in ("password", "url")}
    assert len({data[key] for key in data if key.endswith("password")}) == 3


# --- Rights ----------------------------------------------------------------------------------------------------------


def rules(objects: Objects, *roles: str) -> set[tuple[str, ...]]:
    """What roles allow, one by one."""
    return {
        (group, resource, verb, *rule.get("resourceNames", []))
        for each in objects if each["kind"] in ("Role", "ClusterRole") and each["metadata"]["name"] in roles
        for rule in each["rules"] for group in rule["apiGroups"] for resource in rule["resources"]
        for verb in rule["verbs"]
    }  # fmt: skip


def documented(page: str) -> set[tuple[str, ...]]:
    """What the roles of a page of the documentation allow."""
    written = (chart.ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", written, re.MULTILINE | re.DOTALL)
    roles = [body for block in blocks for body in yaml.safe_load_all(block) if body["kind"] in ("Role", "ClusterRole")]
    return rules(roles, *(role["metadata"]["name"] for role in roles))


@pytest.mark.parametrize(
    ("page", "component", "values"),
    [("operations.md", "operator", {"watch": {"namespaces": ["team-a"]}}), ("api.md", "api", {})],
)
def test_the_documentation_quotes_the_rights(page: str, component: str, values: Object) -> None:
    found = rendered(values)
    names = {each["metadata"]["name"] for each in chart.rights(found, component)}
    assert rules(found, *names) == documented(page)


def test_with_all_namespaces_nobody_watches_them() -> None:
    assert ("", "namespaces", "watch") not in rules(rendered(), "cairn-operator-cluster")


def test_a_list_of_namespaces_binds_rights_there_only() -> None:
    found = rendered({"watch": {"namespaces": ["team-a", "team-b"]}})
    for component in ("operator", "api", "hooks"):
        bindings = [
            each for each in found
            if each["kind"].endswith("Binding") and each.get("roleRef", {}).get("name") == f"cairn-{component}"
            and each["roleRef"]["kind"] == "ClusterRole"
        ]  # fmt: skip
        assert {(each["kind"], each["metadata"]["namespace"]) for each in bindings} == {
            ("RoleBinding", "team-a"), ("RoleBinding", "team-b")
        }  # fmt: skip
    everywhere = rules(found, "cairn-operator-cluster", "cairn-api-cluster")
    assert {resource for _, resource, *_ in everywhere} == {
        "customresourcedefinitions", "namespaces", "tokenreviews", "subjectaccessreviews"
    }  # fmt: skip


def test_no_role_is_a_wildcard_or_reads_secrets(objects: Objects) -> None:
    every = [each["metadata"]["name"] for each in objects if each["kind"] in ("Role", "ClusterRole")]
    for rule in rules(objects, *every):
        assert "*" not in rule and rule[1] not in ("secrets", "pods/exec", "serviceaccounts/token"), rule


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_users_get_no_more_than_they_should(role: str) -> None:
    found = rendered()
    allowed = rules(found, f"cairn-{role}")
    assert not any("/" in resource for _, resource, *_ in allowed), "status is what happened"
    writes = {(resource, verb) for _, resource, verb in allowed if verb not in ("get", "list", "watch")}
    assert {resource for resource, _ in writes} == (set() if role == "view" else {names.EXECUTIONS, names.CHECKPOINTS})
    assert ("deletecollection" in {verb for _, verb in writes}) == (role == "admin")
    labels = named(found, "ClusterRole", f"cairn-{role}")["metadata"]["labels"]
    assert [key for key in labels if "aggregate-to" in key] == [f"rbac.authorization.k8s.io/aggregate-to-{role}"]


# --- The rest --------------------------------------------------------------------------------------------------------


def test_crds_stay_at_an_uninstall_unless_told_otherwise() -> None:
    for keep in (True, False):
        for each in rendered({"crds": {"keep": keep}}):
            if each["kind"] == "CustomResourceDefinition":
                annotations = each["metadata"].get("annotations", {})
                assert (annotations.get("helm.sh/resource-policy") == "keep") == keep


def test_rendered_crds_are_those_of_the_folder() -> None:
    for each in rendered():
        if each["kind"] == "CustomResourceDefinition":
            name = each["metadata"]["name"].partition(".")[0]
            source = yaml.safe_load((chart.ROOT / "crds" / f"{name}.yaml").read_text())
            assert each["spec"] == source["spec"]


def test_what_hooks_make_for_an_uninstall_goes_with_it() -> None:
    for each in rendered():
        annotations = each["metadata"].get("annotations", {})
        if "helm.sh/hook" in annotations:
            assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
            if each["kind"] != "Job" and each["kind"] != "Pod":
                assert int(annotations["helm.sh/hook-weight"]) < 0, "what pods need is there before them"


def test_the_database_is_reached_by_those_who_use_it_only() -> None:
    found = rendered({"networkPolicy": {"enabled": True}})
    policy = named(found, "NetworkPolicy", "cairn-database")["spec"]
    [entry] = policy["ingress"]
    [source] = entry["from"]
    assert source["podSelector"]["matchExpressions"][0]["values"] == ["operator", "api", "migrate", "test"]
    assert "egress" not in policy and policy["policyTypes"] == ["Ingress", "Egress"]


def test_every_pod_is_under_a_network_policy_of_its_own() -> None:
    found = rendered({"networkPolicy": {"enabled": True}})
    components = {each["metadata"]["labels"].get("app.kubernetes.io/component") for each in found
                  if each["kind"] in ("Deployment", "StatefulSet", "Job", "Pod")}  # fmt: skip
    assert components == {"operator", "api", "database", "migrate", "uninstall", "test"}
    for component in components:
        policy = named(found, "NetworkPolicy", f"cairn-{component}")
        assert policy["spec"]["podSelector"]["matchLabels"] == label(component)
    everything = named(found, "NetworkPolicy", "cairn")["spec"]
    assert set(everything) == {"podSelector", "policyTypes"}, "what is not allowed is refused"


def test_network_policies_can_be_narrowed() -> None:
    ours = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    server = {"cidrs": ["10.0.0.1/32"], "ports": [6443]}
    narrow = {"enabled": True, "apiFrom": ours, "apiServer": server, "extraEgress": [{"to": ours}]}
    spec = named(rendered(EXTERNAL | {"networkPolicy": narrow}), "NetworkPolicy", "cairn-api")["spec"]
    assert ours[0] in spec["ingress"][0]["from"]
    block = [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert {"ports": [{"port": 6443, "protocol": "TCP"}], "to": block} in spec["egress"]
    assert {"to": ours} in spec["egress"] and {"ports": [{"port": 5432, "protocol": "TCP"}]} in spec["egress"]


def test_monitors_come_only_where_the_cluster_has_that_kind() -> None:
    values = {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}}}
    assert not has(rendered(values), "ServiceMonitor")
    found = rendered(values, MONITORING)
    for component in ("operator", "api"):
        monitor = named(found, "ServiceMonitor", f"cairn-{component}")
        assert monitor["metadata"]["labels"]["release"] == "p"
        service = named(found, "Service", f"cairn-{component}")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert [each["name"] for each in service["spec"]["ports"]] == [monitor["spec"]["endpoints"][0]["port"]]


def test_dashboards_and_rules_come_as_they_are_in_their_files() -> None:
    metrics = {"rules": {"enabled": True, "labels": {"release": "p"}}, "dashboard": {"enabled": True}}
    assert not has(rendered({"metrics": metrics}), "PrometheusRule")
    found = rendered({"metrics": metrics}, MONITORING)
    rule = named(found, "PrometheusRule", "cairn")
    assert rule["spec"] == yaml.safe_load((chart.CHART / "rules" / "cairn.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "p"
    dashboards = named(found, "ConfigMap", "cairn-dashboards")
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"
    for name, text in dashboards["data"].items():
        assert text == (chart.CHART / "dashboards" / name).read_text()


def test_the_manifest_for_those_without_helm_is_current() -> None:
    assert made.MANIFEST.read_text() == made.manifest(chart.helm()), "run `make chart`"
