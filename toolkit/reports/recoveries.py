"""How long servers took to recover from the faults of chaos tests: read from what the tests measured."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from toolkit.records import CaseResult, RunRecord
from toolkit.reports.summary import RecoveryRow

PREFIX = "chaos."
MOST = 200


def recoveries_of_runs(runs: Sequence[RunRecord]) -> list[RecoveryRow]:
    """Return a row per test and fault, the slowest recovery first; of a test tried again its last attempt."""
    rows = [row for run in runs for case in run.cases for row in _of_case(case)]
    return sorted(rows, key=lambda row: (-row.recovered, row.test, row.service, row.action))[:MOST]


def _of_case(case: CaseResult) -> Iterator[RecoveryRow]:
    """Read ``chaos.ACTION.SERVICE.answered_s`` and ``….recovered_s``; whatever else is there is not ours."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for name, value in case.attempts[-1].measures.items():
        words = name.removeprefix(PREFIX).split(".")
        if name.startswith(PREFIX) and len(words) == 3:  # noqa: PLR2004 - action, service, what
            found[words[0], words[1]][words[2]] = value
    for (action, service), times in found.items():
        if times.keys() == {"answered_s", "recovered_s"}:
            yield RecoveryRow(
                test=case.test,
                action=action,
                service=service,
                answered=times["answered_s"],
                recovered=times["recovered_s"],
            )
