"""What a database of one's own costs: ours against the bare statement and against pytest-postgresql.

    uv run --with pytest-postgresql benchmarks/databases.py [--json] [--only clone,pool,…]

* clone: a clone as tests get it (cap, proof of life, copy, mark) against bare ``CREATE DATABASE … TEMPLATE``,
  with the server's default way of copying and with the faster of both;
* pool: what ``take`` of a warm clone costs while tests of some length run, and when they have none;
* setup: set-up and teardown of a test with ``isolated_db``, against pytest-postgresql on the same server;
* strategy: both ways of copying for templates of several sizes, with and without fsync, and our choice;
* count: how a clone grows with 1, 100 and 1,000 databases on the server, and what a cleanup of them costs;
* size: how a clone grows with templates of 1 MB to 1 GB (``--sizes``, in MB; 1 GB needs 3 GB of disk).

Servers are embedded ones. Data are in memory, as the toolkit has it; of strategy, count and size in --data.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from toolkit.config import parse_config
from toolkit.databases.cleanup import cleanup
from toolkit.databases.clones import drop_clone, make_clone
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.pool import ClonePool
from toolkit.databases.server import Server, connect
from toolkit.databases.sources import Source, find_source
from toolkit.databases.strategies import strategy_for
from toolkit.databases.templates import ensure_template
from toolkit.services.provisioning import running

PARTS = ("clone", "pool", "setup", "strategy", "count", "size")
Rows = dict[str, float | str]

SCHEMA = "".join(
    f"CREATE TABLE shop_{n} (id int PRIMARY KEY, name text UNIQUE, price numeric CHECK (price > 0));"
    for n in range(20)
)
WAITING = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

TESTS = """
import json, time, psycopg, pytest

@pytest.fixture
def ours(isolated_db):
    with psycopg.connect(isolated_db.url) as connection:
        yield connection

@pytest.mark.parametrize("number", range(40))
def test_query({fixture}, number):
    assert {fixture}.execute("SELECT count(*) FROM shop_7").fetchone() == (0,)
    time.sleep({pause})
"""

TIMING = """
import json, os, time, pytest

SPENT = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    begun = time.perf_counter()
    yield
    SPENT.append([time.perf_counter() - begun])

@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    begun = time.perf_counter()
    yield
    SPENT[-1].append(time.perf_counter() - begun)

def pytest_sessionfinish():
    with open(os.environ["SPENT"], "w") as file:
        json.dump(SPENT, file)

if os.environ.get("THEIRS"):
    from pathlib import Path
    from pytest_postgresql import factories
    place = json.loads(os.environ["THEIRS"])
    server = factories.postgresql_noproc(**place, load=[Path("migrations/V1.sql")])
    theirs = factories.postgresql("server")
"""


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action took."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def middle(seconds: list[float]) -> float:
    """Return the median in milliseconds."""
    return statistics.median(seconds) * 1000


@contextlib.contextmanager
def server_of(*, settings: dict[str, str] | None = None, data: Path | None = None) -> Iterator[str]:
    """Yield the URL of an embedded server that nobody else uses."""
    with tempfile.TemporaryDirectory(dir=data) as name:
        Path(name).chmod(0o711)  # PostgreSQL may run as another user than we
        config = parse_config(
            {"tool": {"toolkit": {"services": {"database": {"settings": settings or {}}}}}},
            root=Path(name),
            environ={},
        )
        environ = dict(os.environ) if data is None else {**os.environ, "TOOLKIT_DATA_HOME": name}
        with running(config, ["database"], runtime="embedded", environ=environ) as environment:
            yield environment.urls["DATABASE_URL"]


def source_of(folder: Path, sql: str) -> Source:
    """Return a schema made of one SQL file."""
    (folder / "migrations").mkdir(exist_ok=True)
    (folder / "migrations" / "V1.sql").write_text(sql, encoding="utf-8")
    config = parse_config(
        {"tool": {"toolkit": {"databases": {"migrations": "migrations"}}}}, root=folder, environ={}
    )
    return find_source(config.databases, folder)


class Copies:
    """Ways to copy one template, each followed by a drop; measured in turn."""

    def __init__(self, url: str, owner: DatabaseOwner, source: Source) -> None:
        self.server = Server(url)
        self.owner = owner
        self.template = ensure_template(owner, source)
        self.source = source

    def bare(self, strategy: str | None) -> float:
        """Return the seconds of the statement and nothing else; None: the server's default."""
        words = f" STRATEGY {strategy}" if strategy else ""
        statement = f'CREATE DATABASE bare TEMPLATE "{self.template.name}"{words}'
        spent = timed(lambda: self.server.connection.execute(statement))
        self.server.connection.execute("DROP DATABASE bare")
        return spent

    def ours(self) -> float:
        """Return the seconds until a test would have its clone, without a pool."""
        begun = time.perf_counter()
        self.owner.assure()
        self.server.fetch("SELECT count(*) FROM pg_database WHERE datname LIKE 'tk\\_clone\\_%%' ESCAPE '\\'")
        clone = make_clone(self.server, self.owner, self.template, self.source)
        spent = time.perf_counter() - begun
        drop_clone(self.server, clone)
        return spent

    def compared(self, repeat: int) -> dict[str, float]:
        """Return medians in milliseconds, measured in turn."""
        ways: dict[str, Callable[[], float]] = {
            "ours": self.ours,
            "default": lambda: self.bare(None),
            "FILE_COPY": lambda: self.bare("FILE_COPY"),
            "WAL_LOG": lambda: self.bare("WAL_LOG"),
        }
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeat + 1):
            for way, measure in ways.items():
                spent[way].append(measure())
        return {way: middle(seconds[1:]) for way, seconds in spent.items()}


