# sizes: a table of data
"""Lines of agents for every entry of the log catalogue, without the form a logger gives them.

Those of L, S and K27 stand in real logs; the others are put together from the source's formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What one line says."""

    level: str
    message: str
    fields: tuple[tuple[str, str], ...] = ()


def w(message: str, error: str = "", **fields: str) -> Example:
    """Return a warning."""
    return _line("warning", message, error, fields)


def e(message: str, error: str = "", **fields: str) -> Example:
    """Return an error."""
    return _line("error", message, error, fields)


def f(message: str, error: str = "", **fields: str) -> Example:
    """Return a fatal line."""
    return _line("fatal", message, error, fields)


def i(message: str, error: str = "", **fields: str) -> Example:
    """Return an info line."""
    return _line("info", message, error, fields)


def _line(level: str, message: str, error: str, fields: Mapping[str, str]) -> Example:
    causes = (("error", error),) if error else ()
    return Example(level, message, (*causes, *fields.items()))


NOT_INSERTED = "Error while inserting service in LB map"
NOT_UPDATED = "Updating frontend failed"
TOO_BIG = "update: key too big for map: argument list too long"
RESIZE = (
    "Unable to update element for LB bpf map: You can resize it with the flag"
    ' "--bpf-lb-map-max". The resizing might break existing connections to services'
)

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    "L1": (e(NOT_INSERTED), e(NOT_INSERTED, "timeout", k8sNamespace="shop", k8sSvcName="web-31")),
    "L2": (
        e(
            NOT_INSERTED,
            "Unable to add backend &{Key:92 Value:ANY://10.220.31.3:36895}: Unable to update"
            " element for cilium_lb4_backends_v2 map with file descriptor 15: the map is full,"
            " please consider resizing it. argument list too long",
        ),
    ),
    "L3": (
        w(NOT_UPDATED, f"upsert backend: update map cilium_lb4_backends_v3: {TOO_BIG}"),
        e(
            NOT_INSERTED,
            "unable to add backend &{Key:97 Value:TCP://10.210.40.1}: update map"
            f" cilium_lb4_backends_v3: {TOO_BIG}",
        ),
        w("Error populating V3 map from V2 map, might interrupt", f"update map x: {TOO_BIG}"),
    ),
    "L4": (
        e(NOT_INSERTED, "Unable to add backend &{Key:92}: operation not permitted"),
        e(NOT_INSERTED, "failed to update backend 10.0.0.1:80: bad file descriptor"),
        w(NOT_UPDATED, "upsert backend: cannot allocate memory"),
    ),
    "L5": (
        w(
            NOT_UPDATED,
            "upsert service: Unable to update service entry 10.98.0.24:80/TCP (1) => 42 0[0] (33)"
            f" [0x0 0x0]: {RESIZE}",
        ),
        e(
            NOT_INSERTED,
            "Unable to update service entry 0.0.0.0:62335 => 105 (12544) [FLAGS: 0x0]: " + RESIZE,
        ),
    ),
    "L6": (w(NOT_UPDATED), w(NOT_UPDATED, "upsert affinity match: bad file descriptor")),
    "L7": (w("Deleting frontend failed, retrying", "x"), w("Deleting orphan frontend failed")),
    "L8": (
        w("Failed to dump service maps"),
        w("Failed to delete from service map while pruning", "no such file or directory"),
        w("Failed to delete from Maglev map"),
    ),
    "L9": (
        w(
            "Timed out waiting for load-balancing state to initialize, proceeding with"
            " reconciliation",
            timeout="1m",
        ),
    ),
    "L10": (w("Unable to delete service entry from BPF map", "no such file"),),
    "L11": (
        w("Unable to restore service ID"),
        w("Error occurred while dumping service maps"),
        w("Failed to remove orphan backends"),
    ),
    "L12": (
        e("Failed to clean up", "unable to delete leaked backend: 41"),
        e("Failed to clean up", "unable to delete duplicate backend: 41"),
    ),
    "L13": (
        Example("debug", "Leaked backend entry not restored"),
        Example("debug", "Duplicate backend entry not restored"),
    ),
    "L14": (
        i("Backend map v2 exists. Migrating entries to backend map v3."),
        w(
            "Error populating V3 map from V2 map, might interrupt existing connections during"
            " upgrade"
        ),
    ),
    "L15": (
        w(NOT_UPDATED, "upsert reverse nat: bad file descriptor"),
        e(NOT_INSERTED, "Unable to update reverse NAT 5: no such file"),
    ),
    "L16": (e("Unable to delete service to implement k8s event", "x", k8sSvcName="web"),),
    "L17": (
        w("Max entries mismatch for BPF map", old="65536", new="1024"),
        w("Removing map to allow for property upgrade (expect map data loss)"),
        w("Flags mismatch for BPF map", old="1", new="0"),
    ),
    "L18": (
        i(
            "Unpinning map with incompatible properties",
            path="/sys/fs/bpf/tc/globals/cilium_lb4_services_v2",
            old="{MaxEntries:65536}",
            new="{MaxEntries:1024}",
        ),
    ),
    "L19": (w("CT Map upgraded, expect brief disruption of ongoing connections"),),
    "L20": (
        Example(
            "debug",
            "Controller run failed",
            (("error", "10 map sync errors"), ("name", "bpf-map-sync-cilium_lb4_backends_v2")),
        ),
    ),
    "M1": (
        i(
            "Conntrack garbage collector interval recalculated",
            deleteRatio="0.4",
            newInterval="7m30s",
        ),
    ),
    "M2": (
        w("Garbage collection on IPv4 TCP CT map failed to finish", interrupted="5"),
        w("Garbage collection CT map failed to finish"),
    ),
    "M3": (w("Skipping CT garbage collection", "no such file or directory"),),
    "M4": (f("Timeout while waiting for initial conntrack scan"),),
    "M5": (w("Failed to perform initial ctmap gc scan within expected duration."),),
    "M6": (
        e("failed to perform CT garbage collection", "x"),
        e("failed to run GC on map", "x"),
    ),
    "M7": (e("key is missing, likely due to lru eviction - skipping"),),
    "M8": (e("Unable to delete CT entry"), e("Unable to delete NAT entry", "x")),
    "M9": (e("NATmap dump failed during GC", "x"),),
    "M10": (e("failed to count ipv4 nat map entries", "x"),),
    "M11": (
        w(
            "option bpf-nat-global-max would exceed maximum determined by CT table sizes, capping"
            " to 524288"
        ),
    ),
    "M12": (
        f(
            "unable to set up configuration",
            "specified NAT tables size 900000 must not exceed maximum CT table size 524288",
        ),
    ),
    "M13": (
        w("specified PolicyMap max entries too low, using minimum value instead"),
        w("specified PolicyMap max entries too high, using maximum value instead"),
    ),
    "M14": (
        e("Failed to add PolicyMap key", f"update map cilium_policy_00380: {TOO_BIG}"),
        e("Failed to add PolicyMap key", "cannot allocate memory"),
    ),
    "M15": (e("Failed to delete PolicyMap key", "x"),),
    "M16": (
        w(
            "A policy map update had to delete changes before it added them in order to prevent a"
            " map overflow, a transient drop may have occurred."
        ),
    ),
    "M17": (
        w(
            "The policy map exceeds the max entries limit,"
            " enable-endpoint-lockdown-on-policy-overflow is enabled, locking the endpoint down."
        ),
    ),
    "M18": (
        e("Failed to lockdown endpoint:Consider quarantining or shutting down this node.", "x"),
    ),
    "M19": (
        w(
            "Policy map sync fixed errors, consider running with debug verbose = policy to get"
            " detailed dumps"
        ),
    ),
    "M20": (
        e("unable to dump PolicyMap when trying to sync desired and realized PolicyMap state"),
    ),
    "M21": (w("Unable to correlate iteration key with cache entry. Inconsistent cache."),),
    "M22": (w("Failed to read metrics from BPF map", "x"),),
    "M23": (
        e("No more IDs available for nodes"),
        e("Failed to map node IP address to allocated ID"),
    ),
    "M24": (
        w("unable to update bpf map", "x"),
        e("bpf: Unable to update in tunnel endpoint map"),
    ),
    "M25": (
        w(
            "================================= WARNING ==========================================\n"
            "BPF filesystem is not mounted. This will lead to network disruption when Cilium pods\n"
            "are restarted. Ensure that the BPF filesystem is mounted in the host."
        ),
        w(
            "BPF filesystem is going to be mounted automatically in /run/cilium/bpffs. However, it"
            " probably means that Cilium is running inside container and BPFFS is not mounted on"
            " the host. for more information, see: https://cilium.link/err-bpf-mount"
        ),
    ),
    "K1": (
        w(
            "The requested hostPort 31000 is colliding with the configured NodePort range"
            " [30000, 32767]. Ignoring."
        ),
        w(
            "The requested hostPort is colliding with the configured NodePort range. Ignoring.",
            hostPort="31000",
            nodePortMin="30000",
        ),
    ),
    "K2": (
        w("The requested loopback address for hostIP (127.0.0.1) is not supported. Ignoring."),
        w(
            "The requested loopback address for hostIP (127.0.0.1) is not supported for kernels"
            " which don't provide netns cookies. Ignoring."
        ),
        w(
            "The requested loopback address for hostIP is not supported for kernels which don't"
            " provide netns cookies. Ignoring.",
            hostIP="127.0.0.1",
        ),
    ),
    "K3": (w("service with LoopbackHostPort not supported for port with non-loopback address"),),
    "K4": (
        f(
            "unable to initialize Kube proxy replacement options",
            "IPSec cannot be used with BPF NodePort.",
        ),
        f(
            "unable to initialize kube-proxy replacement options",
            "IPSec cannot be used with BPF NodePort",
        ),
        w("IPSec cannot be used with BPF NodePort. Disabling BPF NodePort feature."),
    ),
    "K5": (
        e("unable to initialize Kube proxy replacement options", "x"),
        f("unable to initialize kube-proxy replacement options", "x"),
    ),
    "K6": (
        w(
            "Session affinity for host reachable services needs kernel 5.7.0 or newer to work"
            " properly when accessed from inside cluster"
        ),
    ),
    "K7": (
        w(
            "Without network namespace cookie lookup functionality, BPF datapath cannot distinguish"
            " root and non-root namespace, skipping socket-level loadbalancing will not work."
        ),
    ),
    "K8": (
        w("bpf-lb-sock-hostns-only only takes effect when bpf-lb-sock is true"),
        w("bpf-lb-sock-hostns-only only takes effect when enable-host-reachable-services is true"),
    ),
    "K9": (
        w("BPF host reachable services for TCP needs kernel 4.17.0 or newer."),
        f("x", "BPF host-reachable services for UDP needs kernel 4.19.57, 5.1.16: bad"),
    ),
    "K10": (
        w("BPF NodePort services needs kernel 4.17.0 or newer. Disabling BPF NodePort."),
        e("x", "BPF NodePort services needs kernel 4.17.0 or newer"),
    ),
    "K11": (
        w("CONFIG_CGROUP_BPF optional kernel parameter is not in kernel (needed for: socket LB)"),
        w("A, B optional kernel parameters are not in kernel (needed for: IPsec)"),
        w("optional kernel parameters are not in kernel (needed for: IPsec)"),
    ),
    "K12": (
        i(
            "Kernel config file not found: if the agent fails to start, check the system"
            " requirements at https://docs.cilium.io"
        ),
        w("BPF system config check: NOT OK.", "Kernel Config file not found"),
    ),
    "K13": (w("NodePort BPF configured without bind(2) protection against service ports"),),
    "K14": (
        w(
            "DSR might not work for requests sent to other than eth0 device. Run 'sysctl -w"
            " net.ipv4.conf.eth1.rp_filter=2' (or set to '0') on the host"
        ),
    ),
    "K15": (
        f('Node Port "dsr" mode cannot be used with vxlan tunneling.'),
        w('Disabling NodePort\'s "hybrid" mode feature due to tunneling mode being enabled'),
    ),
    "K16": (
        w('Deprecated value for --kube-proxy-replacement: strict (use either "true", or "false")'),
    ),
    "K17": (
        w(
            "With bpf-lb-acceleration: native and enable-wireguard, encrypt-node enabled, N/S"
            " Loadbalancer traffic won't be encrypted when an intermediate node redirects"
        ),
    ),
    "K18": (
        e("x", "attaching XDP program to interface eth0: operation not supported"),
        f("Failed to compile XDP program", "x"),
        e("x", "XDP config failed validation: XDP must be disabled because of x"),
    ),
    "K19": (f("failed to compile bpf_sock.c", "x"),),
    "K20": (f("NodePort enabled but direct routing device's IPv4 address not found"),),
    "K21": (
        w("Failed to initialize datapath, retrying later", "x"),
        w("Failed to construct local node configuration", "x"),
    ),
    "K22": (
        e(
            "ListenAndServe failed for service health server, since the user might be running with"
            " kube-proxy. Please ensure that kube-proxy is removed"
        ),
    ),
    "K23": (
        f("kernel version: NOT OK: minimal supported kernel version is 4.9.17; kernel is 4.4.0"),
    ),
    "K24": (f("x", "Require support for bpf_get_netns_cookie() (Linux 5.7.0 or newer)"),),
    "K25": (
        i("BPF host routing requires kernel 5.10 or newer. Falling back to legacy host routing"),
        i("BPF host routing is incompatible with enable-ipsec. Falling back to legacy"),
    ),
    "K26": (
        i(
            "BPF load-balancer health check datapath needs kernel 5.12.0 or newer. Disabling BPF"
            " load-balancer health check datapath."
        ),
        e("pcap recorder --enable-recorder datapath needs kernel 5.8.0 or newer"),
    ),
    "K27": (
        w(
            "BPF masquerade requires remote node identities"
            ' (--enable-remote-node-identity="true"). Falling back to iptables-based masquerading.'
        ),
    ),
    "K28": (
        f(
            "NodePort port range (30000-32767) must not clash with ephemeral port range"
            " (30000-60999)."
        ),
    ),
    "K29": (
        i(
            'Auto-disabling "enable-node-port", "enable-external-ips" features and falling back to'
            ' "enable-host-legacy-routing"'
        ),
    ),
    "S1": (
        e(
            "Forcefully terminating sockets connected to deleted service backends not supported by"
            " underlying kernel: see kube-proxy free guide for the required kernel configurations"
        ),
        e(
            "error while forcefully terminating sockets",
            "CONFIG_INET_DIAG_DESTROY must be set to support this",
        ),
    ),
    "S2": (
        e(
            "error while forcefully terminating sockets connected todeleted service backend."
            " Consider restarting any application pods sending trafficto the backend",
            "x",
        ),
        e("Error while forcefully terminating sockets connected to deleted service backend"),
        e("error while forcefully terminating sockets in netns connected to deleted"),
    ),
    "S3": (
        i(
            "bpf_sock_destroy is not supported on the current kernel. Falling back to netlink-based"
            " socket destroyer"
        ),
    ),
    "S4": (e("Unexpected error while probing kernel socket termination support.", "x"),),
    "S5": (i("Creating BPF socket destroyer"),),
    "I1": (e("Failed to load IPsec keyfile", "x"),),
    "I2": (e("Failed to set IPsec SPI", "x"),),
    "I3": (
        e(
            "Failed to load IPsec keyfile",
            "invalid SPI: changing IPSec keys requires incrementing the key id",
        ),
    ),
    "I4": (
        e(
            "Failed to load IPsec keyfile",
            "encryption key space exhausted. ID must be nonzero and less than 16.",
        ),
        e("Failed to load IPsec keyfile", "zero is not a valid key ID"),
    ),
    "I5": (
        e("Failed to add XFRM state due to conflicting state", "x"),
        e("Failed to re-add old XFRM state", "x"),
    ),
    "I6": (
        e("Failed to clean up old XFRM state", "x"),
        w("Failed to delete XFRM policy", "x"),
    ),
    "I7": (
        e("IPsec enable failed", "x"),
        e("Unable to replace the IPSec route OUT the host routing table", "x"),
    ),
    "I8": (
        f(
            "IPSec with tunneling requires support for xfrm state output masks (Linux 4.19 or"
            " later)."
        ),
    ),
    "E1": (w("Regeneration of endpoint failed", "Failed to load prog with tc: exit status 1"),),
    "E2": (
        e("endpoint regeneration failed", "Failed to load prog with tc: exit status 1"),
        e("Error while reloading endpoint BPF program", "x"),
    ),
    "E3": (e("Reverting endpoint regeneration changes failed", "x"),),
    "E4": (w("generating BPF for endpoint failed, keeping stale directory."),),
    "E5": (
        w(
            "Detected unexpected endpoint BPF program removal. Consider investigating whether other"
            " software running on this machine is removing Cilium's endpoint BPF programs."
        ),
    ),
    "E6": (
        w("JoinEP: Failed to compile", "x"),
        w("BPF template compilation unsuccessful", "x"),
    ),
    "D1": (
        w("Key allocation attempt failed", "x", attempt="3"),
        w("Key allocation attempt failed", "no more available IDs in configured space"),
    ),
    "D2": (
        w(
            "Key allocation attempt failed",
            "timed out waiting for cilium-operator to allocate CiliumIdentity for key x",
        ),
    ),
    "D3": (
        w(
            "Local identity allocator full; claiming first withheld identity. This may cause"
            " momentary policy drops"
        ),
    ),
    "D4": (w("Error changing endpoint identity", "x"),),
    "N1": (e("x", "unable to determine next hop address for any neighbor discovery link"),),
    "N2": (
        w("Unable to migrate non-GC'ed neighbor entries previously installed by cilium-agent"),
        w("Unable to remove non-GC'ed neighbor entries previously installed by cilium-agent"),
        w("Unable to store neighbor discovery iface."),
    ),
    "N3": (w("Node update failed during datapath node validation", "x"),),
    "G1": (
        w("Mismatch found", key="bpf-lb-map-max", actual="1024", expectedValue="64"),
        w("No local entry found", key="bpf-lb-map-max", expectedValue="64"),
    ),
    "H1": (w("No response from probe within 15 seconds"),),
    "H2": (e("KVStore state not OK", status="Err: quorum check failed 8 times in a row"),),
    "P133": (i("xx drop (Policy denied) flow 0x0 to endpoint 380"),),
    "P137": (i("drop (CT: Unknown L4 protocol) flow 0x0"), i("drop (Unknown L4 protocol)")),
    "P155": (w("CT: Map insertion failed"), i("xx drop (CT: Map insertion failed) flow 0x1")),
    "P158": (i("drop (Service backend not found)"),),
    "P167": (i("drop (No mapping for NAT masquerade)"),),
    "P168": (i("drop (Unsupported protocol for NAT masquerade)"),),
    "P169": (i("drop (FIB lookup failed)"),),
    "P190": (i("drop (No conntrack map found)"), i("drop (No nat map found)")),
    "P2": (i("drop (Stale or unroutable IP)"),),
}
