"""False alarms and detection of the performance gate: slow-downs of known size, on real work.

Each repetition is one job of the gate: the old code twice, and new code that does 0, 1, 2, 5, 10, 20 % more
work, every arm a fresh process, all in turns (toolkit.gates.lockstep), judged by toolkit.gates.pairing with
its defaults. The six new ones share the two old ones of their job; a job alone would have one. The work is
what projects do: JSON there and back, and a log parsed by regular expressions, grouped and sorted.

    uv run benchmarks/gates.py [--repeat 50] [--levels 0,1,2,5,10,20] [--timer cpu] [--json]

CPU time by default, since this machine may be shared; `--timer wall` measures time that passes. A few minutes
for 50 repetitions on two idle cores; fewer with --repeat.
"""

import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.gates.turntaking import Turns, timed

if TYPE_CHECKING:  # an arm starts quickly: it imports nothing more
    import argparse
    import random

LEVELS = "0,1,2,5,10,20"
SERVE = "TOOLKIT_BENCHMARK_MORE"
"""Environment variable: this process is an arm that does so many percent more."""


def json_there_and_back(percent: float) -> Callable[[], object]:
    rows = [
        {"id": n, "name": f"n{n}", "tags": ["a", "b"], "price": n * 1.5} for n in range(scaled(400, percent))
    ]
    return lambda: json.loads(json.dumps(rows))


def log_by_host(percent: float) -> Callable[[], object]:
    line = re.compile(r"(?P<host>\S+) - \[(?P<when>[^\]]+)\] \"(?P<verb>\w+) (?P<path>\S+)\" (?P<code>\d{3})")
    lines = [
        f'host{n % 17} - [22/Nov/2026:10:{n % 60:02}] "GET /shop/{n}" {200 + n % 5}'
        for n in range(scaled(800, percent))
    ]

    def work() -> object:
        found = [match.groupdict() for match in map(line.match, lines) if match]
        counts = Counter(row["host"] for row in found)
        return sorted(found, key=lambda row: (-counts[row["host"]], row["path"]))

    return work


WORK: Mapping[str, Callable[[float], Callable[[], object]]] = {
    "json": json_there_and_back,
    "log": log_by_host,
}


def scaled(size: int, percent: float) -> int:
    return round(size * (1 + percent / 100))


def serve(percent: float) -> None:
    """Be one arm: what the pytest plugin does in a project."""
    turns = Turns(os.environ)
    for name, make in WORK.items():
        work = make(percent)
        work()
        turns.take(name, timed(turns.timer, work))
    turns.close()


def main() -> None:
    import argparse
    import time

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=50, help="jobs")
    parser.add_argument("--levels", default=LEVELS, help="percent of more work")
    parser.add_argument("--timer", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--slowdown", type=float, default=2.0, help="percent that do not matter")
    parser.add_argument("--most", type=int, default=30, help="blocks at most")
    parser.add_argument("--seconds", type=float, default=0.024, help="for each benchmark, arm and block")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    started = time.monotonic()
    rows = measure(options)
    result = {"rows": rows, "seconds": time.monotonic() - started, "repeat": options.repeat,
              "timer": options.timer, "load": os.getloadavg()[0]}  # fmt: skip
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{options.repeat} jobs, {options.timer} time, slow-downs up to {options.slowdown:g} % do not matter"
    )
    print(f"{'more work':>10} {'alarms':>8} {'of jobs':>8} {'rate':>7} {'measured':>10} {'blocks':>7}")
    for row in rows:
        print(
            f"{row['percent']:>9g}% {row['alarms']:>8} {row['judged']:>8} {row['rate']:>7.1%} "
            f"{row['measured']:>+10.2%} {row['blocks']:>7.1f}"
        )
    print(f"noise of the old code against itself: median ±{rows[0]['noise']:.2%}; {result['seconds']:.0f} s")


def measure(options: "argparse.Namespace") -> list[dict[str, Any]]:
    """Run the jobs; a decision is one benchmark in one job."""
    import itertools
    import random

    levels = [float(level) for level in options.levels.split(",")]
    verdicts: dict[float, list[Any]] = defaultdict(list)
    blocks: list[int] = []
    for number in range(options.repeat):
        job = one_job(levels, options, random.Random(options.seed * 100_003 + number))
        for level, found in job.items():
            verdicts[level] += found
        blocks += [one["blocks"] for one in itertools.chain.from_iterable(job.values())]
        if not options.json:
            print(f"job {number + 1}", end="\r", file=sys.stderr, flush=True)
    return [
        {
            "percent": level,
            "alarms": sum(one["slower"] for one in found),
            "judged": len(found),
            "rate": sum(one["slower"] for one in found) / len(found),
            "measured": median(one["ratio"] - 1 for one in found),
            "noise": median(one["noise"] - 1 for one in found),
            "blocks": sum(one["blocks"] for one in found) / len(found),
        }
        for level, found in verdicts.items()
    ]


def one_job(
    levels: Sequence[float], options: "argparse.Namespace", chance: "random.Random"
) -> dict[float, list[dict[str, Any]]]:
    """One job of the gate, with a new code for each level."""
    from toolkit.gates.interleaving import noisy
    from toolkit.gates.lockstep import Pace
    from toolkit.gates.pairing import Block, block_of, blocks_needed, compare

    pace = Pace(timer=options.timer, seconds=options.seconds, turn=0.003)
    found: dict[float, dict[str, list[Block]]] = {level: {name: [] for name in WORK} for level in levels}
    least, count, more = max(12, blocks_needed(len(WORK))), 0, True
    while more and count < options.most:
        for name, times in one_block(levels, pace, chance).items():
            for level in levels:
                block = block_of(times["base"], times["again"], times[f"head{level:g}"])
                found[level][name].append(block)
        count += 1
        more = count < least or bool(noisy(found[levels[0]], options.slowdown))
    return {
        level: [
            {"slower": one.slower, "ratio": one.ratio, "noise": one.noise, "blocks": count}
            for one in compare(rows, slowdown=options.slowdown).values()
        ]
        for level, rows in found.items()
    }


def one_block(
    levels: Sequence[float], pace: Any, chance: "random.Random"
) -> Mapping[str, Mapping[str, list[float]]]:
    import tempfile

    from toolkit.gates.lockstep import Start, inherited, playing, take_turns

    arms = {"base": 0.0, "again": 0.0, **{f"head{level:g}": level for level in levels}}
    environ = {**inherited(), "PYTHONHASHSEED": str(chance.getrandbits(31))}
    environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = (sys.executable, "-S", __file__)
    starts = [
        Start(arm=name, command=command, folder=Path.cwd(), environ={**environ, SERVE: str(more)})
        for name, more in arms.items()
    ]
    with tempfile.TemporaryDirectory() as scratch, playing(starts, pace, Path(scratch)) as players:
        return take_turns(players, list(WORK), pace, chance)


def median(values: Any) -> float:
    ordered = sorted(values)
    return float(ordered[len(ordered) // 2])


if __name__ == "__main__":
    if SERVE in os.environ:
        serve(float(os.environ[SERVE]))
    else:
        main()
