"""The YAML that runs collectors in a cluster, for a person to read, edit and apply.

What it must not depend on is what ciltop looks at: `api_server` goes past the ClusterIP of the
API server, `has_host_network` past the pod network and the cluster's DNS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tui.cluster.capabilities import Role, as_yaml, role_documents
from tui.cluster.collector_options import IMAGE, CollectorOptions, check_options, host_and_port

NAME = "ciltop-collector"
USER = 65532
"""Nobody's, as in distroless images; the kernel wants a number where there is no /etc/passwd."""


def collector_manifest(asked: CollectorOptions) -> str:
    """Return the YAML.

    Raises:
        ConfigError: a name, number or address that Kubernetes would refuse.
    """
    check_options(asked)
    account = (
        "kind: ServiceAccount",
        f"name: {NAME}",
        f"namespace: {as_yaml(asked.own_namespace)}",
    )
    documents = (
        _service_account(asked),
        *role_documents(Role.OBSERVER, NAME, asked.namespace, account),
        _deployment(asked),
        _disruption_budget(asked),
    )
    return _head(asked) + "---\n".join(documents)


def _head(asked: CollectorOptions) -> str:
    lines = [
        f"# {asked.replicas} ciltop collectors that share the nodes; Cilium runs in "
        f"{asked.namespace}. See docs/collector.md.",
        "# Whoever may exec into the agents is as powerful as root on the nodes: that is this",
        f"# ServiceAccount, and everybody who may make pods in {asked.own_namespace}.",
    ]
    if asked.image == IMAGE:
        lines.append("# No image is published: build one, and name it with --image.")
    lines += ["#", "# The Secret is yours to make, before this is applied:", "#"]
    lines += [f"#   {line}" for line in _secret_example(asked)]
    return "\n".join(lines) + "\n---\n"


def _secret_example(asked: CollectorOptions) -> Iterator[str]:
    yield "apiVersion: v1"
    yield "kind: Secret"
    yield "metadata:"
    yield f"  name: {as_yaml(asked.secret)}"
    yield f"  namespace: {as_yaml(asked.own_namespace)}"
    yield "type: Opaque"
    yield "stringData:"
    if not asked.broker:
        yield "  url:        # such as mqtts://broker.example; without user and password"
    yield "  user:       # leave out for a broker that asks for none, or takes the certificate's"
    yield "  password:"
    if asked.has_ca:
        yield "  ca.crt:     # PEM"
    if asked.has_certificate:
        yield "  tls.crt:    # PEM"
        yield "  tls.key:    # PEM, not encrypted"


def _service_account(asked: CollectorOptions) -> str:
    return f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {NAME}
  namespace: {as_yaml(asked.own_namespace)}
automountServiceAccountToken: false
"""


def _disruption_budget(asked: CollectorOptions) -> str:
    return f"""\
# Kubernetes before 1.21 has policy/v1beta1 only.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {NAME}
  namespace: {as_yaml(asked.own_namespace)}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {NAME}
"""


def _deployment(asked: CollectorOptions) -> str:
    pod = "\n".join(f"      {line}" for line in _pod(asked))
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {NAME}
  namespace: {as_yaml(asked.own_namespace)}
  labels:
    app.kubernetes.io/name: {NAME}
spec:
  replicas: {asked.replicas}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: {NAME}
  strategy:
    type: RollingUpdate
    rollingUpdate:
{_rollout(asked)}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {NAME}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{asked.metrics_port}"
    spec:
{pod}
"""


def _rollout(asked: CollectorOptions) -> str:
    if asked.has_host_network:
        # The port is the node's: where every node has a collector, no new one would find a place.
        return "      maxSurge: 0\n      maxUnavailable: 1"
    return "      maxSurge: 1\n      maxUnavailable: 0"


def _pod(asked: CollectorOptions) -> Iterator[str]:
    yield f"serviceAccountName: {NAME}"
    yield "automountServiceAccountToken: true"
    # A Service called ciltop would put variables that begin with CILTOP_ into the pod.
    yield "enableServiceLinks: false"
    yield "terminationGracePeriodSeconds: 30"
    if asked.has_host_network:
        yield "# The node's network and name servers, not the pod network and the cluster's DNS."
        yield "hostNetwork: true"
        yield f"dnsPolicy: {_dns_policy(asked)}"
    yield "nodeSelector:"
    yield "  kubernetes.io/os: linux"
    yield from _TOLERATIONS.splitlines()
    if asked.has_host_network:
        yield from _HOST_TOLERATIONS.splitlines()
    yield from _SPREAD.splitlines()
    yield "securityContext:"
    yield "  runAsNonRoot: true"
    yield from (f"  {key}: {USER}" for key in ("runAsUser", "runAsGroup", "fsGroup"))
    yield "  seccompProfile:"
    yield "    type: RuntimeDefault"
    yield "containers:"
    yield from (f"  {line}" for line in _container(asked))
    yield "volumes:"
    yield from _TEMPORARY.splitlines()
    if asked.has_ca or asked.has_certificate:
        yield from _credential_volume(asked)


def _dns_policy(asked: CollectorOptions) -> str:
    """Return the node's name servers, but for a broker that only the cluster's DNS knows."""
    host = asked.broker.partition("://")[2].partition("/")[0].partition(":")[0]
    return "ClusterFirstWithHostNet" if "svc" in host.split(".")[1:] else "Default"


