"""Real runs under xdist: nothing exclusive overlaps, dead workers are named, different collections go on."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from toolkit.journal import read_run

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

others_measure = pytest.mark.usefixtures("unmeasured")
Run = Callable[..., pytest.RunResult]

CONFTEST = """
import json, os, time, pytest

@pytest.fixture(autouse=True)
def span(request):
    start = time.time()
    yield
    line = {"test": request.node.name, "worker": os.environ.get("PYTEST_XDIST_WORKER"),
            "start": start, "end": time.time()}
    with open(os.environ["SPANS"], "a") as stream:
        stream.write(json.dumps(line) + "\\n")
"""


class Bench:
    """A small project in which tests write down when they ran."""

    def __init__(self, pytester: pytest.Pytester, start: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.run = start
        self.spans_file = pytester.path / "spans.txt"
        monkeypatch.setenv("SPANS", str(self.spans_file))
        pytester.makepyprojecttoml("[tool.toolkit]\n")
        pytester.makeconftest(CONFTEST)

    def spans(self) -> list[dict[str, object]]:
        lines = self.spans_file.read_text().splitlines() if self.spans_file.exists() else []
        return [json.loads(line) for line in lines]

    def named(self, prefix: str) -> list[dict[str, object]]:
        return [span for span in self.spans() if str(span["test"]).startswith(prefix)]


@pytest.fixture
def bench(pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(pytester, run, monkeypatch)


def overlap(one: dict[str, object], other: dict[str, object]) -> bool:
    return float(str(one["start"])) < float(str(other["end"])) and float(str(other["start"])) < float(
        str(one["end"])
    )


def test_serial_and_exclusive_tests_never_overlap(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import time, pytest
        def pause(i=0): time.sleep(0.03)
        @pytest.mark.serial
        @pytest.mark.parametrize("i", range(3))
        def test_serial(i): pause()
        @pytest.mark.parametrize("i", range(12))
        def test_plain(i): pause()
        @pytest.mark.uses("x")
        @pytest.mark.parametrize("i", range(4))
        def test_x(i): pause()
        @pytest.mark.uses("y", "x")
        @pytest.mark.parametrize("i", range(3))
        def test_both(i): pause()
        """
    )
    result = bench.run("-n", "3", "-v")
    result.assert_outcomes(passed=22)
    result.stdout.fnmatch_lines(["*ToolkitScheduling*"])
    spans = bench.spans()
    assert len(spans) == 22
    for serial in bench.named("test_serial"):
        assert not [
            other for other in spans if other is not serial and other != serial and overlap(serial, other)
        ]
    users = sorted(
        [*bench.named("test_x"), *bench.named("test_both")], key=lambda span: float(str(span["start"]))
    )
    assert not [pair for pair in pairwise(users) if overlap(*pair)]
    assert len({span["worker"] for span in bench.named("test_plain")}) > 1, "it ran in parallel at all"


def test_fixtures_survive_a_pause_and_are_torn_down_once_per_worker(bench: Bench) -> None:
    """Module fixtures around exclusive tests: as many tear-downs as set-ups, no test sees a dead fixture."""
    bench.pytester.makepyfile(
        **{
            f"test_{name}": """
            import os, time, pytest
            @pytest.fixture(scope="module")
            def server():
                alive = {"on": True}
                with open("fixtures.txt", "a") as s: s.write("+\\n")
                yield alive
                alive["on"] = False
                with open("fixtures.txt", "a") as s: s.write("-\\n")
            @pytest.mark.uses("x")
            @pytest.mark.parametrize("i", range(3))
            def test_x(server, i):
                time.sleep(0.02)
                assert server["on"]
            @pytest.mark.uses("y")
            @pytest.mark.parametrize("i", range(3))
            def test_y(server, i):
                time.sleep(0.02)
                assert server["on"]
            @pytest.mark.parametrize("i", range(3))
            def test_plain(server, i):
                assert server["on"]
            """
            for name in "abc"
        }
    )
    bench.run("-n", "3").assert_outcomes(passed=27)
    marks = (bench.pytester.path / "fixtures.txt").read_text().split()
    assert marks.count("+") == marks.count("-") >= 3


@others_measure
def test_a_failing_teardown_during_a_pause_is_reported(bench: Bench) -> None:
    bench.pytester.makepyfile(
        test_a="""
        import time, pytest
        @pytest.fixture(scope="module")
        def broken():
            yield
            raise RuntimeError("tear-down went wrong")
        @pytest.mark.uses("x")
        def test_1(broken): time.sleep(0.1)
        """,
        test_b="""
        import time, pytest
        @pytest.mark.uses("x")
        @pytest.mark.parametrize("i", range(3))
        def test_2(i): time.sleep(0.05)
        """,
    )
    result = bench.run("-n", "2")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*tear-down went wrong*"])


