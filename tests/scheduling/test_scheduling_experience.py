"""From recorded runs to what the next plan needs."""

from collections.abc import Sequence
from pathlib import Path

from toolkit.history.store import open_history
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted
from toolkit.scheduling.experience import costs_of, expected_tests, experience_of, failure_rate, known
from toolkit.scheduling.workers import Costs


def record(
    number: int,
    durations: dict[str, float],
    *,
    workers: int = 0,
    outcome: Outcome = Outcome.PASSED,
    arguments: Sequence[str] = (),
    gap: float = 0.0,
) -> RunRecord:
    run = f"2026010{number}T000000-aaaaaa"
    started = number * 1000.0
    clock = started + 2.0
    cases = []
    for test, seconds in durations.items():
        attempt = Attempt(
            test=NodeId(test),
            outcome=outcome,
            started=clock,
            duration=seconds,
            setup=seconds / 2,
            cpu=seconds / 4,
        )
        cases.append(CaseResult(test=NodeId(test), attempts=(attempt,)))
        clock += seconds + gap
    return RunRecord(
        header=RunStarted(run=run, started=started, host="here", workers=workers, arguments=tuple(arguments)),
        cases=tuple(cases),
        finished=clock,
        exit_code=0,
    )


def test_experience_is_typical_time_and_newest_need(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        for number, seconds in enumerate([1.0, 1.2, 9.0], start=1):
            history.import_run(record(number, {"a.py::t": seconds}))
        seen = experience_of(history)[NodeId("a.py::t")]
    assert round(seen.duration, 3) == 1.2, "the median, not the outlier"
    assert seen.setup == 4.5
    assert round(seen.cpu or 0, 3) == 0.3, "as much of the usual time as of the newest"
    assert seen.runs == 3
    assert seen.failure_rate == 0


def test_the_failure_rate_weighs_the_newest_result_most() -> None:
    assert failure_rate("") == failure_rate("pps") == 0
    assert failure_rate("pf") > failure_rate("fp") > failure_rate("fpp") > 0
    assert failure_rate("pf") >= 0.7
    assert 0 < failure_rate("P") < failure_rate("f"), "late passes count half"


def test_a_test_that_is_always_skipped_takes_what_skipping_takes(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        history.import_run(record(1, {"a.py::t": 0.25}, outcome=Outcome.SKIPPED))
        assert experience_of(history)[NodeId("a.py::t")].duration == 0.25


def test_the_tests_to_come_are_those_of_the_last_run_that_chose_alike(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        history.import_run(record(1, {"a.py::t": 1.0, "b.py::t": 1.0}, arguments=["-n", "2", "-v"]))
        history.import_run(
            record(2, {"a.py::t": 1.0}, arguments=["a.py", "-k", "t", "-p", "no:cacheprovider"])
        )
        shapes = history.run_shapes()

        def expect(*arguments: str) -> frozenset[NodeId] | None:
            return expected_tests(history, shapes, profile="", arguments=arguments)

        assert expect("-n", "auto", "--order=smart") == frozenset(map(NodeId, ("a.py::t", "b.py::t")))
        assert expect("a.py", "-n", "4", "-k", "t") == frozenset({NodeId("a.py::t")})
        assert expect("b.py") is None
        assert expected_tests(history, shapes, profile="unit", arguments=()) is None
        experience = experience_of(history)
        assert set(known(experience, frozenset({NodeId("a.py::t")}))) == {"a.py::t"}
        assert known(experience, None) == experience


def test_costs_are_those_of_this_machine(tmp_path: Path) -> None:
    many = {f"a.py::t{number}": 0.01 for number in range(60)}
    with open_history(str(tmp_path / "h.sqlite")) as history:
        history.import_run(record(1, many, gap=0.0012))
        history.import_run(record(2, many, workers=2))
        shapes = history.run_shapes()
    costs = costs_of(shapes, host="here", cores=2)
    assert 0.0011 < costs.test < 0.0013
    assert 1.8 < costs.controller / Costs().controller < 2.2, "a machine half as fast"
    assert costs.collection == costs.start == 2.0
    assert costs_of(shapes, host="here", cores=1).start == 1.0, "two workers shared one core"
    assert costs_of(shapes, host="elsewhere", cores=2) == Costs()
