"""Cleanups against live runs that create, use, hand over and die: the living lose none, the dead keep none.

    uv run benchmarks/cleanup_race.py [--iterations 200] [--runs 4] [--cleaners 2] [--seed N] [--url URL]

Each iteration kills one run with SIGKILL at a random moment, starts another, and lets several cleanups work
meanwhile. A run makes clones, writes into them, looks whether they are still there, drops some, keeps some,
builds templates, and leaves some to a child that stays connected after the run was killed. In the end all are
killed. Exit code 1 when a database was lost or left. Without --url an embedded server is started. Needs fork.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from toolkit.config import parse_config
from toolkit.databases.cleanup import cleanup
from toolkit.databases.clones import Clone, drop_clone, keep_clone, make_clone
from toolkit.databases.marks import owner_in_name, read_mark
from toolkit.databases.owners import DatabaseOwner, living_owners
from toolkit.databases.server import Database, Server, connect
from toolkit.databases.sources import Source
from toolkit.databases.templates import ensure_template, template_name
from toolkit.errors import EnvironmentFailed
from toolkit.services.provisioning import running

BYSTANDERS = ("testimony", "test_x", "tk_clonex", "tk_clone_0123456789abcdef_0000_1", "tk_build_")
"""Databases of somebody else, with names that look like ours."""


NAME = "toolkit race"
"""How runs call their connections; templates are built on one that ensure_template calls so."""


class Journal:
    """Lines that any process appends whole, whenever it is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, what: str, **more: Any) -> None:
        """Append a line; "pid" is ours, "at" is a time that all processes share."""
        os.write(
            self._file,
            json.dumps({"what": what, "pid": os.getpid(), "at": time.monotonic(), **more}).encode() + b"\n",
        )

    def lines(self, what: str) -> list[dict[str, Any]]:
        """Return the lines of one sort, oldest first."""
        found = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [line for line in found if line["what"] == what]


def source_named(name: str, pause: float = 0.0) -> Source:
    """Return a schema of one table whose making takes a while."""

    def migrate(url: str) -> None:
        with connect(url) as connection:
            connection.execute("CREATE TABLE token (pid int)")
            time.sleep(pause)

    return Source(what="race", key=name, migrate=migrate)


SOURCE = source_named("race0000race0000")


class Run:
    """One live run: acts at random until it is killed."""

    def __init__(self, url: str, journal: Journal, chance: random.Random) -> None:
        self.journal = journal
        self.chance = chance
        self.server = Server(url, name=NAME)
        self.owner = DatabaseOwner(url)
        journal.note("owner", number=self.owner.number)
        self.clones: list[Clone] = []

    def act(self) -> None:
        """Do one thing that runs do."""
        acts: list[Callable[[], None]] = [self.make, self.make, self.make, self.look, self.look]
        acts += [self.drop, self.keep, self.bequeath, self.build, self.leave]
        weights = [6, 6, 6, 6, 6, 4, 2, 2, 1, 1]
        self.chance.choices(acts, weights)[0]()
        time.sleep(self.chance.random() * 0.02)

    def make(self) -> None:
        if len(self.clones) > 4:
            self.drop()
        clone = make_clone(self.server, self.owner, ensure_template(self.owner, SOURCE), SOURCE)
        self.journal.note("made", name=clone.name)
        self.clones.append(clone)
        with connect(clone.url) as connection:
            connection.execute("INSERT INTO token VALUES (%s)", [os.getpid()])

    def look(self) -> None:
        for clone in self.clones:
            with connect(clone.url) as connection:
                if connection.execute("SELECT pid FROM token").fetchall() != [(os.getpid(),)]:
                    raise AssertionError(f"{clone.name} is not what it was")

    def _one(self) -> Clone | None:
        return self.clones.pop(self.chance.randrange(len(self.clones))) if self.clones else None

    def drop(self) -> None:
        if clone := self._one():
            drop_clone(self.server, clone)

    def keep(self) -> None:
        if clone := self._one():
            kept = keep_clone(self.server, clone, test="race", by=self.owner.by, made=time.time())
            self.journal.note("kept", name=kept.name)

    def bequeath(self) -> None:
        """Leave a clone to a child that is connected to it and outlives us by half a second."""
        if clone := self._one():
            ready, told = os.pipe()
            if os.fork() == 0:
                guarded(self.journal, lambda: inherit(clone, told, self.journal))
            os.close(told)
            os.read(ready, 1)
            os.close(ready)

    def build(self) -> None:
        source = source_named(f"{self.chance.randrange(16**16):016x}", 0.03)
        self.journal.note("template", name=template_name(source.key))
        ensure_template(self.owner, source)

    def leave(self) -> None:
        """End as a run that forgot to clean up, and begin as another one."""
        self.journal.note("left", number=self.owner.number)
        self.owner.close()
        self.owner = DatabaseOwner(self.server.url)
        self.journal.note("owner", number=self.owner.number)
        self.clones.clear()