@others_measure
def test_a_test_that_kills_its_worker_is_named_and_the_rest_runs(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import os, time, pytest
        @pytest.mark.parametrize("i", range(10))
        def test_fine(i): time.sleep(0.01)
        def test_deadly(): os._exit(3)
        """
    )
    result = bench.run("-n", "2")
    result.assert_outcomes(passed=10, failed=1)
    result.stdout.fnmatch_lines(["*crashed while running*test_deadly*"])


def test_a_test_that_kills_twice_is_stopped(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import os, pytest
        @pytest.mark.parametrize("i", range(4))
        def test_fine(i): pass
        def test_deadly(): os._exit(3)
        """
    )
    result = bench.run("-n", "2", "--retries", "5")
    result.stdout.fnmatch_lines(["*killed 2 workers and is not tried again*"])
    assert result.parseoutcomes()["failed"] == 1
    assert result.parseoutcomes()["passed"] == 4


def test_workers_that_collect_differently_go_on_and_say_so(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import os, pytest
        me = os.environ.get("PYTEST_XDIST_WORKER", "main")
        @pytest.mark.parametrize("i", ["a", "b", f"only-{me}"])
        def test_it(i): pass
        """
    )
    result = bench.run("-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["*collected different tests*", "*only gw0: *only-gw0*", "*only gw1: *only-gw1*"]
    )


@others_measure
def test_a_different_order_of_collection_is_no_problem(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import os, pytest
        ids = [str(number) for number in range(6)]
        if os.environ.get("PYTEST_XDIST_WORKER") == "gw1": ids.reverse()
        @pytest.mark.parametrize("i", ids)
        def test_it(i): pass
        """
    )
    result = bench.run("-n", "2")
    result.assert_outcomes(passed=6)
    assert "different tests" not in result.stdout.str()


def test_a_group_stays_on_one_worker(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import time, pytest
        @pytest.mark.parametrize("i", range(8))
        def test_plain(i): time.sleep(0.01)
        @pytest.mark.xdist_group("g")
        @pytest.mark.parametrize("i", range(6))
        def test_group(i): time.sleep(0.01)
        """
    )
    bench.run("-n", "3").assert_outcomes(passed=14)
    assert len({span["worker"] for span in bench.named("test_group")}) == 1


def test_another_dist_mode_is_left_alone_and_the_summary_says_what_is_lost(bench: Bench) -> None:
    bench.pytester.makepyfile("import pytest\n@pytest.mark.serial\ndef test_it(): pass")
    result = bench.run("-n", "2", "--dist", "loadfile")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*under --dist loadfile serial tests*not kept apart*"])


@others_measure
def test_the_first_failure_stops_the_run(bench: Bench) -> None:
    bench.pytester.makepyfile(
        """
        import time, pytest
        def test_bad(): assert 0
        @pytest.mark.parametrize("i", range(50))
        def test_fine(i): time.sleep(0.05)
        """
    )
    result = bench.run("-n", "2", "-x")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert result.parseoutcomes()["failed"] == 1
    assert len(bench.spans()) < 40


@others_measure
def test_no_temporary_folder_is_left(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    bench.pytester.makepyfile("def test_it(): pass")
    base = str(bench.pytester.path / "base")
    bench.run("-n", "1", "--basetemp", base, apart=True).assert_outcomes(passed=1)
    assert not list(tmp_path.glob("toolkit-exchange-*"))


def test_a_teardown_that_fails_during_a_pause_is_recorded_for_a_test_of_its_module(bench: Bench) -> None:
    bench.pytester.makepyfile(
        test_a="""
        import time, pytest
        @pytest.fixture(scope="module")
        def broken():
            yield
            raise RuntimeError("tear-down went wrong")
        @pytest.mark.uses("x")
        def test_1(broken): time.sleep(0.3)
        @pytest.mark.uses("x")
        def test_2(broken): time.sleep(0.3)
        @pytest.mark.serial
        def test_3(): pass
        """,
        test_b="""
        import time
        def test_long(): time.sleep(1.2)
        """,
    )
    result = bench.run("-n", "2")
    result.assert_outcomes(passed=4, errors=1)
    (folder,) = (bench.pytester.path / ".toolkit" / "runs").iterdir()
    record = read_run(folder)
    bad = [case for case in record.cases if case.outcome.bad]
    assert [case.test.partition("::")[0] for case in bad] == ["test_a.py"]
    assert bad[0].attempts[-1].failures[0].phase == "teardown"


@others_measure
def test_pytest_randomly_shuffles_and_nothing_is_lost(bench: Bench) -> None:
    """Every worker is shuffled alike by its seed; serial tests still run alone."""
    bench.pytester.makepyfile(
        """
        import time, pytest
        @pytest.mark.parametrize("i", range(12))
        def test_plain(i): time.sleep(0.01)
        @pytest.mark.serial
        @pytest.mark.parametrize("i", range(2))
        def test_serial(i): time.sleep(0.02)
        """
    )
    result = bench.run("-n", "2", beside=("randomly",), apart=True)
    result.stdout.fnmatch_lines(["*--randomly-seed=*"])
    result.assert_outcomes(passed=14)
    for serial in bench.named("test_serial"):
        assert not [other for other in bench.spans() if other != serial and overlap(serial, other)]
