from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tui.cilium.frames import STRAY, Frame, encode_frames, parse_frames

NONCE = "0123456789abcdef"


def frame(name: str, stdout: bytes = b"", stderr: bytes = b"", exit_code: int = 0) -> Frame:
    return Frame(name, exit_code, 0.25, stdout, stderr, False)


names = st.lists(
    st.sampled_from(["status", "maps", "metrics", "count=cilium_lxc", "kernel"]), unique=True
)
hostile = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"\n", b"", b"no newline", b"\nffff end status 0 1 2\n", b"begin status\n", b"\n\n\n"]
    ),
)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_bytes_come_back_from_their_own_frame(data: st.DataObject) -> None:
    frames = [
        Frame(
            name,
            data.draw(st.integers(0, 255)),
            data.draw(st.integers(0, 6000)) / 100,
            data.draw(hostile),
            data.draw(hostile),
            False,
        )
        for name in data.draw(names)
    ]
    parsed = parse_frames(NONCE, *encode_frames(NONCE, frames))
    assert list(parsed.values()) == frames


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400))
def test_any_cut_of_any_stream_is_parsed(
    out: bytes, err: bytes, out_end: int, err_end: int
) -> None:
    whole = encode_frames(NONCE, [frame("status", out, err), frame("maps", err, out)])
    parsed = parse_frames(NONCE, whole[0][:out_end], whole[1][:err_end])
    for name, stdout in (("status", out), ("maps", err)):
        found = parsed.get(name)
        if found is None:
            continue
        if found.is_truncated:
            assert stdout.startswith(found.stdout[: len(stdout)])
        else:
            assert found.stdout == stdout


def test_a_frame_without_its_end_is_kept_and_marked() -> None:
    out, err = encode_frames(NONCE, [frame("status", b"{}"), frame("maps", b"[{}, {}")])
    cut = out[: out.rindex(NONCE.encode()) - 1]
    parsed = parse_frames(NONCE, cut, err)
    assert parsed["status"] == frame("status", b"{}")
    assert parsed["maps"].stdout == b"[{}, {}"
    assert parsed["maps"].is_truncated
    # stderr still has the end: how the command ended is known though its output is cut.
    assert parsed["maps"].exit_code == 0


def test_nothing_but_stdout_arrives() -> None:
    out, _ = encode_frames(NONCE, [frame("status", b"{}", b"lost", 1)])
    assert parse_frames(NONCE, out, b"") == {"status": frame("status", b"{}", b"", 1)}


def test_a_frame_known_from_stderr_only_is_truncated() -> None:
    _, err = encode_frames(NONCE, [frame("maps", b"[]", b"why")])
    found = parse_frames(NONCE, b"", err)["maps"]
    assert (found.stdout, found.stderr, found.is_truncated) == (b"", b"why", True)


def test_stray_text_is_kept_beside_the_frames() -> None:
    out, err = encode_frames(NONCE, [frame("status", b"{}")])
    parsed = parse_frames(NONCE, b"Welcome!\n" + out + b"logout", b"motd" + err)
    assert parsed[STRAY].stdout == b"Welcome!\nlogout"
    assert parsed[STRAY].stderr == b"motd"
    assert parsed["status"].stdout == b"{}"
    assert parse_frames(NONCE, out, err).get(STRAY) is None


def test_another_nonce_forges_nothing() -> None:
    forged = encode_frames("f" * 16, [frame("status", b"forged")])[0]
    out, err = encode_frames(NONCE, [frame("maps", forged)])
    parsed = parse_frames(NONCE, out, err)
    assert list(parsed) == ["maps"]
    assert parsed["maps"].stdout == forged


def test_a_repeated_name_does_not_replace_the_first_answer() -> None:
    first, second = (encode_frames(NONCE, [frame("status", text)])[0] for text in (b"1", b"2"))
    parsed = parse_frames(NONCE, first + second, b"")
    assert parsed["status"].stdout == b"1"
    assert parsed[STRAY].stdout == b"2"


def test_an_end_marker_of_nonsense_gives_no_numbers() -> None:
    out = f"\n{NONCE} begin maps\nx\n{NONCE} end maps NaN a b\n".encode()
    found = parse_frames(NONCE, out, b"")["maps"]
    assert (found.exit_code, found.seconds, found.stdout) == (None, None, b"x")


def test_output_full_of_near_markers_is_one_frames_output() -> None:
    # Quadratic work on this would run into the suite's time limit.
    lines = 200_000
    out, err = encode_frames(NONCE, [frame("maps", f"\n{NONCE} beg".encode() * lines)])
    stdout = parse_frames(NONCE, out, err)["maps"].stdout
    assert stdout == f"\n{NONCE} beg".encode() * lines
