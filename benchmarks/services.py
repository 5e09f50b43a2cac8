"""How long real servers take to come up: ours against what one would do by hand, interleaved in one run.

    uv run --with pytest-postgresql benchmarks/services.py [--json] [--repeat 5] [--only embedded,compose]

* embedded: PostgreSQL from a warm cache until a query is answered, against pytest-postgresql's server start;
  what that plugin takes for each further test is shown beside (what ours takes: benchmarks/databases.py);
* compose: database and cache through the toolkit, against ``docker compose up --wait`` of the same file.

Needs a container engine for the second part (images by POSTGRES_IMAGE, REDIS_IMAGE where none can be pulled).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from toolkit.config import Config, parse_config
from toolkit.services.compose import shipped_files
from toolkit.services.engine import find_engine
from toolkit.services.provisioning import running
from toolkit.services.servers import postgres

PLAIN_TESTS = """
import time, psycopg, pytest

@pytest.mark.parametrize("number", range(20))
def test_query(postgresql, number):
    assert postgresql.execute("SELECT 1").fetchone()
"""


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action took."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def up(config: Config, names: list[str], runtime: str) -> tuple[float, float, float]:
    """Return seconds until ready, for a first query, and until gone."""
    begun = time.perf_counter()
    with running(config, names, runtime=runtime) as environment:  # type: ignore[arg-type]
        ready = time.perf_counter() - begun

        def query() -> None:
            with psycopg.connect(environment.urls["DATABASE_URL"]) as connection:
                connection.execute("SELECT 1")

        connected = timed(query)
        begun = time.perf_counter()
    return ready, connected, time.perf_counter() - begun


def by_plugin(folder: Path) -> dict[str, float]:
    """Run 20 tests on pytest-postgresql and return the median set-up of the first test and of the others."""
    (folder / "test_plain.py").write_text(PLAIN_TESTS)
    program = postgres.find(parse_config({}, root=folder, environ={}).services["database"])
    assert program is not None, "no PostgreSQL on this machine"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--durations=0",
        "-vv",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:toolkit",
    ]
    command += [
        f"--postgresql-exec={program.path.with_name('pg_ctl')}",
        f"--basetemp={folder}/base",
        "test_plain.py",
    ]
    if os.geteuid() == 0:  # the plugin's server refuses root, as ours does
        command = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"pytest-postgresql failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    setups = sorted(float(each) for each in re.findall(r"^([\d.]+)s setup", done.stdout, re.MULTILINE))
    return {"first test": setups[-1], "each further test": statistics.median(setups[:-1])}


def by_hand(environ: dict[str, str]) -> tuple[float, float]:
    """Return the seconds of ``docker compose up --wait`` and of ``down`` of database and cache."""
    project = [
        "docker",
        "compose",
        "-p",
        f"benchmark-{os.getpid()}",
        "-f",
        str(shipped_files() / "test-stack.yml"),
    ]

    def compose(*words: str) -> None:
        subprocess.run([*project, *words], check=True, capture_output=True, env=environ, timeout=300)

    ready = timed(lambda: compose("up", "-d", "--wait", "database", "cache"))
    return ready, timed(lambda: compose("down", "-v"))


def measure_embedded(config: Config, repeat: int, folder: Path) -> dict[str, float]:
    """Measure the embedded runtime beside pytest-postgresql."""
    cold = up(config, ["database"], "embedded")[0]
    rows, theirs = [], []
    for _ in range(repeat):
        rows.append(up(config, ["database"], "embedded"))
        theirs.append(by_plugin(folder))
    ready, query, down = (statistics.median(column) for column in zip(*rows, strict=True))
    first = statistics.median(each["first test"] for each in theirs)
    each = statistics.median(each["each further test"] for each in theirs)
    return {
        "first use on this machine, maybe with initdb (s)": cold,
        "ours: ready from warm cache (s)": ready,
        "ours: a connection and a query (s)": query,
        "ours: down (s)": down,
        "pytest-postgresql: first test's set-up (s)": first,
        "pytest-postgresql: each further test's set-up (s)": each,
        "ready, ours / theirs": ready / first,
    }


def measure_compose(config: Config, repeat: int) -> dict[str, float]:
    """Measure the compose runtime beside Compose by hand."""
    ours, hand = [], []
    for _ in range(repeat):
        ours.append(up(config, ["database", "cache"], "compose"))
        hand.append(by_hand(dict(os.environ)))
    ready, down = statistics.median(row[0] for row in ours), statistics.median(row[2] for row in ours)
    hand_ready, hand_down = (statistics.median(column) for column in zip(*hand, strict=True))
    return {
        "ours: up (s)": ready,
        "ours: down (s)": down,
        "by hand: up --wait (s)": hand_ready,
        "by hand: down -v (s)": hand_down,
        "up, ours / by hand": ready / hand_ready,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--only", default="embedded,compose", help="parts to measure (default both)")
    options = parser.parse_args()
    parts = set(options.only.split(","))
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = parse_config({}, root=folder, environ={})
        if "embedded" in parts:
            found["embedded"] = measure_embedded(config, options.repeat, folder)
        if "compose" in parts:
            engine = find_engine(os.environ)
            if not engine.usable:
                raise SystemExit(f"compose: {engine.why}")
            found["compose"] = measure_compose(config, options.repeat)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for part, rows in found.items():
        print(f"\n{part}")
        for what, value in rows.items():
            print(f"  {what:<52} {value:9.3f}")


if __name__ == "__main__":
    main()
