"""``invoke ci.*``: what scripts rely on, and that the definitions of the example are true."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.program import Program

from tests.ci.judges import judge
from toolkit.ci.jobs import chosen_sessions, make_jobs
from toolkit.config import load_config
from toolkit.tasks import ns

pytestmark = pytest.mark.usefixtures("unmeasured")

Run = Callable[..., tuple[int, str, str]]
EXAMPLE = Path(__file__).parents[2] / "docs" / "example"

NOXFILE = """
import nox
from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions
add_profile_sessions(load_config(), only=["unit", "integration"], default=["unit", "integration"])

@nox.session(default=False)
def docs(session): ...
"""
TABLE = """
[project]
name = "p"
classifiers = ["Programming Language :: Python :: 3.12", "Programming Language :: Python :: 3.13"]
[tool.toolkit.profiles.integration]
services = ["database"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two profiles and three tests."""
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        "import pytest\n@pytest.mark.parametrize('i', range(3))\ndef test_it(i): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist -p toolkit")
    return tmp_path


@pytest.mark.slow
def test_writing_and_checking(project: Path, invoke: Run) -> None:
    code, _, err = invoke("ci.check")
    assert code == 2
    assert "nothing to check: .github/workflows/tests.yml: absent and .gitlab-ci.yml: absent" in err
    code, out, _ = invoke("ci.github")
    assert code == 0
    assert out.endswith("tests.yml: written\n")
    (project / ".gitlab-ci.yml").write_text("mine: true\n")
    assert invoke("ci.check")[:2] == (0, ".github/workflows/tests.yml: true\n.gitlab-ci.yml: foreign\n")
    assert invoke("ci.github")[1].endswith("tests.yml: is true\n")
    code, _, err = invoke("ci.gitlab")
    assert code == 2
    assert "was not written by `invoke ci.*`, so it is left alone" in err
    assert (project / ".gitlab-ci.yml").read_text() == "mine: true\n"
    assert invoke("ci.gitlab", "--force")[0] == 0
    with (project / "pyproject.toml").open("a") as stream:
        stream.write("[tool.toolkit.ci.jobs.unit]\nshards = 2\n")
    code, out, err = invoke("ci.check")
    assert code == 1
    assert '+            shard: "1/2"' in out or "+            shard: 1/2" in out
    assert "run again: invoke ci.github, invoke ci.gitlab" in err
    code, out, _ = invoke("ci.check", "--json")
    assert (code, {row["state"] for row in json.loads(out)}) == (1, {"stale"})


def test_output_elsewhere(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("ci.gitlab", "--output", "-")
    assert code == 0
    assert out.startswith("# Written by `invoke ci.gitlab`")
    assert invoke("ci.gitlab", "--output", "there/ci.yml")[0] == 0
    assert (project / "there" / "ci.yml").read_text() == out
    (project / ".gitlab-ci.yml").mkdir()
    code, _, err = invoke("ci.check")
    assert code == 3
    assert ".gitlab-ci.yml: cannot be read" in err


def listed(folder: Path, *words: str) -> list[str]:
    command = [sys.executable, "-m", "nox", "--list", "--json", *words]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return [row["session"] for row in json.loads(found.splitlines()[-1])]


def test_the_matrix_equals_nox_list(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("ci.matrix", "--json")
    rows = json.loads(out)["include"]
    assert code == 0
    assert [row["session"] for row in rows] == listed(project)
    assert rows[0] == {"job": "unit", "session": "unit-3.12", "python": "3.12", "shard": ""}
    assert "unit-3.13" in invoke("ci.matrix")[1]


@pytest.mark.slow
def test_a_target_time_gives_shards_and_plans(project: Path, invoke: Run) -> None:
    code, out, err = invoke("ci.matrix", "--target-time", "5m", "--plans", "plans", "--json", "--cores", "2")
    assert code == 0, err
    rows = json.loads(out)["include"]
    assert [(row["session"], row["shard"], row["tests"]) for row in rows][:2] == [
        ("unit-3.12", "1/1", 3),
        ("unit-3.13", "1/1", 3),
    ]
    assert {path.name for path in (project / "plans").iterdir()} == {"unit.json", "integration.json"}
    code, out, _ = invoke("ci.matrix", "--target-time", "5m", "--github")
    line = next(line for line in out.splitlines() if line.startswith("unit="))
    assert json.loads(line.removeprefix("unit="))["include"][1] == {
        "session": "unit-3.13",
        "python": "3.13",
        "shard": "1/1",
    }
    with (project / "pyproject.toml").open("a") as stream:
        stream.write('[tool.toolkit.ci]\ntarget = "5m"\nsessions = ["unit-3.12"]\n')
    assert invoke("ci.gitlab", "--planned", "--plans", "p", "--output", "p/jobs.yml")[0] == 0
    child = (project / "p" / "jobs.yml").read_text()
    assert "--plan=.toolkit/plans/unit.json" in child
    assert (project / "p" / "unit.json").is_file()
    assert invoke("ci.gitlab", "--planned")[1] == child
    code, _, err = invoke("ci.matrix", "--target-time", "soon")
    assert code == 2
    assert "'soon'" in err


@pytest.mark.slow
def test_the_definitions_of_the_example_are_true(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are not stale, satisfy every judge, and have the matrix of ``nox --list --json``."""
    monkeypatch.chdir(EXAMPLE)
    config = load_config(EXAMPLE, environ={})
    rows = [row.session for job in make_jobs(config, chosen_sessions(config)) for row in job.rows]
    assert sorted(set(rows)) == sorted(listed(EXAMPLE, "-s", *config.ci.sessions))
    judge([EXAMPLE / ".github/workflows/tests.yml"], [EXAMPLE / ".gitlab-ci.yml"])
    Program(namespace=ns).run(["invoke", "ci.check", "--json"])
    found = {row["path"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert found == {".github/workflows/tests.yml": "true", ".gitlab-ci.yml": "true"}
