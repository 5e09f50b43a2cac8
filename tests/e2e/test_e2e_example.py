"""The example's profiles on real servers, each by the one command that its README shows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "docs" / "example"
PYTHON = ".".join(map(str, sys.version_info[:2]))
# The NATS server comes in a wheel for 3.12 and newer; on 3.11 the profiles without a queue are run.
PROFILES = {"contract": 5, "security": 80, "performance": 5}
if sys.version_info >= (3, 12):
    PROFILES |= {"integration": 50, "e2e": 8}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_of_the_example_gets_its_servers_and_passes(profile: str, tmp_path: Path) -> None:
    """Servers come up as processes of this machine, the tests pass, nothing is left running."""
    project = tmp_path / "bookshop"
    ignored = shutil.ignore_patterns(".nox", ".toolkit", "reports", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(EXAMPLE, project, ignore=ignored)
    foreign = ("TOOLKIT_", "PYTEST_", "COV", "NOX", "CI", "DOCKER_", "DATABASE_", "REDIS_", "NATS_", "AMQP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    run = subprocess.run(
        [sys.executable, "-m", "nox", "-s", f"{profile}-{PYTHON}"],
        cwd=project,
        env={**environ, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"},  # without an engine
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    summary = json.loads((project / "reports" / "summary.json").read_text(encoding="utf-8"))["summary"]
    assert summary["tests"] == summary["passed"] >= PROFILES[profile], summary
    assert not _processes_in(project), "left running"


def _processes_in(folder: Path) -> list[str]:
    """Return the commands of processes that work in a folder (Linux; elsewhere nothing is seen)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found
