"""The dashboard in a real Chromium: every view, the keyboard, both themes, axe, hostile names, 50,000 tests.

One browser for the module. Nothing is timed here, since the machine may be busy: that is for
``benchmarks/dashboard.py``.
"""

import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.dashboard import made_benchmarks
from benchmarks.dashboard import made_sources as many_tests
from tests.reports.made_dashboard import EPOCH, LETTERS, NASTY, case_of, filled, made_sources
from toolkit.config import Config
from toolkit.journal import Journal
from toolkit.records import NodeId, RunStarted, TestsCollected
from toolkit.reports.dashboard.live import LiveBoard
from toolkit.reports.dashboard.page import asset, page
from toolkit.reports.dashboard.serving import LiveServer
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.dashboard.telling import tell
from toolkit.reports.dashboard.writing import write_dashboard

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

VIEWS = re.findall(r"^  (\w+): \[", asset("views.js").partition("};")[0], re.MULTILINE)
MANY = 50_000
QUIET = ("--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium (``apt-get install chromium``), else the one that Playwright has installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-dev-shm-usage",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return made_sources(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shop(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the shop's dashboard: a file."""
    path = tmp_path_factory.mktemp("page") / "dashboard.html"
    write_dashboard(sources, path)
    return path.as_uri()


GO = """
async (view) => {
  if (location.hash === "#" + view) return;
  const gone = new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }));
  location.hash = view;
  await gone;
}
"""


class Seen:
    """A page with everything that it complained of or asked the network for."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.asked: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        tab.on("request", lambda request: self.asked.append(request.url))

    def open(self, address: str) -> "Seen":
        self.tab.goto("about:blank")
        self.tab.goto(address)
        self.tab.wait_for_selector("#main[data-tests=ready]", timeout=60_000)
        self.tab.wait_for_selector("#main h2")
        return self

    def show(self, view: str) -> None:
        self.tab.evaluate(GO, view)
        self.tab.wait_for_selector(f"#{view.partition('/')[0].partition('?')[0]}-title")

    def rows(self) -> list[str]:
        return self.tab.locator("#list .gridrow .c-name").all_inner_texts()

    def found(self) -> str:
        return self.tab.locator("#found").inner_text()


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    yield Seen(context.new_page())
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible_and_asks_nobody(browser: Browser, shop: str, scheme: Any) -> None:
    """Each view has a heading and something to tell, axe finds nothing, the network is not used."""
    context = browser.new_context(color_scheme=scheme, bypass_csp=False)
    seen = Seen(context.new_page()).open(shop)
    axe, rules = Axe(), {"runOnly": ["color-contrast"]} if scheme == "dark" else None
    test = "test/" + "tests%2Ftest_cart.py%3A%3Atest_discount%5B20%5D"
    for view in (*VIEWS, test):
        seen.show(view)
        assert len(seen.tab.locator("#main section").first.inner_text()) > 40, view
        violations = axe.run(seen.tab, options=rules).response["violations"]
        told = [(view, one["id"], one["nodes"][0]["html"]) for one in violations]
        assert told == []
    dark = seen.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark is (scheme == "dark")
    assert seen.complaints == []
    asked = {url.partition("#")[0] for url in seen.asked if not url.startswith("data:")}
    assert asked <= {shop, "about:blank"}
    context.close()


def test_views_show_what_the_facts_say(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    assert tab.locator("#verdict").inner_text() == "FAIL"
    assert "An outage failed 6 tests" in tab.locator(".insights").inner_text()
    for view, wanted in {
        "changes": "test_discount[10]",
        "failures": "outage",
        "flaky": "test_sent",
        "slowest": "test_slow",
        "trends": "6 runs, the last",
        "predictions": "test_discount[20]",
        "coverage": "src/shop/cart.py",
        "resources": "MB",
        "timeline": "gw1",
        "benchmarks": "2 of 2 benchmarks, 1 above what they may take",
        "strain": "p99_ms: 160.0, expected at most 100",
        "services": "connection refused",
    }.items():
        seen.show(view)
        assert wanted in tab.locator("#main").inner_text(), view
    seen.show("trends")
    assert tab.locator(".chart canvas").count() == 3
    seen.show("timeline")
    assert tab.locator("canvas.timeline").count() == 1
    assert seen.complaints == []


def test_the_page_of_a_test_has_its_failure_and_its_history(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    seen.show("changes")
    tab.get_by_role("link", name="tests/test_cart.py::test_discount[20]").first.click()
    tab.wait_for_selector("#test-title")
    text = tab.locator("#main").inner_text()
    for wanted in (
        "known",
        "pytest 'tests/test_cart.py::test_discount[20]'",
        "AssertionError",
        "6 results",
        "run-0",
    ):
        assert wanted in text
    assert tab.locator(".chart canvas").count() == 1
    seen.show("test/no%3A%3Asuch")
    assert "No test of this name" in tab.locator("#main").inner_text()


def test_a_benchmark_has_a_page_with_its_trend(seen: Seen, shop: str) -> None:
    """By the keyboard from the list: median per commit, budget, comparison; and back again."""
    tab = seen.open(shop).tab
    seen.show("benchmarks")
    assert "9 ms (over)" in tab.locator("#main tbody tr").first.inner_text()
    assert "slower: +20.0 % (+10.0 % to +30.0 %) against c4c4c4" in tab.locator("#main").inner_text()
    tab.get_by_label("Search benchmarks").fill("cart")
    assert tab.locator("#main tbody tr").count() == 1
    tab.locator("#main tbody a").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#benchmarks-title.node")
    text = tab.locator("#main").inner_text()
    for wanted in ("tests/test_cart.py::test_total", "6 commits, between 4 ms and 9 ms", "Budget"):
        assert wanted in text
    assert tab.locator(".chart canvas").count() == 1
    violations = Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#benchmarks input")
    seen.show("test/" + urllib.parse.quote("tests/test_cart.py::test_total", safe=""))
    link = tab.get_by_role("link", name="Profile of its memory")
    assert link.get_attribute("href") == "./profiles/a-memory.html"
    assert "when it took 3.5 s" in tab.locator("#main").inner_text()
    tab.get_by_role("link", name="Its medians from commit to commit").click()
    tab.wait_for_selector("#benchmarks-title.node")
    seen.show("benchmarks/no%3A%3Asuch")
    assert "No benchmark of this name" in tab.locator("#main").inner_text()
    assert seen.complaints == []


def test_what_load_fuzzing_and_attacks_found(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    seen.show("strain")
    text = tab.locator("#main").inner_text()
    for wanted in (
        "reports/load/<i>.json: is cut",
        "49.8 of 50",
        "GET /boom<b>",
        "curl -X GET",
        "6 tests ran, 3",
    ):
        assert wanted in text
    assert NASTY[0] in tab.locator("#main ul").last.inner_text()
    assert seen.complaints == []


def test_a_thousand_benchmarks(seen: Seen, sources: Sources, tmp_path: Path) -> None:
    """Rows are made a hundred at a time, every one can be found, and all can be shown by the keyboard."""
    outlook = msgspec.structs.replace(sources.outlook, benchmarks=made_benchmarks(1_000, commits=12))
    write_dashboard(msgspec.structs.replace(sources, outlook=outlook), tmp_path / "dashboard.html")
    tab = seen.open((tmp_path / "dashboard.html").as_uri()).tab
    seen.show("benchmarks")
    rows = tab.locator("#main tbody tr")
    assert rows.count() == 100
    assert tab.locator("#main [role=status]").first.inner_text().startswith("1,000 of 1,000 benchmarks")
    tab.get_by_role("button", name="Show 100 more").focus()
    tab.keyboard.press("Enter")
    assert rows.count() == 200
    assert tab.evaluate("document.activeElement.closest('tr').rowIndex") == 101
    tab.get_by_label("Search benchmarks").fill("SPEED_19 takes[999]")
    assert rows.count() == 1
    assert seen.complaints == []


def test_search_filters_and_sorting(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    seen.show("tests")
    assert seen.found() == f"{len(LETTERS)} of {len(LETTERS)} tests"
    tab.fill("#search", "CART discount")
    assert seen.rows() == ["tests/test_cart.py::test_discount[10]", "tests/test_cart.py::test_discount[20]"]
    tab.get_by_role("button", name="new", exact=True).click()
    assert seen.rows() == ["tests/test_cart.py::test_discount[10]"]
    tab.get_by_role("button", name="Clear filters").click()
    tab.get_by_role("group", name="Outcome").get_by_role("button", name="skipped").click()
    assert seen.rows() == ["tests/test_mail.py::test_later"]
    tab.get_by_role("button", name="Clear filters").click()
    tab.get_by_label("Marker").select_option("integration")
    assert len(seen.rows()) == 6
    tab.get_by_role("button", name="Clear filters").click()
    tab.get_by_role("button", name="Time", exact=True).click()
    assert seen.rows()[0] == "tests/test_mail.py::test_slow"
    assert tab.locator("[role=columnheader][aria-sort=descending]").inner_text() == "Time"
    seen.show("tests?group=1")
    assert seen.found().startswith("6 of ")
    assert seen.complaints == []


def test_everything_can_be_done_with_the_keyboard(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    keys = tab.keyboard
    keys.press("/")
    tab.wait_for_selector("#search:focus")
    keys.type("cart")
    keys.press("ArrowDown")
    grid = tab.locator("#list")
    assert grid.get_attribute("aria-activedescendant") == "row-0"
    keys.press("End")
    assert grid.get_attribute("aria-activedescendant") == "row-4"
    keys.press("Home")
    keys.press("ArrowDown")
    chosen = tab.locator("#row-1")
    assert chosen.get_attribute("aria-selected") == "true"
    name = chosen.locator(".c-name").inner_text()
    keys.press("Enter")
    tab.wait_for_selector("#test-title")
    assert tab.locator("#test-title").inner_text() == name
    assert tab.evaluate("document.activeElement.id") == "test-title"
    keys.press("Escape")
    tab.wait_for_selector("#tests-title")
    assert tab.input_value("#search") == "cart"
    keys.press("]")
    tab.wait_for_selector("#flaky-title")
    keys.press("[")
    tab.wait_for_selector("#tests-title")
    keys.press("?")
    assert tab.locator("#keys").is_visible()
    tab.locator("#shortcuts").uncheck()
    keys.press("Escape")
    keys.press("]")
    assert tab.locator("#tests-title").count() == 1
    tab.locator("#nav-overview").focus()
    keys.press("Enter")
    tab.wait_for_selector("#overview-title")


def test_the_theme_can_be_chosen_and_charts_follow(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    seen.show("trends")
    tab.get_by_role("button", name="Light / dark").click()
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert tab.locator(".chart canvas").count() == 3
    tab.get_by_role("button", name="Light / dark").click()
    assert tab.evaluate("document.documentElement.dataset.theme") == "light"


def test_hostile_names_are_inert(seen: Seen, shop: str) -> None:
    """No name runs, adds an element or hides what it is; the policy has nothing to stop, and would."""
    tab = seen.open(shop).tab
    for view in VIEWS:
        seen.show(view)
    for name in NASTY:
        seen.show("test/" + urllib.parse.quote(name, safe=""))
        assert "of them bad" in tab.locator("#main").inner_text()
    assert tab.locator("#main script, #main img, #main svg").count() == 0
    assert tab.locator("a[href^='javascript']").count() == 0
    seen.show("tests")
    assert any("\\u001b[31m\\u202e" in name for name in seen.rows())
    assert seen.complaints == []
    script = "Object.assign(document.createElement('script'), {text: 'window.ran = 1'})"
    tab.evaluate(f"document.body.append({script})")
    assert tab.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in seen.complaints)


def test_it_prints_every_view(seen: Seen, shop: str) -> None:
    tab = seen.open(shop).tab
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    printed = tab.locator("section.printed h2").all_inner_texts()
    assert len(printed) == len(VIEWS) - 2
    assert not tab.locator("#nav").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("section.printed").count() == 0


def test_the_live_page_follows_a_run(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with what there is, and shows a result soon after it was written, without a click."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / ".toolkit").mkdir()
    filled(tmp_path / ".toolkit").close()
    first, second = list(LETTERS)[:2]
    journal = Journal(tmp_path / ".toolkit" / "runs" / "run-9", "controller")
    journal.write(RunStarted(run="run-9", started=EPOCH + 99_000, profile="unit", python="3.12.1"))
    journal.write(TestsCollected(tests=(NodeId(first), NodeId(second))))
    journal.write(case_of(first, "p", 0, 0).attempts[0])
    with LiveServer(LiveBoard(Config(root=tmp_path, project="shop"))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            tab = seen.tab
            tab.goto(server.url)
            expect(tab.locator("#progress")).to_contain_text("1 of 2 tests, 0 bad", timeout=60_000)
            journal.write(case_of(second, "f", 0, 1).attempts[0])
            expect(tab.locator("#progress")).to_contain_text("2 of 2 tests, 1 bad", timeout=60_000)
            tab.goto("about:blank")
        finally:
            server.shutdown()
            thread.join()
            journal.close()
    assert seen.complaints == []


def test_fifty_thousand_tests(seen: Seen, tmp_path: Path) -> None:
    """The file stays small, rows exist only where they are seen, and every one can be reached."""
    sources = many_tests(MANY, results=10, outlook=False)
    path = tmp_path / "dashboard.html"
    path.write_text("".join(page(tell(sources), sources)), "utf-8")
    assert path.stat().st_size <= 5_000_000
    tab = seen.open(path.as_uri()).tab
    tab.keyboard.press("/")
    tab.wait_for_selector("#list .gridrow")
    assert seen.found() == "50,000 of 50,000 tests"
    assert tab.locator(".gridrow").count() < 60
    tab.locator("#list").focus()
    tab.keyboard.press("End")
    assert tab.locator(".gridrow.active").get_attribute("aria-rowindex") == "50001"
    tab.fill("#search", "case-4999-of")
    assert len(seen.rows()) == 1
    tab.fill("#search", "part7 thing3")
    assert 100 < int(seen.found().partition(" ")[0].replace(",", "")) < MANY
    assert seen.complaints == []
