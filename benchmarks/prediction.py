"""Order and prediction on public histories of continuous integration, side by side in one run.

    uv run benchmarks/prediction.py iofrol.csv.gz dune_debian_11.csv.gz [--json] [--seeds 10] [--part all]
        [--knowing cycles]

A CSV (``;`` between columns, gzip or plain) has at least the columns Name, Duration, Verdict (1 = failed)
and Cycle; where there is a BuildId, a build is a cycle, as in the published figures. Protocol: cycles in
time order; at each cycle its tests are ranked from what earlier cycles show; cycles with a failure are
scored; then the cycle is learned. Ties are broken at random, and the figures are means over the seeds. The
tests of a cycle are offered in random order, since the rows of a file stand in the order in which tests ran.

* APFD: Rothermel and others 2001, over cycles with at least 6 tests. APFDc: Elbaum and others 2001, by time.
* NAPFD: Qu and others 2007, with half of the cycle's total duration as the budget; a test that does
  not fit any more is passed over, as in RETECS (Spieker and others 2017).
* AUC per cycle that has both outcomes. ECE: expected calibration error in ten bins. Brier: mean square.

The published figures count the same way (every result competes, also those of a test that ran again in its
cycle; APFD from 6 results on), but rank a result by all results of its test before it, those of the same
cycle included, which nobody has who orders a cycle before it starts. ``--knowing results`` does so, too, with
methods that are otherwise as they are. What published scripts leave out, cycles in which nothing was found
within the budget, counts here as NAPFD 0.

The settings were chosen on the first two thirds of the cycles (``--part tuned``).
"""

import argparse
import copy
import csv
import gzip
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from toolkit.analysis.likelihood import KEPT, QUICK, Ledger
from toolkit.analysis.prediction import Model, Result, Training
from toolkit.records import NodeId

RETRAIN_EVERY = 20
"""Cycles between two trainings of the second stage, as a weekly task would do it."""

PUBLISHED = {
    "iofrol": {
        "RETECS network (published)": "NAPFD .305-.331, APFD .634",
        "RL best of 21 (published)": "APFD .575",
    }
}

Cycle = list[Result]
Scores = dict[NodeId, float]