def inherit(clone: Clone, told: int, journal: Journal) -> None:
    """Use a database whose owner may die meanwhile, and expect it to stay while we are connected."""
    with connect(clone.url) as connection:
        os.write(told, b"1")
        os.close(told)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            connection.execute("SELECT pid FROM token")
            time.sleep(0.02)
    journal.note("inherited", name=clone.name)


def guarded(journal: Journal, action: Callable[[], None]) -> NoReturn:
    """Run an action as the whole life of a forked process; what goes wrong is noted."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        action()
    except (psycopg.Error, EnvironmentFailed, AssertionError) as error:
        journal.note("lost", why=f"{type(error).__name__}: {error}")
    except BaseException as error:  # noqa: BLE001 - nothing may pass beyond this process
        journal.note("error", why=f"{type(error).__name__}: {error}")
    os._exit(0)


def forked(journal: Journal, action: Callable[[], None]) -> int:
    """Start a process and return its id."""
    pid = os.fork()
    if pid == 0:
        guarded(journal, action)
    return pid


def start_run(url: str, journal: Journal, seed: int) -> int:
    """Start a run and return its process id."""
    parent = os.getpid()

    def live() -> None:
        run = Run(url, journal, random.Random(seed))
        while os.getppid() == parent:
            run.act()

    return forked(journal, live)


def start_cleaner(url: str, journal: Journal) -> int:
    """Start one cleanup and return its process id."""

    def clean() -> None:
        with Server(url) as server:
            done = cleanup(server)
        refused = [kept.name for kept in done.kept if "could not be dropped" in kept.why]
        journal.note("cleanup", dropped=list(done.dropped), refused=refused)

    return forked(journal, clean)


def race(url: str, journal: Journal, options: argparse.Namespace) -> None:
    """Let runs and cleanups loose on each other."""
    chance = random.Random(options.seed)
    runs = [start_run(url, journal, chance.randrange(1 << 30)) for _ in range(options.runs)]
    try:
        for _ in range(options.iterations):
            cleaners = [start_cleaner(url, journal) for _ in range(options.cleaners)]
            time.sleep(chance.random() * 0.15)
            kill(runs.pop(chance.randrange(len(runs))), journal)
            runs.append(start_run(url, journal, chance.randrange(1 << 30)))
            for pid in cleaners:
                os.waitpid(pid, 0)
    finally:
        for pid in runs:
            kill(pid, journal)


def kill(pid: int, journal: Journal) -> None:
    """Kill a run, and note it before."""
    journal.note("killed", run=pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def wait_for_peace(server: Server, journal: Journal) -> None:
    """Wait until the server has noticed every death: it ends the sessions of dead clients in its own time.

    What such a session was doing it does to its end: a database may appear after the death of its owner.
    """
    ours = {line["number"] for line in journal.lines("owner")}
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE datname LIKE 'tk\\_%%' OR application_name IN ('{NAME}', 'toolkit template')"
    )
    end = time.monotonic() + 60
    while ours & living_owners(server) or server.fetch(query)[0][0]:
        if time.monotonic() > end:
            raise SystemExit("after a minute there are still sessions of dead runs")
        time.sleep(0.05)


def dropped_too_early(journal: Journal) -> list[str]:
    """Return what a cleanup dropped although its owner's end came later."""
    killed = {line["run"]: line["at"] for line in journal.lines("killed")}
    ends = {line["number"]: killed[line["pid"]] for line in journal.lines("owner")}
    ends |= {line["number"]: line["at"] for line in journal.lines("left")}
    return [
        f"{name} was dropped before its owner's end"
        for line in journal.lines("cleanup")
        for name in line["dropped"]
        if (number := owner_in_name(name)) is not None and line["at"] < ends.get(number, 0.0)
    ]


