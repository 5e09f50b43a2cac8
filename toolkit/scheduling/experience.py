"""From the history to what the next plan needs to know."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit.history.letters import BAD
from toolkit.history.store import History
from toolkit.history.usage import RunShape, Usage
from toolkit.records import NodeId
from toolkit.scheduling.jobs import Experience
from toolkit.scheduling.workers import Costs

NEWEST_WEIGHT = 0.7
"""Weight of the newest result in the failure rate; the rest goes to the rate before it."""

STEADY_RESULTS = 10
"""The duration is the median of this many results."""

LOOKED_AT = 20
"""Newest results of each test that count: older ones would change a failure rate by less than 1e-10."""

SELECTING = (
    *("-m", "-k", "-c", "--deselect", "--ignore", "--ignore-glob", "--lf", "--last-failed", "--ff", "--sw"),
    *("--impacted", "--no-impacted", "--shard", "--run-list", "--pyargs", "--keep-duplicates"),
)
"""Options that change which tests run."""

TAKING_A_WORD = (
    *("-p", "-n", "-r", "-W", "-o", "--basetemp", "--maxfail", "--durations", "--tb", "--timeout", "--order"),
    *("--retries", "--dist", "--color", "--junitxml", "--junit-xml", "--maxprocesses", "--numprocesses"),
    *("--rootdir", "--capture", "--log-level", "--log-cli-level", "--cov", "--cov-report", "--plan"),
)
"""Other options whose value may be the next word."""


FORECASTS = "predictions.json"
"""File in the state folder: what ``invoke predict.train`` expects of each test."""


class Forecasts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``invoke predict.train`` keeps."""

    made: float = 0.0
    """Seconds since 1970. Results that are newer than this are not in it."""
    tests: dict[NodeId, float] = {}
    """Probability of failing, 0 to 1."""
    urgency: dict[NodeId, float] = {}
    """The one number per test that orders: higher runs earlier, 0 to 1, on the scale of a suspicion."""


def experience_of(
    history: History, forecasts: Forecasts | None = None, *, newest: float = 0.0
) -> dict[NodeId, Experience]:
    """Return what the history says of every test that ever ran.

    Args:
        history: of the project.
        forecasts: a probability raises the failure rate of a test, never lowers it, since the history may be
            newer than the forecast.
        newest: when the newest run ended. Only a forecast that was made later orders the tests; after that,
            what failed last knows more.
    """
    usage, told = history.usage(), forecasts or Forecasts()
    found = {
        test: _experience(verdicts, durations, usage.get(test))
        for test, verdicts, durations in history.lately(LOOKED_AT)
    }
    urgency = told.urgency if told.made >= newest else {}
    for test in told.tests.keys() | urgency.keys():
        if test in found:
            found[test] = _foretold(found[test], told.tests.get(test, 0.0), urgency.get(test))
    return found


def _foretold(seen: Experience, expected: float, urgency: float | None) -> Experience:
    if urgency is None and expected <= seen.failure_rate:
        return seen
    return msgspec.structs.replace(seen, failure_rate=max(expected, seen.failure_rate), urgency=urgency)


def read_forecasts(state: Path) -> Forecasts:
    """Return the newest forecast; an empty one where there is none that can be read."""
    try:
        return msgspec.json.decode((state / FORECASTS).read_bytes(), type=Forecasts)
    except (OSError, msgspec.DecodeError):
        return Forecasts()


def failure_rate(verdicts: str) -> float:
    """Return the exponentially weighted share of failures, newest result heaviest.

    A result that was good only after a retry counts as half a failure.

    Args:
        verdicts: letters of :mod:`toolkit.history.letters`, oldest first.
    """
    rate = 0.0
    if verdicts.islower() and BAD.isdisjoint(verdicts):  # nearly always
        return rate
    for letter in verdicts:
        bad = 1.0 if letter in BAD else 0.5 if letter.isupper() else 0.0
        rate += NEWEST_WEIGHT * (bad - rate)
    return rate


