"""Ask all agents the cheap probes once, in one of two ways, and print the figures as JSON.

`python -m tests.bench.sweeper ours|bare KUBECONFIG`: ciltop's own sweep, parsing included; or
aiohttp's WebSockets with nothing around them, which read the same bytes and throw them away.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from urllib.parse import quote_plus

from yarl import URL

from tui.cilium.probes import exec_argv, new_nonce
from tui.cluster.access import ConnectionSettings, load_access
from tui.cluster.connection import connect
from tui.cluster.session import Session
from tui.collect.one_sweep import OneSweep, list_targets
from tui.collect.roster import Target

AT_ONCE = 20
SWEEPS = 5
PROBES = ("status", "maps", "metrics")


async def ours(session: Session, targets: Sequence[Target]) -> list[tuple[float, float]]:
    """Sweep as ciltop does; return wall and CPU seconds of each sweep."""
    sweep = OneSweep(session, targets, AT_ONCE)
    taken = []
    for _ in range(SWEEPS):
        figures = await sweep.run()
        if figures.failures:
            raise RuntimeError(f"{figures.failures} of {len(targets)} execs failed")
        taken.append((figures.seconds, figures.cpu_seconds))
    return taken


async def bare(kubeconfig: str, targets: Sequence[Target]) -> list[tuple[float, float]]:
    """Read the same answers with aiohttp alone."""
    import aiohttp

    access = await load_access(ConnectionSettings(kubeconfig=kubeconfig))
    command = "&".join(
        f"command={quote_plus(word)}" for word in exec_argv(new_nonce(), list(PROBES))
    )
    query = f"{command}&container=cilium-agent&stdout=true&stderr=true"
    pods = [target.agent.name for target in targets if target.agent is not None]
    taken = []
    async with aiohttp.ClientSession(headers=dict(access.headers)) as client:

        async def read(names: Sequence[str]) -> None:
            for name in names:
                url = f"{access.server}/api/v1/namespaces/kube-system/pods/{name}/exec?{query}"
                async with client.ws_connect(
                    URL(url, encoded=True),
                    protocols=("v5.channel.k8s.io",),
                    ssl=access.tls,
                    max_msg_size=0,
                ) as stream:
                    async for _ in stream:
                        pass

        for _ in range(SWEEPS):
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(read(pods[start::AT_ONCE]) for start in range(AT_ONCE)))
            taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return taken


async def main() -> None:
    """Sweep in the way that was asked for."""
    way, kubeconfig = sys.argv[1:]
    session = await connect(ConnectionSettings(kubeconfig=kubeconfig))
    try:
        targets = await list_targets(session)
        taken = await (ours(session, targets) if way == "ours" else bare(kubeconfig, targets))
    finally:
        await session.close()
    taken.sort(key=lambda pair: pair[1])
    wall, cpu = taken[len(taken) // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "nodes": len(targets)}))


if __name__ == "__main__":
    asyncio.run(main())
