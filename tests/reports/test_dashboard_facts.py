"""The dashboard says what happened, in three forms, however a test is called."""

import base64
import hashlib
import html.parser
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.made_dashboard import LETTERS, NASTY, filled, made_sources, record_of
from toolkit.analysis.forecast import forecasts, learned_runs
from toolkit.analysis.likelihood import Ledger
from toolkit.analysis.past import Past, past_of, place_of
from toolkit.analysis.prediction import Model
from toolkit.errors import MissingExtra
from toolkit.history.store import History
from toolkit.records import Outcome, RunRecord, RunStarted
from toolkit.reports.dashboard.columns import FLOOR, STEP, columns, quantised
from toolkit.reports.dashboard.facts import Facts
from toolkit.reports.dashboard.markdown import markdown
from toolkit.reports.dashboard.outlook import model_of
from toolkit.reports.dashboard.page import VENDORED, asset, page, policy, script, style
from toolkit.reports.dashboard.sources import Sources, newest_build, read_coverage, read_sources
from toolkit.reports.dashboard.telling import Told, tell
from toolkit.reports.dashboard.writing import facts_json, write_dashboard
from toolkit.reports.summary import Verdict
from toolkit.reports.terminal import terminal_lines
from toolkit.reports.writing import write_reports


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return made_sources(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def told(sources: Sources) -> Told:
    return tell(sources)


@pytest.fixture(scope="module")
def facts(told: Told) -> Facts:
    return told.facts


def test_the_verdict_and_the_counts_are_those_of_the_run(facts: Facts) -> None:
    assert facts.verdict is Verdict.FAIL
    assert facts.summary["tests"] == len(LETTERS)
    assert facts.summary["errors"] == 6
    assert facts.summary["coverage"] == 91.25
    assert facts.title == "Shop <b>"


def test_changes_are_told_by_state_and_an_outage_is_no_change(facts: Facts) -> None:
    states = {change.test: str(change.state) for change in facts.changes}
    assert states == {
        "tests/test_cart.py::test_discount[10]": "new",
        "tests/test_cart.py::test_discount[20]": "known",
        "tests/test_cart.py::test_empty": "regressed",
        "tests/test_cart.py::test_refund": "fixed",
        "tests/test_mail.py::test_sent": "flaky",
        **dict.fromkeys(NASTY[:3], "new"),
    }
    assert facts.states == {"new": 4, "regressed": 1, "flaky": 1, "known": 1, "fixed": 1}
    assert facts.against == ("run-4",)


def test_a_dead_server_is_one_group_and_an_outage(facts: Facts) -> None:
    (outage,) = [group for group in facts.groups if group.outage]
    assert (outage.count, str(outage.category)) == (6, "connectivity")
    assert facts.insights[0].weight == "bad"
    assert "outage" in facts.insights[0].text


def test_a_test_that_became_slow_is_named_with_both_times(facts: Facts) -> None:
    slow = facts.slower[0]
    assert (slow.test, slow.duration) == ("tests/test_mail.py::test_slow", 6.0)
    assert slow.typical == pytest.approx(0.32)
    assert facts.slowest[0].test == slow.test
    assert any("Slower" in insight.text for insight in facts.insights)


def test_workers_memory_files_and_trend_are_there(facts: Facts) -> None:
    assert {worker.worker for worker in facts.workers} == {"gw0", "gw1"}
    assert sum(worker.tests for worker in facts.workers) == len(LETTERS) + 1
    assert facts.memory[0].memory == max(one.memory or 0 for one in facts.memory)
    assert {module.file for module in facts.modules} >= {"tests/test_cart.py", "tests/test_orders.py"}
    assert [point.run for point in facts.trend] == [f"run-{index}" for index in range(6)]
    assert [point.present for point in facts.trend] == [False] * 5 + [True]


def test_likely_failures_are_listed_highest_first(facts: Facts) -> None:
    chances = [risk.probability for risk in facts.risks]
    assert chances == sorted(chances, reverse=True)
    assert facts.risks[0].test == "tests/test_cart.py::test_discount[20]"
    assert all(risk.risk in {"high", "listed"} and risk.factors for risk in facts.risks)


def test_every_insight_says_something_and_leads_to_a_view(facts: Facts) -> None:
    views = set(re.findall(r"^  (\w+): \[", asset("views.js"), re.MULTILINE))
    for insight in facts.insights:
        assert insight.text
        assert insight.view in views | {""}


def test_a_run_that_history_does_not_hold_yet_is_in_the_trend(tmp_path: Path) -> None:
    with filled(tmp_path) as history:
        fresh = msgspec.structs.replace(
            record_of(5), header=msgspec.structs.replace(record_of(5).header, run="fresh", started=2e9)
        )
        found = tell(read_sources(history, [fresh], created=2e9)).facts
    assert found.trend[-1].run == "fresh"
    assert found.trend[-1].present
    assert found.trend[-1].bad == 12


def test_nothing_at_all_is_told_too() -> None:
    """A history without results makes a page, and its verdict is not PASS."""
    header = RunStarted(run="r", started=1.0)
    empty = Sources(
        created=1.0,
        title="",
        records=(RunRecord(header=header, cases=(), finished=2.0),),
        past=Past(runs={"r": place_of(header)}, recent={}),
    )
    found = tell(empty)
    assert found.facts.verdict is Verdict.FAIL
    assert "".join(page(found, empty)).startswith("<!doctype html>")
    assert "no test ran" in markdown(found.facts)


def test_the_newest_build_is_all_its_runs(tmp_path: Path) -> None:
    with filled(tmp_path) as history:
        assert [record.header.run for record in newest_build(history)] == ["run-5"]
        last = record_of(5)
        one = msgspec.structs.replace(last.header, run="other", started=last.header.started + 1)
        history.import_run(msgspec.structs.replace(last, header=one))
        assert [record.header.run for record in newest_build(history)] == ["run-5", "other"]
        single = msgspec.structs.replace(one, run="single", build="", started=one.started + 1)
        history.import_run(msgspec.structs.replace(last, header=single))
        assert [record.header.run for record in newest_build(history)] == ["single"]


# ---------------------------------------------------------------------- the columns


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    """Read the columns as a browser does."""
    raw = zlib.decompress(base64.b64decode(text))
    size = struct.unpack_from("<I", raw)[0]
    head = json.loads(raw[4 : 4 + size])
    arrays = {
        name: struct.unpack_from(f"<{length}{kind}", raw, 4 + size + offset)
        for name, (kind, offset, length) in head["arrays"].items()
    }
    return head, arrays


def test_columns_hold_every_test_with_its_results(told: Told, sources: Sources) -> None:
    head, arrays = unpacked(columns(told, sources))
    names = [head["files"][file] + rest for file, rest in zip(arrays["file"], head["names"], strict=True)]
    assert sorted(LETTERS) == names
    place = 0
    for index, name in enumerate(names):
        count = int(arrays["counts"][index])
        letters = "".join(map(chr, map(int, arrays["letters"][place : place + count])))
        assert letters == LETTERS[name][::-1]
        assert arrays["steps"][place : place + count] == (0, 1, 1, 1, 1, 1)
        place += count
    assert chr(int(arrays["verdict"][names.index("tests/test_mail.py::test_sent")])) == "P"
    assert all(offset % 4 == 0 for _, offset, _ in head["arrays"].values())


def test_columns_hold_failures_and_the_timeline(told: Told, sources: Sources) -> None:
    head, arrays = unpacked(columns(told, sources))
    assert head["failing"] == len(head["details"]) == 12
    assert {detail["outcome"] for detail in head["details"]} == {Outcome.FAILED, Outcome.ERROR}
    assert head["timeline"] == [{"run": "run-5", "workers": ["gw0", "gw1"]}]
    assert len(arrays["timeline0.start"]) == len(LETTERS) + 1
    assert sum(arrays["timeline0.bad"]) == 13


@settings(max_examples=50)
@given(st.floats(min_value=1e-4, max_value=36_000))
def test_a_duration_in_one_byte_is_right_within_four_percent(seconds: float) -> None:
    assert FLOOR * STEP ** (quantised(seconds) - 1) == pytest.approx(seconds, rel=0.04)


def test_no_duration_is_no_byte() -> None:
    assert (quantised(0.0), quantised(float("nan")), quantised(1e-9), quantised(1e9)) == (0, 0, 1, 255)


# ---------------------------------------------------------------------- the forms


class Tags(html.parser.HTMLParser):
    """Collects the elements as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_no_name_adds_an_element_to_the_page(told: Told, sources: Sources) -> None:
    with_names, without = Tags(), Tags()
    with_names.feed("".join(page(told, sources)))
    without.feed(asset("dashboard.html"))
    assert with_names.tags == without.tags


def test_the_policy_allows_exactly_this_style_and_script(told: Told, sources: Sources) -> None:
    text = "".join(page(told, sources))
    for kind, body in (("style", style()), ("script", script())):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text
        assert f"<{kind}>{body}</{kind}>" in text
    assert "unsafe" not in policy()
    assert "connect-src" not in policy()
    assert "connect-src 'self'" in policy(live=True)
    assert "://" not in policy() + asset("dashboard.html")


def test_the_facts_in_the_page_are_those_of_the_json(told: Told, sources: Sources) -> None:
    text = "".join(page(told, sources))
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)
    assert found
    assert json.loads(found[1]) == json.loads(facts_json(told.facts))


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_not_ours_is_as_it_was_published_and_brings_its_licence(name: str) -> None:
    assert hashlib.sha256(asset(name).encode()).hexdigest() == VENDORED[name]
    assert "The MIT License (MIT)" in script()


def test_markdown_tells_the_same_and_no_name_is_markup(facts: Facts) -> None:
    text = markdown(facts)
    for heading in ("What matters", "What changed", "Failures by cause", "Slowest", "Coverage", "Services"):
        assert f"## {heading}" in text
    assert "**outage**" in text
    outside = re.sub(r"(`+)[^`].*?\1", "", text)
    assert "<script" not in outside
    assert "<img" not in outside


def test_long_lists_are_cut_and_say_so(facts: Facts) -> None:
    many = msgspec.structs.replace(facts, slowest=facts.slowest * 2, complaints=("x",) * 12)
    assert "more." in markdown(many)
    assert "* … and 2 more" in markdown(many)


def test_three_files_are_written(sources: Sources, tmp_path: Path) -> None:
    write_dashboard(sources, tmp_path / "out" / "d.html")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"d.html", "d.md", "d.json"}


def test_coverage_is_read_as_coverage_writes_it(tmp_path: Path) -> None:
    file = {"summary": {"percent_covered": 50.0, "missing_lines": 5}}
    good = {"percent_covered": 80.0, "missing_lines": 1}
    path = tmp_path / "coverage.json"
    path.write_text(
        json.dumps(
            {
                "totals": {"percent_covered": 75.5, "num_statements": 20, "missing_lines": 6},
                "files": {"b.py": {"summary": good}, "a.py": file},
            }
        )
    )
    found = read_coverage(path)
    assert found is not None
    assert (found.percent, found.files) == (75.5, (("a.py", 50.0, 5), ("b.py", 80.0, 1)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"totals": 3, "files": {}}'])
def test_what_is_no_coverage_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    assert read_coverage(tmp_path / "c.json") is None
    assert read_coverage(tmp_path / "absent.json") is None


def test_a_run_says_one_cause_of_many_failures_and_that_it_was_an_outage(tmp_path: Path) -> None:
    """In the terminal, in Markdown and in JSON."""
    summary = write_reports([record_of(5)], tmp_path)
    assert (summary.causes[0].count, summary.causes[0].outage) == (6, 6)
    lines = [line for line, _ in terminal_lines(summary)]
    assert any("one cause of 6 failures: connectivity: the connection was refused" in line for line in lines)
    assert any("an outage, 6 of them say nothing about the tests" in line for line in lines)
    assert "an outage: it says nothing about the tests" in (tmp_path / "summary.md").read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["causes"][0]["count"] == 6


def test_a_failure_that_was_seen_before_says_when_it_was_mended(facts: Facts) -> None:
    known = {str(group.tests[0]): group.known for group in facts.groups}
    assert "first in run-1. The last time it was good again in run-2 on c2c2c2c2c2c2" in "".join(
        known.values()
    )
    assert known["tests/test_orders.py::test_order[0]"] == ""


def test_without_the_packages_of_prediction_the_prior_answers(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_runs: object) -> None:
        raise MissingExtra("prediction", extra="prediction", package="numpy")

    monkeypatch.setattr("toolkit.reports.dashboard.outlook.train", missing)
    runs = learned_runs(sources.past)
    model, words = model_of(runs)
    assert "not installed" in words
    assert forecasts(model, sources.past)[0].probability > 0.5


def test_a_model_says_whether_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Model(Ledger(), trees=object())
    monkeypatch.setattr("toolkit.reports.dashboard.outlook.train", lambda _runs: trained)
    assert model_of([])[1].startswith("learned from earlier runs")


def test_the_past_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outlook is made of the past that the sources have read."""
    read: list[History] = []

    def counted(history: History) -> Past:
        read.append(history)
        return past_of(history)

    for module in ("toolkit.reports.dashboard.sources", "toolkit.analysis.state"):
        monkeypatch.setattr(f"{module}.past_of", counted)
    with filled(tmp_path) as history:
        read_sources(history, newest_build(history), created=2e9)
    assert len(read) == 1
