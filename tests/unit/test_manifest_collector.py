from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import models
from pydantic import BaseModel, ValidationError

from tui.cluster.capabilities import Role, rbac_manifest
from tui.cluster.collector_manifest import collector_manifest
from tui.cluster.collector_options import CollectorOptions
from tui.commands.manifest import Commands, add_manifest, run_manifest
from tui.errors import ConfigError
from tui.settings import SETTINGS

EVERYTHING = CollectorOptions(
    replicas=7,
    image="registry.example:5000/team/ciltop@sha256:" + "0" * 64,
    namespace="cilium",
    home="watchers",
    secret="broker.prod",
    has_ca=True,
    has_certificate=True,
    cluster="prod $(HOME) éu #1: 'x'",
    broker="mqtts://broker.example:8883",
    metrics_port=19_878,
    api_server="[2001:db8::1]:443",
    has_host_network=True,
)
PLAIN = CollectorOptions()
MODELS: dict[str, type[BaseModel]] = {
    "ServiceAccount": models.V1ServiceAccount,
    "ClusterRole": models.V1ClusterRole,
    "ClusterRoleBinding": models.V1ClusterRoleBinding,
    "Role": models.V1Role,
    "RoleBinding": models.V1RoleBinding,
    "Deployment": models.V1Deployment,
    "PodDisruptionBudget": models.V1PodDisruptionBudget,
}


def documents(asked: CollectorOptions) -> dict[str, dict[str, Any]]:
    listed = [one for one in yaml.safe_load_all(collector_manifest(asked)) if one is not None]
    found = {one["kind"]: one for one in listed}
    assert len(found) == len(listed)
    return found


def pod_of(asked: CollectorOptions) -> dict[str, Any]:
    pod: dict[str, Any] = documents(asked)["Deployment"]["spec"]["template"]["spec"]
    return pod


def environment_of(asked: CollectorOptions) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in pod_of(asked)["containers"][0]["env"]}


