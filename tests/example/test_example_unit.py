"""The example is a real project: its unit tests pass with plain pytest, and it says what it needs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("unmeasured")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example"
OTHER_KINDS = "integration or e2e or contract or chaos or performance or security"


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_unit_tests_of_the_example_pass() -> None:
    """Without any service, with warnings as errors, with no option but the markers."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TOOLKIT_", "PYTEST_XDIST_", "PYTEST_CURRENT_", "COV_"))
        and not name.endswith("_URL")
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", f"not ({OTHER_KINDS})"]
    run = subprocess.run(
        command,
        cwd=EXAMPLE,
        env={**environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) >= 200, run.stdout[-500:]
    assert not re.search(r"\d+ (failed|error|skipped|xfailed|warning)", run.stdout.splitlines()[-1])


def test_this_repository_installs_what_the_example_needs() -> None:
    """The group ``example`` is its dependencies and its group ``test``, pytest plugins apart."""
    example = project(EXAMPLE)
    needed = {*example["project"]["dependencies"], *example["dependency-groups"]["test"]}
    plugins = {requirement for requirement in needed if requirement.startswith("pytest-")}
    assert set(project(ROOT)["dependency-groups"]["example"]) == needed - plugins


def test_noxfile_and_tasks_are_as_short_as_promised() -> None:
    """What a user has to write: the noxfile declares, the tasks are one import."""
    noxfile = (EXAMPLE / "noxfile.py").read_text(encoding="utf-8")
    code = [line for line in noxfile.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) == 5
    assert "from toolkit.tasks import ns\n" in (EXAMPLE / "tasks.py").read_text(encoding="utf-8")
