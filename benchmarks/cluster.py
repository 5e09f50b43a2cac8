"""Does a run on a cluster lose or double a test when machines fail? Totals beside those of one machine.

A Dask scheduler and workers run as processes of their own, with ``--namespaces`` each worker in a network
namespace of its own (Linux, root). Then, in the middle of a run: nothing happens (calm); a worker is killed
with -9 (killed); a worker's network goes down (cut; without namespaces it is stopped with SIGSTOP); the
scheduler is killed and started again with its workers (scheduler). Each time the totals that pytest prints
and the recorded results must equal those of the same suite on one machine. What a scenario broke is mended
before the next one, as an administrator would; the rest of the cluster lives on. A scenario whose deed came
after the end of the run counts as a failure: it showed nothing.

    uv run benchmarks/cluster.py --repeat 20
    uv run benchmarks/cluster.py --namespaces --scenario cut killed --repeat 5 --json
"""

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Self

from toolkit.journal import read_run

SCENARIOS = ("calm", "killed", "cut", "scheduler")
DASK = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]
SUITE = """
import time, pytest

@pytest.mark.parametrize("number", range(20))
def test_short(number): time.sleep(0.02)

@pytest.mark.parametrize("number", range(4))
def test_long(number): time.sleep(0.3)

def test_fails(): assert 0, "on purpose"

@pytest.mark.skip(reason="on purpose")
def test_skipped(): pass

@pytest.mark.uses("x")
def test_exclusive(): time.sleep(0.05)
"""


def make_project(root: Path, files: int) -> Path:
    """Write a suite of ``27 * files`` tests."""
    root.mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    (root / ".gitignore").write_text(".toolkit\n__pycache__\n", encoding="utf-8")
    for number in range(files):
        (root / f"test_{number}.py").write_text(SUITE, encoding="utf-8")
    return root