@pytest.mark.parametrize("asked", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_kubernetes_knows_every_field(asked: CollectorOptions) -> None:
    found = documents(asked)
    assert set(found) == set(MODELS)
    for kind, document in found.items():
        # The official client's models allow no field that the API does not have.
        MODELS[kind].model_validate(document)


def test_a_wrong_field_would_be_found() -> None:
    document = documents(PLAIN)["Deployment"]
    document["spec"]["template"]["spec"]["containers"][0]["securitycontext"] = {}
    document["spec"]["replicas"] = "2"
    del document["spec"]["selector"]
    with pytest.raises(ValidationError) as error:
        models.V1Deployment.model_validate(document)
    assert {".".join(map(str, one["loc"])) for one in error.value.errors()} == {
        "spec.replicas",
        "spec.selector",
        "spec.template.spec.containers.0.securitycontext",
    }


@pytest.mark.parametrize("asked", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_the_rights_are_the_observers(asked: CollectorOptions) -> None:
    observer = {
        one["kind"]: one
        for one in yaml.safe_load_all(rbac_manifest(Role.OBSERVER, asked.namespace))
    }
    found = documents(asked)
    for kind in ("ClusterRole", "Role"):
        assert found[kind]["rules"] == observer[kind]["rules"]
        assert found[kind]["metadata"].get("namespace") == observer[kind]["metadata"].get(
            "namespace"
        )
        # Not the observers' own role: deleting the collectors must not take it away from people.
        assert found[kind]["metadata"]["name"] != observer[kind]["metadata"]["name"]
        binding = found[f"{kind}Binding"]
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind,
            "name": found[kind]["metadata"]["name"],
        }
        assert binding["subjects"] == [
            {
                "kind": "ServiceAccount",
                "name": found["ServiceAccount"]["metadata"]["name"],
                "namespace": asked.own_namespace,
            }
        ]


@pytest.mark.parametrize("asked", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_names_and_labels_fit_together(asked: CollectorOptions) -> None:
    found = documents(asked)
    for kind in ("ServiceAccount", "Deployment", "PodDisruptionBudget"):
        assert found[kind]["metadata"]["namespace"] == asked.own_namespace
    spec = found["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == asked.replicas
    assert spec["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    for constraint in pod["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"] == labels
    assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    container = pod["containers"][0]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    port = container["ports"][0]
    assert port == {"name": "metrics", "containerPort": asked.metrics_port}
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/livez", "port": port["name"]}


def test_the_container_may_do_nothing_more_than_it_needs() -> None:
    pod = pod_of(PLAIN)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "hostNetwork" not in pod
    assert all("emptyDir" in volume for volume in pod["volumes"])


def test_the_variables_are_the_programs_own() -> None:
    known = {setting.environment for setting in SETTINGS if setting.environment}
    ours = {name for name in environment_of(EVERYTHING) if name.startswith("CILTOP_")}
    assert ours <= known
    assert {"CILTOP_COLLECTOR_ID", "CILTOP_MQTT_URL", "CILTOP_MQTT_PASSWORD"} <= ours


def test_credentials_come_from_the_secret_alone() -> None:
    environment = environment_of(PLAIN)
    for name, key, is_optional in (
        ("CILTOP_MQTT_URL", "url", None),
        ("CILTOP_MQTT_USER", "user", True),
        ("CILTOP_MQTT_PASSWORD", "password", True),
    ):
        reference = environment[name]["valueFrom"]["secretKeyRef"]
        assert reference["name"] == "ciltop-broker"
        assert (reference["key"], reference.get("optional")) == (key, is_optional)
    assert "Secret" not in documents(PLAIN)
    assert "#   kind: Secret" in collector_manifest(PLAIN)


def test_each_file_of_the_secret_is_where_its_setting_says() -> None:
    environment, pod = environment_of(EVERYTHING), pod_of(EVERYTHING)
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "broker")
    (volume,) = (one for one in pod["volumes"] if one["name"] == "broker")
    paths = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
    names = ("CILTOP_MQTT_CA", "CILTOP_MQTT_CERT", "CILTOP_MQTT_KEY")
    assert {environment[name]["value"] for name in names} == paths
    # Owner and group only; the group is the pod's.
    assert volume["secret"]["defaultMode"] == 0o440
    assert "fsGroup" in pod["securityContext"]


def test_a_value_is_never_expanded() -> None:
    assert environment_of(EVERYTHING)["CILTOP_CLUSTER"]["value"] == "prod $$(HOME) éu #1: 'x'"


def test_the_api_server_is_reached_past_its_cluster_ip() -> None:
    assert "KUBERNETES_SERVICE_HOST" not in environment_of(PLAIN)
    environment = environment_of(EVERYTHING)
    assert environment["KUBERNETES_SERVICE_HOST"]["value"] == "2001:db8::1"
    assert environment["KUBERNETES_SERVICE_PORT"]["value"] == "443"
    named = environment_of(replace(PLAIN, api_server="api.example"))
    assert named["KUBERNETES_SERVICE_PORT"]["value"] == "6443"


@pytest.mark.parametrize(
    ("broker", "policy"),
    [
        ("", "Default"),
        ("mqtts://broker.example:8883", "Default"),
        ("mqtt://broker.mqtt.svc:1883", "ClusterFirstWithHostNet"),
        ("mqtt://broker.mqtt.svc.cluster.local:1883", "ClusterFirstWithHostNet"),
        ("wss://svc.example:443/mqtt", "Default"),
    ],
)
def test_on_the_hosts_network_names_are_resolved_by_who_knows_them(
    broker: str, policy: str
) -> None:
    pod = pod_of(replace(PLAIN, has_host_network=True, broker=broker))
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, policy)


@pytest.mark.parametrize("namespace", ["123", "on", "null", "1e5", "true", "0x1f"])
def test_a_name_stays_a_name(namespace: str) -> None:
    found = documents(replace(PLAIN, namespace=namespace, secret=namespace))
    assert found["Role"]["metadata"]["namespace"] == namespace
    assert found["Deployment"]["metadata"]["namespace"] == namespace
    models.V1Deployment.model_validate(found["Deployment"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"namespace": "UPPER"}, "--namespace"),
        ({"namespace": ""}, "--namespace"),
        ({"namespace": "a" * 64}, "--namespace"),
        ({"home": "a.b"}, "--collector-namespace"),
        ({"secret": "a b"}, "--broker-secret"),
        ({"secret": "a\nb: c"}, "--broker-secret"),
        ({"secret": ".a"}, "--broker-secret"),
        ({"replicas": 0}, "--replicas"),
        ({"replicas": 257}, "--replicas"),
        ({"metrics_port": 80}, "--metrics-port"),
        ({"metrics_port": 65_536}, "--metrics-port"),
        ({"image": "a b"}, "--image"),
        ({"image": ""}, "--image"),
        ({"image": "a\n- x"}, "--image"),
        ({"cluster": "a\nb"}, "--cluster"),
        ({"cluster": "\x1b[31m"}, "--cluster"),
        ({"api_server": "https://api.example"}, "--api-server"),
        ({"api_server": "api.example:0"}, "--api-server"),
        ({"api_server": "api.example:65536"}, "--api-server"),
        ({"api_server": "2001:db8::1"}, "--api-server"),
        ({"api_server": "a b:1"}, "--api-server"),
    ],
)
def test_what_can_not_be_is_refused(wrong: dict[str, Any], words: str) -> None:
    assert set(wrong) <= {field.name for field in fields(CollectorOptions)}
    with pytest.raises(ConfigError) as error:
        collector_manifest(replace(PLAIN, **wrong))
    assert error.value.exit_code == 2
    assert error.value.message.startswith(words)


def run(*arguments: str) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    commands: Commands[argparse.ArgumentParser] = parser.add_subparsers()
    add_manifest(commands)
    run_manifest(parser.parse_args(["manifest", "collector", *arguments]))


def test_the_command_prints_what_was_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CILTOP_MQTT_URL", "mqtt://somebody:secret@elsewhere.example")
    run()
    assert capsys.readouterr().out == collector_manifest(PLAIN)
    run("--replicas", "3", "-n", "cilium", "--mqtt", "mqtts://broker.example", "--broker-ca")
    assert capsys.readouterr().out == collector_manifest(
        CollectorOptions(
            replicas=3, namespace="cilium", broker="mqtts://broker.example:8883", has_ca=True
        )
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mqtt", "http://broker.example"), "must be mqtt://"),
        (("--mqtt", "mqtts://me:secret@broker.example"), "no password on the command line"),
        (("--mqtt", "mqtts://me@broker.example"), "belongs into the Secret"),
        (("--mqtt", "mqtt://broker.example", "--broker-ca"), "does not encrypt"),
        (("--mqtt", "ws://broker.example", "--broker-certificate"), "does not encrypt"),
        (("--replicas", "0"), "--replicas"),
        (("--namespace", ""), "--namespace"),
    ],
)
def test_the_command_refuses_what_can_not_work(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        run(*arguments)
    assert error.value.exit_code == 2
    assert "secret@" not in error.value.message
