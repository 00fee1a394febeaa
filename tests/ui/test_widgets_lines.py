"""Header, tabs, footer, details, notes and the command line on a screen."""

from __future__ import annotations

from textual import on
from textual.app import App, ComposeResult
from textual.events import Paste
from textual.message import Message
from textual.widgets import Input, Static

from widgets.command_line import CommandLine
from widgets.detail import DetailView
from widgets.detail_lines import DetailLine, empty_line, heading, raw, sentence, value
from widgets.footer import FooterBar, FooterItem
from widgets.header import HeaderBar, HeaderItem, HeaderView
from widgets.state_note import NoteKind, StateNote, StateNoteView
from widgets.tab_strip import TabItem, TabStrip, TabStripView
from widgets.text import plain
from widgets.tones import Span, Tone

TABS = TabStripView(
    (TabItem("maps", "1", "Maps"), TabItem("log", "5", "Log", (Span("✖2", Tone.ERROR),))),
    "maps",
    (Span("node-3 "),),
    (Span("counted 2 s ago"),),
    is_ruled=True,
)
LINES = [
    heading("✖ ACTIVE ▏ map-pressure"),
    sentence("The backend map of node-3 is full: needs 95, has 64 (no duplicates)."),
    empty_line(),
    value("kernel", "6.1.0-13", "uname -r", key="kernel"),
    value("hooks", (Span("yes", Tone.OK), Span(" (4)"))),
    raw("kubectl exec … -- curl [/x] map[a:b]"),
]


