"""Does a run on a cluster lose or double a test when machines fail? Totals beside those of one machine.

A Dask scheduler and workers run as processes of their own, with ``--namespaces`` each worker in a network
namespace of its own (Linux, root). Then, in the middle of a run: nothing happens (calm); a worker is killed
with -9 (killed); a worker's network goes down (cut; without namespaces it is stopped with SIGSTOP); the
scheduler is killed and started again with its workers (scheduler). Each time the totals that pytest prints
and the recorded results must equal those of the same suite on one machine.

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from toolkit.journal import read_run

SCENARIOS = ("calm", "killed", "cut", "scheduler")
DASK = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]
BRIDGE = "tkbench0"
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
    own = {k: v for k, v in os.environ.items() if not k.startswith(("TOOLKIT_", "PYTEST_"))}
    return {
        **own,
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "8s",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Cluster:
    """A scheduler and its workers; every process is ours and ends with us."""

    def __init__(self, workers: int, *, namespaces: bool, folder: Path) -> None:
        self.workers = workers
        self.namespaces = namespaces
        self.folder = folder
        self.host = "10.77.0.1" if namespaces else "127.0.0.1"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        if self.namespaces:
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("addr", "add", f"{self.host}/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
            for number in range(self.workers):
                self._add_namespace(number)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            _end(process)
        if self.namespaces:
            for number in range(self.workers):
                _ip("link", "del", f"tkveth{number}", check=False)
                _ip("netns", "del", f"tkbench{number}", check=False)
            _ip("link", "del", BRIDGE, check=False)

    def _add_namespace(self, number: int) -> None:
        name, veth = f"tkbench{number}", f"tkveth{number}"
        _ip("netns", "add", name)
        _ip("link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", veth, "master", BRIDGE, "up")
        _ip("-n", name, "addr", "add", f"10.77.0.{10 + number}/24", "dev", "eth0")
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
        host = f"10.77.0.{10 + number}" if self.namespaces else "127.0.0.1"
        inside = ["ip", "netns", "exec", f"tkbench{number}"] if self.namespaces else []
        options = ["--nthreads", "1", "--no-nanny", "--host", host, "--no-dashboard", "--death-timeout", "60"]
        name = f"worker{number}"
        self.processes[name] = self._spawn(name, [*inside, *WORKER, self.address, *options])

    def _spawn(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process with -9, and nothing but that process."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def cut_off(self, number: int) -> None:
        """Take a worker off the network; it goes on running."""
        if self.namespaces:
            _ip("link", "set", f"tkveth{number}", "down")
        else:
            self.processes[f"worker{number}"].send_signal(signal.SIGSTOP)

    def restart(self) -> None:
        """Kill the scheduler; bring it and its workers back, as a service manager does."""
        self.kill("scheduler")
        time.sleep(1.0)
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
        "killed": lambda: cluster.kill("worker1"),
        "cut": lambda: cluster.cut_off(2),
        "scheduler": cluster.restart,
    }
    deeds[scenario]()


def progress(root: Path) -> int:
    """Return how many attempts the newest run has recorded."""
    folders = sorted((root / ".toolkit" / "runs").glob("*"), key=lambda path: path.stat().st_mtime_ns)
    journals = folders[-1].glob("*.jsonl") if folders else ()
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


def rehearse(
    scenario: str, root: Path, *, workers: int, namespaces: bool, folder: Path
) -> Iterator[dict[str, Any]]:
    """Run the suite on a fresh cluster while the scenario happens; yields the run."""
    with Cluster(workers, namespaces=namespaces, folder=folder) as cluster:

        def meanwhile() -> None:
            until = time.monotonic() + 120
            while time.monotonic() < until and not progress(root):
                time.sleep(0.05)
            act(scenario, cluster)

        yield run_tests(root, "--cluster", cluster.address, meanwhile=meanwhile)


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
    bad = 0
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        root = make_project(Path(name) / "project", options.files)
        alone = run_tests(root, "-n", "0")
        print(json.dumps({"scenario": "one machine", **_shown(alone)}), flush=True)
        for number in range(options.repeat):
            for scenario in options.scenario:
                places = {"workers": options.workers, "namespaces": options.namespaces, "folder": Path(name)}
                for found in rehearse(scenario, root, **places):
                    equal = same(found, alone)
                    bad += not equal
                    shown = {"scenario": scenario, "repeat": number, "equal": equal, **_shown(found)}
                    print(json.dumps(shown) if options.json else _line(shown), flush=True)
                    if not equal:
                        print(found["output"], file=sys.stderr)
    return 1 if bad else 0


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "output"}


def _line(row: dict[str, Any]) -> str:
    verdict = "equal" if row["equal"] else "DIFFERENT"
    what = f"{row['scenario']:10} {row['repeat']:3} {verdict} {row['printed']} {row['seconds']} s"
    return " | ".join([what, *row["said"]])


if __name__ == "__main__":
    sys.exit(main())
