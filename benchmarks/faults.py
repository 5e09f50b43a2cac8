"""Are the example's switchable mistakes found, each by the profile meant for it, and nothing without one?

    uv run benchmarks/faults.py [--json] [--only leak,race] [--profiles performance,security,e2e]

For each of BOOKSHOP_FAULT (and none) a database, a cache and the shop are started, and the tests of three
profiles run against them. Printed: how many tests failed. Exit code 1 unless every mistake was found by its
own profile and the shop without one passed all. The servers are processes of this machine.
"""

import argparse
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from toolkit.config import load_config
from toolkit.services.provisioning import running

EXAMPLE = Path(__file__).parents[1] / "docs" / "example"
MEANT = {
    "leak": "performance",
    "n_plus_one": "performance",
    "slow_query": "performance",
    "injection": "security",
    "race": "e2e",
}
WORDS = {
    "performance": ["tests/performance/test_budgets.py", "-m", "performance"],
    "security": ["tests/security", "-m", "security"],
    "e2e": ["tests/e2e", "-m", "e2e", "-k", "not warehouse"],  # that one needs a message queue
}
PLUGINS = ("toolkit", "anyio", "xdist", "pytest_benchmark.plugin")


def environment(folder: Path, fault: str) -> dict[str, str]:
    """Return the environment of the shop and of its tests, with the shop's command on PATH."""
    command = folder / "bookshop"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m bookshop "$@"\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_URL") and not name.startswith(("TOOLKIT_", "PYTEST_"))
    }
    return {
        **kept,
        "BOOKSHOP_FAULT": fault,
        "PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}",
        "PYTHONPATH": str(EXAMPLE / "src"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TOOLKIT_STATE_HOME": str(folder / "state"),
    }


def failures(fault: str, profiles: list[str]) -> dict[str, int]:
    """Return how many tests of each profile fail with a mistake switched on."""
    with tempfile.TemporaryDirectory() as name:
        env = environment(Path(name), fault)
        os.environ.update({key: env[key] for key in ("BOOKSHOP_FAULT", "PYTHONPATH", "TOOLKIT_STATE_HOME")})
        services = ["database", "cache", "api"]
        with running(load_config(EXAMPLE), services, runtime="embedded", environ=env) as up:
            return {profile: _failed(profile, {**env, **up.urls}) for profile in profiles}


def _failed(profile: str, env: dict[str, str]) -> int:
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-record",
        "-p",
        "no:cacheprovider",
        *plugins,
        *WORDS[profile],
    ]
    done = subprocess.run(command, check=False, cwd=EXAMPLE, env=env, capture_output=True, text=True)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-500:]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", last)}
    if done.returncode not in {0, 1} or not counts:
        sys.exit(
            f"{profile}: pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return counts.get("failed", 0) + counts.get("error", 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--only", default=",".join(MEANT), help="mistakes (all)")
    parser.add_argument("--profiles", default=",".join(WORDS), help="profiles (all)")
    chosen = parser.parse_args()
    profiles = chosen.profiles.split(",")
    rows: dict[str, dict[str, int]] = {}
    for fault in ("", *chosen.only.split(",")):
        rows[fault or "none"] = failures(fault, profiles)
        if not chosen.json:
            shown = ", ".join(f"{profile} {count}" for profile, count in rows[fault or "none"].items())
            print(f"{fault or 'none':12s} tests failed: {shown}", flush=True)
    if chosen.json:
        print(json.dumps(rows, indent=1))
    missed = [
        fault
        for fault in rows
        if fault != "none" and MEANT[fault] in profiles and not rows[fault][MEANT[fault]]
    ]
    sys.exit(int(bool(missed) or any(rows["none"].values())))


if __name__ == "__main__":
    main()
