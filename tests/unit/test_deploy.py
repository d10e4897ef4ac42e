"""The files of deploy/: they name what the product has, and keep the rules that their page says.

There is no Docker and no cluster here. So they are read, and compared.
"""

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from goflow_py import __version__, config
from goflow_py.api.app import OPS
from goflow_py.api.auth import OPEN
from goflow_py.config import SETTINGS, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMPOSE = DEPLOY / "compose.yaml"
PAGE = DEPLOY / "README.md"
UID = 10001
OWN_IMAGE = f"goflow:{__version__}"
MARGIN_SECONDS = 5
VERSIONS = {
    "Namespace": "v1",
    "Pod": "v1",
    "Secret": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
}
Node = dict[str, Any]


def objects(*folders: str) -> list[Node]:
    paths = [path for folder in folders for path in sorted((KUBERNETES / folder).glob("*.yaml"))]
    return [one for path in paths for one in yaml.safe_load_all(path.read_text("utf-8"))]


EVERY = objects(".", "postgres", "sqlite", "first-key")
SECRETS = {one["metadata"]["name"]: one for one in EVERY if one["kind"] == "Secret"}
SERVICES: Node = yaml.safe_load(COMPOSE.read_text("utf-8"))
NODES = [name for name in SERVICES["services"] if name.startswith("goflow-")]


def template(one: Node) -> Node:
    """Return the pod that an object makes."""
    pod: Node = one if one["kind"] == "Pod" else one["spec"]["template"]
    return pod


PODS = [
    pytest.param(one, id=f"{one['kind']}-{one['metadata']['name']}")
    for one in EVERY
    if one["kind"] in ("Pod", "Deployment", "StatefulSet")
]
CONTAINERS = [pytest.param(one, id=name) for name, one in SERVICES["services"].items()]


def settings_of(arguments: list[str], documents: dict[str, str]) -> Settings:
    """Return what a server reads from its arguments, and from the file that they name."""
    assert arguments[0] == "serve"
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    values: Node = {}
    if file := given.pop("--config", None):
        values |= tomllib.loads(documents[file])
    flags = {setting.flag: name for name, setting in SETTINGS.items()}
    values |= {flags[flag]: value for flag, value in given.items()}
    data = str(values.pop("data"))
    assert data.startswith(("postgresql://goflow:CHANGE-ME@", "/data/"))
    return config.load(values, {})


def image_user() -> str:
    (user,) = re.findall(r"^USER (\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    return str(user)


# ---------------------------------------------------------------- the rules, as a linter


def pod_findings(pod: Node) -> Iterator[str]:
    """Yield what is wrong with a pod."""
    spec, context = pod["spec"], pod["spec"].get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccomp"
    if spec.get("automountServiceAccountToken") is not False:
        yield "token"
    for one in spec["containers"]:
        yield from container_findings(one)


def container_findings(one: Node) -> Iterator[str]:
    own = one.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "capabilities"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "writable root"
    if own.get("runAsUser", 1) == 0:
        yield "root"
    yield from image_findings(one["image"])
    bounds = one.get("resources", {})
    if any({"cpu", "memory"} - set(bounds.get(what, ())) for what in ("requests", "limits")):
        yield "bounds"
    if not {"readinessProbe", "livenessProbe"} <= one.keys():
        yield "probes"
    if any("value" in each for each in one.get("env", ())):
        yield "a value in the environment"


def service_findings(one: Node) -> Iterator[str]:
    """Yield what is wrong with a service of the compose file."""
    if str(one.get("user", "0")).partition(":")[0] in ("0", "root"):
        yield "root"
    if one.get("read_only") is not True:
        yield "writable root"
    if one.get("cap_drop") != ["ALL"] or one.get("cap_add"):
        yield "capabilities"
    if one.get("security_opt") != ["no-new-privileges:true"] or one.get("privileged"):
        yield "privileges"
    if {"cpus", "memory", "pids"} - set(
        one.get("deploy", {}).get("resources", {}).get("limits", {})
    ):
        yield "bounds"
    yield from image_findings(one["image"])
    for name in one.get("environment", {}):
        if re.search(r"PASSWORD|SECRET|KEY|URL|DATA\b", name) and not name.endswith("_FILE"):
            yield "a secret in the environment"


def image_findings(image: str) -> Iterator[str]:
    name, _, version = image.partition(":")
    if not version or version == "latest" or "/" in version:
        yield "image without a version"
    if name == "goflow" and image != OWN_IMAGE:
        yield "image of another release"


@pytest.mark.parametrize("one", PODS)
def test_a_pod_keeps_the_rules(one: Node) -> None:
    assert list(pod_findings(template(one))) == []
    assert template(one)["spec"]["securityContext"]["runAsUser"] == int(image_user()) == UID


@pytest.mark.parametrize("one", CONTAINERS)
def test_a_service_keeps_the_rules(one: Node) -> None:
    assert list(service_findings(one)) == []


def _in(*path: str | int) -> Callable[[Node, Any], None]:
    def put(value: Node, new: Any) -> None:
        at: Any = value
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = new

    return put


ONE = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("place", "value", "finding"),
    [
        (("spec", "securityContext", "runAsNonRoot"), False, "root"),
        (("spec", "securityContext", "runAsUser"), 0, "root"),
        (("spec", "securityContext", "seccompProfile"), {}, "seccomp"),
        (("spec", "automountServiceAccountToken"), True, "token"),
        ((*ONE, "securityContext", "allowPrivilegeEscalation"), True, "privileges"),
        ((*ONE, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}, "capabilities"),
        ((*ONE, "securityContext", "readOnlyRootFilesystem"), False, "writable root"),
        ((*ONE, "image"), "goflow:latest", "image without a version"),
        ((*ONE, "image"), "goflow", "image without a version"),
        ((*ONE, "image"), "goflow:0.0.1", "image of another release"),
        ((*ONE, "resources", "limits"), {"cpu": "1"}, "bounds"),
        ((*ONE, "env"), [{"name": "GOFLOW_DATA", "value": "x"}], "a value in the environment"),
    ],
)
def test_the_linter_finds_a_pod_that_breaks_a_rule(
    place: tuple[str | int, ...], value: Any, finding: str
) -> None:
    pod = copy.deepcopy(template(PODS[0].values[0]))  # type: ignore[arg-type]
    _in(*place)(pod, value)
    assert finding in list(pod_findings(pod))