def clean_environment() -> dict[str, str]:
    """Return the environment without what a run around us has set; quick to notice that a machine is gone."""
    gone = ("TOOLKIT_", "PYTEST_", "PYTHONDONTWRITEBYTECODE")  # every batch would compile pytest anew
    own = {key: value for key, value in os.environ.items() if not key.startswith(gone)}
    return {
        **own,
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6s",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    }


class Cluster:
    """A scheduler and its workers; every process is ours and ends with us."""

    def __init__(self, workers: int, *, namespaces: bool, folder: Path) -> None:
        self.workers = workers
        self.namespaces = namespaces
        self.folder = folder
        self.tag = f"tk{os.getpid() % 100_000}"  # what a killed benchmark left behind is not in the way
        self.net = f"10.77.{os.getpid() % 250 + 1}"
        self.host = f"{self.net}.1" if namespaces else "127.0.0.1"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started = dict.fromkeys(range(workers), 0)
        self._broken: set[int] = set()

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        if self.namespaces:
            _ip("link", "add", self.tag, "type", "bridge")
            _ip("addr", "add", f"{self.host}/24", "dev", self.tag)
            _ip("link", "set", self.tag, "up")
            for number in range(self.workers):
                self._add_namespace(number)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            _end(process)
        if self.namespaces:
            for number in range(self.workers):
                _ip("link", "del", f"{self.tag}v{number}", check=False)
                _ip("netns", "del", f"{self.tag}n{number}", check=False)
            _ip("link", "del", self.tag, check=False)

    def _add_namespace(self, number: int) -> None:
        name, veth = f"{self.tag}n{number}", f"{self.tag}v{number}"
        _ip("netns", "add", name)
        _ip("link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", veth, "master", self.tag, "up")
        _ip("-n", name, "addr", "add", f"{self.net}.{10 + number}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")

    def start(self) -> None:
        """Start the scheduler, then the workers."""
        options = ["--host", self.host, "--port", str(self.port), "--no-dashboard"]
        self.processes["scheduler"] = self._spawn("scheduler", [*DASK, *options])
        for number in range(self.workers):
            self.start_worker(number)

    def start_worker(self, number: int) -> None:
        """Start one worker, in its namespace if there are any."""
        host = f"{self.net}.{10 + number}" if self.namespaces else "127.0.0.1"
        inside = ["ip", "netns", "exec", f"{self.tag}n{number}"] if self.namespaces else []
        options = ["--nthreads", "1", "--no-nanny", "--host", host, "--no-dashboard", "--death-timeout", "60"]
        name = f"worker{number}"
        self._started[number] += 1
        self.processes[name] = self._spawn(name, [*inside, *WORKER, self.address, *options])

    def wait(self, seconds: float = 90.0) -> None:
        """Wait until every worker has said that the scheduler knows it."""
        until = time.monotonic() + seconds
        while not all(self._registrations(number) >= times for number, times in self._started.items()):
            if time.monotonic() > until:
                raise TimeoutError(f"the cluster is not up after {seconds:.0f} s: see {self.folder}")
            time.sleep(0.1)

    def _registrations(self, number: int) -> int:
        return (self.folder / f"worker{number}.log").read_bytes().count(b"Registered to:")

    def _spawn(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        environ = clean_environment()
        for key in [key for key in environ if key.startswith("COVERAGE_")]:
            del environ[key]  # measuring the engine itself would only slow it down
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process with -9, and nothing but that process."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def kill_worker(self, number: int) -> None:
        """Kill a worker with -9."""
        self._broken.add(number)
        self.kill(f"worker{number}")

    def mend(self) -> None:
        """Put new workers in the place of those that were killed or cut off."""
        for number in sorted(self._broken):
            _end(self.processes[f"worker{number}"])
            if self.namespaces:
                _ip("link", "set", f"{self.tag}v{number}", "up")
            self.start_worker(number)
        self._broken.clear()

    def cut_off(self, number: int) -> None:
        """Take a worker off the network; it goes on running."""
        self._broken.add(number)
        if self.namespaces:
            _ip("link", "set", f"{self.tag}v{number}", "down")
        else:
            self.processes[f"worker{number}"].send_signal(signal.SIGSTOP)

    def restart(self) -> None:
        """Kill the scheduler; bring it and its workers back, as a service manager does."""
        self.kill("scheduler")
        time.sleep(0.5)
        for number in range(self.workers):
            _end(self.processes[f"worker{number}"])
        self.start()


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and the session that it leads: the batches that it runs."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def act(scenario: str, cluster: Cluster) -> None:
    """Do to the cluster what the scenario says."""
    deeds: dict[str, Callable[[], None]] = {
        "calm": lambda: None,
        "killed": lambda: cluster.kill_worker(1),
        "cut": lambda: cluster.cut_off(2),
        "scheduler": cluster.restart,
    }
    deeds[scenario]()


def progress(root: Path, earlier: Collection[str] = ()) -> int:
    """Return how many attempts the run has recorded that is not among the earlier ones."""
    folders = [path for path in (root / ".toolkit" / "runs").glob("*") if path.name not in earlier]
    journals = [journal for folder in folders for journal in folder.glob("*.jsonl")]
    return sum(path.read_bytes().count(b'"kind":"attempt"') for path in journals)


def run_tests(root: Path, *arguments: str, meanwhile: Callable[[], Any] = lambda: None) -> dict[str, Any]:
    """Run the suite; return what pytest printed and what was recorded."""
    before = {path.name for path in (root / ".toolkit" / "runs").glob("*")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        *arguments,
    ]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=root, env=clean_environment(), stdout=output, stderr=subprocess.STDOUT
        )
        meanwhile()
        process.wait(timeout=600)
        output.seek(0)
        printed = output.read().decode()
    (folder,) = [path for path in (root / ".toolkit" / "runs").glob("*") if path.name not in before]
    record = read_run(folder)
    last = next((line for line in reversed(printed.splitlines()) if " in " in line), "")
    return {
        "printed": {
            word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)
        },
        "recorded": dict(Counter(str(case.outcome) for case in record.cases)),
        "twice": [case.test for case in record.cases if len(case.attempts) > 1],
        "missing": list(record.missing),
        "seconds": round(time.monotonic() - began, 1),
        "code": process.returncode,
        "said": [line for line in printed.splitlines() if line.startswith("toolkit:")],
        "output": printed[-3000:],
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two runs agree in everything that counts."""
    counts = all(one[key] == other[key] for key in ("printed", "recorded", "code"))
    return counts and not (one["twice"] or one["missing"])


def rehearse(scenario: str, root: Path, cluster: Cluster) -> dict[str, Any]:
    """Run the suite on a cluster while the scenario happens; tells how many tests had ended by then."""
    before = {path.name for path in (root / ".toolkit" / "runs").glob("*")}
    done = 0

    def meanwhile() -> None:
        nonlocal done
        until = time.monotonic() + 120
        while time.monotonic() < until and not (done := progress(root, before)):
            time.sleep(0.05)
        act(scenario, cluster)

    found = run_tests(root, "--cluster", cluster.address, meanwhile=meanwhile)
    return {**found, "before": done}


def main() -> int:
    """Rehearse what the command line asks for; exit code 1 when any totals differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--files", type=int, default=6, help="27 tests in each")
    parser.add_argument("--namespaces", action="store_true", help="a network namespace for each worker")
    parser.add_argument("--json", action="store_true", help="print JSON lines only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        root = make_project(Path(name) / "project", options.files)
        alone = run_tests(root, "-n", "0")
        print(json.dumps({"scenario": "one machine", **_shown(alone)}), flush=True)
        with Cluster(options.workers, namespaces=options.namespaces, folder=Path(name)) as cluster:
            rows = list(repeated(options, root, cluster, alone))
    told = summary(rows)
    print(json.dumps({"summary": told}) if options.json else "\n".join(map(str, told)), flush=True)
    return 0 if all(row["equal"] for row in rows) else 1


def repeated(
    options: argparse.Namespace, root: Path, cluster: Cluster, alone: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Rehearse every scenario so many times; prints and yields each run as it ends."""
    for number in range(options.repeat):
        for scenario in options.scenario:
            cluster.mend()
            cluster.wait()
            found = rehearse(scenario, root, cluster)
            inside = 0 < found["before"] < sum(alone["recorded"].values())
            equal = same(found, alone) and inside
            row = {"scenario": scenario, "repeat": number, "equal": equal, **_shown(found)}
            print(json.dumps(row) if options.json else _line(row), flush=True)
            if not equal:
                print(found["output"], file=sys.stderr)
            yield row


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the runs of each scenario, and those whose totals were those of one machine."""
    return [
        {
            "scenario": scenario,
            "runs": len(mine),
            "equal": sum(row["equal"] for row in mine),
            "median_seconds": round(median(row["seconds"] for row in mine), 1),
        }
        for scenario in dict.fromkeys(row["scenario"] for row in rows)
        if (mine := [row for row in rows if row["scenario"] == scenario])
    ]


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "output"}


def _line(row: dict[str, Any]) -> str:
    verdict = "equal" if row["equal"] else "DIFFERENT"
    what = f"{row['scenario']:10} {row['repeat']:3} {verdict} {row['printed']} {row['seconds']} s"
    return " | ".join([what, *row["said"]])


if __name__ == "__main__":
    sys.exit(main())
