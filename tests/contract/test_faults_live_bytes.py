"""Whatever bytes an exec brings, the sweep goes on and each section has a value or a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.collect_clock import settle
from tests.unit.collect_fakes import Rig, real_answer
from tui.cilium.frames import Frame, encode_frames
from tui.cilium.probes import PROBES, parse_argv
from tui.cluster.exec import ExecResult
from tui.collect.unanswered import SECTIONS
from tui.errors import DeadlineError, ExecError
from tui.model.reading import Reading
from tui.model.snapshot import NodeReport
from tui.store import Store

NAMES = sorted(PROBES)
HOSTILE = (
    b"",
    b"{}",
    b"null",
    b"[]",
    b"[null]",
    b"{" * 1_500,
    b'{"a":' * 1_500,
    b"[" * 1_500,
    b"<html><title>502</title></html>",
    b"Usage:\n  cilium status [flags]\n",
    b"# cilium_lb4_services_v2\n",
    b"# cilium_lb4_backends_v2\nzz yy\n",
    b"# \xff\n00 00\n",
    b"NaN\n",
    b"1e999",
    b"\x00" * 64,
    "\u202e\U000e0001\ufdd0".encode(),
)


def answers() -> st.SearchStrategy[bytes]:
    real = [real_answer(name).stdout for name in ("status", "version", "config", "metrics", "maps")]

    def cut(text: bytes, share: float, junk: bytes) -> bytes:
        at = int(len(text) * share)
        return text[:at] + junk + text[at + len(junk) :]

    mutated = st.builds(
        cut, st.sampled_from(real), st.floats(0, 1), st.binary(max_size=8) | st.just(b"null")
    )
    return st.one_of(st.sampled_from(HOSTILE), st.sampled_from(real), mutated, st.binary())


def frames() -> st.SearchStrategy[list[Frame]]:
    frame = st.builds(
        Frame,
        st.sampled_from([*NAMES, "status", "maps", "count=cilium_ct4_global", "never-asked"]),
        st.sampled_from([0, 0, 0, 1, 64, 66, 69, 124, 127, 255, None]),
        st.just(0.1),
        answers(),
        st.sampled_from([b"", b"sh: not found\n", b"\xff\x1b]0;x\x07"]),
        st.booleans(),
    )
    return st.lists(frame, max_size=12)


@dataclass
class HostileExecs:
    """Answers each exec in turn with frames, cut off somewhere, or with bytes without frames."""

    turns: Sequence[tuple[list[Frame], float, bytes]]
    breaks: type[DeadlineError | ExecError] | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        deadline_seconds: float,
        stdout_limit: int = 0,
    ) -> ExecResult:
        parsed = parse_argv(argv)
        assert parsed is not None
        nonce, probes = parsed
        answer, share, junk = self.turns[len(self.calls) % len(self.turns)]
        self.calls.append(tuple(probes))
        await asyncio.sleep(0)
        stdout, stderr = encode_frames(nonce, answer)
        stdout = stdout[: int(len(stdout) * share)] + junk
        if self.breaks is not None:
            error = self.breaks("it broke off")
            error.stdout, error.stderr = stdout, stderr
            raise error
        return ExecResult(0, stdout, stderr, False, 0.1)


async def swept(execs: HostileExecs) -> tuple[list[NodeReport], bool]:
    """Sweep one node for a minute; return its reports and whether the sweep still runs."""
    rig = Rig()
    rig.sweeper._execs = execs
    store = Store()
    await rig.note_all()
    task = asyncio.create_task(rig.sweeper.run())
    await settle(40)
    for _ in range(4):
        await rig.clock.advance(20.0)
        rig.sweeper.refresh()
        await settle(40)
    is_running = not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reports = rig.reports()
    for report in reports:
        store.apply(report)
    store.snapshot(rig.clock.time())
    return reports, is_running


def unexplained(report: NodeReport, asked: tuple[str, ...]) -> list[str]:
    """Return the sections that were asked for and have neither a value nor a reason."""
    names = {SECTIONS[probe] for probe in asked if probe in SECTIONS}
    given: dict[str, Reading[object] | None] = {name: getattr(report, name) for name in names}
    return [
        name
        for name, reading in given.items()
        if reading is None or not (reading.is_known or reading.reason)
    ]


TURNS = st.lists(
    st.tuples(frames(), st.sampled_from([1.0, 1.0, 0.5, 0.99]), st.binary(max_size=20)),
    min_size=1,
    max_size=3,
)


@given(turns=TURNS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_an_exec_brings_each_section_has_a_value_or_a_reason(
    turns: list[tuple[list[Frame], float, bytes]],
) -> None:
    execs = HostileExecs(turns)
    reports, is_running = asyncio.run(swept(execs))
    assert is_running
    assert len(reports) == len(execs.calls) >= 2
    for report, asked in zip(reports, execs.calls, strict=True):
        assert unexplained(report, asked) == []
        assert report.error or report.answered_at is not None


@given(turns=TURNS, breaks=st.sampled_from([DeadlineError, ExecError]))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_what_came_before_an_exec_broke_off_is_used(
    turns: list[tuple[list[Frame], float, bytes]], breaks: type[DeadlineError | ExecError]
) -> None:
    execs = HostileExecs(turns, breaks)
    reports, is_running = asyncio.run(swept(execs))
    assert is_running
    assert len(reports) == len(execs.calls) >= 2
    for report, asked in zip(reports, execs.calls, strict=True):
        assert unexplained(report, asked) == []


@pytest.mark.parametrize("bad", HOSTILE)
async def test_the_same_nonsense_for_every_probe_is_explained(bad: bytes) -> None:
    answer = [Frame(name, 0, 0.1, bad, b"", False) for name in NAMES]
    execs = HostileExecs([(answer, 1.0, b"")])
    reports, is_running = await swept(execs)
    assert is_running
    for report, asked in zip(reports, execs.calls, strict=True):
        assert unexplained(report, asked) == []
        for name in ("status", "version", "metrics", "config"):
            reading = getattr(report, name)
            assert reading is None or not reading.is_known or bad.startswith((b"{}", b"null", b"["))
