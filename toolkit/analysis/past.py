"""What analysis looks at: the newest results of every test, and the code and place that each ran on."""

from collections.abc import Mapping

import msgspec

from toolkit.history.answers import Recent
from toolkit.history.store import History
from toolkit.records import NodeId, RunStarted


class RunPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run ran, and on what.

    Attributes:
        run: its id.
        started: Unix seconds.
        code: results of the same code have the same value; a run of unknown or uncommitted code has a value
            of its own, since nobody can tell what it ran.
        context: profile, Python, environment and platform: a test may fail in one of them for good.
        branch: "" when unknown.
        tests: number of results; 0 when unknown.
    """

    run: str
    started: float
    code: str
    context: str = ""
    branch: str = ""
    tests: int = 0

    @property
    def stream(self) -> tuple[str, str]:
        """Runs of one stream follow each other: one context on one branch."""
        return self.context, self.branch


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The newest results of every test, with the runs that they belong to.

    Attributes:
        runs: run id → place, oldest first.
        recent: test → its newest results, oldest first.
        tries: (test, run) → letters of all attempts before the last, where there was more than one.
    """

    runs: Mapping[str, RunPlace]
    recent: Mapping[NodeId, Recent]
    tries: Mapping[tuple[NodeId, str], str] = {}


def past_of(history: History) -> Past:
    """Read what the history keeps of every test: at most its 50 newest results."""
    counts = {row.run: row.tests for row in history.runs(limit=None)}
    headers = history.headers()
    return Past(
        runs={one.run: place_of(one, counts.get(one.run, 0)) for one in reversed(headers)},
        recent=history.recent(),
        tries=history.earlier_tries(),
    )


def place_of(header: RunStarted, tests: int = 0) -> RunPlace:
    """Tell the place of a run from its first line."""
    known = header.commit and not header.dirty
    version = ".".join(header.python.split(".")[:2])
    return RunPlace(
        run=header.run,
        started=header.started,
        code=header.commit if known else f"run {header.run}",
        context=" ".join(
            filter(None, (header.profile, version, header.environment, header.platform, header.shard))
        ),
        branch=header.branch,
        tests=tests,
    )
