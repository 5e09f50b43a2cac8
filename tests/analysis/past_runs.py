"""Pasts in short words: one letter per result, runs numbered from 0, a commit for each."""

from collections.abc import Mapping, Sequence

from toolkit.analysis.past import Past, RunPlace
from toolkit.history.answers import Recent, RunRow
from toolkit.records import NodeId


def run_name(number: int) -> str:
    return f"run-{number:03}"


def made_past(
    letters: Mapping[str, str],
    commits: Sequence[object] = (),
    *,
    contexts: Sequence[str] = (),
    tries: Mapping[tuple[str, int], str] | None = None,
) -> Past:
    """Make a past: test → its letters; without commits every run has its own."""
    count = max(map(len, letters.values()))
    runs = {
        run_name(number): RunPlace(
            run=run_name(number),
            started=float(number),
            code=str(commits[number] if commits else number),
            context=contexts[number] if contexts else "unit",
            tests=len(letters),
        )
        for number in range(count)
    }
    recent = {
        NodeId(test): Recent(
            test=NodeId(test),
            runs=tuple(runs)[: len(row)],
            verdicts=row,
            durations=(0.1,) * len(row),
        )
        for test, row in letters.items()
    }
    told = {(NodeId(test), run_name(run)): row for (test, run), row in (tries or {}).items()}
    return Past(runs=runs, recent=recent, tries=told)


def made_run_row(
    number: int, *, wall: float | None = 10.0, python: str = "3.12.1", profile: str = "unit", **counts: float
) -> RunRow:
    """Make the run of hour ``number`` from some of its counts."""
    started = number * 3600.0
    whole: dict[str, object] = dict.fromkeys(_COUNTS, 0)
    return RunRow(
        run=run_name(number),
        origin="journal",
        build="",
        project="",
        profile=profile,
        python=python,
        environment="ci",
        commit=f"c{number:09}",
        branch="main",
        host="here",
        started=started,
        finished=None if wall is None else started + wall,
        exit_code=0,
        **{**whole, **counts},  # type: ignore[arg-type]
    )


_COUNTS = (
    *("tests", "passed", "failed", "errors", "skipped", "xfailed", "xpassed", "crashed", "flaky"),
    *("missing", "attempts", "duration"),
)