def measure_clone(folder: Path, repeat: int) -> Rows:
    """Compare a clone with the bare statement."""
    with server_of() as url, DatabaseOwner(url) as owner:
        found = Copies(url, owner, source_of(folder, SCHEMA)).compared(repeat)
    best = min(found["FILE_COPY"], found["WAL_LOG"])
    return {
        "ours, with proof of ownership (ms)": found["ours"],
        "bare CREATE DATABASE … TEMPLATE (ms)": found["default"],
        "bare, STRATEGY FILE_COPY (ms)": found["FILE_COPY"],
        "bare, STRATEGY WAL_LOG (ms)": found["WAL_LOG"],
        "ours / bare": found["ours"] / found["default"],
        "ours / the faster strategy by hand": found["ours"] / best,
    }


def measure_pool(folder: Path, repeat: int) -> Rows:
    """Measure the hand-out of warm clones while tests of some length run."""
    rows: Rows = {}
    with server_of() as url, DatabaseOwner(url) as owner:
        for pause in (0.1, 0.03, 0.0):
            with ClonePool(owner, source_of(folder, SCHEMA)) as pool:
                spent = []
                for _ in range(repeat * 4):
                    time.sleep(pause)
                    begun = time.perf_counter()
                    clone = pool.take()
                    spent.append(time.perf_counter() - begun)
                    pool.drop(clone)
            rows[f"tests of {pause * 1000:.0f} ms: hand-out, median (ms)"] = middle(spent)
            rows[f"tests of {pause * 1000:.0f} ms: hand-out, 95 % (ms)"] = (
                statistics.quantiles(spent, n=20)[-1] * 1000
            )
    return rows


