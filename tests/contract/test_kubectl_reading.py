from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.contract.fake_fleet import FakeFleet
from tests.contract.kubectl_runner import running_kubectl

pytestmark = pytest.mark.kubectl

POD = "cilium-ftrpt"


async def test_get_prints_the_columns_of_a_real_cluster(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        out = await kubectl.ok("get", "nodes,pods,ds", "-o", "wide")
        nodes, pods, daemon_sets = out.split("\n\n")
        assert nodes.splitlines()[0].split() == [
            "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE",
            "KERNEL-VERSION", "CONTAINER-RUNTIME",
        ]  # fmt: skip
        assert nodes.splitlines()[1].split()[:3] == ["node/node1", "Ready", "<none>"]
        assert pods.splitlines()[1].split()[1:4] == ["1/1", "Running", "0"]
        assert "10.77.0.11" in pods
        assert daemon_sets.splitlines()[1].split()[1:6] == ["3"] * 5
        events = await kubectl.ok("get", "events,endpointslices,ciliumnodes", "-A")
        assert "Successfully assigned kube-system/" in events
        assert "+ 1 more..." in events
        assert (
            json.loads(await kubectl.ok("version", "-o", "json"))["serverVersion"]["minor"] == "31"
        )


async def test_watch_shows_a_change(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        watch = await kubectl.start("get", "cm", "-w", "--output-watch-events")
        assert watch.stdout is not None
        try:
            async with asyncio.timeout(20):
                lines = [await watch.stdout.readline(), await watch.stdout.readline()]
                await kubectl.ok("create", "cm", "second", "--from-literal", "a=b")
                lines.append(await watch.stdout.readline())
        finally:
            watch.kill()
            await watch.communicate()
        words = [line.decode().split()[:3] for line in lines]
        assert words[1] == ["ADDED", "cilium-config", "29"]
        assert words[2] == ["ADDED", "second", "1"]


async def test_exec_passes_exit_code_streams_and_stdin(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        outcome = await kubectl("exec", POD, "--", "exit", "3")
        assert (outcome.code, outcome.out) == (3, "out\n")
        assert outcome.err.startswith("err\n")
        assert await kubectl.ok("exec", "-i", POD, "--", "cat", stdin=b"h\xc3\xbc") == "hü"
        big = await kubectl.ok("exec", POD, "--", "print", "300000")
        assert big == "ü" * 300_000
        wrong = await kubectl("exec", POD, "-c", "nope", "--", "true")
        assert wrong.code == 1
        assert "container nope is not valid for pod cilium-ftrpt" in wrong.err
        assert '"nope" not found' in (await kubectl("exec", "nope", "--", "true")).err


async def test_logs_follow_since_and_previous(tmp_path: Path) -> None:
    fleet = FakeFleet()
    async with running_kubectl(tmp_path, fleet) as kubectl:
        assert await kubectl.ok("logs", POD, "--tail", "1") == "level=info msg=line4\n"
        fleet.logs[POD, False][-1:] = []
        fleet.add_log(POD, 1)
        old = fleet.logs[POD, False]
        for index, line in enumerate(old[:-1]):
            old[index] = type(line)(line.time - 3_600, line.text)
        stamped = await kubectl.ok("logs", POD, "--since", "10m", "--timestamps")
        assert len(stamped.splitlines()) == 1
        assert stamped.split()[0].endswith("Z")
        missing = await kubectl("logs", POD, "--previous")
        assert (
            f'previous terminated container "cilium-agent" in pod "{POD}" not found' in missing.err
        )
        fleet.add_log(POD, 2, is_previous=True)
        assert len((await kubectl.ok("logs", POD, "--previous")).splitlines()) == 2

        follow = await kubectl.start("logs", "-f", POD, "--tail", "1")
        assert follow.stdout is not None
        try:
            async with asyncio.timeout(20):
                assert await follow.stdout.readline()
                fleet.add_log(POD, 1)
                assert b"line5" in await follow.stdout.readline()
                await kubectl.ok("delete", "pod", POD, "--wait=false")
                assert await follow.stdout.read() == b""
                assert await follow.wait() == 0
        finally:
            if follow.returncode is None:
                follow.kill()
            await follow.communicate()


async def test_describe_and_access_reviews(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        assert "cilium-ftrpt" in await kubectl.ok("describe", "node", "node1")
        assert "QoS Class" in await kubectl.ok("describe", "pod", POD)
        assert await kubectl.ok("auth", "can-i", "create", "pods", "--subresource=exec") == "yes\n"
        assert "kubernetes-admin" in await kubectl.ok("auth", "whoami")
        kubectl.server.permissions.deny("create", "pods/exec")
        kubectl.server.permissions.deny("list", "nodes")
        assert (
            await kubectl("auth", "can-i", "create", "pods", "--subresource=exec")
        ).out == "no\n"
        assert "*.*" not in await kubectl.ok("auth", "can-i", "--list")
        denied = await kubectl("get", "nodes")
        assert denied.err == (
            'Error from server (Forbidden): nodes is forbidden: User "kubernetes-admin" cannot '
            'list resource "nodes" in API group "" at the cluster scope\n'
        )


async def test_tls_with_a_token(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path, tls=True) as kubectl:
        assert "node1" in await kubectl.ok("get", "nodes")
        assert await kubectl.ok("exec", POD, "--", "echo", "hi") == "echo hi\n"
