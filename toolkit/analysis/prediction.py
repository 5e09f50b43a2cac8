"""Probability that each test fails next, learned from history, calibrated, and explained.

Two stages. The first is :mod:`toolkit.analysis.likelihood`, which needs no training. The second is a
correction by extremely randomized trees (Geurts, Ernst and Wehenkel 2006; scikit-learn's) learned from
earlier runs in time order. A test's columns count twice: as they are, and by its rank among the tests of its
run. Equal tests share a rank, so that nothing depends on the order in which tests are given: results are
recorded as tests ran, and that order knows what failed. Probabilities are calibrated with Platt's sigmoid
(Platt 1999) on the latest quarter of the runs, on which the trees were not trained.

With a short history the first stage alone answers, through the same calibration where possible: a
prediction is never an error. scikit-learn is an optional extra of the control side.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from toolkit.analysis.likelihood import (
    MIDDLE,
    QUICK,
    SLOW,
    Evidence,
    Ledger,
    Likelihood,
    flip_rate,
    urgency,
    weighted_rate,
)
from toolkit.errors import MissingExtra
from toolkit.records import NodeId

FEATURES = (
    "failed in the last runs",
    "failed in recent runs",
    "failed over a long time",
    "failure rate of all runs",
    "failed last time",
    "number of runs",
    "changes of outcome",
    "own runs since the last failure",
    "runs since the last failure",
    "runs since it ran",
    "age in runs",
    "failure rate of the tests beside it",
    "new test",
    "touched by the change",
    "failure rate of the suite",
    "first stage",
    "first stage with duration",
    "duration",
)
"""Names of a test's own columns, as users read them in the contributing factors."""

TREE_SHARE, DURATION_SHARE = 0.5, 0.25
"""Weights of the correction and of the duration in the trained order, chosen on two thirds of IOF/ROL."""
TREES, CALIBRATION_TREES = 600, 200
"""More trees take chance out of the correction; the calibration, two numbers, gains nothing from them."""
MIN_RUNS, MIN_FAILURES = 12, 20
LISTED, HIGH = 0.3, 0.7
"""Probabilities from which a test is listed, and from which its risk is called high."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One result of one test in one earlier run. ``touched``: 0 … 1, how much the change concerned it."""

    test: NodeId
    failed: bool
    duration: float = 0.0
    touched: float = 0.0


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of one test.

    Attributes:
        test: its identity.
        probability: of failing in the next run, 0 … 1, calibrated when the history allows.
        priority: higher should run earlier; takes the duration into account.
        factors: what raised it most, strongest first, in words.
        calibrated: whether the probability was calibrated on held-back runs.
    """

    test: NodeId
    probability: float
    priority: float
    factors: tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def risk(self) -> str:
        """``high`` above 0.7, ``listed`` above 0.3, else ``low``."""
        if self.probability > HIGH:
            return "high"
        return "listed" if self.probability > LISTED else "low"


class Model:
    """A trained predictor with the evidence it stands on. Made by :func:`train`."""

    def __init__(self, ledger: Ledger, trees: Any = None, sigmoid: tuple[float, float] | None = None) -> None:
        self.ledger = ledger
        self._trees = trees
        self._sigmoid = sigmoid

    @property
    def trained(self) -> bool:
        """Whether the second stage was learned, or the prior answers alone."""
        return self._trees is not None

    def predict(
        self, tests: Mapping[NodeId, float], touched: Mapping[NodeId, float] | None = None
    ) -> list[Prediction]:
        """Predict the given tests (identity → expected seconds), most urgent first."""
        touched = touched or {}
        stage_one = self.ledger.rank(tests)
        rows = [
            _row(self.ledger, test, stage_one[test], seconds, touched.get(test, 0.0))
            for test, seconds in tests.items()
        ]
        corrections = [0.0] * len(rows)
        if self._trees is not None and rows:
            corrections = _corrections(self._trees, with_ranks(rows))
        found = [
            self._predict_one(test, stage_one[test], row, correction)
            for test, row, correction in zip(tests, rows, corrections, strict=True)
        ]
        return sorted(found, key=lambda one: (-one.priority, one.test))

    def _predict_one(
        self, test: NodeId, stage_one: Likelihood, row: Sequence[float], correction: float
    ) -> Prediction:
        probability = stage_one.probability
        if self._sigmoid is not None:
            slope, offset = self._sigmoid
            score = _logit(stage_one.probability) + correction
            probability = 1 / (1 + math.exp(-(slope * score + offset)))
        return Prediction(
            test=test,
            probability=probability,
            priority=self._priority(stage_one, correction),
            factors=_factors(row),
            calibrated=self._sigmoid is not None,
        )

    def _priority(self, stage_one: Likelihood, correction: float) -> float:
        if self._trees is None:
            return stage_one.priority
        first = urgency(stage_one.suspicion, stage_one.slowness, DURATION_SHARE)
        return first + TREE_SHARE * correction


def train(runs: Iterable[Sequence[Result]]) -> Model:
    """Learn from earlier runs, oldest first; see :class:`Training`."""
    training = Training()
    for run in runs:
        training.learn(run)
    return training.model()


class Training:
    """What was learned so far, run by run: the ledger, and rows to learn from.

    A row is made of what was known before its run, so nothing is scored with its own outcome.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._history: list[_Rows] = []

    def learn(self, run: Sequence[Result]) -> None:
        """Take in the next run."""
        if run:
            self._history.append(_rows(self.ledger, run))
        self.ledger.learn([(one.test, one.failed, one.duration) for one in run])

    def model(self) -> Model:
        """Fit a model to all runs so far. It shares the ledger: what is learned later, it knows.

        Fewer than 12 runs or 20 failures: the first stage alone.

        Raises:
            MissingExtra: the history is long enough to learn from, but scikit-learn is not installed.
        """
        history = self._history
        failures = sum(sum(rows.failed) for rows in history)
        successes = sum(len(rows.failed) for rows in history) - failures
        if len(history) < MIN_RUNS or failures < MIN_FAILURES or successes < MIN_FAILURES:
            return Model(self.ledger)
        cut = len(history) * 3 // 4
        early = _fit_trees(history[:cut], CALIBRATION_TREES)
        sigmoid = _fit_sigmoid(early, history[cut:]) if early is not None else None
        return Model(self.ledger, _fit_trees(history, TREES), sigmoid)


