"""Options that choose and order tests: what they promise holds in real runs."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import pytest

from toolkit.journal import Journal, read_run
from toolkit.records import Attempt, NodeId, Outcome, RunFinished, RunRecord, RunStarted
from toolkit.scheduling.plan import Plan, read_plan

pytestmark = pytest.mark.usefixtures("alone")

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("PYTEST_XDIST_WORKER", "TOOLKIT_RUN_DIR", "TOOLKIT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    for name in "ab":
        pytester.makepyfile(
            **{
                f"test_{name}": """
                import pytest
                @pytest.fixture(scope="module")
                def shared(): return 1
                @pytest.mark.parametrize("i", range(4))
                def test_plain(i): pass
                class TestShared:
                    def test_one(self, shared): pass
                    def test_two(self, shared): pass
                """
            }
        )

    def run_pytest(*arguments: str) -> pytest.RunResult:
        arguments = ("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)
        if "-n" in arguments:
            return pytester.runpytest_subprocess(*arguments, timeout=120)
        return pytester.runpytest_inprocess(*arguments)

    return run_pytest


def ran(pytester: pytest.Pytester, number: int = -1) -> list[NodeId]:
    """Tests of a run, in the order of their start."""
    return [case.test for case in records(pytester)[number].cases]


def records(pytester: pytest.Pytester) -> list[RunRecord]:
    found = [read_run(folder) for folder in (pytester.path / ".toolkit" / "runs").iterdir()]
    return sorted(found, key=lambda record: record.header.started)


def remember(root: Path, durations: dict[str, float], failed: Sequence[str] = ()) -> None:
    """Put a made-up earlier run where the next one finds it."""
    folder = root / ".toolkit" / "runs" / "20200101T000000-aaaaaa"
    journal = Journal(folder, "controller")
    journal.write(RunStarted(run=folder.name, started=1.0, root=str(root)))
    for number, (test, seconds) in enumerate(durations.items()):
        journal.write(
            Attempt(
                test=NodeId(test),
                outcome=Outcome.FAILED if test in failed else Outcome.PASSED,
                duration=seconds,
                started=2.0 + number,
                order=number,
            )
        )
    journal.write(RunFinished(finished=99.0, exit_code=0))
    journal.close()


def test_a_random_order_says_its_seed_and_repeats(run: Run, pytester: pytest.Pytester) -> None:
    first = run("--order=random")
    seed = re.search(r"--order=(random:\d+)", first.stdout.str())
    assert seed is not None
    run(f"--order={seed[1]}")
    assert ran(pytester, 0) == ran(pytester, 1)
    assert records(pytester)[0].header.seed == int(seed[1].partition(":")[2])
    run("--order=random:1")
    assert set(ran(pytester)) == set(ran(pytester, 0))
    assert ran(pytester) != ran(pytester, 0)


def test_smart_begins_with_what_failed(run: Run, pytester: pytest.Pytester) -> None:
    names = [f"test_{file}.py::test_plain[{number}]" for file in "ab" for number in range(4)]
    names += [f"test_{file}.py::TestShared::test_{name}" for file in "ab" for name in ("one", "two")]
    remember(pytester.path, dict.fromkeys(names, 0.1), failed=["test_b.py::test_plain[2]"])
    run("--order=smart").assert_outcomes(passed=12)
    assert ran(pytester)[0] == "test_b.py::test_plain[2]"


def test_shards_are_a_partition_and_repeat(run: Run, pytester: pytest.Pytester) -> None:
    parts = []
    for number in (1, 2, 3):
        run(f"--shard={number}/3").stdout.fnmatch_lines([f"*shard {number}/3: * of 12 tests*"])
        parts.append(ran(pytester))
    assert all(parts)
    assert len(list(chain(*parts))) == len(set(chain(*parts))) == 12
    run("--shard=2/3", "-n", "2")
    assert set(ran(pytester)) == set(parts[1])


def test_shards_with_a_plan_do_not_depend_on_the_history_here(run: Run, pytester: pytest.Pytester) -> None:
    """The trap of sharding by durations: another history on another machine must change nothing."""
    names = [f"test_{file}.py::test_plain[{number}]" for file in "ab" for number in range(4)]
    remember(pytester.path, {name: 10.0**number for number, name in enumerate(names)})
    run("--collect-only", "--write-plan", "plan.json").assert_outcomes()
    plan = read_plan(pytester.path / "plan.json")
    assert len(plan.tests) == 12
    assert plan.alone > plan.estimate / 2 > 0
    run("--shard=1/2", "--plan=plan.json")
    first = ran(pytester)
    remember(pytester.path, dict.fromkeys(names, 1.0), failed=names)
    (pytester.path / ".toolkit" / "history.sqlite").unlink(missing_ok=True)
    run("--shard=1/2", "--plan=plan.json")
    assert ran(pytester) == first
    assert "test_b.py::test_plain[3]" not in first or len(first) == 1, "the giant is alone"


def test_a_list_is_run_exactly(run: Run, pytester: pytest.Pytester) -> None:
    listed = ["test_b.py::test_plain[3]", "test_a.py::TestShared::test_two", "test_b.py::test_plain[0]"]
    (pytester.path / "list.txt").write_text("\n".join(listed) + "\n\n")
    run("--run-list=list.txt").assert_outcomes(passed=3, deselected=9)
    assert ran(pytester) == listed
    run("--run-list=list.txt", "-n", "1").assert_outcomes(passed=3)
    assert ran(pytester) == listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--order=quick"], "*unknown order 'quick'*valid: declared, fast-first*"),
        (["--shard=3/2"], "*expected K/N*"),
        (["--plan=nowhere.json"], "*plan nowhere.json: cannot be read*"),
        (["--plan=test_a.py"], "*not a plan file*"),
        (["--plan=new.json"], "*version 99, this toolkit knows 1*"),
        (["--run-list=nowhere.txt"], "*cannot be read*"),
        (["--run-list=gone.txt"], "*1 of the listed tests were not collected: test_a.py::gone*"),
        (["--run-list=twice.txt"], "*is there twice*"),
    ],
)
def test_wrong_options_are_usage_errors(
    run: Run, pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    (pytester.path / "gone.txt").write_text("test_a.py::gone\n")
    (pytester.path / "twice.txt").write_text("test_a.py::t\ntest_a.py::t\n")
    (pytester.path / "new.json").write_text(json.dumps({"version": 99, "made": 0}))
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_plan_lists_what_is_left_out(run: Run, pytester: pytest.Pytester) -> None:
    run("--collect-only", "--write-plan", "out/plan.json", "-k", "Shared")
    plan: Plan = read_plan(pytester.path / "out" / "plan.json")
    assert len(plan.tests) == 4
    assert len(plan.left_out) == 8
    assert plan.tests[0].affinity == "test_a.py"


def test_auto_chooses_no_workers_for_tiny_tests_and_says_why(run: Run, pytester: pytest.Pytester) -> None:
    run().assert_outcomes(passed=12)
    result = run("-n", "auto")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["*toolkit: 0 workers, predicted from earlier runs*"])


def test_estimate_before_and_actual_after(run: Run, pytester: pytest.Pytester) -> None:
    run("-n", "2").assert_outcomes(passed=12)
    result = run("-n", "2")
    result.stdout.fnmatch_lines(
        ["*toolkit: 12 tests on 2 workers, about * s*", "*toolkit: planned * s*took * s*"]
    )


def test_a_damaged_history_is_a_warning_not_the_end(run: Run, pytester: pytest.Pytester) -> None:
    state = pytester.path / ".toolkit"
    state.mkdir()
    (state / "history.sqlite").write_bytes(b"no database at all " * 100)
    result = run("--order=smart")
    result.assert_outcomes(passed=12, warnings=1)
    result.stdout.fnmatch_lines(["*planned without history*"])
