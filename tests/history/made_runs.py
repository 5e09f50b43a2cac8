"""Run records in short words."""

from toolkit.history.letters import OUTCOMES
from toolkit.records import Attempt, CaseResult, Failure, Frame, NodeId, Outcome, RunRecord, RunStarted

HOUR = 3600.0
EPOCH = 1_750_000_000.0


def made_run(
    index: int, outcomes: dict[str, str], *, run: str = "", finished: bool = True, **header: str
) -> RunRecord:
    """Make the run of hour ``index``: test → letters of its attempts, such as "fp" for a flaky one."""
    started = EPOCH + index * HOUR
    cases = tuple(made_case(test, letters, started) for test, letters in outcomes.items())
    return RunRecord(
        header=RunStarted(run=run or f"run-{index:04}", started=started, **{"profile": "unit", **header}),  # type: ignore[arg-type]
        cases=cases,
        finished=started + 60 if finished else None,
        exit_code=0 if finished else None,
    )


def made_case(test: str, letters: str, started: float = EPOCH, duration: float = 0.5) -> CaseResult:
    """Make one case; every bad attempt has a failure."""
    attempts = tuple(
        Attempt(
            test=NodeId(test),
            number=number,
            outcome=OUTCOMES[letter],
            worker="gw1",
            order=number,
            started=started + number,
            duration=duration,
            call=duration,
            cpu=duration / 2,
            memory=50_000_000,
            reason="not today" if letter == "s" else "",
            failures=(made_failure(test),) if OUTCOMES[letter].bad else (),
            file=test.partition("::")[0],
            line=7,
            markers=("unit",),
        )
        for number, letter in enumerate(letters, start=1)
    )
    return CaseResult(test=NodeId(test), attempts=attempts)


def made_failure(test: str) -> Failure:
    """Make what a failing assertion leaves behind."""
    return Failure(
        phase="call",
        exception="builtins.AssertionError",
        message=f"assert 1 == 2 in {test}",
        traceback="E   assert 1 == 2\n" * 20,
        frames=(Frame(path="tests/test_a.py", line=3, function="test_b"),),
        sections={"stdout": "hello"},
    )


__all__ = ["EPOCH", "HOUR", "Outcome", "made_case", "made_failure", "made_run"]