class _Rows(msgspec.Struct, frozen=True):
    """The rows of one run."""

    features: Any  # array of shape (tests, columns)
    probability: tuple[float, ...]
    failed: tuple[bool, ...]


def _rows(ledger: Ledger, run: Sequence[Result]) -> _Rows:
    """Make the rows of a run; a test that ran again in it competes once, as in a prediction."""
    tests = {one.test: one for one in run}
    stage_one = ledger.rank({test: one.duration for test, one in tests.items()})
    table = with_ranks(
        [_row(ledger, test, stage_one[test], one.duration, one.touched) for test, one in tests.items()]
    )
    place = {test: number for number, test in enumerate(tests)}
    return _Rows(
        table[[place[one.test] for one in run]],
        tuple(stage_one[one.test].probability for one in run),
        tuple(one.failed for one in run),
    )


def _row(ledger: Ledger, test: NodeId, stage_one: Likelihood, duration: float, touched: float) -> list[float]:
    one = ledger.tests.get(test) or Evidence(test=test)
    start = ledger.new_rate
    recent = one.recent
    since = next((age for age, failed in enumerate(reversed(recent)) if failed), len(recent) + 10)
    return [
        weighted_rate(recent, QUICK, start=start),
        weighted_rate(recent, MIDDLE, start=start),
        weighted_rate(recent, SLOW, start=start),
        (one.failures + ledger.rate) / (one.runs + 1),
        float(recent[-1]) if recent else 0.5,
        float(min(one.runs, 50)),
        flip_rate(recent),
        math.log1p(since),
        math.log1p(ledger.run - (-200 if one.last_failure is None else one.last_failure)),
        math.log1p(ledger.run - one.last_run) if one.runs else 0.0,
        math.log1p(ledger.run - one.first_run) if one.runs else 0.0,
        stage_one.beside,
        float(not one.runs),
        touched,
        ledger.rate,
        math.log(stage_one.suspicion + 0.001),
        stage_one.priority,
        math.log1p(duration),
    ]


