"""Pasts in short words: one letter per result, runs numbered from 0, a commit for each."""

from collections.abc import Mapping, Sequence

from toolkit.analysis.past import Past, RunPlace
from toolkit.history.answers import Recent
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
