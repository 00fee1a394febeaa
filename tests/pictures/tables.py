"""Tables in the documentation that are made from the program's own data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.pictures.bus_messages import message_sections, metrics_table
from tui.checks.registry import all_checks
from tui.cilium.probes import PROBES
from tui.keymap import key_table_markdown
from tui.model.findings import ConfigSetting
from tui.simulator.scenario_table import SCENARIOS


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands: between `<!-- NAME: … -->` and `<!-- /NAME -->`."""

    path: Path
    name: str

    def replaced(self, table: str) -> str:
        """Return the document with this table in its place."""
        text = self.path.read_text(encoding="utf-8")
        head, begin, rest = text.partition(f"<!-- {self.name}: ")
        comment, _, _ = rest.partition("\n")
        end = f"<!-- /{self.name} -->"
        return f"{head}{begin}{comment}\n{table.strip()}\n{end}{rest.partition(end)[2]}"


def probe_table() -> str:
    """Return what is asked of a node."""
    rows = ["| probe | when | limit | as a person would type it |", "|---|---|---|---|"]
    for probe in PROBES.values():
        command = probe.command.replace("|", "\\|")
        rows.append(f"| `{probe.name}` | {probe.cost} | {probe.limit_seconds} s | `{command}` |")
    return "\n".join(rows)


def scenario_table() -> str:
    """Return the simulated clusters there are."""
    rows = ["| scenario | nodes | Kubernetes | what it shows |", "|---|---|---|---|"]
    rows += [
        f"| `{scenario.name}` | {scenario.node_count} | {scenario.kubernetes_version} | "
        f"{scenario.summary} |"
        for scenario in SCENARIOS.values()
    ]
    return "\n".join(rows)


def limitation_table() -> str:
    """Return the known issues and limitations with the check that proves each."""
    rows = ["| known issue or limitation | check |", "|---|---|"]
    rows += [f"| {check.about.limitation} | `{check.id}` |" for check in all_checks()]
    return "\n".join(rows)


def check_sections() -> str:
    """Return what every check is, how it is proved and where it holds."""
    lines: list[str] = []
    for check in all_checks():
        about = check.about
        lines += [f"## `{check.id}`", "", f"**{about.title}.** {about.limitation}", "", about.why]
        lines += ["", f"Releases: {about.releases}", "", "Proof, best first:", ""]
        lines += [f"- {_plain(piece)}" for piece in about.proof]
        lines += ["", "Way out:", ""]
        steps = (*about.remedy.now, *about.remedy.lasting)
        lines += [f"- {_plain(step)}" for step in steps]
        lines += [f"- `{one.key}: {one.value}`{_helm(one)}" for one in about.remedy.settings]
        lines += ["", f"References: {', '.join(about.references)}", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def _helm(setting: ConfigSetting) -> str:
    return f" (Helm `{setting.helm}`)" if setting.helm else ""


TABLES: Mapping[Place, Callable[[], str]] = {
    Place(Path("README.md"), "keys"): key_table_markdown,
    Place(Path("README.md"), "limitations"): limitation_table,
    Place(Path("docs/checks.md"), "checks"): check_sections,
    Place(Path("docs/mqtt.md"), "messages"): message_sections,
    Place(Path("docs/mqtt.md"), "metrics"): metrics_table,
    Place(Path("docs/probes.md"), "probes"): probe_table,
    Place(Path("docs/simulator.md"), "scenarios"): scenario_table,
}


def write_tables() -> None:
    """Put every table into its place."""
    for place, table in TABLES.items():
        place.path.write_text(place.replaced(table()), encoding="utf-8")
