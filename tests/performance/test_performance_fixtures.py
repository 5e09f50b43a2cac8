"""The fixtures and the marker, in projects of users, and what the record has of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtimes import Servers
from toolkit.journal import read_run
from toolkit.records import RunRecord


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunRecord]:
    """Run a project's tests and read the record."""
    for name in ("TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyprojecttoml('[tool.toolkit.databases]\nmigrations = "migrations"\n')
    (pytester.path / "migrations").mkdir()
    (pytester.path / "migrations" / "1.sql").write_text("CREATE TABLE book (id int)", encoding="utf-8")

    def start(*words: str, **outcomes: int) -> RunRecord:
        result = pytester.runpytest_subprocess("-p", "toolkit", "-p", "no:cacheprovider", *words)
        result.assert_outcomes(**outcomes)
        start.output = result.stdout.str()  # type: ignore[attr-defined]
        runs: Path = pytester.path / ".toolkit" / "runs"
        return read_run(next(runs.iterdir()))

    return start


def test_blocks_and_marked_tests_are_recorded_and_judged(
    pytester: pytest.Pytester, run: Callable[..., RunRecord]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_block(performance_tracker):
            with performance_tracker.block("sum", wall=600) as block:
                sum(range(1000))
            assert block.usage.wall > 0

        def test_over(performance_requirement):
            with performance_requirement("loop", wall=0):
                sum(range(1000))

        @pytest.mark.performance_requirement(wall=600, memory="10g")
        def test_marked():
            pass

        @pytest.mark.performance_requirement(wall=0)
        def test_marked_over():
            sum(range(1000))
        """
    )
    record = run(passed=2, failed=2)
    measures = {case.test.rpartition("::")[2]: case.attempts[0].measures for case in record.cases}
    assert measures["test_block"]["perf.sum.wall_s"] > 0
    assert measures["test_over"]["perf.loop.wall_s"] > 0
    assert measures["test_marked_over"]["perf.test.wall_s"] > 0
    assert "loop: over its budget" in run.output  # type: ignore[attr-defined]
    assert "test: over its budget" in run.output  # type: ignore[attr-defined]


def test_benchmarks_of_statements_are_recorded(
    pytester: pytest.Pytester,
    run: Callable[..., RunRecord],
    real_servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With their plan; without pytest-benchmark the test says what to install."""
    monkeypatch.setenv("DATABASE_URL", real_servers.urls("embedded")["DATABASE_URL"])
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    pytester.makepyfile(
        """
        def test_query(benchmark_db):
            benchmark_db.connection.execute("INSERT INTO book VALUES (1), (2)")
            assert benchmark_db("SELECT id FROM book ORDER BY id", rounds=5) == [(1,), (2,)]
            assert "Sort" in benchmark_db.plan("SELECT id FROM book ORDER BY id")[0]

        def test_change(benchmark_db):
            assert benchmark_db("DELETE FROM book", rounds=2, warmups=0) == []
        """
    )
    record = run("-p", "pytest_benchmark.plugin", "--benchmark-enable", passed=2)
    measures = record.cases[0].attempts[0].measures
    assert measures["benchmark.rounds"] == 5
    assert measures["benchmark.median_s"] > 0


def test_what_is_missing_is_told(pytester: pytest.Pytester, run: Callable[..., RunRecord]) -> None:
    pytester.makepyfile("def test_query(benchmark_db): pass")
    run(errors=1)
    assert "nox-invoke-toolkit[performance]" in run.output  # type: ignore[attr-defined]
