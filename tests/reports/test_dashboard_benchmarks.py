"""Benchmarks, and what load, fuzzing and attacks found: facts of the dashboard, Markdown, insights."""

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.dashboard import made_benchmarks
from tests.gates.gated_project import Gated, junit_of
from tests.reports.made_dashboard import BENCHMARKS, EPOCH, LOAD, NASTY, made_sources
from toolkit.config import load_config
from toolkit.gates.benchmarks import judged_benchmarks
from toolkit.history.measured import Measured
from toolkit.load.verdicts import ActionFigures, LoadResult
from toolkit.load.writing import write_result
from toolkit.records import NodeId
from toolkit.reports.dashboard.benchmarks import (
    COMMITS,
    MEASURE,
    Judged,
    benchmark_trends,
    benchmarks_of,
    is_slower,
)
from toolkit.reports.dashboard.facts import BenchmarksFacts, Compared, Facts, StrainFacts
from toolkit.reports.dashboard.insights import insights_of
from toolkit.reports.dashboard.markdown import markdown
from toolkit.reports.dashboard.strain import read_strain
from toolkit.reports.dashboard.telling import tell


def rows(*values: tuple[str, float], test: str = "t.py::test_a", host: str = "here") -> list[Measured]:
    """One run for each commit and value."""
    return [
        Measured(
            test=NodeId(test), name=MEASURE, value=value, run=f"run-{at}", started=EPOCH + at, commit=commit,
            profile="performance", python="3.12.1", host=host, environment="ci",
        )
        for at, (commit, value) in enumerate(values)
    ]  # fmt: skip


def told(*measured: Measured, judged: Judged | None = None) -> BenchmarksFacts:
    return benchmarks_of(benchmark_trends(measured), judged or Judged())


def test_each_commit_has_the_median_of_its_runs() -> None:
    """A run without git stands for itself; another machine is another row; other measures are left out."""
    more = rows(("c1", 9.0), host="there")
    other = msgspec.structs.replace(rows(("c1", 1.0))[0], name="perf.block.cpu_s")
    found = told(*rows(("c0", 1.0), ("c1", 2.0), ("c1", 4.0), ("c1", 2.5), ("", 3.0)), *more, other)
    assert [commit for commit, _ in found.commits] == ["c0", "c1", "run-4"]
    here, there = sorted(found.rows, key=lambda one: one.host)
    assert (here.at, here.seconds, here.runs) == ((0, 1, 2), (1.0, 2.5, 3.0), 5)
    assert (here.change, here.moved, here.budget, here.compared) == (1.2, None, None, None)
    assert (there.at, there.seconds, there.change) == ((1,), (9.0,), None)


def test_only_the_newest_commits_are_kept_and_nothing_is_nothing() -> None:
    many = rows(*((f"c{at}", 1.0) for at in range(COMMITS + 9)))
    found = told(*many)
    assert len(found.rows[0].seconds) == COMMITS
    assert found.commits[0][0] == "c9"
    assert told() == BenchmarksFacts()


def test_what_needs_a_look_comes_first() -> None:
    """Above its budget, slower in turns, moved up, changed; then the rest."""
    slower = Compared(base="b", head="h", ratio=1.1, low=1.0, high=1.2, noise=1.0, slower=True)
    judged = Judged(limit=lambda name: 0.5 if "over" in name else None, compared={"t.py::slower": slower})
    moved = rows(*(("c" + str(at), 1.0 if at < 10 else 1.5) for at in range(20)), test="t.py::moved")
    found = told(
        *rows(("c0", 1.0), ("c1", 1.0), test="t.py::even"),
        *rows(("c0", 1.0), ("c1", 1.4), test="t.py::changed"),
        *moved, *rows(("c0", 0.2), ("c1", 0.3), test="t.py::slower"), *rows(("c0", 0.6), test="t.py::over"),
        judged=judged,
    )  # fmt: skip
    names = [one.test.removeprefix("t.py::") for one in found.rows]
    assert names == ["over", "slower", "moved", "changed", "even"]
    assert [is_slower(one) for one in found.rows] == [False, True, True, False, False]
    level = found.rows[2].moved
    assert level is not None
    assert (level.commit, level.before, level.after) == ("c10", 1.0, 1.5)


def test_a_thousand_benchmarks_stay_small() -> None:
    """Under a megabyte: commits are told once, medians with four figures."""
    found = benchmarks_of(made_benchmarks(1_000, commits=50), Judged())
    assert len(found.rows) == found.in_all == 1_000
    assert len(msgspec.json.encode(found)) < 1_000_000
    assert {one.test.partition("[")[2] for one in found.rows[:25]} == {f"{7 + 40 * n}]" for n in range(25)}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return tell(made_sources(tmp_path_factory.mktemp("shop"))).facts


