"""Every form of the summary says the same, and no name in it can do harm."""

import html.parser
import io
import json
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import ToolkitError
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord, RunStarted
from toolkit.reports import phrases
from toolkit.reports.aggregate import summarise
from toolkit.reports.markdown import code, markdown
from toolkit.reports.page import escaped, page
from toolkit.reports.summary import Summary
from toolkit.reports.terminal import show, terminal_lines
from toolkit.reports.writing import place, write_reports

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}} ${x} @@DATA@@ @@POLICY@@",
    "a|b`c``d*e_[x](javascript:1)",
    "\x1b[31mred\x1b]0;title\x07\u202e\u2028",
    "<!--<script>",
]


def summary_of(*names: str, title: str = "Shop") -> Summary:
    failure = Failure(
        phase="call", exception="E", message=names[0], traceback=names[0], sections={"stdout": names[0]}
    )
    cases = [
        CaseResult(
            test=NodeId(name),
            attempts=(Attempt(test=NodeId(name), outcome=Outcome.FAILED, duration=2.0, failures=(failure,)),),
        )
        for name in names
    ]
    run = RunRecord(header=RunStarted(run="r", started=1.0, profile="unit"), cases=tuple(cases), finished=2.0)
    return summarise([run], created=1_700_000_000.0, title=title)


class Tags(html.parser.HTMLParser):
    """Collects the elements as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def tags_of(text: str) -> list[str]:
    parser = Tags()
    parser.feed(text)
    return parser.tags


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    told: dict[str, object] = json.loads(found[1])
    return told


HARMLESS = tags_of("".join(page(summary_of("t.py::a"))))


@pytest.mark.parametrize("name", NASTY)
def test_the_page_is_inert(name: str) -> None:
    """A name adds no element, and reaches the script as the very text that it is."""
    text = "".join(page(summary_of(name, title=name)))
    assert tags_of(text) == HARMLESS
    assert data_of(text)["rows"][0][0] == name  # type: ignore[index]


@given(st.text(st.characters(codec="utf-8")))
def test_any_name_is_inert_in_the_page(name: str) -> None:
    """No character of the data means anything to HTML, and JSON gives it back."""
    block = escaped({"name": name})
    assert not re.search("[<>&\u2028\u2029]", block)
    assert json.loads(block) == {"name": name}


def test_the_page_allows_only_its_own_script_and_style() -> None:
    text = "".join(page(summary_of("a")))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert policy[1].count("'sha256-") == 2
    assert "unsafe" not in policy[1]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=\"|onclick=|https?://", text
    )
    assert "<noscript>" in text


def test_the_page_of_many_tests_is_small_enough() -> None:
    """50,000 tests: a few megabytes, made in a moment; the script draws only what is visible."""
    names = [
        f"tests/unit/package_{n % 40}/test_module_{n % 900}.py::TestThing::test_case_{n}[{n % 7}]"
        for n in range(50_000)
    ]
    good = [
        CaseResult(test=NodeId(n), attempts=(Attempt(test=NodeId(n), outcome=Outcome.PASSED),)) for n in names
    ]
    run = RunRecord(header=RunStarted(run="r", started=1.0), cases=tuple(good), finished=2.0)
    summary = summarise([run], created=1.0)
    begin = time.process_time()
    text = "".join(page(summary))
    assert time.process_time() - begin < 5
    assert len(text) < 6_000_000
    assert len(data_of(text)["rows"]) == 50_000  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NASTY)
def test_markdown_is_inert(name: str) -> None:
    """Names stand in code spans that they cannot leave; nothing becomes HTML, a link or a table cell."""
    text = markdown(summary_of(name))
    outside = re.sub(
        r"(`+) ?.*? ?\1(?!`)",
        "",
        "\n".join(line for line in text.splitlines() if not line.startswith("      ")),
    )
    assert "<" not in outside
    assert "javascript" not in outside
    assert "\x1b" not in text
    assert "\u202e" not in text


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_code_span_holds_any_text(text: str) -> None:
    """Its fence is longer than any run of backticks inside, and it is one line."""
    span = code(text)
    fence = re.match("`+", span)
    assert fence
    inside = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inside)
    assert len(span.splitlines()) == 1


def test_markdown_cuts_long_lists() -> None:
    text = markdown(summary_of(*(f"t.py::t{n}" for n in range(40))))
    assert "… and 15 more." in text
    assert text.startswith("# Shop\n\n❌ **FAIL 0.0 %: 40 tests: 40 failed**")


@pytest.mark.parametrize("name", NASTY)
def test_the_terminal_is_not_steered(name: str) -> None:
    """Escape sequences of a test name are shown, not sent."""
    stream = io.StringIO()
    show(summary_of(name), None, stream, {})
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_a_terminal_gets_colours_unless_it_is_told_not_to() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    coloured, plain, dumb = Terminal(), Terminal(), Terminal()
    show(summary_of("a"), None, coloured, {})
    show(summary_of("a"), None, plain, {"NO_COLOR": "1"})
    show(summary_of("a"), None, dumb, {"TERM": "dumb"})
    assert plain.getvalue() == dumb.getvalue()
    assert "\x1b" not in plain.getvalue()


def test_a_narrow_encoding_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show(summary_of("größe"), Path("reports"), stream, {})
    assert b"gr\\xf6\\xdfe" in raw.getvalue()


def test_the_terminal_says_what_where_and_what_is_missing() -> None:
    summary = summary_of(*(f"t.py::t{n}" for n in range(12)))
    lines = [line for line, _ in terminal_lines(summary, Path("reports"))]
    assert lines[0] == "FAIL 0.0 %: 12 tests: 12 failed"
    assert lines[1] == "  unit: 12 failed in 1.0 s"
    assert "  failed: … and 2 more" in lines
    assert lines[-1].endswith("report.html")


def test_all_forms_are_written(tmp_path: Path) -> None:
    run = RunRecord(header=RunStarted(run="r", started=1.0, project="shop"), cases=(), finished=2.0)
    summary = write_reports([run], tmp_path / "deep" / "reports", coverage=91.5)
    written = {path.name for path in (tmp_path / "deep" / "reports").iterdir()}
    assert written == {"junit.xml", "summary.json", "summary.md", "report.html"}
    told = json.loads((tmp_path / "deep/reports/summary.json").read_text())
    assert told["title"] == "shop"
    assert told["summary"]["coverage"] == 91.5
    assert told["summary"]["success_rate"] is None
    assert "91.5 %" in (tmp_path / "deep/reports/summary.md").read_text()
    assert summary.counts.tests == 0


def test_half_a_report_is_no_report(tmp_path: Path) -> None:
    """When writing fails, the old report stays and nothing else is left behind."""
    path = tmp_path / "summary.md"
    path.write_text("old")

    def pieces() -> "io.StringIO":
        raise OSError(28, "No space left on device")

    with pytest.raises(ToolkitError, match="No space left on device"):
        place(path, (piece for _ in [0] for piece in pieces()))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ToolkitError, match="cannot be written"):
        place(path / "below", ["x"])


def test_numbers_as_people_read_them() -> None:
    assert [phrases.seconds(v) for v in (None, 0.0004, 0.84, 12.34, 250, 7500)] == [
        "unknown", "0 ms", "840 ms", "12.3 s", "4 min 10 s", "2 h 05 min",
    ]  # fmt: skip
    assert [phrases.rate(v) for v in (None, 1.0, 0.99999, 0.5)] == [
        "nothing ran",
        "100 %",
        "99.9 %",
        "50.0 %",
    ]
    assert msgspec.json.encode({"a": 1}) == b'{"a":1}'
