"""Which elements of one suite tell of the same test, in a few bytes per test."""

from collections.abc import Hashable
from typing import NamedTuple

from msgspec.structs import replace

from toolkit.junit.cases import JUnitCase
from toolkit.junit.dialects import EQUAL_NAMES, UNIQUE_NAMES, Dialect
from toolkit.records import Outcome

_OUTCOMES = tuple(Outcome)
_INDEX = {outcome: index for index, outcome in enumerate(_OUTCOMES)}
_MANY = 0xFFF


class Told(NamedTuple):
    """What earlier elements told of a test."""

    outcome: Outcome
    bad: bool  # any attempt so far
    attempts: int
    copies: int  # distinct tests of this name

    def packed(self) -> int:
        """One small integer; 0 for the common case of one good attempt."""
        attempts, copies = min(self.attempts - 1, _MANY), self.copies - 1
        return _INDEX[self.outcome] | self.bad << 3 | attempts << 4 | copies << 16


def unpacked(state: int) -> Told:
    """Reverse of :meth:`Told.packed`."""
    return Told(_OUTCOMES[state & 7], bool(state & 8), (state >> 4 & _MANY) + 1, (state >> 16) + 1)


def same_test(dialect: Dialect, told: Told) -> bool:
    """Whether one more element of this name is another attempt; see :mod:`toolkit.junit.dialects`."""
    if dialect in UNIQUE_NAMES:
        return True
    return dialect not in EQUAL_NAMES and told.outcome.bad


class Seen:
    """The tests of one suite. Keeps a hash and a small number of each: about 100 bytes."""

    __slots__ = ("states",)

    def __init__(self) -> None:
        self.states: dict[int, int] = {}

    def first(self, key: Hashable) -> Told | None:
        """What was told of this test, or None."""
        state = self.states.get(hash(key))
        return None if state is None else unpacked(state)

    def keep(self, key: Hashable, told: Told) -> None:
        """Remember what is known now."""
        self.states[hash(key)] = told.packed()


def placed(case: JUnitCase, told: Told | None) -> tuple[JUnitCase, Told]:
    """Set what a case says about earlier elements of its name; return it and what is known now."""
    attempts = len(case.trials) + 1
    bad = case.outcome.bad or any(trial.outcome.bad for trial in case.trials)
    if told is None:
        return case, Told(case.outcome, bad, attempts, 1)
    if not same_test(case.suite.dialect, told):
        copies = told.copies + 1
        return replace(case, copy=copies), Told(case.outcome, bad, attempts, copies)
    again = replace(case, repeats=told.outcome)
    rerun = told.bad or again.betrays
    again = replace(
        again,
        was_bad=rerun,
        was_flaky=told.bad and not told.outcome.bad,
        number=told.attempts + 1,
        copy=told.copies,
    )
    if told.outcome is Outcome.FAILED and _tears_down(case):
        again = replace(again, continues=True, number=told.attempts, outcome=Outcome.FAILED)
        return again, told
    return again, Told(case.outcome, rerun or bad, told.attempts + attempts, told.copies)


def _tears_down(case: JUnitCase) -> bool:
    return case.outcome is Outcome.ERROR and case.failures[0].phase == "teardown"
