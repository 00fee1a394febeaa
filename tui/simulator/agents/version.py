"""`version`: what the client and the daemon say they are."""

from __future__ import annotations

from tui.simulator.agents.gojson import indented
from tui.simulator.agents.releases import AgentRelease


def version_json(release: AgentRelease, is_up: bool) -> bytes:
    """Return `version -o json`; without a daemon its fields are empty."""
    client = {
        "Version": release.text,
        "Revision": release.revision,
        "GoRuntimeVersion": release.go_version,
        "Arch": "linux/amd64",
        "AuthorDate": release.author_date,
    }
    daemon = client if is_up else dict.fromkeys(client, "")
    return indented({"Client": client, "Daemon": daemon})


def version_text(release: AgentRelease, is_up: bool) -> bytes:
    """Return `version`."""
    line = (
        f"{release.text} {release.revision} {release.author_date}"
        f" go version {release.go_version} linux/amd64"
    )
    return f"Client: {line}\nDaemon: {line if is_up else 'Not responding'}\n".encode()
