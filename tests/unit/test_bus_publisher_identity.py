"""What a collector and its cluster are called."""

from __future__ import annotations

from pathlib import Path

from tui.collector.identity import CollectorSlot, collector_id
from tui.collector.naming import cluster_name
from tui.collector.notices import Notices
from tui.model.cluster import CiliumConfigMap, ClusterFacts
from tui.model.reading import Origin, Reading
from tui.safety import clean

ORIGIN = Origin(clean("GET /api"), 1.0)


def facts(**values: str) -> ClusterFacts:
    texts = {key.replace("_", "-"): clean(value) for key, value in values.items()}
    return ClusterFacts(config_map=Reading.known(CiliumConfigMap(texts), ORIGIN))


UNKNOWN = ClusterFacts()
DENIED = ClusterFacts(config_map=Reading.denied(clean("no right to get configmaps")))
FAILED = ClusterFacts(config_map=Reading.failed(clean("there is no ConfigMap cilium-config")))


def named(
    chosen: str | None, known: ClusterFacts, context: str | None, *, is_last: bool = False
) -> str | None:
    found = cluster_name(chosen, known, context, is_last=is_last)
    return None if found is None else found.name


def test_the_setting_wins_and_waits_for_nothing() -> None:
    assert named("chosen", UNKNOWN, "context") == "chosen"
    assert named("chosen", facts(cluster_name="own"), "context") == "chosen"


def test_ciliums_name_wins_over_the_context() -> None:
    assert named(None, facts(cluster_name="own"), "context") == "own"


def test_ciliums_default_is_no_name() -> None:
    assert named(None, facts(cluster_name="default"), "context") == "context"
    assert named(None, facts(), "context") == "context"


def test_a_config_map_that_may_still_come_is_waited_for() -> None:
    assert named(None, UNKNOWN, "context") is None
    assert named(None, UNKNOWN, "context", is_last=True) is None
    assert named(None, FAILED, "context") is None
    assert named(None, FAILED, "context", is_last=True) == "context"
    assert named(None, DENIED, "context") == "context"


def test_a_pod_without_any_name_is_told_what_to_do() -> None:
    found = cluster_name(None, facts(cluster_name="default"), None, is_last=False)
    assert found is not None
    assert found.name == "default"
    assert "--cluster" in found.warning


def test_a_name_that_is_known_has_no_warning() -> None:
    found = cluster_name(None, DENIED, "context", is_last=False)
    assert found is not None
    assert not found.warning


def test_an_id_stays_and_tells_machines_and_slots_apart() -> None:
    assert collector_id(1, "host", "m") == collector_id(1, "host", "m")
    assert collector_id(1, "host", "m") != collector_id(1, "host", "n")
    assert collector_id(2, "host", "m") == f"{collector_id(1, 'host', 'm')}-2"
    assert collector_id(1, "host", "m").startswith("host-")


def test_two_collectors_at_once_get_two_slots(tmp_path: Path) -> None:
    folder = tmp_path / "collectors"
    first, second = CollectorSlot(folder), CollectorSlot(folder)
    assert (first.number, second.number) == (1, 2)
    first.close()
    third = CollectorSlot(folder)
    assert third.number == 1
    second.close()
    third.close()


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert CollectorSlot(tmp_path / "file" / "x").number == 1


def test_each_change_is_said_once_with_its_time() -> None:
    lines: list[str] = []
    notices = Notices(is_quiet=False, write=lines.append)
    for text in ("up", "up", "down", "up"):
        notices.say("link", text)
    notices.say("source", "")
    for text in ("other", "", "other"):
        notices.say("standby", text)
    said = [line.split(" ", 1)[1] for line in lines[3:]]
    assert said == ["other\n", "other\n"]
    del lines[3:]
    assert [line.split(" ", 1)[1] for line in lines] == ["up\n", "down\n", "up\n"]
    assert lines[0].split()[0].endswith("Z")


def test_quiet_is_quiet() -> None:
    lines: list[str] = []
    Notices(is_quiet=True, write=lines.append).say("link", "up")
    assert not lines
