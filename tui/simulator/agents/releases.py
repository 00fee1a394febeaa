"""What differs between the simulated releases, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LogFormat(StrEnum):
    """How lines are written."""

    LOGRUS = "logrus"
    """`level=info msg="…" subsys=daemon`, without a time."""
    LOGRUS_TIME = "logrus-time"
    """`time="…" level=info msg="…" subsys=daemon`."""
    SLOG = "slog"
    """`time=… level=info msg="…" module=agent.…`."""


@dataclass(frozen=True, slots=True)
class AgentRelease:
    """One simulated release, with the facts its answers depend on."""

    text: str
    minor: int
    revision: str
    author_date: str
    go_version: str
    binary: str
    """`cilium` up to 1.14, `cilium-dbg` from 1.15."""
    log_format: LogFormat
    backends_pin: str
    ipcache_pin: str
    has_protocols: bool
    """Whether services and backends carry their protocol in the kernel's maps (1.17)."""
    has_wildcards: bool
    """Whether the services map holds `VIP:0/ANY` entries for ClusterIP and LB VIPs (1.18)."""
    has_map_sync: bool
    """Whether `bpf-map-sync-*` controllers retry failed inserts (up to 1.17)."""
    has_shell_socket: bool
    """Whether `metrics list` goes through shell.sock (1.17)."""
    api_base: str
    """How the client spells the agent's socket in errors."""
    status_api_base: str
    has_node_config: bool
    """Whether CiliumNodeConfigs are merged into the configuration at start (1.13)."""
    pressure_is_default: bool
    """Whether cilium_bpf_map_pressure is on without `--metrics=+…` (1.13)."""
    metric_levels: tuple[str, str]
    """How cilium_errors_warnings_total spells warning and error."""

    @property
    def key(self) -> tuple[int, int]:
        """Major and minor, the key of the tables of maps."""
        return (1, self.minor)

    @property
    def daemon_text(self) -> str:
        """As the status names it: `1.17.5 (v1.17.5-69aab28cf1)`."""
        return f"{self.text} (v{self.text}-{self.revision})"

    @property
    def image(self) -> str:
        """The image reference in the pod."""
        return f"quay.io/cilium/cilium:v{self.text}"


_OLD_SOCKET = "http:///var/run/cilium/cilium.sock"
_OLD_RAW = "http://%2Fvar%2Frun%2Fcilium%2Fcilium.sock"
_LOCALHOST = "http://localhost"

V1_11_7 = AgentRelease(
    text="1.11.7",
    minor=11,
    revision="506fcf6",
    author_date="2022-07-15T10:05:01-07:00",
    go_version="go1.19.8",
    binary="cilium",
    log_format=LogFormat.LOGRUS,
    backends_pin="cilium_lb4_backends_v2",
    ipcache_pin="cilium_ipcache",
    has_protocols=False,
    has_wildcards=False,
    has_map_sync=True,
    has_shell_socket=False,
    api_base=_OLD_RAW,
    status_api_base=_OLD_SOCKET,
    has_node_config=False,
    pressure_is_default=False,
    metric_levels=("warning", "error"),
)
V1_17_5 = AgentRelease(
    text="1.17.5",
    minor=17,
    revision="69aab28cf1",
    author_date="2025-06-12T11:29:27+00:00",
    go_version="go1.24.11",
    binary="cilium-dbg",
    log_format=LogFormat.LOGRUS_TIME,
    backends_pin="cilium_lb4_backends_v3",
    ipcache_pin="cilium_ipcache",
    has_protocols=True,
    has_wildcards=False,
    has_map_sync=True,
    has_shell_socket=True,
    api_base=_LOCALHOST,
    status_api_base=_LOCALHOST,
    has_node_config=True,
    pressure_is_default=True,
    metric_levels=("warning", "error"),
)
V1_19_4 = AgentRelease(
    text="1.19.4",
    minor=19,
    revision="827cf5537d",
    author_date="2026-05-13T02:45:22+00:00",
    go_version="go1.25.5",
    binary="cilium-dbg",
    log_format=LogFormat.SLOG,
    backends_pin="cilium_lb4_backends_v3",
    ipcache_pin="cilium_ipcache_v2",
    has_protocols=True,
    has_wildcards=True,
    has_map_sync=False,
    has_shell_socket=True,
    api_base=_LOCALHOST,
    status_api_base=_LOCALHOST,
    has_node_config=True,
    pressure_is_default=True,
    metric_levels=("WARN", "ERROR"),
)
RELEASES: dict[str, AgentRelease] = {
    release.text: release for release in (V1_11_7, V1_17_5, V1_19_4)
}


def release_of(image: str) -> AgentRelease:
    """Return the release an image runs; the newest one of that age for a tag it does not have."""
    tag = image.rpartition(":")[2].removeprefix("v")
    found = RELEASES.get(tag)
    if found is not None:
        return found
    minor = int(tag.split(".")[1]) if tag.count(".") >= 1 and tag.split(".")[1].isdigit() else 19
    older = [release for release in RELEASES.values() if release.minor <= minor]
    return older[-1] if older else V1_11_7
