"""How fast does the sample application answer under its documented load, on real servers?

    uv run benchmarks/sample_api.py [--json] [--repeat 3] [--books 1000]

The bookshop of ``docs/example`` is brought up with a PostgreSQL and a Redis of its own (processes of this
machine, no Docker), filled with books, and asked as ``tests/data/load/browse.toml`` says. Times count from
when a request was due, so that a server that stalls is not asked less. A turn in which the generator itself
was the limit is refused, not counted. Beside it stands the limit of this machine: the highest rate at which
the same scenario holds, and whether the server or the generator gave in above it. Exit code 1: no turn
counted, or the scenario's limit does not hold.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec

from toolkit.config import Config, load_config
from toolkit.load.limits import at_rate, find_limit, limit_line
from toolkit.load.running import run_load
from toolkit.load.scenarios import LoadScenario, read_scenario
from toolkit.services.provisioning import running

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "example"
SCENARIO = EXAMPLE / "tests" / "data" / "load" / "browse.toml"


def configuration() -> Config:
    """Return the example's, with the shop run from its source by this Python: it needs no installation."""
    config = load_config(EXAMPLE, {})
    api = config.services["api"]
    api = msgspec.structs.replace(api, command=(sys.executable, "-m", *api.command))
    return msgspec.structs.replace(config, services={**config.services, "api": api})


def measure(scenario: LoadScenario, repeat: int, books: int, step: float) -> dict[str, object]:
    """Bring the shop up, fill it, and put the load on it."""
    source = os.pathsep.join(filter(None, (str(EXAMPLE / "src"), os.environ.get("PYTHONPATH"))))
    environ = {**os.environ, "PYTHONPATH": source}
    with running(configuration(), ["database", "cache", "api"], runtime="embedded", environ=environ) as shop:
        seed = [sys.executable, "-m", "bookshop", "seed", "--books", str(books)]
        subprocess.run(seed, env={**environ, **shop.urls}, check=True, capture_output=True)
        turns = [run_load(scenario, shop.urls["API_URL"]) for _ in range(repeat)]
        limit = find_limit(
            lambda rate: run_load(at_rate(scenario, rate, step), shop.urls["API_URL"]), start=scenario.rate
        ) if step else None  # fmt: skip
    counted = [turn for turn in turns if not turn.saturated]
    own = {} if limit is None else {
        "limit of this machine": limit_line(limit),
        "rate that holds (1/s)": round(limit.held, 1),
        "gave in above it": limit.gave_in,
    }  # fmt: skip
    if not counted:
        return {"refused": len(turns), "why": turns[0].saturated, **own}
    return {
        "requests per second": scenario.rate,
        "books": books,
        "refused": len(turns) - len(counted),
        "p99 of each turn (ms)": [round(turn.all.p99_ms, 1) for turn in counted],
        "p99 (ms)": round(statistics.median(turn.all.p99_ms for turn in counted), 1),
        "median (ms)": round(statistics.median(turn.all.p50_ms for turn in counted), 1),
        "limit of p99 (ms)": scenario.expect.p99_ms,
        "errors": sum(sum(turn.errors.values()) for turn in counted),
        "client's share of a core": round(max(turn.client_share for turn in counted), 3),
        **own,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeat", type=int, default=3, help="turns (3)")
    parser.add_argument("--books", type=int, default=1000, help="in the catalogue (1000)")
    parser.add_argument(
        "--duration", type=float, default=0, help="seconds of a turn; 0: as the scenario says"
    )
    parser.add_argument(
        "--step",
        type=float,
        default=4,
        help="seconds of each step towards the limit of the machine; 0: none (4)",
    )
    options = parser.parse_args()
    scenario = read_scenario(SCENARIO)
    if options.duration:
        scenario = msgspec.structs.replace(scenario, duration=options.duration)
    found = measure(scenario, options.repeat, options.books, options.step)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for what, value in found.items():
            print(f"{what:24} {value}")
    return int(
        "p99 (ms)" not in found or found["errors"] != 0 or found["p99 (ms)"] > found["limit of p99 (ms)"]
    )


if __name__ == "__main__":
    sys.exit(main())
