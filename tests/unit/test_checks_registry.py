from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tui.checks.check import About, Check
from tui.checks.registry import BY_HARM, all_checks, check_of, rank_of

IDS = {
    "backend-leak",
    "ipsec-with-kpr",
    "libceph-getpeername",
    "nfs-socket-lb",
    "dsr-tcp-fastopen",
    "sctp-service",
    "hostport-nodeport-range",
    "hostip-loopback",
    "endpointslice-mirroring",
    "netns-cookies",
    "neighbor-discovery-devices",
    "udp-stale-backends",
    "map-pressure",
    "service-map-drift",
    "config-drift",
    "masquerade-port-collision",
}
"""Public interface: none goes, none is renamed."""

LIMITATIONS = {
    "Known issue: leaked service backends": ("backend-leak", "leak"),
    "IPsec": ("ipsec-with-kpr", "IPsec"),
    "libceph and getpeername": ("libceph-getpeername", "getpeername"),
    "NFS in the kernel": ("nfs-socket-lb", "NFS"),
    "DSR with TCP Fast Open": ("dsr-tcp-fastopen", "Fast Open"),
    "SCTP": ("sctp-service", "SCTP"),
    "hostPort in the NodePort range": ("hostport-nodeport-range", "hostPort"),
    "hostIP on the loopback address": ("hostip-loopback", "loopback"),
    "Services without selectors": ("endpointslice-mirroring", "without selectors"),
    "network namespace cookies": ("netns-cookies", "loopback"),
    "neighbor discovery": ("neighbor-discovery-devices", "device"),
    "connected UDP": ("udp-stale-backends", "UDP"),
}
"""Each known issue and limitation of Cilium's page "Kubernetes Without kube-proxy", with its check
and a word that must be in the check's own account of it."""

_REFERENCE = re.compile(r"https://\S+|[\w.-]+/[\w.-]+#\d+|[\w.-]+/[\w.-]+ commit [0-9a-f]{8,}.*")


def abouts() -> list[About]:
    return [check.about for check in all_checks()]


def sentences(text: str) -> int:
    """Count what ends as a sentence does: a number's dot is followed by no space."""
    return len(re.findall(r"[^\s.][.!?](?=\s+[A-Z`]|$)", text))


def test_every_id_is_registered_once() -> None:
    found = [check.id for check in all_checks()]
    assert sorted(found) == sorted(IDS)
    assert found == list(BY_HARM)


def test_a_check_is_found_by_its_id_and_the_unknown_is_not() -> None:
    for check in all_checks():
        assert check_of(check.id) is check
        assert BY_HARM[rank_of(check.id)] == check.id
    assert check_of("no-such-check") is None
    assert rank_of("no-such-check") == len(BY_HARM)


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_check_lives_in_a_module_of_its_name_and_judges_something(check: Check) -> None:
    judges = [judge for judge in (check.judge_node, check.judge_cluster) if judge is not None]
    assert judges
    module = f"tui.checks.{check.id.replace('-', '_')}"
    assert {judge.__module__ for judge in judges} == {module}


@pytest.mark.parametrize("about", abouts(), ids=lambda about: about.id)
def test_what_a_person_reads_of_a_check_is_complete(about: About) -> None:
    assert 0 < len(about.title) <= 60
    assert not about.title.endswith(".")
    assert sentences(about.limitation) == 1, about.limitation
    assert sentences(about.why) == 2, about.why
    assert about.proof
    assert all(about.proof)
    assert about.releases
    assert about.references
    assert all(_REFERENCE.fullmatch(one) for one in about.references), about.references


@pytest.mark.parametrize("about", abouts(), ids=lambda about: about.id)
def test_the_general_remedy_says_what_to_do_what_it_interrupts_and_how_to_test(
    about: About,
) -> None:
    remedy = about.remedy
    assert remedy.now or remedy.lasting
    assert remedy.interrupts
    assert remedy.test
    for setting in remedy.settings:
        assert setting.key
        assert setting.value


@pytest.mark.parametrize("about", abouts(), ids=lambda about: about.id)
def test_no_text_of_a_check_has_been_glued_without_a_space(about: About) -> None:
    remedy = about.remedy
    texts = (
        *(about.title, about.limitation, about.why, about.releases, *about.proof),
        *(*remedy.now, *remedy.lasting, remedy.interrupts),
    )
    for text in texts:
        assert "  " not in text, text
        assert text == text.strip(), text
        assert not re.search(r"[a-z]{2}[.,;][A-Z][a-z]", text), text


@pytest.mark.parametrize(("check_id", "word"), LIMITATIONS.values(), ids=LIMITATIONS.keys())
def test_each_limitation_has_its_check(check_id: str, word: str) -> None:
    check = check_of(check_id)
    assert check is not None
    about = check.about
    assert word.casefold() in f"{about.limitation} {about.why}".casefold()


def test_checks_need_no_screen_and_no_network() -> None:
    code = (
        "import sys; from tui.checks.registry import all_checks; all_checks();"
        "bad = {'textual', 'kubernetes', 'aiohttp'} & {m.split('.')[0] for m in sys.modules};"
        "print(sorted(bad))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
