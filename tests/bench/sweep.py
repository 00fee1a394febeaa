"""A sweep of 500 simulated nodes against `kubectl exec` under xargs, and against bare aiohttp."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Figures, heading, ratio, row, run, say
from tests.bench.sweeper import PROBES
from tui.cilium.probes import exec_argv, new_nonce

NODES = 500
AT_ONCE = 20
PAIRS = 3


def measure() -> None:
    """Print the plain and the TLS table."""
    heading(
        f"sweep of {NODES} nodes, {AT_ONCE} at once, plain HTTP",
        ">= 10 x faster and >= 50 x less CPU than kubectl exec, <= 1.5 x bare aiohttp's CPU",
    )
    _measure(is_tls=False)
    heading(f"sweep of {NODES} nodes, {AT_ONCE} at once, TLS", ">= 15 x less CPU than kubectl exec")
    _measure(is_tls=True)


def _measure(*, is_tls: bool) -> None:
    with simulated(is_tls=is_tls) as kubeconfig:
        pairs = [(_sweeper("ours", kubeconfig), _sweeper("bare", kubeconfig)) for _ in range(PAIRS)]
        pairs.sort(key=lambda pair: pair[0].cpu_seconds / pair[1].cpu_seconds)
        ours, bare = pairs[len(pairs) // 2]
        row("ciltop's sweep, parsed", ours, f"{ours.cpu_seconds / NODES * 1e3:.2f} ms CPU a node")
        row("bare aiohttp, not parsed", bare)
        if not is_tls:
            against_bare = ours.cpu_seconds / bare.cpu_seconds
            ratio("CPU, ours / bare aiohttp", against_bare, "<= 1.5", against_bare <= 1.5)
        if shutil.which("kubectl") is None:
            say("  kubectl is not installed: not compared")
            return
        kubectl = _kubectl(kubeconfig)
        row(f"kubectl exec, xargs -P {AT_ONCE}", kubectl)
        less = kubectl.cpu_seconds / ours.cpu_seconds
        least = 15 if is_tls else 50
        ratio("CPU, kubectl / ours", less, f">= {least}", less >= least)
        faster = kubectl.wall_seconds / ours.wall_seconds
        ratio("wall, kubectl / ours", faster, ">= 10", faster >= 10)


@contextmanager
def simulated(*, is_tls: bool) -> Iterator[Path]:
    """Run a simulated cluster and yield its kubeconfig."""
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        arguments = ["--nodes", str(NODES), "--write-kubeconfig", str(kubeconfig)]
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.server", *arguments),
                *(["--tls"] if is_tls else []),
            ],
            stdin=subprocess.PIPE,
        )
        try:
            deadline = time.monotonic() + 30
            while not kubeconfig.exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the simulated cluster did not start")
                time.sleep(0.05)
            yield kubeconfig
        finally:
            server.communicate()


def _sweeper(way: str, kubeconfig: Path) -> Figures:
    figures = run([sys.executable, "-m", "tests.bench.sweeper", way, str(kubeconfig)])
    if figures.exit_code:
        raise RuntimeError(f"the sweep ({way}) ended with {figures.exit_code}")
    said = json.loads(figures.output)
    return Figures(said["wall"], said["cpu"], said["peak"])


def _kubectl(kubeconfig: Path) -> Figures:
    """Ask each agent the same with one kubectl each."""
    base = ["kubectl", "--kubeconfig", str(kubeconfig), "-n", "kube-system"]
    listed = subprocess.run(
        [*base, "get", "pods", "-l", "k8s-app=cilium", "-o", "name"],
        capture_output=True,
        check=True,
    )
    command = ["-c", "cilium-agent", "--", *exec_argv(new_nonce(), list(PROBES))]
    return run(
        [
            *("xargs", "-P", str(AT_ONCE), "-I", "{}"),
            *(*base, "exec", "{}", *command),
        ],
        stdin=listed.stdout,
        is_quiet=True,
    )
