"""Order dependence and infrastructure, told from the record."""

import random
from pathlib import Path

import msgspec

from tests.history.made_runs import made_case, made_run
from toolkit.analysis.flakiness import flakiness_of
from toolkit.analysis.orders import Dependence, Places, dependences, told
from toolkit.history.store import open_history
from toolkit.records import Attempt, CaseResult, Failure, NodeId, Outcome, RunRecord

VICTIM, CAUSE = NodeId("v"), NodeId("c")
OTHERS = [NodeId(f"t{number}") for number in range(20)]


def shuffled(seed: int) -> Places:
    tests = random.Random(seed).sample([VICTIM, CAUSE, *OTHERS], len(OTHERS) + 2)
    return {test: (f"gw{place % 2}", place // 2) for place, test in enumerate(tests)}


def ran_before(places: Places) -> bool:
    return places[CAUSE][0] == places[VICTIM][0] and places[CAUSE][1] < places[VICTIM][1]


RUNS = {f"r{seed:02}": shuffled(seed) for seed in range(40)}


def test_a_polluter_is_named() -> None:
    outcomes = {VICTIM: {run: ran_before(places) for run, places in RUNS.items()}}
    found = dependences(outcomes, RUNS.__getitem__)
    assert (found[VICTIM].kind, found[VICTIM].tests, found[VICTIM].runs) == ("polluter", (CAUSE,), 40)
    assert told(found[VICTIM]) == "failed whenever c ran before it on its worker, and only then (40 runs)"


def test_a_helper_is_named() -> None:
    outcomes = {VICTIM: {run: not ran_before(places) for run, places in RUNS.items()}}
    found = dependences(outcomes, RUNS.__getitem__)
    assert (found[VICTIM].kind, found[VICTIM].tests) == ("helper", (CAUSE,))
    assert told(found[VICTIM]).startswith("passed whenever c")


def test_chance_is_no_order() -> None:
    chance = random.Random(1)
    outcomes = {VICTIM: {run: chance.random() < 0.3 for run in RUNS}}
    assert dependences(outcomes, RUNS.__getitem__) == {}


def test_few_runs_prove_nothing() -> None:
    some = dict(list(RUNS.items())[:6])
    outcomes = {VICTIM: {run: ran_before(places) for run, places in some.items()}}
    assert dependences(outcomes, RUNS.__getitem__) == {}


def test_a_fixed_order_proves_nothing() -> None:
    outcomes = {VICTIM: {run: number % 4 == 0 for number, run in enumerate(RUNS)}}
    assert dependences(outcomes, lambda _run: RUNS["r00"]) == {}


def test_many_names_are_cut_short() -> None:
    one = Dependence(kind="polluter", tests=tuple(OTHERS), runs=9, failures=4)
    assert "t0 or t1 or t2 or 17 others" in told(one)


def ordered_run(number: int, places: Places) -> RunRecord:
    run = made_run(number, {}, commit=f"c{number // 2}")
    cases = []
    for test, (worker, turn) in places.items():
        bad = test == VICTIM and ran_before(places)
        made = made_case(test, "f" if bad else "p", run.header.started)
        attempt = msgspec.structs.replace(made.attempts[0], worker=worker, order=turn)
        cases.append(CaseResult(test=test, attempts=(attempt,)))
    return msgspec.structs.replace(run, cases=tuple(cases))


def test_a_history_tells_the_order(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        for number, places in enumerate(RUNS.values()):
            history.import_run(ordered_run(number, places))
        (found,) = flakiness_of(history)
    assert (found.test, found.state, found.kind, found.others) == (VICTIM, "flaky", "order", (CAUSE,))
    assert found.evidence[-1].startswith("failed whenever c ran before it")


REFUSED = Failure(
    phase="call",
    exception="builtins.ConnectionRefusedError",
    message="[Errno 111] Connection refused",
    traceback="E   ConnectionRefusedError: [Errno 111] Connection refused",
)


def missing_server(number: int, tests: dict[str, bool]) -> RunRecord:
    run = made_run(number, {}, commit="c")
    cases = []
    for test, bad in tests.items():
        attempts = [
            Attempt(
                test=NodeId(test),
                number=place,
                outcome=outcome,
                started=run.header.started + place,
                failures=(REFUSED,) if outcome.bad else (),
            )
            for place, outcome in enumerate([Outcome.FAILED, Outcome.PASSED] if bad else [Outcome.PASSED], 1)
        ]
        cases.append(CaseResult(test=NodeId(test), attempts=tuple(attempts)))
    return msgspec.structs.replace(run, cases=tuple(cases))


def test_failures_of_a_server_are_infrastructure_and_outages_are_nothing(tmp_path: Path) -> None:
    """One test that misses its server now and then is flaky; four at once in one run are an outage."""
    with open_history(str(tmp_path / "h.sqlite")) as history:
        for number in range(20):
            tests = {"alone": number in {3, 9}, **{f"t{other}": number == 14 for other in range(4)}}
            history.import_run(missing_server(number, tests))
        found = flakiness_of(history)
    assert [(one.test, one.state, one.kind) for one in found] == [("alone", "flaky", "infrastructure")]
    assert "2 of its 2 newest failures" in found[0].evidence[-1]


def test_nothing_flaky_costs_nothing(tmp_path: Path) -> None:
    with open_history(str(tmp_path / "h.sqlite")) as history:
        history.import_run(made_run(0, {"a": "p"}))
        assert flakiness_of(history) == ()