def test_the_facts_of_the_shop(facts: Facts) -> None:
    first, second = facts.benchmarks.rows
    assert (first.test, first.budget, first.seconds[-1]) == (BENCHMARKS[0], 0.005, 0.009)
    assert second.compared is not None
    assert (facts.strain.security, facts.strain.attacks) == (6, NASTY[:3])
    said = {
        insight.view: insight.text for insight in facts.insights if insight.view in {"benchmarks", "strain"}
    }
    texts = [insight.text for insight in facts.insights]
    assert any("Above what it may take: 1 benchmark; " + BENCHMARKS[0] in text for text in texts)
    assert any(text.startswith("Slower than c4c4c4c4c4c4 on the same machine: 1 benchmark") for text in texts)
    assert "Did not hold under the load browse: p99_ms: 160.0, expected at most 100" in texts
    assert "Fuzzing found 1 faults of the API, such as GET /boom<b>: Server error" in texts
    assert said["strain"] == "An attack was not met as it should be: 3 tests"


def test_markdown_tells_the_same(facts: Facts) -> None:
    text = markdown(facts)
    assert "| browse | failed | 49.8 of 50 | 160.0 ms | p99\\_ms\\: 160.0, expected at most 100 |" in text
    assert "| `GET /boom<b>` | Server error |" in text
    assert "## Security tests that failed" in text
    assert "| `tests/test_cart.py::test_total` | 9 ms | 1.12 x |  | 5 ms |" in text
    bare = msgspec.structs.replace(facts, benchmarks=BenchmarksFacts(), strain=StrainFacts())
    assert not {"## Load", "## Fuzzing", "## Benchmarks"}.intersection(markdown(bare).splitlines())
    assert {one.view for one in insights_of(bare)}.isdisjoint({"benchmarks", "strain"})


def test_a_load_without_a_verdict_is_a_warning(facts: Facts) -> None:
    load = msgspec.structs.replace(LOAD, verdict="refused", findings=("too busy",))
    busy = msgspec.structs.replace(facts, strain=StrainFacts(loads=(load,)))
    assert ("warning", "The client was the limit of the load browse: too busy") in [
        (one.weight, one.text) for one in insights_of(busy)
    ]


def test_reports_of_sessions_are_read_or_named(tmp_path: Path) -> None:
    assert read_strain(tmp_path) == StrainFacts()
    figures = ActionFigures(name="all", requests=5, mean_ms=1, p50_ms=1, p95_ms=2, p99_ms=3, max_ms=4)
    result = LoadResult(
        wanted_rate=20, sent_rate=20, throughput=19, error_rate=0.1, all=figures, actions=(), errors={},
        late_p99_ms=0.1, client_share=0.1, processes=1, failed=("p99_ms: 3.0, expected at most 2",),
    )  # fmt: skip
    write_result(tmp_path, "browse", result, code=("c0", ""))
    (tmp_path / "load" / "cut.json").write_text("{", encoding="utf-8")
    (tmp_path / "fuzz").mkdir()
    junit = tmp_path / "fuzz" / "junit.xml"
    junit.write_text(junit_of({"GET /ok": "", "GET /boom": "ST101 Server error"}), encoding="utf-8")
    found = read_strain(tmp_path)
    (load,) = found.loads
    assert (load.scenario, load.verdict, load.p99_ms, load.commit) == ("browse", "failed", 3, "c0")
    assert found.fuzz is not None
    assert found.fuzz.findings[0][:2] == ("GET /boom", "Server error")
    assert len(found.unread) == 1
    junit.write_text("<testsuites/>", encoding="utf-8")
    assert "no operation was asked" in read_strain(tmp_path).unread[1]


def test_gates_tell_limits_and_the_last_comparison(tmp_path: Path) -> None:
    """Budgets by name; a comparison of whatever code; nothing where there is none or the gate is off."""
    project = Gated(tmp_path / "shop")
    project.settings('[tool.toolkit.gates.budgets]\n"*pay*" = 20\n')
    judged = judged_benchmarks(load_config(project.root, {}))
    assert (judged.limit("t.py::test_pay"), judged.limit("t.py::x"), judged.compared) == (0.02, 5.0, {})
    blocks = [{"seconds": 0.1, "copies": 0.001 * (-1) ** at, "shift": 0.2} for at in range(12)]
    report = {
        "base": "b0", "head": "h0", "state": "", "timer": "wall", "seed": 1,
        "blocks": {"t.py::a": blocks, "t.py::b": []},
    }  # fmt: skip
    project.write("reports/performance.json", json.dumps(report))
    project.settings('[tool.toolkit.gates]\noff = ["performance.absolute"]\n')
    judged = judged_benchmarks(load_config(project.root, {}))
    assert judged.limit("t.py::test_pay") is None
    assert list(judged.compared) == ["t.py::a"]
    one = judged.compared["t.py::a"]
    assert (one.base, one.head, one.slower) == ("b0", "h0", True)
    assert one.ratio == pytest.approx(1.2214, abs=0.001)
