"""What the `neighbors` probe prints: the host's devices and the neighbors the agent put there."""

from __future__ import annotations

import ipaddress
import re

from tui.cilium.output import describe_garbage
from tui.errors import ParseError
from tui.model.host import Neighbors, NetDevice
from tui.safety import CleanText, clean

_NUMBER = re.compile(r"[0-9]{1,9}")
_MAX_LINES = 5_000
_MOST_DEVICES = 300
_MOST_FAILED = 50


def parse_neighbors(stdout: bytes) -> Neighbors:
    """Parse the `neighbors` probe: lines of `dev`, `agent`, `fails`, `failed` and `default`.

    Raises:
        ParseError: it names no device.
    """
    lines = [
        [clean(word, 100) for word in line.split()] for line in stdout.splitlines()[:_MAX_LINES]
    ]
    agents, fails = _counts(lines, "agent"), _counts(lines, "fails")
    devices = [
        NetDevice(
            name=words[1],
            index=int(words[2]),
            kind=words[3],
            agent_neighbors=agents.get(words[1], 0),
            failed_neighbors=fails.get(words[1], 0),
        )
        for words in lines
        if len(words) == 4 and words[0] == "dev" and _NUMBER.fullmatch(words[2])
    ]
    if not devices:
        raise ParseError(describe_garbage(stdout, "neighbors probe", "/sys/class/net"))
    devices.sort(key=lambda device: device.index)
    defaults = dict.fromkeys(words[1] for words in lines if _is(words, "default", 2))
    failed = (
        (address, words[2])
        for words in lines
        if _is(words, "failed", 3) and (address := _address(words[1]))
    )
    return Neighbors(
        devices=tuple(devices[:_MOST_DEVICES]),
        default_devices=tuple(defaults)[:_MOST_DEVICES],
        failed=tuple(sorted(failed))[:_MOST_FAILED],
    )


def _is(words: list[CleanText], kind: str, length: int) -> bool:
    return len(words) == length and words[0] == kind


def _counts(lines: list[list[CleanText]], kind: str) -> dict[CleanText, int]:
    return {
        words[1]: int(words[2])
        for words in lines
        if _is(words, kind, 3) and _NUMBER.fullmatch(words[2])
    }


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
