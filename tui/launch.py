"""Wire the layers together: what each command starts, and the exit code it ends with."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tui.config import Config, state_folder
from tui.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from tui.cluster.arming import Arming
    from tui.collect.acting import Acting, Ground, OpenActing
    from tui.collect.live import Connect
    from tui.collect.thread import CollectorThread
    from tui.model.operations import AuditRecord
    from tui.model.snapshot import Source
    from tui.operations.timing import Timing
    from tui.safety import CleanText
    from tui.simulator.server import SimulatorServer
    from tui.store import Mailbox


def run_live(config: Config) -> int:
    """Show the cluster of the kubeconfig.

    Raises:
        KubeconfigError: there is none, it can't be read, or has no such context.
    """
    return run_on_kubeconfig(config.for_context(chosen_context(config)), config.text("kubeconfig"))


def chosen_context(config: Config) -> str | None:
    """Return the context's name, or None inside a pod; fails before a screen is drawn.

    Only YAML is read here: the Kubernetes client is imported after the first paint.
    """
    import asyncio

    from tui.cluster.access import ConnectionSettings, load_access
    from tui.cluster.kubeconfig import kubeconfig_paths, read_kubeconfig

    kubeconfig, context = config.text("kubeconfig"), config.text("context")
    merged = read_kubeconfig(kubeconfig_paths(kubeconfig))
    if merged is not None:
        return merged.choose(context).name
    if kubeconfig or context or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        asyncio.run(load_access(ConnectionSettings(kubeconfig, context)))
    return None


def run_on_kubeconfig(
    config: Config, kubeconfig: str | None, connect: Connect | None = None
) -> int:
    """Run the screens over a live source until they are left; return the exit code."""

    def open_feed() -> tuple[Mailbox, CollectorThread]:
        open_acting = operator_opener(config)
        return feed_of(lambda: live_source(config, kubeconfig, connect), open_acting)

    return run_dashboard(config, open_feed, _exit_code)


def run_dashboard(
    config: Config,
    open_feed: Callable[[], tuple[Mailbox, CollectorThread]],
    exit_code: Callable[[CollectorThread, Mailbox], int],
    notice: str = "",
) -> int:
    """Run the screens until they are left; return the exit code."""
    from tui.app import CiltopApp
    from tui.hangup import end_with_terminal
    from tui.screens.settings import AppSettings

    opened: list[tuple[Mailbox, CollectorThread]] = []

    def opened_feed() -> tuple[Mailbox, CollectorThread]:
        opened.append(open_feed())
        return opened[0]

    symbols = config.text("symbols")
    app = CiltopApp(
        opened_feed,
        AppSettings(
            is_read_only=config.flag("read-only"),
            screenshots=Path(config.text("screenshots") or "screenshots").expanduser(),
            theme=config.text("theme") or "textual-dark",
            is_ascii=None if symbols == "auto" else symbols == "ascii",
            notice=notice,
            state=state_folder(),
            is_cluster_named=bool(config.text("cluster")),
        ),
    )
    end_with_terminal()
    try:
        app.run()
    finally:
        for _, collector in opened:
            collector.stop()
    if app.return_code or not opened:
        return app.return_code or 0
    mailbox, collector = opened[0]
    return exit_code(collector, mailbox)


def feed_of(
    open_source: Callable[[], Source], open_acting: OpenActing
) -> tuple[Mailbox, CollectorThread]:
    """Return the box that snapshots are put into, and the thread that will fill it."""
    from tui.collect.thread import CollectorThread
    from tui.store import Mailbox, Store

    mailbox = Mailbox()
    return mailbox, CollectorThread(open_source, Store(), mailbox, open_acting=open_acting)


def operating_feed(config: Config, *, is_confirmed: bool) -> tuple[Mailbox, CollectorThread]:
    """Return the box and the thread of a command that may write, where `--yes` confirmed it."""
    return feed_of(
        lambda: live_source(config, config.text("kubeconfig")),
        operator_opener(config, is_confirmed=is_confirmed),
    )


def operator_opener(
    config: Config,
    *,
    is_confirmed: bool | None = None,
    timing: Timing | None = None,
    on_written: Callable[[AuditRecord], None] = lambda _: None,
) -> OpenActing:
    """Return what opens the operator on a session, on the collector's loop.

    Args:
        config: of the chosen context; `read-only` there can't be armed.
        is_confirmed: for a command: whether `--yes` was given; None where a person arms.
        timing: how long everything may take; None for what is right on a real cluster.
        on_written: is told of every record that this session writes into the audit file.
    """

    def open_acting(ground: Ground) -> Acting:
        from tui.collect.clock import SystemClock
        from tui.operations.journal import Journal, Who
        from tui.operations.operator import Operator
        from tui.operations.planning import cluster_planner
        from tui.operations.undo import UndoFolder

        session, clock, folder = ground.session, SystemClock(), state_folder()
        arming = _arming_of(config, session.context, clock.time, is_confirmed)
        gate = session.gate(arming)
        undo = UndoFolder(folder / "undo")
        who = Who.here(session.context, session.user)
        return Operator(
            session,
            gate,
            ground.look,
            ground.tell,
            journal=Journal(folder / "audit.jsonl", clock.time, who, on_written=on_written),
            clock=clock,
            revisit=ground.revisit,
            folder=undo,
            planner=cluster_planner(session, gate, undo, clock.time),
            timing=timing,
        )

    return open_acting


def _arming_of(
    config: Config, context: CleanText, clock: Callable[[], float], is_confirmed: bool | None
) -> Arming:
    """Return the switch before every write; a command is armed by `--yes`, a person by typing."""
    from tui.cluster.arming import Arming

    reason = f"read-only, set by {config.chosen['read-only'].origin}"
    is_read_only = config.flag("read-only")
    if is_confirmed is None:
        return Arming(is_read_only, reason, context, clock)
    return Arming.headless(
        is_confirmed, is_read_only=is_read_only, reason=reason, context=context, clock=clock
    )


def live_source(
    config: Config,
    kubeconfig: str | None,
    connect: Connect | None = None,
    *,
    only_nodes: frozenset[str] = frozenset(),
    is_once: bool = False,
) -> Source:
    """Open the source; for a screen on the collector's thread, after the first paint."""
    from tui.cluster.access import ConnectionSettings
    from tui.collect.live import LiveSource, connect_session
    from tui.collect.settings import CollectSettings

    connection = ConnectionSettings(
        kubeconfig=kubeconfig,
        # A simulated cluster's kubeconfig has one context, which the user did not name.
        context=config.text("context") if connect is None else None,
        namespace=config.text("namespace"),
    )
    settings = CollectSettings(
        interval_seconds=config.number("interval"),
        max_execs=int(config.number("max-execs") or 1),
        selector=config.text("selector") or "",
        namespace=config.text("namespace"),
        container=config.text("container") or "",
        only_nodes=only_nodes,
        is_once=is_once,
    )
    return LiveSource(connection, settings, connect=connect or connect_session)


