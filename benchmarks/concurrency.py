"""Many Nox runs of the example on one machine at once: none fails, none touches another, nothing is left.

    uv run benchmarks/concurrency.py [--runs 16] [--profile integration] [--runtime embedded|compose] [--json]

Each run has a checkout of its own, as CI jobs have; all share the user's lease files, caches and engine.
They start at the same moment. A run counts when Nox ended with 0 and its summary says that all tests passed;
in the end there must be no lease, no process in a checkout, and nothing on the engine that a run has made.
One run is measured alone first, so that the cost of company is seen. Exit code 1 when anything went wrong.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from toolkit.leases.store import LeaseStore
from toolkit.services.engine import connected, engine_host, labelled_leases
from toolkit.services.processes import inside

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"
PYTHON = ".".join(map(str, sys.version_info[:2]))
FOREIGN = (
    "TOOLKIT_",
    "PYTEST_",
    "COV",
    "NOX_CURRENT",
    "CI",
    "DATABASE_",
    "REDIS_",
    "NATS_",
    "AMQP_",
    "API_U",
)


class Checkout:
    """One copy of the example and the Nox run in it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        ignored = shutil.ignore_patterns(".nox", ".toolkit", "reports", "__pycache__", ".*_cache")
        self.root = Path(shutil.copytree(EXAMPLE, folder, ignore=ignored))
        self.log = folder / "nox.log"
        self._environ = environ
        self._begun = 0.0

    def start(self, *words: str) -> None:
        """Start Nox; its output goes to a file."""
        self._begun = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nox", *words],
                cwd=self.root,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def ended(self) -> dict[str, Any] | None:
        """Return what became of the run, once it has ended."""
        if self.process.poll() is None:
            return None
        text = self.log.read_text(errors="replace")
        return {
            "code": self.process.returncode,
            "seconds": time.perf_counter() - self._begun,
            "servers": sorted(set(re.findall(r"ready on (127\.0\.0\.1:\d+)", text))),
            **self._summary(),
        }

    def _summary(self) -> dict[str, int]:
        try:
            found = json.loads((self.root / "reports" / "summary.json").read_bytes())["summary"]
        except (OSError, ValueError, KeyError):
            return {"tests": 0, "passed": 0}
        return {"tests": found["tests"], "passed": found["passed"]}


def environment(folder: Path, runtime: str) -> dict[str, str]:
    """Return the environment of every run: one user's, with lease files that are judged afterwards."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environ["XDG_STATE_HOME"] = str(folder / "state")
    if runtime == "embedded":
        environ["DOCKER_HOST"] = f"unix://{folder}/no.sock"
    return environ


def run_all(checkouts: list[Checkout], *words: str) -> list[dict[str, Any]]:
    """Run Nox in all checkouts at once and return what became of each, in order."""
    for checkout in checkouts:
        checkout.start(*words)
    waiting = dict(enumerate(checkouts))
    found: dict[int, dict[str, Any]] = {}
    try:
        while waiting:
            for number, checkout in list(waiting.items()):
                if (row := checkout.ended()) is not None:
                    found[number] = row
                    del waiting[number]
            time.sleep(0.2)
    finally:
        for checkout in waiting.values():
            checkout.process.terminate()
    return [found[number] for number in sorted(found)]


def left(folder: Path, runtime: str, before: set[str]) -> Iterator[str]:
    """Yield what is still there although all runs have ended."""
    store = LeaseStore(folder / "state" / "nox-invoke-toolkit")
    for lease in store.leases():
        yield f"lease {lease.kind} {lease.name}"
    for pid in inside(folder):
        yield f"process {pid}"
    if runtime == "compose":
        yield from (f"on the engine: {lease}" for lease in on_engine() - before)


def on_engine() -> set[str]:
    """Return the leases that things on the engine name."""
    with connected(engine_host(os.environ)) as client:
        return set(labelled_leases(client))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one alone, then all at once, and judge."""
    environ = environment(folder, options.runtime)
    before = on_engine() if options.runtime == "compose" else set()
    session = f"{options.profile}-{PYTHON}"
    checkouts = [Checkout(folder / f"checkout-{number}", environ) for number in range(options.runs)]
    run_all(checkouts[:1], "-s", session, "--install-only")
    (alone,) = run_all(checkouts[:1], "-s", session)
    begun = time.perf_counter()
    rows = run_all(checkouts, "-s", session)
    seconds = time.perf_counter() - begun
    servers = [server for row in rows for server in row["servers"]]
    bad = [
        {**row, "log": checkout.log.read_text(errors="replace")[-3000:]}
        for row, checkout in zip(rows, checkouts, strict=True)
        if row["code"] or row["passed"] != row["tests"] or row["tests"] != alone["tests"]
    ]
    return {
        "runs": options.runs,
        "runtime": options.runtime,
        "failed": bad,
        "left": list(left(folder, options.runtime, before)),
        "tests in each": alone["tests"],
        "tests passed": sum(row["passed"] for row in rows),
        "servers started": len(servers),
        "of them at addresses of their own": len(set(servers)),
        "one run alone (s)": round(alone["seconds"], 1),
        "all at once (s)": round(seconds, 1),
        "all at once / one after the other": round(seconds / (alone["seconds"] * options.runs), 3),
    }


def main() -> None:
    """Run, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--runs", type=int, default=16, help="at the same time (16)")
    parser.add_argument("--profile", default="integration", help="of the example (integration)")
    parser.add_argument("--runtime", choices=["embedded", "compose"], default="embedded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)  # PostgreSQL may run as another user than we
        found = measure(options, Path(name))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for what, value in found.items():
            print(f"{what:<36} {len(value) if isinstance(value, list) else value}")
            for each in value if isinstance(value, list) else ():
                print(f"  {each}")
    sys.exit(bool(found["failed"] or found["left"] or not found["tests in each"]))


if __name__ == "__main__":
    main()
