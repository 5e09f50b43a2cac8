"""Who is called flaky, and who is not."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.analysis.past_runs import made_past, run_name
from toolkit.analysis.flaky import FlakyTest, flaky_tests, same_code, seen_of
from toolkit.analysis.past import past_of, place_of
from toolkit.history.store import open_history
from toolkit.records import Attempt, CaseResult, NodeId, Outcome, RunRecord, RunStarted

PAIRS = [number // 2 for number in range(20)]  # two runs of each commit
CALM = {f"calm_{number}": "p" * 20 for number in range(10)}


def judged(letters: str, commits: list[int] = PAIRS, contexts: Sequence[str] = ()) -> FlakyTest | None:
    found = flaky_tests(made_past({"t": letters, **CALM}, commits, contexts=contexts))
    return found[0] if found else None


def test_a_late_pass_is_proof() -> None:
    found = judged("p" * 12 + "P" + "p" * 7, list(range(20)))
    assert found is not None
    assert (found.state, found.failures, found.results, found.proofs) == ("flaky", 1, 20, 1)
    assert found.low < found.rate < found.high
    assert found.since == found.seen == run_name(12)
    assert "one run" in found.evidence[0]


def test_both_outcomes_of_one_commit_are_proof() -> None:
    found = judged("pppp" + "fp" + "p" * 14)
    assert found is not None
    assert found.state == "flaky"
    assert found.evidence == ("failed in 1 of 2 runs of 2 (unit)",)


@pytest.mark.parametrize(
    ("letters", "commits"),
    [
        ("p" * 10 + "f" * 10, PAIRS),  # breaks with a commit and stays
        ("p" * 9 + "f" * 11, PAIRS),  # breaks from outside, on unchanged code
        ("p" * 9 + "f" * 6 + "p" * 5, PAIRS),  # and is mended from outside
        ("f" * 7 + "p" * 13, PAIRS),
        ("p" * 8 + "ffff" + "p" * 8, [0] * 20),  # four in a row of twenty: not by chance
        ("p" * 19 + "f", PAIRS),  # has only just begun
        ("s" * 20, PAIRS),
        ("xyxyxyxyxyxyxyxyxyxy", PAIRS),  # expected to fail
    ],
)
def test_what_begins_and_stays_is_a_regression(letters: str, commits: list[int]) -> None:
    assert judged(letters, commits) is None


def test_a_break_does_not_count_in_the_rate_of_a_flaky_test() -> None:
    found = judged("ppPppPpppp" + "ffffffffff", list(range(20)))
    assert found is not None
    assert (found.results, found.failures) == (10, 2)


def test_other_code_is_no_proof_but_suspicious_when_it_happens_twice() -> None:
    own = list(range(20))
    assert judged("pppf" + "p" * 16, own) is None
    found = judged("pppfppppfp" + "p" * 10, own)
    assert found is not None
    assert (found.state, found.proofs) == ("suspect", 0)
    assert "other code" in found.evidence[0]


def test_a_test_that_fails_in_one_context_only_is_not_flaky() -> None:
    contexts = ["3.11", "3.12"] * 10
    assert judged("fp" * 10, PAIRS, contexts=contexts) is None


def test_branches_with_different_verdicts_are_not_flaky() -> None:
    assert judged("pf" * 10, [0, 1] * 10) is None


def test_an_outage_is_not_flakiness() -> None:
    struck = {f"t{number}": "p" * 8 + "f" + "p" * 11 for number in range(5)}
    late = {f"u{number}": "p" * 8 + "P" + "p" * 11 for number in range(5)}
    assert flaky_tests(made_past({**struck, **late, **CALM}, PAIRS)) == ()


def test_two_tests_that_fail_once_together_are_suspects() -> None:
    struck = {f"t{number}": "p" * 8 + "P" + "p" * 11 for number in range(2)}
    found = flaky_tests(made_past({**struck, **CALM}, PAIRS))
    assert [one.state for one in found] == ["suspect", "suspect"]
    assert "outage" in found[0].evidence[-1]


def test_failures_that_their_texts_explain_are_left_out() -> None:
    past = made_past({"t": "p" * 12 + "P" + "p" * 7, **CALM})
    assert flaky_tests(past, shielded={(NodeId("t"), run_name(12))}) == ()


def test_few_results_make_a_suspect() -> None:
    found = judged("pPppp", list(range(20)))
    assert found is not None
    assert found.state == "suspect"


def test_the_worst_comes_first() -> None:
    past = made_past({"a": "pPppppppppp", "b": "PpPpPpPpPpp", "c": "Ppp"})
    assert [one.test for one in flaky_tests(past)] == ["b", "a", "c"]


def test_tries_that_failed_after_a_pass_count() -> None:
    past = made_past({"t": "p" * 10 + "f"}, tries={("t", 10): "pp"})
    (found,) = flaky_tests(past)
    assert (found.state, found.failures) == ("flaky", 0)
    assert len(same_code(seen_of(past, NodeId("t")))) == 11


def test_uncommitted_code_is_never_the_same_code() -> None:
    clean = RunStarted(run="r1", started=1.0, commit="c", python="3.12.1", profile="unit")
    dirty = RunStarted(run="r2", started=1.0, commit="c", dirty=True, python="3.12.1")
    assert place_of(clean).code == "c"
    assert place_of(dirty).code == "run r2"
    assert place_of(clean).context == "unit 3.12 local"


def test_the_past_is_read_from_a_history(tmp_path: Path) -> None:
    def record(index: int, *letters: Outcome) -> RunRecord:
        tries = tuple(
            Attempt(test=NodeId("a.py::t"), number=number, outcome=outcome, started=index, duration=0.1)
            for number, outcome in enumerate(letters, 1)
        )
        header = RunStarted(run=f"r{index}", started=float(index), commit="c", branch="main")
        return RunRecord(header=header, cases=(CaseResult(test=NodeId("a.py::t"), attempts=tries),))

    with open_history(str(tmp_path / "h.sqlite")) as history:
        for index in range(12):
            outcomes = (Outcome.FAILED, Outcome.PASSED) if index == 4 else (Outcome.PASSED,)
            history.import_run(record(index, *outcomes))
        past = past_of(history)
    assert list(past.runs) == [f"r{index}" for index in range(12)]
    assert past.runs["r4"].tests == 1
    assert past.tries == {("a.py::t", "r4"): "f"}
    (found,) = flaky_tests(past)
    assert (found.state, found.seen) == ("flaky", "r4")
