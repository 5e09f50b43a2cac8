"""How large the dashboard of many tests is, how long it takes to make, and how fast it is in a real browser.

    uv run --with playwright benchmarks/dashboard.py             50,000 tests, 1,000 benchmarks
    uv run benchmarks/dashboard.py --no-browser --tests 10000
    uv run --with playwright benchmarks/dashboard.py --json

The browser is Chromium: the one of the system if there is one, else Playwright's. First view: from the start
of the navigation to the first frame with verdict and insights. Filter: from the input to the frame with rows.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from toolkit.analysis.flaky import flaky_tests
from toolkit.analysis.forecast import forecasts, learned_runs
from toolkit.analysis.measures import MeasureTrend
from toolkit.analysis.past import Past, RunPlace
from toolkit.analysis.prediction import LISTED
from toolkit.history.answers import Recent, RunRow
from toolkit.history.measured import Measured
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord, RunStarted
from toolkit.reports.dashboard.benchmarks import MEASURE, benchmark_trends
from toolkit.reports.dashboard.outlook import Outlook, prior_model
from toolkit.reports.dashboard.page import page
from toolkit.reports.dashboard.sources import Sources
from toolkit.reports.dashboard.telling import tell

EPOCH = 1.75e9
RUNS = 60
FILTERS = ("part7", "test_12 thing", "case-4", "nothing like it", "")


def made_sources(tests: int, *, results: int = 50, seed: int = 1, outlook: bool = True) -> Sources:
    """Make a project with a history: durations that scatter, some failures, some flaky tests."""
    dice = random.Random(seed)
    names = [_name(number) for number in range(tests)]
    runs = tuple(_row(number, tests) for number in range(RUNS))
    ids = tuple(row.run for row in runs)
    recent = {name: _recent(name, ids[-results:], dice) for name in names}
    cases = tuple(_case(recent[name], place, dice) for place, name in enumerate(names))
    header = RunStarted(
        run=ids[-1], started=runs[-1].started, project="Big", profile="unit", python="3.12.1", commit="c59"
    )
    record = RunRecord(header=header, cases=cases, finished=header.started + 300, exit_code=1)
    places = {
        row.run: RunPlace(run=row.run, started=row.started, code=row.commit, tests=tests) for row in runs
    }
    past = Past(runs=places, recent=recent)
    return Sources(
        created=EPOCH,
        title="Big",
        records=(record,),
        runs=runs,
        past=past,
        outlook=made_outlook(past) if outlook else Outlook(),
    )


def made_benchmarks(count: int, *, commits: int = 50, seed: int = 1) -> tuple[MeasureTrend, ...]:
    """Make benchmarks that were measured on many commits; a few have moved to another level."""
    dice = random.Random(seed)
    rows = [
        Measured(
            test=NodeId(f"tests/test_speed_{number % 20}.py::test_takes[{number}]"),
            name=MEASURE,
            value=0.001 * (1 + number % 50) * dice.gauss(1.3 if number % 40 == 7 and at > 25 else 1, 0.01),
            run=f"run-{at}",
            started=EPOCH + at * 3600,
            commit=f"{at:02x}" * 20,
            profile="performance",
            python="3.12.1",
            host="here",
            environment="ci",
        )
        for at in range(commits)
        for number in range(count)
    ]
    return benchmark_trends(rows)


def made_outlook(past: Past) -> Outlook:
    """Find flaky and risky tests without training, which has a benchmark of its own."""
    likely = [one for one in forecasts(prior_model(learned_runs(past)), past) if one.probability > LISTED]
    return Outlook(flaky=flaky_tests(past), forecasts=tuple(likely[:200]))


def _name(number: int) -> NodeId:
    file = f"tests/part{number % 40}/test_{number // 40 % 50}.py"
    return NodeId(f"{file}::TestThing{number % 7}::test_does_what_it_says[case-{number}-of-many]")


def _row(number: int, tests: int) -> RunRow:
    bad = tests // 500
    return RunRow(
        run=f"20261101T0{number % 10}0000-{number:06x}",
        origin="journal",
        build="",
        project="Big",
        profile="unit",
        python="3.12.1",
        environment="local",
        commit=f"c{number}",
        branch="main",
        host="here",
        started=EPOCH + number * 3600,
        finished=EPOCH + number * 3600 + 300,
        exit_code=1,
        tests=tests,
        passed=tests - bad,
        failed=bad,
        errors=0,
        skipped=0,
        xfailed=0,
        xpassed=0,
        crashed=0,
        flaky=3,
        missing=0,
        attempts=tests,
        duration=tests * 0.05,
    )


def _recent(name: NodeId, runs: tuple[str, ...], dice: random.Random) -> Recent:
    usual = dice.lognormvariate(-3.5, 1.2)
    rate = 0.3 if dice.random() < 0.01 else 0.001
    verdicts = "".join(
        "f" if dice.random() < rate else "P" if dice.random() < rate / 3 else "p" for _ in runs
    )
    durations = tuple(usual * dice.uniform(0.8, 1.3) for _ in runs)
    return Recent(test=name, runs=runs, verdicts=verdicts, durations=durations)


def _case(past: Recent, place: int, dice: random.Random) -> CaseResult:
    failed = past.verdicts[-1] == "f"
    message = f"assert {dice.randrange(1000)} == {place}"
    failure = Failure(
        phase="call",
        exception="builtins.AssertionError",
        message=message,
        traceback=f"    def test_it():\n>       {message}\nE       {message}\n\na.py:{place}: Error\n" * 5,
    )
    attempt = Attempt(
        test=past.test,
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
        worker=f"gw{place % 8}",
        started=EPOCH + RUNS * 3600 + place * 0.006,
        duration=past.durations[-1],
        cpu=past.durations[-1] * 0.8,
        memory=60_000_000 + place * 100,
        failures=(failure,) if failed else (),
        file=past.test.partition("::")[0],
        line=place % 400 + 1,
        markers=("unit",) if place % 3 else ("unit", "slow"),
    )
    return CaseResult(test=past.test, attempts=(attempt,))


def measure(tests: int, benchmarks: int, folder: Path) -> tuple[Path, dict[str, float]]:
    """Write the page of a made project; return it with seconds and bytes."""
    sources = made_sources(tests)
    begun = time.perf_counter()
    trends = made_benchmarks(benchmarks)
    made = time.perf_counter()
    outlook = msgspec.structs.replace(sources.outlook, benchmarks=trends)
    sources = msgspec.structs.replace(sources, outlook=outlook)
    followed, begun = made - begun, time.perf_counter()
    told = tell(sources)
    between = time.perf_counter()
    path = folder / "dashboard.html"
    path.write_text("".join(page(told, sources)), "utf-8")
    ended = time.perf_counter()
    return path, {
        "benchmarks made and followed, s": round(followed, 2),
        "facts, s": round(between - begun, 2),
        "page, s": round(ended - between, 2),
        "file, MB": round(path.stat().st_size / 1e6, 2),
    }


TIMED = """
async (words) => {
  const box = document.getElementById("search"), begun = performance.now();
  box.value = words;
  box.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begun;
}
"""


SEARCHED = TIMED.replace('document.getElementById("search")', 'document.querySelector("#benchmarks input")')
SHOWN = """
async (view) => {
  const begun = performance.now();
  const there = new Promise((done) => addEventListener("hashchange", done, { once: true }));
  location.hash = view;
  await there;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begun;
}
"""


def in_browser(path: Path) -> dict[str, float]:
    """Open the page and use it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        tab = browser.new_page()
        tab.goto(path.as_uri())
        tab.wait_for_selector("#main[data-tests=ready]", timeout=60_000)
        marks = {name: _mark(tab, name) for name in ("first-view", "tests-unpacked")}
        tab.keyboard.press("/")
        tab.wait_for_selector("#list")
        tab.evaluate(TIMED, "warm up")
        taken = [tab.evaluate(TIMED, words) for words in FILTERS for _ in range(3)]
        shown = [tab.evaluate(SHOWN, view) for _ in range(5) for view in ("overview", "benchmarks")][1::2]
        searched = [
            tab.evaluate(SEARCHED, words) for words in ("speed_7", "takes", "none", "") for _ in range(3)
        ]
        browser.close()
    return {
        "first view, ms": round(marks["first-view"]),
        "tests unpacked, ms": round(marks["tests-unpacked"]),
        "filter median, ms": round(statistics.median(taken)),
        "filter worst, ms": round(max(taken)),
        "benchmarks shown median, ms": round(statistics.median(shown)),
        "benchmarks searched median, ms": round(statistics.median(searched)),
        "benchmarks searched worst, ms": round(max(searched)),
    }


def _mark(tab: Any, name: str) -> float:
    return float(tab.evaluate("(name) => performance.getEntriesByName(name)[0].startTime", name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=50_000)
    parser.add_argument("--benchmarks", type=int, default=1_000, help="each measured on 50 commits")
    parser.add_argument("--no-browser", action="store_true", help="only make the page")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, found = measure(given.tests, given.benchmarks, Path(folder))
        if not given.no_browser:
            found |= in_browser(path)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:>33}  {value:g}")


if __name__ == "__main__":
    main()
