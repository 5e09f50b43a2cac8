"""Who finds flaky tests, and who calls regressions and outages flaky: simulated histories with known truth.

    uv run benchmarks/flaky.py [--json] [--projects 20] [--tests 500] [--runs 50] [--seed 1]
                               [--rates flakeflagger_reruns.csv.gz]

Each project has one history of ``--runs`` runs. A commit has one to three runs (re-runs, merges, nightly
builds). Kinds of tests, each with its truth:

* stable, and stable ones that break on a commit (or from outside, on unchanged code) and are mended three
  or more runs later, or never;
* flaky by chance, with a rate between 5 % and 60 % (log-uniform);
* rare: flaky with a rate between 0.5 % and 5 %, counted for precision only: no one can find all of them in so
  few runs;
* victims of another test: they fail whenever it ran before them on their worker, in random order on two
  workers; each try in the same process fails, too.

Beside them three outages of one or two runs, each of which makes between three and half of all tests fail
(log-uniform), flaky or not.

``retries 1`` tries a failed test again in the same run, ``no retries`` does not: then a proof needs two runs
of a commit. Side by side: what toolkit calls flaky, tests with both outcomes on one commit, tests whose
outcome flips in more than 5 % of neighbouring runs, tests with both outcomes anywhere.
"""

import argparse
import csv
import gzip
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from toolkit.analysis.flaky import flaky_tests, outside_outages
from toolkit.analysis.orders import Places, dependences
from toolkit.analysis.past import Past, RunPlace
from toolkit.history.answers import Recent
from toolkit.records import NodeId

FLAKY, RARE, STABLE, BROKEN, VICTIM = "flaky", "rare", "stable", "broken", "victim"
SHARES = {FLAKY: 0.06, RARE: 0.03, BROKEN: 0.06, VICTIM: 0.01}


RATES: dict[str, list[float]] = {}
"""Rates to draw from, by kind, instead of those above; see :func:`read_rates`."""