_TOLERATIONS = """\
tolerations:
  # Nodes whose own collector is cut off go to another one sooner than after five minutes.
  - key: node.kubernetes.io/not-ready
    operator: Exists
    effect: NoExecute
    tolerationSeconds: 60
  - key: node.kubernetes.io/unreachable
    operator: Exists
    effect: NoExecute
    tolerationSeconds: 60
  - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
  - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
"""
_HOST_TOLERATIONS = """\
  - {key: node.cilium.io/agent-not-ready, operator: Exists}
  - {key: node.kubernetes.io/network-unavailable, operator: Exists, effect: NoSchedule}
"""
_SPREAD = f"""\
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: {NAME}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: {NAME}
"""
_TEMPORARY = """\
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
"""
_RESOURCES = """\
resources:
  requests:
    cpu: 250m
    memory: 256Mi
  limits:
    cpu: "2"
    memory: 1Gi
"""
_HARDENING = """\
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities:
    drop: [ALL]
"""
_MOUNT = "/etc/ciltop/broker"


def _container(asked: CollectorOptions) -> Iterator[str]:
    """Yield the container; `$(…)` in its arguments is replaced by Kubernetes."""
    arguments = ["collect", f"--metrics-port={asked.metrics_port}"]
    arguments += ["--metrics-address=$(POD_IP)", f"--namespace={asked.namespace}"]
    yield "- name: collector"
    yield f"  image: {json.dumps(asked.image)}"
    yield "  args:"
    yield from (f"    - {json.dumps(argument)}" for argument in arguments)
    yield "  env:"
    yield from (f"    {line}" for line in _environment(asked))
    yield "  ports:"
    yield "    - name: metrics"
    yield f"      containerPort: {asked.metrics_port}"
    yield from _probe("livenessProbe", failures=6)
    yield from _probe("readinessProbe", failures=2)
    yield from (f"  {line}" for line in (_RESOURCES + _HARDENING).splitlines())
    yield "  volumeMounts:"
    yield "    - name: tmp"
    yield "      mountPath: /tmp"
    if asked.has_ca or asked.has_certificate:
        yield "    - name: broker"
        yield f"      mountPath: {_MOUNT}"
        yield "      readOnly: true"


def _probe(kind: str, failures: int) -> Iterator[str]:
    yield f"  {kind}:"
    yield "    httpGet:"
    yield "      path: /livez"
    yield "      port: metrics"
    yield "    periodSeconds: 10"
    yield "    timeoutSeconds: 5"
    yield f"    failureThreshold: {failures}"


def _environment(asked: CollectorOptions) -> Iterator[str]:
    yield from _value("HOME", "/tmp")  # noqa: S108 - the pod's own emptyDir
    yield from _field("POD_IP", "status.podIP")
    yield from _field("CILTOP_COLLECTOR_ID", "metadata.name")
    if asked.broker:
        yield from _value("CILTOP_MQTT_URL", asked.broker)
    else:
        yield from _secret_value("CILTOP_MQTT_URL", asked.secret, "url", is_optional=False)
    yield from _secret_value("CILTOP_MQTT_USER", asked.secret, "user")
    yield from _secret_value("CILTOP_MQTT_PASSWORD", asked.secret, "password")
    if asked.has_ca:
        yield from _value("CILTOP_MQTT_CA", f"{_MOUNT}/ca.crt")
    if asked.has_certificate:
        yield from _value("CILTOP_MQTT_CERT", f"{_MOUNT}/tls.crt")
        yield from _value("CILTOP_MQTT_KEY", f"{_MOUNT}/tls.key")
    if asked.cluster:
        yield from _value("CILTOP_CLUSTER", asked.cluster)
    if asked.api_server:
        host, port = host_and_port(asked.api_server)
        yield "# Not the ClusterIP, which goes through the load balancer that is watched."
        yield from _value("KUBERNETES_SERVICE_HOST", host)
        yield from _value("KUBERNETES_SERVICE_PORT", str(port))


def _value(name: str, value: str) -> Iterator[str]:
    yield f"- name: {name}"
    # Kubernetes replaces $(NAME) in values too; $$ is one dollar sign.
    yield f"  value: {json.dumps(value.replace('$', '$$'))}"


def _field(name: str, path: str) -> Iterator[str]:
    yield f"- name: {name}"
    yield "  valueFrom:"
    yield "    fieldRef:"
    yield f"      fieldPath: {path}"


def _secret_value(name: str, secret: str, key: str, *, is_optional: bool = True) -> Iterator[str]:
    yield f"- name: {name}"
    yield "  valueFrom:"
    yield "    secretKeyRef:"
    yield f"      name: {as_yaml(secret)}"
    yield f"      key: {key}"
    if is_optional:
        yield "      optional: true"


def _credential_volume(asked: CollectorOptions) -> Iterator[str]:
    """Yield the volume; a missing key keeps the pod from starting, and says which it is."""
    keys = ["ca.crt"] if asked.has_ca else []
    keys += ["tls.crt", "tls.key"] if asked.has_certificate else []
    yield "  - name: broker"
    yield "    secret:"
    yield f"      secretName: {as_yaml(asked.secret)}"
    yield "      defaultMode: 0440"
    yield "      items:"
    yield from (f"        - {{key: {key}, path: {key}}}" for key in keys)