def _exit_code(collector: CollectorThread, mailbox: Mailbox) -> int:
    """Say what went wrong once the terminal is the shell's again."""
    if collector.error is not None:
        raise collector.error
    latest = mailbox.latest
    reasons = [latest.health.reason, *(gap.reason for gap in latest.gaps.values())]
    reason = next((reason for reason in reasons if reason), None)
    if not latest.is_complete and reason is not None:
        raise ConnectError(f"the cluster was not read: {reason}")
    return 0


def run_simulator(arguments: argparse.Namespace) -> int:
    """Serve the simulated cluster until it is told to stop.

    Raises:
        ConfigError: the port is taken, or the kubeconfig can't be written.
    """
    import asyncio

    from tui.simulator.fleet import SCENARIOS, Fleet
    from tui.simulator.server import SimulatorOptions, SimulatorServer
    from tui.simulator.server import run_simulator as serve

    scenario = SCENARIOS[arguments.scenario]
    fleet = Fleet(scenario, arguments.nodes or scenario.node_count, arguments.seed)
    options = SimulatorOptions(context=scenario.context)
    server = SimulatorServer(fleet, port=arguments.port, options=options)

    async def served() -> None:
        stop = asyncio.Event()
        if arguments.exit_with_stdin:
            watch_stdin(stop)
        await serve(server, lambda ready: _announce(ready, arguments.write_kubeconfig), stop)

    def watch_stdin(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, lambda: None if os.read(0, 4096) else stop.set())

    try:
        asyncio.run(served())
    except OSError as error:
        raise ConfigError(f"--port {arguments.port}: can't listen: {error.strerror}") from error
    return 0


def _announce(server: SimulatorServer, path: str | None) -> None:
    """Write the kubeconfig and say how to use it."""
    if path is None:
        sys.stdout.write(server.kubeconfig())
        sys.stdout.flush()
        return
    write_private(Path(path), server.kubeconfig())
    sys.stdout.write(
        f"simulated cluster at {server.url}\n"
        f"  kubectl --kubeconfig {path} get nodes\n"
        f"  ciltop --kubeconfig {path}\n"
    )
    sys.stdout.flush()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        ConfigError: the folder is missing or can't be written.
    """
    import tempfile

    try:
        # mkstemp makes the file 0600 and follows no link that somebody else put there.
        descriptor, partial = tempfile.mkstemp(dir=path.absolute().parent, prefix=".ciltop-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from error