def is_kept(database: Database) -> bool:
    """Tell whether a run kept it; one that was killed before the renaming leaves it under its old name."""
    mark = read_mark(database.comment)
    return mark is not None and mark.kind == "kept"


def judged(server: Server, journal: Journal, options: argparse.Namespace) -> dict[str, Any]:
    """Say who was lost, who was left, and how much happened."""
    wait_for_peace(server, journal)
    orphans = cleanup(server)
    left = server.databases(sizes=False)
    ours = {line["number"] for line in journal.lines("owner")}
    names = {database.name for database in left}
    kept = {line["name"] for line in journal.lines("kept")}
    lost = [line["why"] for line in journal.lines("lost")]
    lost += [f"bystander {name}" for name in BYSTANDERS if name not in names]
    lost += [f"kept {name}" for name in kept - names] + dropped_too_early(journal)
    cleanups = journal.lines("cleanup")
    return {
        "iterations": options.iterations,
        "cleanups": len(cleanups),
        "runs killed": len(journal.lines("killed")),
        "clones made": len(journal.lines("made")),
        "orphans dropped": sum(len(line["dropped"]) for line in cleanups) + len(orphans.dropped),
        "drops refused by the server": sum(len(line["refused"]) for line in cleanups),
        "inherited by a living process": len(journal.lines("inherited")),
        "kept on purpose": len(kept),
        "lost": lost,
        "left": [one.name for one in left if owner_in_name(one.name) in ours and not is_kept(one)],
        "errors": [line["why"] for line in journal.lines("error")],
    }


def tidy(server: Server, journal: Journal) -> None:
    """Drop what is ours and was meant to stay: databases that were kept, templates."""
    ours = {line["number"] for line in journal.lines("owner")}
    made = {line["name"] for what in ("kept", "template") for line in journal.lines(what)}
    for database in server.databases(sizes=False):
        if database.name in made | {template_name(SOURCE.key)} or owner_in_name(database.name) in ours:
            server.drop(database.name)


@contextlib.contextmanager
def server_at(url: str, folder: Path) -> Iterator[Server]:
    """Yield the server of a URL, or an embedded one, with the bystanders on it."""
    with contextlib.ExitStack() as stack:
        if not url:
            found = stack.enter_context(
                running(parse_config({}, root=folder, environ={}), ["database"], runtime="embedded")
            )
            url = found.urls["DATABASE_URL"]
        server = stack.enter_context(Server(url))
        for name in BYSTANDERS:
            server.create(name)
        server.close()  # nothing open is inherited by those that are forked
        yield server
        for name in BYSTANDERS:
            server.drop(name)


def main() -> None:
    """Race, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--iterations", type=int, default=200, help="kills, each beside cleanups (200)")
    parser.add_argument("--runs", type=int, default=4, help="live runs at a time (4)")
    parser.add_argument("--cleaners", type=int, default=2, help="cleanups at a time (2)")
    parser.add_argument("--seed", type=int, default=1, help="of the random decisions (1)")
    parser.add_argument("--url", default="", help="a test server; none: an embedded one is started")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, server_at(options.url, Path(name)) as server:
        journal = Journal(Path(name) / "journal")
        race(server.url, journal, options)
        found = judged(server, journal, options)
        tidy(server, journal)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for what, value in found.items():
            print(f"{what:<32} {len(value) if isinstance(value, list) else value}")
            for each in value if isinstance(value, list) else ():
                print(f"  {each}")
    sys.exit(bool(found["lost"] or found["left"] or found["errors"]))


if __name__ == "__main__":
    main()
