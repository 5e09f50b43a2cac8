"""The benchmarks of this part run, and small histories with known truth are judged as well as large ones."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from toolkit.analysis.likelihood import Ledger
from toolkit.analysis.prediction import Result
from toolkit.records import NodeId

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_flaky_tests_are_found_and_regressions_and_outages_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Precision 0.95 and recall 0.9 within 50 runs, better than the rules of thumb; the chance is seeded."""
    benchmark = loaded("flaky", monkeypatch)
    assert benchmark.main(["--json", "--projects=3", "--tests=200"]) == 0
    found = json.loads(capsys.readouterr().out)
    for label in ("retries 1", "no retries"):
        ours = found[label]["toolkit"]
        assert ours["precision"] >= 0.95
        assert ours["recall"] >= 0.9
        assert ours["regressions called flaky"] == 0
        assert ours["outages called flaky"] == 0
        assert ours["others told as order"] == 0
        assert all(ours["F1"] > other["F1"] for name, other in found[label].items() if name != "toolkit")
    assert benchmark.main(["--projects=1", "--tests=60"]) == 0
    assert "precision" in capsys.readouterr().out


def test_the_cost_of_analysis_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = loaded("analysis", monkeypatch)
    assert benchmark.main(["--json", "--sizes", "5e3"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["sizes"]
    assert found["results"] == 5000
    assert found["flaky"] == found["rightly"] == found["really flaky"] == 1
    assert benchmark.main(["--sizes", "2500"]) == 0
    assert "us a result" in capsys.readouterr().out


def test_a_result_may_be_ranked_by_the_earlier_results_of_its_test_in_the_cycle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As published figures do; other tests of the cycle tell nothing, and the ledger learns nothing."""
    benchmark = loaded("prediction", monkeypatch)
    ledger = Ledger()
    ledger.learn([(NodeId("a"), False, 1.0), (NodeId("b"), False, 1.0)])
    cycle = [
        Result(test=NodeId(test), failed=failed, duration=1.0)
        for test, failed in (
            ("a", True),
            ("new", True),
            ("a", True),
            ("b", True),
            ("new", False),
            ("a", False),
        )
    ]
    (first, before), (second, once), (third, twice) = benchmark.views(ledger, cycle)
    assert (first, second, third) == ([0, 1, 3], [2, 4], [5])
    assert before is ledger
    assert [view.tests[NodeId("a")].recent for view in (before, once, twice)] == [
        (False,), (False, True), (False, True, True),
    ]  # fmt: skip
    assert once.tests[NodeId("new")].recent == (True,)
    assert once.tests[NodeId("b")] == twice.tests[NodeId("b")] == ledger.tests[NodeId("b")]
    assert (once.rate, once.new_rate) == (ledger.rate, ledger.new_rate)
    assert all(one.last_run <= twice.run for one in twice.tests.values())
    assert set(ledger.tests) == {"a", "b"}


def test_orders_are_measured_with_either_knowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no test runs twice in a cycle both say the same, ties at random included."""
    benchmark = loaded("prediction", monkeypatch)
    cycles = [
        [Result(test=NodeId(f"t{n}"), failed=(n + run) % 5 == 0, duration=1.0 + n) for n in range(8)]
        for run in range(9)
    ]
    told = [benchmark.evaluate(cycles, 2, "all", knowing) for knowing in ("cycles", "results")]
    assert told[0] == told[1]
    assert told[0]["methods"]["optimum"]["APFD"] > told[0]["methods"]["random"]["APFD"]
