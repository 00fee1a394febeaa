"""Wire a dashboard over a broker: what receives, what may act, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui.config import Config
from tui.errors import BrokerError, KubeconfigError

if TYPE_CHECKING:
    from tui.bus.link.address import BrokerAddress
    from tui.cluster.session import Session
    from tui.collect.acting import Acting, Ground, OpenActing
    from tui.collect.live import LiveSource
    from tui.collect.thread import CollectorThread
    from tui.model.operations import AuditRecord
    from tui.model.snapshot import Fact, Source
    from tui.responding.source import RespondingSource
    from tui.safety import CleanText
    from tui.store import Mailbox


@dataclass(frozen=True, slots=True)
class BrokerParts:
    """What a dashboard over a broker is made of."""

    config: Config
    """With the overrides of the kubeconfig's context, where there is one."""
    open_source: Callable[[], Source]
    open_acting: OpenActing


class KubeconfigSession:
    """A session with the context that the settings name."""

    def __init__(self, config: Config, context: str | None) -> None:
        self._config = config
        self._context = context

    @property
    def context(self) -> str:
        """The context's name, for sentences."""
        return self._context or "in-cluster"

    async def open(self) -> Session:
        """Open a session; no request is sent yet.

        Raises:
            ClusterError: there are no usable credentials.
        """
        import asyncio
        import importlib

        # Most of a second of CPU: not while facts come in on this loop.
        await asyncio.to_thread(importlib.import_module, "tui.cluster.connection")
        from tui.cluster.connection import ConnectionSettings, connect

        settings = ConnectionSettings(
            self._config.text("kubeconfig"), self._context, self._config.text("namespace")
        )
        return await connect(settings)

    async def namespace(self, session: Session) -> CleanText:
        """Return the namespace where Cilium runs.

        Raises:
            ClusterError: it is nowhere, or the cluster can't be asked.
        """
        from tui.cluster.discovery import find_cilium

        found = await find_cilium(
            session,
            namespace=self._config.text("namespace"),
            selector=self._config.text("selector") or "",
        )
        return found.namespace

    async def reader(self, namespace: str) -> LiveSource:
        """Return what reads nodes of this cluster itself, with a session of its own."""
        import asyncio
        import importlib

        await asyncio.to_thread(importlib.import_module, "tui.collect.live")
        from tui.cluster.access import ConnectionSettings
        from tui.collect.live import LiveSource
        from tui.collect.settings import CollectSettings

        async def connect(_: ConnectionSettings) -> Session:
            return await self.open()

        connection = ConnectionSettings(self._config.text("kubeconfig"), self._context, namespace)
        settings = CollectSettings(
            interval_seconds=self._config.number("interval"),
            max_execs=int(self._config.number("max-execs") or 1),
            selector=self._config.text("selector") or "",
            namespace=namespace,
            container=self._config.text("container") or "",
        )
        return LiveSource(connection, settings, connect=connect)


def run_broker(config: Config, notice: str = "") -> int:
    """Show what collectors tell a broker; act where the kubeconfig is of the same cluster.

    Args:
        config: names the broker.
        notice: said once the dashboard stands.

    Raises:
        ConfigError: the broker's settings don't go together.
        KubeconfigError: the kubeconfig that was named can't be used.
        BrokerError: the broker was never reached, or refused.
    """
    from tui.launch import feed_of, run_dashboard

    parts = broker_parts(config)
    return run_dashboard(
        parts.config,
        lambda: feed_of(parts.open_source, parts.open_acting),
        _exit_code,
        notice,
    )


def broker_parts(config: Config) -> BrokerParts:
    """Return what shows a broker's clusters; nothing is connected yet.

    Raises:
        ConfigError: the broker's settings don't go together.
        KubeconfigError: the kubeconfig or context that was named can't be used.
    """
    from tui.bus.link.address import broker_address

    address = broker_address(config)
    chosen, opens, no_acting = _kubeconfig(config)
    opened: list[RespondingSource] = []

    def open_source() -> Source:
        opened.append(responding_source(chosen, address, opens, no_acting))
        return opened[0]

    def open_acting(ground: Ground) -> Acting:
        return _open_acting(chosen, opened[0], ground)

    return BrokerParts(chosen, open_source, open_acting)


def _kubeconfig(config: Config) -> tuple[Config, KubeconfigSession | None, str]:
    """Return the settings, the way to a session, and why there is none."""
    from tui.launch import chosen_context

    try:
        context = chosen_context(config)
    except KubeconfigError as error:
        if config.text("kubeconfig") or config.text("context"):
            raise
        return config, None, error.message
    chosen = config.for_context(context)
    return chosen, KubeconfigSession(chosen, context), ""


def responding_source(
    config: Config, address: BrokerAddress, opens: KubeconfigSession | None, no_acting: str
) -> RespondingSource:
    """Return the source of such a dashboard, for the collector's thread."""
    from tui.bus.receiving.source import broker_source
    from tui.operations.journal import Who
    from tui.responding.source import RespondingSource
    from tui.safety import CleanText

    who = Who.here(CleanText(""), CleanText("")).host
    broker, responder = broker_source(address, config.text("cluster"), who=who)
    return RespondingSource(broker, responder, opens, no_acting)


def _open_acting(config: Config, source: RespondingSource, ground: Ground) -> Acting:
    """Open the operator; what it writes into the audit file is told to all, in the end."""
    from tui.launch import operator_opener
    from tui.model.snapshot import AuditWritten

    async def tell(fact: Fact) -> None:
        await ground.tell(source.placed(fact) if isinstance(fact, AuditWritten) else fact)

    def on_written(record: AuditRecord) -> None:
        source.publish(record)

    opener = operator_opener(config, on_written=on_written)
    return opener(replace(ground, tell=tell))


def _exit_code(collector: CollectorThread, mailbox: Mailbox) -> int:
    """Say what went wrong once the terminal is the shell's again.

    Raises:
        BrokerError: nothing ever came.
    """
    from tui.model.snapshot import SourceState

    if collector.error is not None:
        raise collector.error
    latest = mailbox.latest
    if not latest.is_complete and latest.health.state is SourceState.LOST:
        raise BrokerError(f"nothing was received: {latest.health.reason}")
    return 0
