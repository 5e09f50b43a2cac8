"""Cleanups beside runs that are killed, as ``benchmarks/cleanup_race.py`` does it 200 times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.databases.server import Server

RACE = Path(__file__).parents[2] / "benchmarks" / "cleanup_race.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="runs are forked")
def test_cleanups_race_live_runs_and_lose_nothing(server: Server, postgres_url: str) -> None:
    """Nobody alive loses a database, nothing of those that were killed is left, look-alikes survive."""
    before = {database.name for database in server.databases(sizes=False)}
    command = [
        sys.executable,
        str(RACE),
        "--iterations",
        "10",
        "--runs",
        "3",
        "--url",
        postgres_url,
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["left"], told["errors"]) == ([], [], [])
    assert (told["cleanups"], told["runs killed"]) == (20, 13)
    assert told["clones made"] > 0
    assert told["orphans dropped"] > 0
    assert {database.name for database in server.databases(sizes=False)} <= before