def read_rates(path: Path) -> dict[str, list[float]]:
    """Read the rates of real flaky tests, up to 95 %: columns NumFailingRuns and NumPassingRuns."""
    opener = gzip.open if path.suffix == ".gz" else open
    found: dict[str, list[float]] = {FLAKY: [], RARE: []}
    with opener(path, "rt", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            failing, passing = int(row["NumFailingRuns"]), int(row["NumPassingRuns"])
            rate = failing / max(1, failing + passing)
            if 0 < rate <= 0.95:
                found[FLAKY if rate >= 0.05 else RARE].append(rate)
    return found


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What a test is, and in which runs it had an outage."""

    kind: str
    rate: float = 0.0
    outages: frozenset[int] = frozenset()


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """A history and what is true of it."""

    past: Past
    truth: dict[NodeId, Truth]
    places: dict[str, Places]


def simulate(chance: random.Random, *, tests: int, runs: int, retries: int) -> Simulated:
    """Make one history."""
    commits = _commits(chance, runs)
    places = {
        f"run-{number:03}": RunPlace(
            run=f"run-{number:03}",
            started=float(number),
            code=f"commit-{commit}",
            context="unit 3.12",
            tests=tests,
        )
        for number, commit in enumerate(commits)
    }
    outages = _outages(chance, runs, tests)
    names = [NodeId(f"tests/test_{index // 20}.py::test_{index}") for index in range(tests)]
    ran_at = {run: _places(chance, names) for run in places}
    recent, tries, truth = {}, {}, {}
    for index, test in enumerate(names):
        struck = frozenset(number for number, hit in outages.items() if index in hit)
        truth[test] = _truth(chance, struck)
        polluter = names[index - chance.randrange(1, tests)]
        polluted = [after(ran_at[run], polluter, test) for run in places]
        attempts = _attempts(chance, truth[test], commits, retries, polluted)
        letters = "".join(_letter(one) for one in attempts)
        recent[test] = Recent(test=test, runs=tuple(places), verdicts=letters, durations=(0.1,) * runs)
        for run, one in zip(places, attempts, strict=True):
            if len(one) > 1:
                tries[test, run] = one[:-1]
    return Simulated(past=Past(runs=places, recent=recent, tries=tries), truth=truth, places=ran_at)


def _places(chance: random.Random, names: Sequence[NodeId]) -> Places:
    shuffled = chance.sample(names, len(names))
    return {test: (f"gw{place % 2}", place // 2) for place, test in enumerate(shuffled)}


def after(places: Places, first: NodeId, test: NodeId) -> bool:
    """Tell whether a test ran after another one on the same worker."""
    return places[first][0] == places[test][0] and places[first][1] < places[test][1]


def _commits(chance: random.Random, runs: int) -> list[int]:
    found: list[int] = []
    while len(found) < runs:
        found += [found[-1] + 1 if found else 0] * chance.choice((1, 2, 3))
    return found[:runs]


def _outages(chance: random.Random, runs: int, tests: int) -> dict[int, frozenset[int]]:
    found: dict[int, frozenset[int]] = {}
    for _ in range(3):
        start = chance.randrange(runs)
        size = int(3 * (tests / 6) ** chance.random())
        hit = frozenset(chance.sample(range(tests), size))
        for number in range(start, min(runs, start + chance.choice((1, 1, 2)))):
            found[number] = found.get(number, frozenset()) | hit
    return found


def _truth(chance: random.Random, struck: frozenset[int]) -> Truth:
    draw = chance.random()
    for kind, share in SHARES.items():
        if draw < share:
            low, high = (0.005, 0.05) if kind == RARE else (0.05, 0.6)
            measured = RATES.get(kind)
            rate = chance.choice(measured) if measured else low * (high / low) ** chance.random()
            return Truth(kind=kind, rate=0.0 if kind in {BROKEN, VICTIM} else rate, outages=struck)
        draw -= share
    return Truth(kind=STABLE, outages=struck)


def _attempts(
    chance: random.Random, truth: Truth, commits: Sequence[int], retries: int, polluted: Sequence[bool]
) -> list[str]:
    broken = _broken(chance, commits) if truth.kind == BROKEN else range(0)
    found = []
    for number in range(len(commits)):
        always = number in broken or number in truth.outages or (truth.kind == VICTIM and polluted[number])
        tries = ""
        for _ in range(retries + 1):
            tries += "f" if always or chance.random() < truth.rate else "p"
            if tries[-1] == "p":
                break
        found.append(tries)
    return found


def _broken(chance: random.Random, commits: Sequence[int]) -> range:
    start = chance.randrange(1, len(commits) - 1)
    if chance.random() < 0.7:  # by a commit; else from outside, on unchanged code
        start = commits.index(commits[start])
    end = start + 3 + min(len(commits), int(chance.expovariate(1 / 6)))
    if chance.random() < 0.7 and end < len(commits):
        end = next((n for n in range(end, len(commits)) if commits[n] != commits[end - 1]), len(commits))
    return range(start, end)


def _letter(tries: str) -> str:
    return "P" if "f" in tries and tries[-1] == "p" else tries[-1]


def told_kinds(history: Simulated) -> dict[str, float]:
    """Count the victims among the flaky tests, and how many are told by their kind, and others so called."""
    found = flaky_tests(history.past)
    rows, _ = outside_outages(history.past)
    outcomes = {
        one.test: {seen.place.run: seen.first_bad for seen in rows[one.test]}
        for one in found
        if one.state == "flaky"
    }
    ordered = dependences(outcomes, history.places.__getitem__)
    victims = {test for test in outcomes if history.truth[test].kind == VICTIM}
    return {
        "victims": len(victims),
        "victims told as order": len(victims & ordered.keys()),
        "others told as order": len(ordered.keys() - victims),
    }


def ours(history: Simulated) -> set[NodeId]:
    return {one.test for one in flaky_tests(history.past) if one.state == "flaky"}


def one_commit(history: Simulated) -> set[NodeId]:
    found = set()
    for test, row in history.past.recent.items():
        seen: dict[str, set[bool]] = {}
        for run, letter in zip(row.runs, row.verdicts, strict=True):
            outcomes = {True, False} if letter.isupper() else {letter == "f"}
            seen.setdefault(history.past.runs[run].code, set()).update(outcomes)
        if any(len(outcomes) > 1 for outcomes in seen.values()):
            found.add(test)
    return found


def flip_rate(history: Simulated) -> set[NodeId]:
    found = set()
    for test, row in history.past.recent.items():
        bad = [letter != "p" for letter in row.verdicts]
        if sum(a != b for a, b in pairwise(bad)) / (len(bad) - 1) > 0.05:
            found.add(test)
    return found


def both_seen(history: Simulated) -> set[NodeId]:
    return {
        test
        for test, row in history.past.recent.items()
        if len({letter != "p" for letter in row.verdicts}) > 1 or not row.verdicts.islower()
    }


METHODS: dict[str, Callable[[Simulated], set[NodeId]]] = {
    "toolkit": ours,
    "both outcomes on one commit": one_commit,
    "flips in > 5 % of runs": flip_rate,
    "both outcomes anywhere": both_seen,
}


def score(found: set[NodeId], truth: dict[NodeId, Truth]) -> dict[str, float]:
    """Count what a method found in one history."""
    really = {test for test, one in truth.items() if one.kind in {FLAKY, RARE, VICTIM}}
    wanted = {test for test, one in truth.items() if one.kind in {FLAKY, VICTIM}}
    wrong = found - really
    return {
        "found": len(found),
        "right": len(found & really),
        "wanted": len(wanted),
        "wanted found": len(found & wanted),
        "rate 5-10 %": sum(1 for test in wanted if 0.05 <= truth[test].rate < 0.1),
        "rate 5-10 % found": sum(1 for test in wanted & found if 0.05 <= truth[test].rate < 0.1),
        "regressions": sum(one.kind == BROKEN for one in truth.values()),
        "regressions called flaky": sum(truth[test].kind == BROKEN for test in wrong),
        "struck by outages": sum(bool(one.outages) and one.kind == STABLE for one in truth.values()),
        "outages called flaky": sum(truth[test].kind == STABLE for test in wrong),
    }


def evaluate(*, projects: int, tests: int, runs: int, retries: int, seed: int) -> dict[str, dict[str, float]]:
    """Sum up over projects."""
    sums: dict[str, dict[str, float]] = {name: {} for name in METHODS}
    for project in range(projects):
        history = simulate(random.Random(f"{seed}-{project}"), tests=tests, runs=runs, retries=retries)
        for name, method in METHODS.items():
            began = time.process_time()
            found = method(history)
            counts = score(found, history.truth) | {"seconds": time.process_time() - began}
            if name == "toolkit":
                counts |= told_kinds(history)
            sums[name] = {key: sums[name].get(key, 0) + value for key, value in counts.items()}
    return {name: _shares(counts) for name, counts in sums.items()}


def _shares(counts: dict[str, float]) -> dict[str, float]:
    precision = counts["right"] / counts["found"] if counts["found"] else 1.0
    recall = counts["wanted found"] / max(1, counts["wanted"])
    rates = {
        "precision": precision,
        "recall": recall,
        "recall 5-10 %": counts["rate 5-10 % found"] / max(1, counts["rate 5-10 %"]),
        "F1": statistics.harmonic_mean((precision, recall)) if recall else 0.0,
    }
    return {key: round(value, 4) for key, value in (rates | counts).items()}


SHOWN = ("precision", "recall", "recall 5-10 %", "F1", "regressions called flaky", "outages called flaky")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--projects", type=int, default=20, help="histories of each sort (default 20)")
    parser.add_argument("--tests", type=int, default=500, help="tests of each (default 500)")
    parser.add_argument("--runs", type=int, default=50, help="runs of each (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="of the chance (default 1)")
    parser.add_argument("--rates", type=Path, help="CSV of real flaky tests, to draw the rates from")
    options = parser.parse_args(arguments)
    if options.rates:
        RATES.update(read_rates(options.rates))
    report = {
        label: evaluate(
            projects=options.projects,
            tests=options.tests,
            runs=options.runs,
            retries=retries,
            seed=options.seed,
        )
        for label, retries in (("retries 1", 1), ("no retries", 0))
    }
    if options.json:
        print(json.dumps({"runs": options.runs, **report}, indent=2))
        return 0
    for label, methods in report.items():
        ours_found = methods["toolkit"]
        print(
            f"{label}: {options.projects} histories of {options.tests} tests and {options.runs} runs; "
            f"{ours_found['wanted']:.0f} flaky, {ours_found['regressions']:.0f} with a regression, "
            f"{ours_found['struck by outages']:.0f} stable ones struck by outages"
        )
        print(f"  {'':28}" + "".join(f"{name:>26}" for name in SHOWN))
        print(
            f"  order dependence: {ours_found['victims told as order']:.0f} of {ours_found['victims']:.0f} "
            f"victims named with their polluter; {ours_found['others told as order']:.0f} others so called"
        )
        for name, figures in methods.items():
            print(f"  {name:28}" + "".join(f"{figures[key]:26.4g}" for key in SHOWN))
    return 0


if __name__ == "__main__":
    sys.exit(main())