@pytest.mark.parametrize(
    ("place", "value", "finding"),
    [
        (("user",), "0:0", "root"),
        (("read_only",), False, "writable root"),
        (("cap_drop",), [], "capabilities"),
        (("security_opt",), [], "privileges"),
        (("deploy",), {}, "bounds"),
        (("image",), "postgres", "image without a version"),
        (("environment",), {"POSTGRES_PASSWORD": "x"}, "a secret in the environment"),
    ],
)
def test_the_linter_finds_a_service_that_breaks_a_rule(
    place: tuple[str], value: Any, finding: str
) -> None:
    service = copy.deepcopy(SERVICES["services"]["database"])
    _in(*place)(service, value)
    assert finding in list(service_findings(service))


# ---------------------------------------------------------------- what the product has


def test_every_object_is_of_a_kind_that_clusters_know() -> None:
    assert {one["kind"]: one["apiVersion"] for one in EVERY} == VERSIONS
    for one in EVERY:
        where = one["metadata"].get("namespace")
        assert where == (None if one["kind"] == "Namespace" else "goflow")


@pytest.mark.parametrize("one", PODS)
def test_a_pods_flags_settings_and_probes_are_the_products(one: Node) -> None:
    pod = template(one)["spec"]
    (container,) = pod["containers"]
    files = {
        f"{mount['mountPath']}/{name}": text
        for mount in container["volumeMounts"]
        for volume in pod["volumes"]
        if volume["name"] == mount["name"] and "secret" in volume
        for name, text in SECRETS[volume["secret"]["secretName"]]["stringData"].items()
    }
    settings = settings_of(container["args"], files)
    (port,) = container["ports"]
    assert settings.port == port["containerPort"]
    assert settings.host == "0.0.0.0"
    _look_at_probes(container, port["name"])
    stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0, 0])
    least = settings.drain_timeout + float(stop[1]) + MARGIN_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= least


def _look_at_probes(container: Node, port: str) -> None:
    free = {op.path for op in OPS if op.method == "GET" and op.scopes is OPEN}
    probes = {name: one["httpGet"] for name, one in container.items() if name.endswith("Probe")}
    assert all(one["path"] in free and one["port"] == port for one in probes.values())
    assert probes["readinessProbe"]["path"] == "/readyz"
    assert probes["livenessProbe"]["path"] == "/healthz", "a database that is gone kills no node"


@pytest.mark.parametrize("one", PODS)
def test_a_pod_mounts_what_it_has_and_the_image_writes_only_there(one: Node) -> None:
    pod = template(one)["spec"]
    (container,) = pod["containers"]
    claims = one["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"] for each in pod["volumes"]}
    volumes |= {each["metadata"]["name"] for each in claims}
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert set(mounts.values()) == volumes
    assert {"/data", "/tmp"} <= mounts.keys()
    assert "VOLUME /data\n" in (ROOT / "Dockerfile").read_text("utf-8")