def read_cycles(path: Path) -> list[Cycle]:
    """Read one history, cycles in time order."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        table = csv.DictReader(stream, delimiter=";")
        number = "BuildId" if "BuildId" in (table.fieldnames or ()) else "Cycle"
        rows = sorted(table, key=lambda row: int(row[number]))
    return [
        [
            Result(test=NodeId(row["Name"]), failed=row["Verdict"] == "1", duration=float(row["Duration"]))
            for row in cycle
        ]
        for _, cycle in groupby(rows, key=lambda row: row[number])
    ]


def random_order(_ledger: Ledger, cycle: Cycle) -> Scores:
    return dict.fromkeys((one.test for one in cycle), 0.0)


def last_failed_first(ledger: Ledger, cycle: Cycle) -> Scores:
    known = ledger.tests
    return {one.test: float(one.test in known and known[one.test].recent[-1]) for one in cycle}


def failure_rate(ledger: Ledger, cycle: Cycle) -> Scores:
    known = ledger.tests
    return {
        one.test: known[one.test].failures / known[one.test].runs if one.test in known else 0.0
        for one in cycle
    }


def weighted(ledger: Ledger, cycle: Cycle) -> Scores:
    scores: Scores = {}
    for one in cycle:
        rate = 0.5 if one.test not in ledger.tests else 0.0
        for failed in ledger.tests[one.test].recent if one.test in ledger.tests else ():
            rate += QUICK * (failed - rate)
        scores[one.test] = rate
    return scores


def first_stage(ledger: Ledger, cycle: Cycle) -> Scores:
    ranked = ledger.rank({one.test: one.duration for one in cycle})
    return {test: one.priority for test, one in ranked.items()}


METHODS: dict[str, Callable[[Ledger, Cycle], Scores]] = {
    "random": random_order,
    "last failed first": last_failed_first,
    "failure rate": failure_rate,
    "weighted rate .7": weighted,
    "toolkit, first stage": first_stage,
}


def measure(ordered: Sequence[Result]) -> dict[str, float]:
    """Score one order of one cycle that has a failure."""
    tests, failures = len(ordered), sum(one.failed for one in ordered)
    total = sum(one.duration for one in ordered)
    ranks = sum(place for place, one in enumerate(ordered, 1) if one.failed)
    figures = {}
    if tests >= 6:
        figures["APFD"] = 1 - ranks / (tests * failures) + 1 / (2 * tests)
    elapsed, gained = 0.0, 0.0
    for one in ordered:
        gained += (total - elapsed - one.duration / 2) * one.failed
        elapsed += one.duration
    figures["APFDc"] = gained / (total * failures) if total else 0.5
    figures["NAPFD"] = _napfd(ordered, total / 2, failures)
    if failures < tests:
        figures["AUC"] = (ranks_sum(tests, failures) - ranks) / (failures * (tests - failures))
    return figures


def ranks_sum(tests: int, failures: int) -> float:
    """Sum of the ranks if all failures came last."""
    return sum(range(tests - failures + 1, tests + 1))


def _napfd(ordered: Sequence[Result], budget: float, failures: int) -> float:
    tests, place, ranks, found, spent = len(ordered), 0, 0, 0, 0.0
    for one in ordered:
        if spent + one.duration <= budget:
            spent += one.duration
            place += 1
            ranks += place * one.failed
            found += one.failed
    share = found / failures
    return share - ranks / (failures * tests) + share / (2 * tests)


def optimum(cycle: Cycle) -> list[Result]:
    return sorted(cycle, key=lambda one: (not one.failed, one.duration))


def evaluate(cycles: list[Cycle], seeds: int, part: str, knowing: str = "cycles") -> dict[str, object]:
    first = len(cycles) * 2 // 3 if part == "held-out" else 0
    last = len(cycles) * 2 // 3 if part == "tuned" else len(cycles)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in (*METHODS, "toolkit", "optimum")}
    predicted: list[tuple[float, bool]] = []
    training = Training()
    for index, cycle in enumerate(cycles[:last]):
        if index % RETRAIN_EVERY == 0:
            model = training.model()
        if index >= first:
            offered = random.Random(f"offered-{index}").sample(cycle, len(cycle))
            scores, chances = scored(model, cycle, offered, knowing)
            predicted += [(chances[place], one.failed) for place, one in enumerate(cycle)]
            if any(one.failed for one in cycle):
                for name, found in scores.items():
                    for seed in range(seeds):
                        figures[name].append(measure(ordered_by(found, cycle, f"{seed}-{index}")))
                figures["optimum"].append(measure(optimum(cycle)))
        training.learn(cycle)
    return {
        "methods": {name: dict(_means(rows)) for name, rows in figures.items()},
        "calibration": calibration(predicted),
        "last cycle": {"kept outcomes": KEPT, "tests": len(training.ledger.tests)},
    }


def ordered_by(scores: Mapping[int, float], cycle: Cycle, seed: str) -> list[Result]:
    """Order the results of a cycle, highest score first, ties at random."""
    chance = random.Random(seed)
    return [cycle[place] for place in sorted(scores, key=lambda place: (-scores[place], chance.random()))]


def scored(
    model: Model, cycle: Cycle, offered: Cycle, knowing: str
) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    """Score every result of a cycle, by its place in it; higher runs earlier.

    Returns:
        Scores by each method, and the predicted probabilities.
    """
    scores: dict[str, dict[int, float]] = {name: {} for name in (*METHODS, "toolkit")}
    chances: dict[int, float] = {}
    for places, seen in (
        views(model.ledger, cycle) if knowing == "results" else [(range(len(cycle)), model.ledger)]
    ):
        asked = copy.copy(model)
        asked.ledger = seen
        found = {one.test: one for one in asked.predict({one.test: one.duration for one in offered})}
        by_test = {name: method(seen, offered) for name, method in METHODS.items()}
        by_test["toolkit"] = {test: one.priority for test, one in found.items()}
        for place in places:
            chances[place] = found[cycle[place].test].probability
            for name, told in by_test.items():
                scores[name][place] = told[cycle[place].test]
    return {name: dict(sorted(told.items())) for name, told in scores.items()}, chances


def views(ledger: Ledger, cycle: Cycle) -> Iterator[tuple[list[int], Ledger]]:
    """Yield the places of first, second, … results of tests, and what their earlier ones add."""
    waves: list[list[int]] = []
    times: Counter[NodeId] = Counter()
    for place, one in enumerate(cycle):
        if times[one.test] == len(waves):
            waves.append([])
        waves[times[one.test]].append(place)
        times[one.test] += 1
    seen, before = ledger, list[int]()
    for wave in waves:
        tests = {cycle[place].test for place in wave}
        if before:
            told = copy.copy(ledger)
            told.tests = {test: one for test, one in ledger.tests.items() if test in tests}
            told.learn(
                [
                    (cycle[p].test, cycle[p].failed, cycle[p].duration)
                    for p in before
                    if cycle[p].test in tests
                ]
            )
            seen = copy.copy(ledger)
            seen.tests, seen.run = ledger.tests | told.tests, told.run
        yield wave, seen
        before = [*before, *wave]


def _means(rows: list[dict[str, float]]) -> Iterator[tuple[str, float]]:
    for figure in ("APFD", "APFDc", "NAPFD", "AUC"):
        values = [row[figure] for row in rows if figure in row]
        if values:
            yield figure, round(statistics.fmean(values), 4)


def calibration(predicted: list[tuple[float, bool]]) -> dict[str, float]:
    """Return expected calibration error (ten equal bins), Brier score, and overall AUC."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for chance, failed in predicted:
        bins.setdefault(min(9, int(chance * 10)), []).append((chance, failed))
    gap = sum(
        abs(sum(chance for chance, _ in rows) - sum(failed for _, failed in rows)) for rows in bins.values()
    )
    ordered = sorted(predicted)
    failures = sum(failed for _, failed in ordered)
    ranks, start = 0.0, 0
    for _, tied in groupby(ordered, key=lambda pair: pair[0]):
        group = list(tied)
        ranks += (start + (len(group) + 1) / 2) * sum(failed for _, failed in group)
        start += len(group)
    successes = len(ordered) - failures
    return {
        "ECE": round(gap / len(predicted), 4),
        "Brier": round(statistics.fmean((chance - failed) ** 2 for chance, failed in predicted), 4),
        "AUC overall": round((ranks - failures * (failures + 1) / 2) / (failures * successes), 4),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", nargs="+", type=Path, help="history files")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--seeds", type=int, default=10, help="how often ties are broken anew (default 10)")
    parser.add_argument(
        "--part", choices=("all", "tuned", "held-out"), default="all", help="which cycles are scored"
    )
    parser.add_argument(
        "--knowing",
        choices=("cycles", "results"),
        default="cycles",
        help="a result is ranked by what its test did in earlier cycles (default), or in earlier results",
    )
    options = parser.parse_args(arguments)
    report = {}
    for path in options.csv:
        began = time.perf_counter()
        report[path.name] = evaluate(read_cycles(path), options.seeds, options.part, options.knowing)
        report[path.name]["seconds"] = round(time.perf_counter() - began, 1)
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, found in report.items():
        print(f"{name}  ({options.part} cycles, knowing earlier {options.knowing}, {found['seconds']} s)")
        print(f"  {'order':24}{'NAPFD':>8}{'APFDc':>8}{'APFD':>8}{'AUC':>8}")
        for method, figures in found["methods"].items():
            cells = "".join(
                f"{figures.get(key, float('nan')):8.3f}" for key in ("NAPFD", "APFDc", "APFD", "AUC")
            )
            print(f"  {method:24}{cells}")
        for method, figures in PUBLISHED.get(name.split(".")[0], {}).items():
            print(f"  {method}: {figures}")
        print("  probability: " + ", ".join(f"{key} {value}" for key, value in found["calibration"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
