"""`version -o json`: the release that answers, and whether the daemon does."""

from __future__ import annotations

import re

import msgspec

from tui.cilium.output import decode_json, describe_garbage
from tui.cilium.releases import agent_binary, parse_release
from tui.errors import ParseError
from tui.model.agent import AgentVersion
from tui.safety import clean

WHAT = "version"
_TEXT = re.compile(rb"^(Client|Daemon): (\S+)(?: (\S+))?(?: |$)", re.MULTILINE)


class _Build(msgspec.Struct):
    version: str | None = msgspec.field(name="Version", default=None)
    revision: str | None = msgspec.field(name="Revision", default=None)


class _Version(msgspec.Struct):
    client: _Build | None = msgspec.field(name="Client", default=None)
    daemon: _Build | None = msgspec.field(name="Daemon", default=None)


def parse_version(stdout: bytes) -> AgentVersion:
    """Parse `version -o json`, or the text form.

    With the agent down it exits 0 and the Daemon part is missing or holds empty texts.
    """
    text = dict((part, (version, revision)) for part, version, revision in _TEXT.findall(stdout))
    if text and not stdout.lstrip().startswith(b"{"):
        client = _Build(*(value.decode("utf-8", "replace") for value in text.get(b"Client", ())))
        daemon = _Build(*(value.decode("utf-8", "replace") for value in text.get(b"Daemon", ())))
    else:
        found = decode_json(stdout, _Version, WHAT)
        client, daemon = found.client or _Build(), found.daemon or _Build()
    is_daemon_up = bool(daemon.version) and parse_release(daemon.version or "") is not None
    build = daemon if is_daemon_up else client
    if not build.version:
        raise ParseError(describe_garbage(stdout, WHAT) + " (no Client version in it)")
    release = parse_release(build.version)
    return AgentVersion(
        release=clean(build.version),
        revision=clean(build.revision or ""),
        is_daemon_up=is_daemon_up,
        binary=clean(agent_binary(release) if release else "cilium-dbg"),
    )