def _experience(verdicts: str, durations: tuple[float, ...], usage: Usage | None) -> Experience:
    if _SKIPPED.isdisjoint(verdicts):  # nearly always
        taken = list(durations[-STEADY_RESULTS:])
    else:
        pairs = zip(verdicts, durations, strict=True)
        taken = [seconds for letter, seconds in pairs if letter not in _SKIPPED][-STEADY_RESULTS:]
        taken = taken or list(durations[-1:])  # always skipped: it takes what skipping takes
    taken.sort()
    duration = taken[len(taken) // 2]
    rate, count = failure_rate(verdicts), len(verdicts)
    if usage is None:
        return Experience(duration=duration, failure_rate=rate, runs=count)
    cpu = _cpu_of(usage, duration)
    return Experience(
        duration=duration, setup=usage.setup, cpu=cpu, memory=usage.memory, failure_rate=rate, runs=count
    )


_SKIPPED = frozenset("sS")


def _cpu_of(usage: Usage, duration: float) -> float | None:
    """Return the CPU seconds of a result that takes so long, in the proportion of the newest one.

    That one may have been faster or slower than usual: without coverage, on another Python. Its CPU beside
    the usual duration would look like waiting, which more workers cure, or like threads.
    """
    if usage.cpu is None or not usage.duration:
        return usage.cpu
    return usage.cpu * duration / usage.duration


def costs_of(shapes: Sequence[RunShape], *, host: str, cores: int) -> Costs:
    """Measure what this machine costs beside the tests themselves, as far as earlier runs tell."""
    alone = [shape for shape in shapes if shape.header.host == host and shape.header.workers == 0]
    several = [shape for shape in shapes if shape.header.host == host and shape.header.workers > 0]
    costs = Costs()
    per_test = [(shape.span - shape.work) / shape.tests for shape in alone if shape.tests >= _ENOUGH]
    if per_test:
        measured = min(max(_middle(per_test), costs.test / 4), costs.test * 20)
        costs = costs.scaled(measured / costs.test)
    if alone:
        costs = costs.with_collection(_middle([shape.start_up for shape in alone]))
    if several:
        # More workers than cores share them while they start and collect.
        crowds = [max(1.0, shape.header.workers / cores) for shape in several]
        starts = [shape.start_up / crowd for shape, crowd in zip(several, crowds, strict=True)]
        costs = costs.with_start(_middle(starts))
    return costs


_ENOUGH = 50


def _middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def same_selection(shape: RunShape, profile: str, arguments: Sequence[str]) -> bool:
    """Tell whether a run chose its tests as a run with these arguments would."""
    return shape.header.profile == profile and _selecting(shape.header.arguments) == _selecting(arguments)


def _selecting(arguments: Sequence[str]) -> tuple[str, ...]:
    """Keep the arguments that say which tests run: paths, and options of :data:`SELECTING`."""
    kept: list[str] = []
    previous = ""
    for argument in arguments:
        if argument.startswith(SELECTING) or (not argument.startswith("-") and previous not in TAKING_A_WORD):
            kept.append(argument)
        previous = argument
    return tuple(kept)


def expected_tests(
    history: History, shapes: Sequence[RunShape], *, profile: str, arguments: Sequence[str]
) -> frozenset[NodeId] | None:
    """Guess, before anything is collected, which tests will run: those of the last run that chose alike."""
    last = next((shape for shape in shapes if same_selection(shape, profile, arguments)), None)
    return None if last is None else history.tests_of(last.header.run)


def known(
    experience: Mapping[NodeId, Experience], tests: frozenset[NodeId] | None
) -> dict[NodeId, Experience]:
    """Keep the experience of some tests."""
    if tests is None:
        return dict(experience)
    return {test: seen for test, seen in experience.items() if test in tests}