@pytest.mark.parametrize("folder", ["postgres", "sqlite"])
def test_selectors_find_the_nodes_and_nothing_else(folder: str) -> None:
    found = objects(folder)
    (work,) = [one for one in found if one["kind"] in ("Deployment", "StatefulSet")]
    labels = work["spec"]["template"]["metadata"]["labels"]
    (service,) = [one for one in found if one["kind"] == "Service"]
    (first,) = objects("first-key")
    policies = [one for one in objects(".") if one["kind"] == "NetworkPolicy"]
    assert work["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert not service["spec"]["selector"].items() <= first["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    for policy in policies:
        for each in (labels, first["metadata"]["labels"]):
            assert policy["spec"]["podSelector"]["matchLabels"].items() <= each.items()
    for budget in (one for one in found if one["kind"] == "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert budget["spec"]["maxUnavailable"] < work["spec"]["replicas"]


def test_many_nodes_are_on_postgresql_and_one_is_on_sqlite() -> None:
    replicas = {one["kind"]: one["spec"]["replicas"] for one in EVERY if "replicas" in str(one)}
    assert replicas == {"Deployment": 3, "StatefulSet": 1}
    (deployment,) = [one for one in EVERY if one["kind"] == "Deployment"]
    arguments = template(deployment)["spec"]["containers"][0]["args"]
    assert "--bootstrap-key-file" not in arguments, "three nodes would write three first keys"


# ---------------------------------------------------------------- the compose file


def test_the_nodes_of_the_compose_file_have_settings_that_the_product_knows() -> None:
    document = (DEPLOY / "goflow.toml.example").read_text("utf-8")
    assert len(NODES) == 3
    for name in NODES:
        node = SERVICES["services"][name]
        settings = settings_of(node["command"], {"/run/secrets/goflow.toml": document})
        assert (settings.host, settings.port) == ("0.0.0.0", 8080)
        grace = float(node["stop_grace_period"].removesuffix("s"))
        assert grace >= settings.drain_timeout + MARGIN_SECONDS
        assert node["user"].partition(":")[0] == image_user()
        assert node["restart"] == "unless-stopped", "one whose lease lapsed ends by itself"
    writers = [name for name in NODES if "--bootstrap-key-file" in _service(name)["command"]]
    assert writers == ["goflow-1"], "three nodes would write three first keys"
    for name in NODES[1:]:
        assert _service(name)["depends_on"]["goflow-1"] == {"condition": "service_healthy"}


def _service(name: str) -> Node:
    service: Node = SERVICES["services"][name]
    return service


def test_what_services_name_is_there() -> None:
    for one in SERVICES["services"].values():
        assert set(one.get("secrets", ())) <= SERVICES["secrets"].keys()
        assert set(one.get("networks", ())) <= SERVICES["networks"].keys()
        assert one.get("depends_on", {}).keys() <= SERVICES["services"].keys()
        for volume in one.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in SERVICES["volumes"] or (DEPLOY / source).is_file()
    ignored = (DEPLOY / ".gitignore").read_text("utf-8").split()
    assert all(one["file"].startswith("./secrets/") for one in SERVICES["secrets"].values())
    assert ignored == ["secrets/", "kubernetes/secret.yaml"]


def test_the_database_is_kept_and_reached_by_nodes_only() -> None:
    database = _service("database")
    assert database["image"].startswith("postgres:16")
    assert database["networks"] == ["inside"] and SERVICES["networks"]["inside"]["internal"]
    assert "ports" not in database
    assert "database:/var/lib/postgresql/data" in database["volumes"]
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"{setting}=on" in database["command"]
    assert "pg_isready" in database["healthcheck"]["test"]
    assert "inside" not in _service("proxy")["networks"]


def test_the_proxy_knows_every_node_and_holds_no_stream_back() -> None:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert re.findall(r"^ +server (goflow-\d):8080 ", text, re.MULTILINE) == NODES
    assert "proxy_buffering off;" in text
    (connections,) = re.findall(r"worker_connections (\d+);", text)
    settings = tomllib.loads((DEPLOY / "goflow.toml.example").read_text("utf-8"))
    assert settings["connections_max"] >= 2 * int(connections), "one address gets half"
    assert text.count("{") == text.count("}")


# ---------------------------------------------------------------- secrets and the page


def test_no_file_holds_a_secret() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            for password in re.findall(r"://[^/\s:@]+:([^@\s]+)@", path.read_text("utf-8")):
                assert password == "CHANGE-ME", path


def test_the_page_leads_to_files_that_are_there_and_leaves_none_out() -> None:
    text = PAGE.read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert [link for link in links if not (DEPLOY / link).exists()] == []
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path not in (PAGE,)]
    for path in files:
        folder = path.parent.relative_to(KUBERNETES) if path.is_relative_to(KUBERNETES) else ""
        named = path.name in text or (str(folder) != "." and f"{folder}/" in text)
        assert named or path.name == ".gitignore", path
    for kind, name in re.findall(r"kubectl [^\n]*?-f (\S*?)([a-z.-]*\.yaml)", text):
        assert (KUBERNETES / kind / name).exists() or name == "secret.yaml"
