"""What one ``<testcase>`` says, whoever wrote it."""

import msgspec

from toolkit.junit.dialects import Dialect
from toolkit.junit.identity import identity_of
from toolkit.records import Attempt, Failure, NodeId, Outcome


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The ``<testsuite>`` around a case; shared by all its cases."""

    name: str = ""
    parents: tuple[str, ...] = ()  # names of the suites around it, outermost first
    file: str = ""
    host: str = ""
    package: str = ""
    timestamp: str = ""
    dialect: Dialect = Dialect.UNKNOWN
    properties: dict[str, str] = {}  # its own and those of the suites around it


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Another attempt of the same test, told inside its element (``<rerunFailure>``, ``<flakyError>``)."""

    outcome: Outcome
    failure: Failure
    duration: float = 0.0  # seconds


class JUnitCase(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One ``<testcase>`` element: one test with all attempts that the element tells of.

    Some runners write one element per attempt. Such an element has ``repeats`` set to the verdict that
    the same test had so far in this file: whoever counts tests takes that verdict back.
    """

    suite: Suite
    name: str
    classname: str = ""
    file: str = ""
    line: int | None = None  # from 1
    outcome: Outcome  # the verdict: that of the last attempt
    first: Outcome | None = None  # of the attempt that the element itself tells of, if not the verdict
    duration: float = 0.0  # seconds of that attempt
    reason: str = ""  # of a skip or an expected failure
    failures: tuple[Failure, ...] = ()
    trials: tuple[Trial, ...] = ()  # before this attempt if it is good, after it if it is bad
    properties: dict[str, str] = {}
    repeats: Outcome | None = None
    was_bad: bool = False  # an earlier attempt of the same test was bad
    was_flaky: bool = False  # so far the test counted as flaky
    number: int = 1  # of the first attempt told here
    continues: bool = False  # not an attempt of its own: the tear-down of the one before
    copy: int = 1  # the n-th distinct test of this name in its suite

    @property
    def test(self) -> NodeId:
        """The identity of the test; see :mod:`toolkit.junit.identity`."""
        return identity_of(
            classname=self.classname,
            name=self.name,
            file=self.file or self.suite.file,
            suite=self.suite.name,
            host=self.suite.host,
            dialect=self.suite.dialect,
            properties=self.properties,
            copy=self.copy,
        )

    @property
    def betrays(self) -> bool:
        """Whether it shows that the attempt before was bad, although that one was told as passed."""
        before = self.suite.dialect is Dialect.PYTEST and self.repeats is Outcome.PASSED
        return before and not self.continues

    @property
    def total(self) -> float:
        """Seconds of all attempts told here."""
        return self.duration + sum(trial.duration for trial in self.trials)

    @property
    def flaky(self) -> bool:
        """Whether it failed and then passed, counting what earlier elements of this file told."""
        return not self.outcome.bad and (self.was_bad or any(trial.outcome.bad for trial in self.trials))

    def attempts(self, *, started: float = 0.0, test: NodeId | None = None) -> tuple[Attempt, ...]:
        """All attempts told here as records, in order.

        Args:
            started: Unix seconds of the first.
            test: the identity, if it is known already: making it is not cheap.
        """
        own = (self.first or self.outcome, self.duration, self.reason, self.failures)
        others = [(trial.outcome, trial.duration, "", (trial.failure,)) for trial in self.trials]
        rows = [own, *others] if self.outcome.bad else [*others, own]
        test, attempts = test or self.test, []
        for number, (outcome, duration, reason, failures) in enumerate(rows, start=self.number):
            attempts.append(
                Attempt(
                    test=test,
                    number=number,
                    outcome=outcome,
                    started=started,
                    duration=duration,
                    call=duration,
                    reason=reason,
                    failures=failures,
                    file=self.file or self.suite.file,
                    line=self.line,
                )
            )
            started += duration
        return tuple(attempts)
