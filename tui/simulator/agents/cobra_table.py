"""The commands and flags of the CLI, as data."""

from __future__ import annotations

from tui.simulator.agents.cobra_types import Command, Flag

OUTPUT = Flag("output", "@output", "o", "string")
HELP = Flag("help", "@help", "h")
_LIST = "list, ls"

COMMANDS: tuple[Command, ...] = (
    Command(
        ("status",),
        "Display status of daemon",
        (
            Flag("all-addresses", "Show all allocated addresses, not just count"),
            Flag("all-clusters", "Show all clusters"),
            Flag("all-controllers", "Show all controllers, not just failing"),
            Flag("all-health", "Show all health status, not just failing"),
            Flag("all-nodes", "Show all nodes, not just localhost"),
            Flag("all-redirects", "Show all redirects"),
            Flag("brief", "Only print a one-line status message"),
            OUTPUT,
            Flag(
                "require-k8s-connectivity",
                "If true, when the cilium-agent cannot access the Kubernetes control plane,"
                " this status command returns a non-zero exit status. (default true)",
                since=17,
            ),
            Flag(
                "timeout",
                "Sets the timeout to use when querying for health (default 30s)",
                value="duration",
            ),
            Flag(
                "verbose",
                "Equivalent to --all-addresses --all-controllers --all-nodes --all-redirects"
                " --all-clusters --all-health",
            ),
        ),
    ),
    Command(("version",), "Print version information", (OUTPUT,)),
    Command(
        ("metrics", "list"),
        "List all metrics",
        (
            Flag(
                "match-pattern",
                "Show only metrics whose names match matchpattern",
                "p",
                "string",
            ),
            OUTPUT,
            Flag(
                "shell-sock-path",
                'Path to the shell UNIX socket (default "/var/run/cilium/shell.sock")',
                value="string",
                since=19,
            ),
        ),
    ),
    Command(
        ("map", "list"),
        "List all open BPF maps",
        (OUTPUT, Flag("verbose", "Print cache contents of all maps")),
        example="cilium map list",
    ),
    Command(
        ("map", "get"),
        "Display cached content of given BPF map",
        (OUTPUT,),
        "<name>",
        example="cilium map get cilium_ipcache",
    ),
    Command(
        ("bpf", "lb", "list"),
        "List load-balancing configuration",
        (
            Flag("backends", "List all service backend entries", since=12),
            Flag("frontends", "List all service frontend entries", since=12),
            OUTPUT,
            Flag("revnat", "List reverse NAT entries"),
            Flag("source-ranges", "List all source range entries", since=13),
        ),
        alias=_LIST,
    ),
    Command(
        ("bpf", "ct", "list"),
        "List connection tracking entries",
        (
            OUTPUT,
            Flag("time-diff", "print time difference for entries", "d"),
            Flag(
                "time-diff-clocksource-hz",
                "manually set clock source Hz (default 250)",
                value="int",
            ),
            Flag(
                "time-diff-clocksource-mode",
                "manually set clock source mode (instead of contacting the server)",
                value="string",
            ),
        ),
        "( global | endpoint | cluster ) [identifier]",
        alias=_LIST,
    ),
    Command(("service", "list"), "List services", (OUTPUT,), alias=_LIST),
    Command(
        ("config",),
        "Cilium configuration options",
        (
            Flag("all", "Display all cilium configurations", "a"),
            Flag("list-options", "List available options"),
            Flag(
                "num-pages",
                "Number of pages for perf ring buffer. New values have to be > 0",
                "n",
                "int",
            ),
            OUTPUT,
            Flag("read-only", "Display read only configurations", "r"),
        ),
        "[<option>=(enable|disable) ...]",
    ),
    Command(("config", "get"), "Retrieve cilium configuration", (OUTPUT,), "<config name>"),
    Command(
        ("endpoint", "list"),
        "List all endpoints",
        (Flag("no-headers", "Do not print headers"), OUTPUT),
        alias=_LIST,
    ),
    Command(("node", "list"), "List nodes", (OUTPUT,), alias=_LIST),
    Command(("encrypt", "status"), "Display the current encryption state", (OUTPUT,)),
)
