"""What became of a test between two runs: new, fixed, regressed, known or flaky.

The words are those of test management: a failure is *new* once, *known* while it lasts, *fixed* when it ends
and *regressed* when it comes back. A change of the outcome on the same commit is none of these: it is
*flaky*, since nothing in the code explains it (Luo, Hariri, Eloussi and Marinov 2014, "An empirical analysis
of flaky tests").
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from toolkit.history.letters import BAD

NOT_RUN = frozenset("sS")


class State(StrEnum):
    """What the newest result of a test is, seen with those before."""

    NEW = "new"  # it fails, and never did before
    REGRESSED = "regressed"  # it fails, did before, and was good in between
    FLAKY = "flaky"  # good and bad on the same code
    KNOWN = "known"  # it fails as it did the last time
    FIXED = "fixed"  # it is good again


WORST_FIRST = tuple(State)
"""Of several states of one test (one per Python, for example) the first of these counts."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One result of a test.

    Attributes:
        letter: of the verdict, see :mod:`toolkit.history.letters`; a capital was good only after a retry.
        code: what ran: the commit; "" when it is not known or there were changes beside it.
    """

    letter: str
    code: str = ""

    @property
    def bad(self) -> bool:
        """Whether a build with it fails."""
        return self.letter in BAD

    @property
    def ran(self) -> bool:
        """Whether it says anything: a skipped test does not."""
        return self.letter not in NOT_RUN


def state_of(before: Sequence[Sighting], now: Sighting) -> State | None:
    """Judge the newest result of a test by those before it in the same configuration, oldest first.

    Returns:
        None: nothing happened: it is good as it was, new and good, or skipped.
    """
    before = [sighting for sighting in before if sighting.ran]
    if now.letter.isupper() and now.ran:
        return State.FLAKY
    if now.bad:
        return _of_failure(before, now)
    if now.ran and before and before[-1].bad:
        return State.FLAKY if _same_code(before[-1], now) else State.FIXED
    return None


def _of_failure(before: Sequence[Sighting], now: Sighting) -> State:
    if before and before[-1].bad:
        return State.KNOWN
    if any(_same_code(sighting, now) and not sighting.bad for sighting in before):
        return State.FLAKY
    return State.REGRESSED if any(sighting.bad for sighting in before) else State.NEW


def _same_code(one: Sighting, other: Sighting) -> bool:
    return bool(one.code) and one.code == other.code


def worst(states: Iterable[State | None]) -> State | None:
    """Return the state that matters most among those of one test."""
    found = set(states)
    return next((state for state in WORST_FIRST if state in found), None)
