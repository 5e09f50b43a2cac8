"""When everything runs although a selection could be made, and how well selection did when everything ran."""

from collections.abc import Sequence

import msgspec

from toolkit.config.settings import Impact

FULL_MODES = frozenset({"full", "shadow", "record"})
"""Modes of runs in which nothing was left out."""
DAY = 86_400.0


class PastRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the store remembers it."""

    at: float  # Unix seconds
    mode: str  # "selected", "shadow", "full" (policy), "record" (--no-impacted, or nothing known)
    selected: int = 0
    left_out: int = 0  # tests; in modes without leaving out: those that selection would have left out
    saved: float = 0.0  # seconds
    failing: int = 0
    missed: int = 0  # failing tests among those that would have been left out


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """How selection did so far."""

    judged: int  # runs of everything in which selection could be judged
    failing: int  # failing tests in these runs
    missed: int
    runs: int  # runs with selection
    saved: float  # seconds that these saved, by the last durations of the tests left out

    @property
    def recall(self) -> float | None:
        """Share of the failing tests that selection would have run; None before any failed."""
        return None if self.failing == 0 else 1 - self.missed / self.failing


def full_reason(policy: Impact, *, branch: str, environment: str, past: Sequence[PastRun], now: float) -> str:
    """Tell why everything has to run; empty when it has not.

    Args:
        policy: what the project wants.
        branch: that is checked out; empty when unknown.
        environment: "local", "ci" or "staging".
        past: earlier runs, oldest first.
        now: Unix seconds.
    """
    if environment == "ci" and branch in policy.main:
        return f"branch {branch} in CI"
    if not past:
        return ""
    since = 0
    last_full: PastRun | None = None
    for run in past:
        if run.mode in FULL_MODES:
            since, last_full = 0, run
        else:
            since += 1
    if policy.every and since + 1 >= policy.every:
        return f"every {policy.every}th run"
    oldest = last_full.at if last_full is not None else past[0].at
    if policy.days and now - oldest > policy.days * DAY:
        return f"the last run of everything is more than {policy.days:g} days ago"
    return ""


def track(past: Sequence[PastRun]) -> Track:
    """Sum up how selection did in past runs."""
    judged = [run for run in past if run.mode in {"full", "shadow"}]
    selected = [run for run in past if run.mode == "selected"]
    return Track(
        judged=len(judged),
        failing=sum(run.failing for run in judged),
        missed=sum(run.missed for run in judged),
        runs=len(selected),
        saved=sum(run.saved for run in selected),
    )