class LinesApp(App[None]):
    def __init__(self, lines: list[DetailLine] | None = None) -> None:
        super().__init__()
        self.detail = DetailView(LINES if lines is None else lines)
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield HeaderBar(HeaderView((HeaderItem((Span("prod-eu-1"),)),), "14:02:11 UTC"))
        yield TabStrip(TABS)
        yield self.detail
        yield FooterBar([FooterItem("?", "help", "help"), FooterItem("p", "pause", "pause")])
        yield CommandLine()

    @on(TabStrip.TabChosen)
    @on(FooterBar.ItemChosen)
    @on(DetailView.LineChosen)
    @on(CommandLine.Changed)
    @on(CommandLine.Submitted)
    @on(CommandLine.Cancelled)
    def hear(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def command(self) -> CommandLine:
        return self.query_one(CommandLine)

    @property
    def typed(self) -> list[tuple[str, str, str]]:
        return [
            (type(message).__name__, message.prefix, message.text)
            for message in self.heard
            if isinstance(message, CommandLine.Changed)
        ]


def detail_lines(app: LinesApp) -> list[str]:
    view = app.detail
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_header_grows_by_its_headline() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        header = app.query_one(HeaderBar)
        assert header.size.height == 1
        assert header.render_line(0).text.endswith(" 14:02:11 UTC ")
        header.show(HeaderView(headline=(Span("✖ node-3: [/x] missing", Tone.ERROR),)))
        await pilot.pause()
        assert header.size.height == 2
        assert header.render_line(1).text.rstrip() == " ✖ node-3: [/x] missing"


async def test_tabs_can_be_clicked() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        line = app.query_one(TabStrip).render_line(0).text
        assert line.startswith("─node-3  1 Maps  5 Log ✖2 ───")
        assert line.endswith(" counted 2 s ago ")
        await pilot.click(TabStrip, offset=(line.index("Log"), 0))
        await pilot.click(TabStrip, offset=(line.index("counted"), 0))
        assert [m.key for m in app.heard if isinstance(m, TabStrip.TabChosen)] == ["log"]


async def test_tabs_shorten_in_a_narrow_terminal() -> None:
    app = LinesApp()
    async with app.run_test(size=(24, 24)):
        line = app.query_one(TabStrip).render_line(0).text
        assert "Maps" in line
        assert "Log" not in line
        assert "5" in line
        assert len(line) == 24


async def test_footer_items_can_be_clicked() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.query_one(FooterBar).render_line(0).text.startswith(" ? help  p pause")
        await pilot.click(FooterBar, offset=(10, 0))
        await pilot.click(FooterBar, offset=(60, 0))
        chosen = [m.item.action for m in app.heard if isinstance(m, FooterBar.ItemChosen)]
        assert chosen == ["pause"]


async def test_details_show_origins_and_skip_headings() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.detail.focus()
        shown = detail_lines(app)
        assert shown[0] == " ✖ ACTIVE ▏ map-pressure"
        assert shown[3].split() == ["kernel", "6.1.0-13", "uname", "-r"]
        assert shown[5] == " kubectl exec … -- curl [/x] map[a:b]"
        assert app.detail.highlighted is LINES[1]
        await pilot.press("j", "enter")
        assert [m.line.key for m in app.heard if isinstance(m, DetailView.LineChosen)] == ["kernel"]
        app.detail.set_lines([empty_line(), *LINES])
        assert app.detail.highlighted is LINES[3]


async def test_details_wrap_and_may_be_empty() -> None:
    app = LinesApp()
    async with app.run_test(size=(30, 24)):
        assert detail_lines(app)[1:4] == [
            "▌The backend map of node-3 is",
            "▌full: needs 95, has 64 (no",
            "▌duplicates).",
        ]
    empty = LinesApp([])
    async with empty.run_test(size=(30, 24)) as pilot:
        empty.detail.set_lines([], StateNote(NoteKind.EMPTY, "nothing"))
        empty.detail.focus()
        await pilot.press("j", "k", "enter", "G")
        assert any("empty: nothing" in line for line in detail_lines(empty))


async def test_command_line_tells_what_is_typed() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        assert not app.command.is_open
        app.command.open("/", hint="text !text re:… field:value")
        await pilot.press(*"map")
        await pilot.press("enter")
        assert app.typed[-2:] == [("Changed", "/", "map"), ("Submitted", "/", "map")]
        app.command.show_error("no field [/x]")
        await pilot.pause()
        assert app.command.has_class("-error")
        await pilot.press("s")
        assert not app.command.has_class("-error")
        await pilot.press("escape")
        assert app.typed[-1] == ("Cancelled", "/", "maps")
        assert not app.command.is_open


async def test_command_line_remembers_by_prefix() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for prefix, text in (("/", "one"), ("/", "two"), (":", "q")):
            app.command.open(prefix)
            await pilot.press(*text, "enter")
            app.command.close()
        app.command.open("/")
        await pilot.press("up", "up", "up")
        assert app.command.text == "one"
        await pilot.press("down")
        assert app.command.text == "two"
        await pilot.press("down")
        assert app.command.text == ""


def answer(app: LinesApp) -> str:
    return str(app.command.query_one("#answer", Static).render())


async def test_a_long_answer_stands_above_the_input_and_its_end_is_read() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.command.open(":", "x")
        await pilot.pause()
        names = ", ".join(f"name{number}" for number in range(12))
        app.command.show_error(f"unknown command x: {names}")
        await pilot.pause()
        assert answer(app).endswith("name11")
        assert app.command.region.height == 3
        assert app.command.query_one(Input).region.width > 70
        app.command.show_error("word " * 200)
        await pilot.pause()
        assert app.command.region.height == 4
        assert answer(app).endswith("…")
        await pilot.resize_terminal(60, 24)
        await pilot.pause()
        assert max(map(len, answer(app).splitlines())) <= 58
        app.command.show_error("too short")
        await pilot.pause()
        assert app.command.region.height == 1


async def test_fast_keys_leave_no_answer_to_what_stood_there_before() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.command.open("/")
        early = CommandLine.Changed(app.command, "/", "missing:>")
        await pilot.press(*"missing:>5")
        assert early.text == "missing:>5"


async def test_many_candidates_are_listed_with_how_many_more() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        names = [f"svc shop/service-{number}" for number in range(40)]
        app.command.open(":", completer=lambda _: names)
        await pilot.press("s", "tab")
        await pilot.pause()
        assert answer(app).startswith("shop/service-0  shop/service-1")
        assert answer(app).endswith(" more")
        assert len(answer(app).splitlines()) <= 2


async def test_command_line_completes() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        commands = ("svc default/echo", "svc default/echo-2", "node node-3")
        app.command.open(
            ":", completer=lambda text: [line for line in commands if line.startswith(text)]
        )
        await pilot.press("s", "tab")
        assert app.command.text == "svc default/echo"
        assert app.focused is app.command.query_one(Input)
        await pilot.press("x", "tab")
        assert app.command.text == "svc default/echox"


async def test_pasted_controls_do_not_enter_the_command_line() -> None:
    app = LinesApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.command.open("/")
        app.command.query_one(Input).post_message(Paste("\x1b]0;title\x07"))
        await pilot.pause()
        assert app.command.text == ""
        app.command.query_one(Input).post_message(Paste("map is full"))
        await pilot.pause()
        assert app.command.text == "map is full"


class NoteApp(App[None]):
    def compose(self) -> ComposeResult:
        yield StateNoteView(StateNote(NoteKind.DENIED, "create pods/exec in kube-system", "ask"))


async def test_a_note_fills_its_area() -> None:
    app = NoteApp()
    async with app.run_test(size=(60, 9)) as pilot:
        view = app.query_one(StateNoteView)
        shown = [view.render_line(y).text for y in range(9)]
        assert shown[3].strip() == "? denied: create pods/exec in kube-system"
        assert shown[4].strip() == "ask"
        assert all(len(line) == 60 for line in shown)
        await pilot.resize_terminal(20, 9)
        await pilot.pause()
        narrow = [view.render_line(y).text.strip() for y in range(9)]
        assert "? denied" in narrow
        assert "create pods/exec" in narrow


def test_plain_content_reads_no_markup() -> None:
    assert plain("[/x] map[a:b] [@click=app.quit]").plain == "[/x] map[a:b] [@click=app.quit]"