def run_tests(folder: Path, fixture: str, environ: dict[str, str], pause: float) -> tuple[float, float]:
    """Run 40 tests that use a fixture; return the median set-up and teardown in milliseconds."""
    (folder / "conftest.py").write_text(TIMING)
    (folder / "test_queries.py").write_text(TESTS.format(fixture=fixture, pause=pause))
    (folder / "pyproject.toml").write_text('[tool.toolkit.databases]\nmigrations = "migrations"\n')
    environ = {**os.environ, **environ, "SPENT": str(folder / "spent.json")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "test_queries.py",
    ]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise SystemExit(f"the tests with {fixture} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    spent = json.loads((folder / "spent.json").read_bytes())[1:]
    return middle([row[0] for row in spent]), middle([row[1] for row in spent])


def measure_setup(folder: Path) -> Rows:
    """Compare a test's set-up with pytest-postgresql's on the same server."""
    rows: Rows = {}
    source_of(folder, SCHEMA)
    with server_of() as url, connect(url) as connection:
        info = connection.info
        place = {"host": info.host, "port": info.port, "user": info.user, "password": info.password}
        for pause in (0.0, 0.05):
            ours = run_tests(folder, "ours", {"DATABASE_URL": url}, pause)
            theirs = run_tests(folder, "theirs", {"THEIRS": json.dumps(place)}, pause)
            name = f"tests of {pause * 1000:.0f} ms"
            for who, (setup, teardown) in (("isolated_db", ours), ("pytest-postgresql", theirs)):
                rows[f"{name}: {who}, set-up (ms)"] = setup
                rows[f"{name}: {who}, teardown (ms)"] = teardown
            rows[f"{name}: set-up, ours / theirs"] = ours[0] / theirs[0]
            rows[f"{name}: set-up and teardown, ours / theirs"] = sum(ours) / sum(theirs)
    return rows


def filled(megabytes: int) -> str:
    """Return SQL that makes a database larger by some MB."""
    return (
        f"CREATE TABLE filler AS SELECT i, repeat('x', 1000) FROM generate_series(1, {megabytes * 950}) AS i;"
    )


def measure_strategy(folder: Path, data: Path, repeat: int) -> Rows:
    """Measure both ways of copying where the server waits for its disk and where it does not."""
    rows: Rows = {}
    for fsync, settings in ((False, None), (True, WAITING)):
        with server_of(settings=settings, data=data) as url, DatabaseOwner(url) as owner:
            for size in (0, 16, 64):
                copies = Copies(url, owner, source_of(folder, filled(size) if size else SCHEMA))
                found = copies.compared(max(3, repeat // 3))
                name = f"fsync {'on' if fsync else 'off'}, +{size} MB"
                for way in ("FILE_COPY", "WAL_LOG", "ours"):
                    rows[f"{name}: {way} (ms)"] = found[way]
                total = copies.server.fetch("SELECT pg_database_size(%s)", [copies.template.name])[0][0]
                version = copies.server.connection.info.server_version
                rows[f"{name}: chosen"] = str(strategy_for(version=version, fsync=fsync, size=total))
                copies.server.drop(copies.template.name)
    return rows


def measure_count(folder: Path, data: Path, repeat: int, counts: list[int]) -> Rows:
    """Measure a clone beside ever more databases, and a cleanup that drops none of them."""
    rows: Rows = {}
    with server_of(data=data) as url, DatabaseOwner(url) as owner:
        copies = Copies(url, owner, source_of(folder, SCHEMA))
        made = 0
        for count in counts:
            for _ in range(count - made):
                make_clone(copies.server, owner, copies.template, copies.source)
            made = count
            copies.server.connection.execute("CHECKPOINT")
            found = copies.compared(repeat)
            rows[f"{count} databases: ours (ms)"] = found["ours"]
            rows[f"{count} databases: bare (ms)"] = found["default"]
            rows[f"{count} databases: ours / bare"] = found["ours"] / found["default"]
            rows[f"{count} databases: cleanup that keeps them all (ms)"] = middle(
                [timed(lambda: cleanup(copies.server)) for _ in range(3)]
            )
    return rows


def measure_size(folder: Path, data: Path, sizes: list[int]) -> Rows:
    """Measure clones of ever larger templates."""
    rows: Rows = {}
    with server_of(data=data) as url, DatabaseOwner(url) as owner:
        for size in sizes:
            copies = Copies(url, owner, source_of(folder, filled(size)))
            found = copies.compared(9 if size < 100 else 3)
            rows[f"template of {size} MB: ours (ms)"] = found["ours"]
            rows[f"template of {size} MB: bare (ms)"] = found["default"]
            rows[f"template of {size} MB: ours / bare"] = found["ours"] / found["default"]
            copies.server.drop(copies.template.name)
    return rows


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Rows]:
    """Measure the parts that are asked for."""
    numbers: Callable[[str], list[int]] = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parts: dict[str, Callable[[], Rows]] = {
        "clone": lambda: measure_clone(folder, options.repeat),
        "pool": lambda: measure_pool(folder, options.repeat),
        "setup": lambda: measure_setup(folder),
        "strategy": lambda: measure_strategy(folder, options.data, options.repeat),
        "count": lambda: measure_count(folder, options.data, options.repeat, numbers(options.counts)),
        "size": lambda: measure_size(folder, options.data, numbers(options.sizes)),
    }
    return {part: parts[part]() for part in PARTS if part in options.only.split(",")}


def arguments() -> Any:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeat", type=int, default=15, help="rounds (default 15)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure (default all)")
    parser.add_argument("--counts", default="1,100,1000", help="databases on the server; 8 MB of disk each")
    parser.add_argument("--sizes", default="1,10,100", help="MB of templates; 1,10,100,1000 for all")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()), help="folder on a disk")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        found = measure(options, Path(name))
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for part, rows in found.items():
        print(f"\n{part}")
        for what, value in rows.items():
            print(f"  {what:<64} {value:>9}" if isinstance(value, str) else f"  {what:<64} {value:9.3f}")


if __name__ == "__main__":
    main()
