"""``invoke predict.*``: which tests are likely to fail next, why, and how good such forecasts have been."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
from invoke.collection import Collection as Tasks
from invoke.context import Context

from toolkit.analysis.cofailure import CoFailures
from toolkit.analysis.flakiness import flakiness_of
from toolkit.analysis.forecast import Forecast, Quality, evaluate, forecasts, learned_runs
from toolkit.analysis.past import Past, past_of
from toolkit.analysis.prediction import LISTED, Result, train
from toolkit.config import Config, load_config
from toolkit.errors import ChangesUnknown
from toolkit.impact.changes import changed_between, old_contents
from toolkit.records import NodeId
from toolkit.reports.writing import place
from toolkit.scheduling.experience import FORECASTS, Forecasts
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
_REF = "git reference whose changes since then are at hand; default: what is not committed yet"


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned, and what it is worth."""

    trained: bool
    """False: too few runs or failures; the prior answers."""
    runs: int
    results: int
    quality: Quality | None
    file: str


@task(
    help={
        "json": AS_JSON,
        "all": "also tests with a probability of 0.3 or less",
        "limit": "at most so many",
        "ref": _REF,
    }
)
def show(_context: Context, *, json: bool = False, all: bool = False, limit: int = 50, ref: str = "") -> None:  # noqa: A002 - the name of the option
    """List the tests that are likely to fail next: probability, factors, actions; above 0.7 is high risk."""
    config = load_config()
    with opened() as history:
        past = past_of(history)
        flaky = flakiness_of(history, past)
    runs, touched = _learned(config, past, ref)
    model = train(runs)
    found = forecasts(model, past, touched=touched, flaky=flaky)
    shown = [one for one in found if all or one.probability > LISTED][:limit]
    if json:
        print_json({"trained": model.trained, "tests": shown})
        return
    console = wide_console()
    if not model.trained:
        console.print("few runs or few failures: the prior answers, uncalibrated", markup=False)
    print_table(console, "Likely to fail next", _HEADINGS, map(_cells, shown))


_HEADINGS = ("probability", "risk", "test", "because", "do")


def _cells(one: Forecast) -> tuple[str, ...]:
    return (f"{one.probability:.2f}", one.risk, one.test, "; ".join(one.factors), "; ".join(one.actions[:1]))


@task(name="train", help={"json": AS_JSON, "ref": _REF})
def train_(_context: Context, *, json: bool = False, ref: str = "") -> None:
    """Learn from the history and keep the forecast of every test: --order=smart then uses it."""
    config = load_config()
    with opened() as history:
        past = past_of(history)
    runs, touched = _learned(config, past, ref)
    model = train(runs)
    found = forecasts(model, past, touched=touched)
    file = config.state_dir / FORECASTS
    write_forecasts(file, found)
    told = Trained(
        trained=model.trained,
        runs=len(runs),
        results=sum(map(len, runs)),
        quality=evaluate(runs),
        file=str(file.relative_to(config.root)),
    )
    if json:
        print_json(told)
        return
    console = wide_console()
    what = "learned from" if told.trained else "too few failures to learn from, the prior answers:"
    console.print(f"{what} {told.runs} runs, {told.results} results", markup=False, highlight=False)
    _tell(told.quality)
    console.print(f"{told.file}: {len(found)} forecasts", markup=False, highlight=False)


def write_forecasts(file: Path, found: list[Forecast]) -> None:
    """Keep what the plan needs: of each test the probability, and the number that orders."""
    kept = Forecasts(
        made=time.time(),
        tests={one.test: round(one.probability, 4) for one in found},
        urgency={one.test: one.urgency for one in found},
    )
    place(file, [msgspec.json.encode(kept).decode()])


@task(name="evaluate", help={"json": AS_JSON})
def evaluate_(_context: Context, *, json: bool = False) -> None:
    """Measure the forecasts on the newest third of the runs, which they were not learned from."""
    config = load_config()
    with opened() as history:
        past = past_of(history)
    found = evaluate(learned_runs(past, _changed(config.root, past)))
    if json:
        print_json(found)
    else:
        _tell(found)


def _tell(found: Quality | None) -> None:
    console = wide_console()
    if found is None:
        console.print("too few runs to hold any back", markup=False)
        return
    rate = "no failure and success to compare" if found.auc is None else f"AUC {found.auc:.3f}"
    order = "" if found.apfd is None else f", APFD {found.apfd:.3f} (random order 0.5)"
    console.print(
        f"on held-back runs ({found.results} results, {found.failures} failures): {rate}, "
        f"calibration error {found.calibration:.3f}, Brier score {found.brier:.3f}{order}",
        markup=False,
        highlight=False,
    )


def _learned(config: Config, past: Past, ref: str) -> tuple[list[list[Result]], dict[NodeId, float]]:
    """Return what each run says, and how much the change at hand concerns each test."""
    known = CoFailures()
    runs = learned_runs(past, _changed(config.root, past), known)
    return runs, known.touched(past.recent, _at_hand(config.root, ref))


def _changed(root: Path, past: Past) -> Callable[[str, str], Collection[str]]:
    """Return a function: two runs → the files that changed between them; none where git cannot tell."""

    def changed(before: str, after: str) -> Collection[str]:
        first, second = past.runs[before].code, past.runs[after].code
        if first == second or first.startswith("run ") or second.startswith("run "):
            return ()
        if (first, second) not in known:
            try:
                known[first, second] = changed_between(root, first, second)
            except ChangesUnknown:
                known[first, second] = ()
        return known[first, second]

    known: dict[tuple[str, str], Collection[str]] = {}
    return changed


def _at_hand(root: Path, ref: str) -> list[str]:
    """Return the files that changed since ``ref``; none where git cannot tell and nobody named one."""
    try:
        return list(old_contents(root, ref or "HEAD"))
    except ChangesUnknown:
        if ref:
            raise
        return []


ns = Tasks(show, train_, evaluate_)
