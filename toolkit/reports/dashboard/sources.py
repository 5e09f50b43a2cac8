"""Everything that the dashboard is made of, read once: the runs it is about, and what was before."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from toolkit.analysis.past import Past, past_of, place_of
from toolkit.history.answers import RunRow
from toolkit.history.store import History
from toolkit.records import RunRecord
from toolkit.reports.dashboard.benchmarks import Judged
from toolkit.reports.dashboard.facts import CoverageFacts, ProfileFacts, Progress, ServiceFacts, StrainFacts
from toolkit.reports.dashboard.outlook import Outlook, outlook_of
from toolkit.reports.dashboard.strain import with_tests

RUNS = 200
"""So many of the newest runs make the trend."""
_FILES = 100


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        created: Unix seconds of the reading.
        records: the runs that the page is about, oldest first.
        runs: the newest runs of the history, oldest first; with those of ``records`` if they are in it.
        past: the newest results of every test, and what each run ran.
        outlook: what the whole history means.
    """

    created: float
    title: str
    records: tuple[RunRecord, ...]
    past: Past
    outlook: Outlook = Outlook()
    runs: tuple[RunRow, ...] = ()
    coverage: CoverageFacts | None = None
    services: tuple[ServiceFacts, ...] = ()
    strain: StrainFacts = StrainFacts()
    judged: Judged = Judged()
    profiles: tuple[ProfileFacts, ...] = ()
    progress: Progress | None = None

    @property
    def present(self) -> frozenset[str]:
        """Ids of the runs that the page is about."""
        return frozenset(record.header.run for record in self.records)

    @property
    def earlier(self) -> frozenset[str]:
        """Ids of the runs before those: what they are compared with."""
        begin = min((record.header.started for record in self.records), default=float("inf"))
        return frozenset(run for run, place in self.past.runs.items() if place.started < begin)


def read_sources(
    history: History,
    records: Sequence[RunRecord],
    *,
    created: float,
    title: str = "",
    coverage: CoverageFacts | None = None,
    services: Sequence[ServiceFacts] = (),
    strain: StrainFacts | None = None,
    judged: Judged | None = None,
    profiles: Sequence[ProfileFacts] = (),
    progress: Progress | None = None,
    outlook: Outlook | None = None,
) -> Sources:
    """Read from the history what belongs to some runs.

    Args:
        history: open; it may hold the runs already.
        records: the runs that the page is about; they may still go on.
        created: Unix seconds, now.
        title: heading; by default the name of the project.
        coverage: see :func:`read_coverage`.
        services: what is up.
        strain: see :func:`toolkit.reports.dashboard.strain.read_strain`.
        judged: what the gates say of benchmarks.
        profiles: see :func:`toolkit.reports.dashboard.profiles.profiles_for`.
        progress: of a run that still goes on.
        outlook: what the history means, if that is known already or not asked for.
    """
    past = past_of(history)
    fresh = {record.header.run: place_of(record.header, len(record.cases)) for record in records}
    return Sources(
        created=created,
        title=title or next((record.header.project for record in records if record.header.project), ""),
        records=tuple(sorted(records, key=lambda record: record.header.started)),
        runs=history.runs(limit=RUNS)[::-1],
        outlook=outlook_of(history, past) if outlook is None else outlook,
        past=msgspec.structs.replace(past, runs={**fresh, **past.runs}),
        coverage=coverage,
        services=tuple(services),
        strain=with_tests(strain or StrainFacts(), records),
        judged=judged or Judged(),
        profiles=tuple(profiles),
        progress=progress,
    )


def newest_build(history: History) -> tuple[RunRecord, ...]:
    """Return the newest run and those of the same build, oldest first; nothing when there is none."""
    newest = history.runs(limit=1)
    if not newest:
        return ()
    rows = history.runs(limit=RUNS, build=newest[0].build) if newest[0].build else newest
    records = (history.record(row.run) for row in reversed(rows))
    return tuple(record for record in records if record is not None)


def read_coverage(path: Path) -> CoverageFacts | None:
    """Read ``coverage.json`` as coverage writes it; None when there is none or it is something else.

    https://coverage.readthedocs.io/en/latest/commands/cmd_json.html
    """
    try:
        told = json.loads(path.read_text("utf-8"))
        totals = told["totals"]
        files = sorted(
            (
                (name, float(one["summary"]["percent_covered"]), int(one["summary"]["missing_lines"]))
                for name, one in told["files"].items()
            ),
            key=lambda row: (row[1], -row[2], row[0]),
        )
        return CoverageFacts(
            percent=float(totals["percent_covered"]),
            statements=int(totals["num_statements"]),
            missing=int(totals["missing_lines"]),
            files=tuple(files[:_FILES]),
            files_in_all=len(files),
            measured=path.stat().st_mtime,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
