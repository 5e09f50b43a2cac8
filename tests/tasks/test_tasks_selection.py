"""``invoke plan.*`` on a project that pytest --impacted has recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import invoke_in

FOREIGN = ("PYTEST", "TOOLKIT", "COVERAGE_")  # what the runs of the project execute, others cover
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the others cost 0.6 s a run
    "PYTEST_ADDOPTS": "-p xdist -p toolkit",
}


class Recorded:
    """A project with two recorded tests, and the tasks run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pyproject.toml").write_text("[tool.toolkit]\n[tool.pytest.ini_options]\npythonpath = '.'\n")
        (root / "lib.py").write_text("def f():\n    return 1\n")
        (root / "test_a.py").write_text("import lib\ndef test_one(): lib.f()\n")
        (root / "test_b.py").write_text("def test_two(): pass\n")

    def pytest(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        subprocess.run(command, cwd=self.root, env=ENVIRONMENT, capture_output=True, check=True)

    def invoke(self, *arguments: str, code: int = 0) -> str:
        done = invoke_in(self.root, *arguments, environ=ENVIRONMENT)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    project = Recorded(tmp_path)
    project.pytest("--impacted", "-W", "ignore")
    return project


def test_explain_says_why(recorded: Recorded) -> None:
    before = json.loads(recorded.invoke("plan.explain", "test_a.py::test_one", "--json"))
    assert not before["selected"]
    assert before["outcomes"] == "P"
    (recorded.root / "lib.py").write_text("def f():\n    return 2\n")
    after = json.loads(recorded.invoke("plan.explain", "test_a.py::test_one", "--json"))
    assert after["selected"]
    assert after["cause"] == "changed"
    assert any("lib.py" in item for item in after["changed"])
    assert "lib.py" in recorded.invoke("plan.explain", "test_a.py::test_one")
    assert "did you mean" in recorded.invoke("plan.explain", "test_a.py::test_on", code=2)


@pytest.mark.slow
def test_records_move_between_machines(recorded: Recorded) -> None:
    assert "MB" in recorded.invoke("plan.export", "cache/file")
    (recorded.root / ".toolkit" / "dependencies.sqlite").unlink()
    assert "nothing is recorded yet" in recorded.invoke("plan.recall", code=2)
    assert "2 tests added" in recorded.invoke("plan.import", "cache/file")
    assert not json.loads(recorded.invoke("plan.explain", "test_b.py::test_two", "--json"))["selected"]
    assert json.loads(recorded.invoke("plan.recall", "--json"))["recall"] is None
    assert "misses" in recorded.invoke("plan.recall")