def with_ranks(rows: Sequence[Sequence[float]]) -> Any:
    """Add what a test is among those of its run: its rank in each column, and the size and spread of the run.

    Returns:
        An array of shape (tests, twice the columns of a row + 4); the ranks are 0 … 1.
    """
    np = _numpy()
    table = np.asarray(rows, dtype=float)
    tests = len(table)
    ranks = np.column_stack([_mean_ranks(column) for column in table.T])
    first = table[:, FEATURES.index("first stage")]
    of_run = np.tile([math.log(tests), table[:, FEATURES.index("new test")].mean(), first.std()], (tests, 1))
    return np.hstack([table, ranks / max(1, tests - 1), of_run, (first - first.mean()).reshape(-1, 1)])


def _mean_ranks(column: Any) -> Any:
    """Rank from 0; equal values share the mean of their ranks."""
    np = _numpy()
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[place]


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra("failure prediction", extra="prediction", package="numpy") from error
    return np


def _corrections(trees: Any, table: Any) -> list[float]:
    """Return the logarithm of the trees' probability, cut below so that no vote is a veto."""
    return [math.log(value + 0.001) for value in trees.predict_proba(table)[:, 1]]


def _fit_trees(history: Sequence[_Rows], count: int) -> Any:
    """Fit extremely randomized trees (Geurts, Ernst and Wehenkel 2006); None when outcomes do not differ.

    All cores fit; one predicts, since threads would add up the votes in any order and round differently.
    """
    try:
        from sklearn.ensemble import ExtraTreesClassifier
    except ImportError as error:
        raise MissingExtra("failure prediction", extra="prediction", package="scikit-learn") from error
    outcomes = [failed for rows in history for failed in rows.failed]
    if len(set(outcomes)) == 1:
        return None
    trees = ExtraTreesClassifier(
        n_estimators=count, min_samples_leaf=8, max_features=0.5, random_state=0, n_jobs=-1
    )
    return trees.fit(_numpy().vstack([rows.features for rows in history]), outcomes).set_params(n_jobs=1)


def _fit_sigmoid(trees: Any, history: Sequence[_Rows]) -> tuple[float, float] | None:
    """Fit slope and offset of the calibration on runs that the trees have not seen."""
    from sklearn.linear_model import LogisticRegression

    outcomes = [failed for rows in history for failed in rows.failed]
    if len(set(outcomes)) == 1:
        return None
    scores = [
        [_logit(probability) + correction]
        for rows in history
        for probability, correction in zip(rows.probability, _corrections(trees, rows.features), strict=True)
    ]
    fitted = LogisticRegression(C=1e6).fit(scores, outcomes)
    slope, offset = float(fitted.coef_[0][0]), float(fitted.intercept_[0])
    return (slope, offset) if slope > 0 else None


def _logit(probability: float) -> float:
    inside = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))


def _factors(row: Sequence[float]) -> tuple[str, ...]:
    """Name what speaks for a failure, strongest first; nothing when nothing does."""
    value = dict(zip(FEATURES, row, strict=True))
    if value["new test"]:
        return ("new test: it has never run",)
    reasons = [
        (value["touched by the change"], "the change touches what it depends on"),
        (
            value["failed in the last runs"],
            f"failed in {value['failed in the last runs']:.0%} of the last runs",
        ),
        (
            value["failed over a long time"] * 0.9,
            f"failed in {value['failed over a long time']:.0%} of its runs over a long time",
        ),
        (
            value["changes of outcome"] * 0.8,
            f"its outcome changes in {value['changes of outcome']:.0%} of runs",
        ),
        (
            value["failure rate of the suite"] * 0.5,
            f"{value['failure rate of the suite']:.0%} of all tests failed lately",
        ),
    ]
    return tuple(text for weight, text in sorted(reasons, reverse=True) if weight >= 0.1)[:3]  # noqa: PLR2004
