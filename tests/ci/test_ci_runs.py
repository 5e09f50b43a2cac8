"""The commands of the definitions are executed as a CI would: plan, shards, merged report, kept history."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]

TESTS = 12
PROJECT = {
    "noxfile.py": """
import nox
from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions
nox.options.default_venv_backend = "none"
add_profile_sessions(load_config(), only=["unit"])
""",
    "tasks.py": "from toolkit.tasks import ns\n",
    "tests/test_it.py": f"""
import pytest, code_of_p
@pytest.mark.parametrize("i", range({TESTS}))
def test_it(i): assert code_of_p.half(i) in (0, 1)
""",
    "code_of_p.py": f"""
def half(i):
    if i < {TESTS // 2}:
        return 0
    return 1
""",
}
TABLE = """
[project]
name = "p"
[tool.toolkit]
pythons = ["PYTHON"]
ci.run = "RUN"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose sessions run in the environment of this test."""
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    for name, text in PROJECT.items():
        (root / name).write_text(text)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    table = TABLE.replace("PYTHON", here).replace("RUN", f"{sys.executable} -m")
    (root / "pyproject.toml").write_text(table)
    return root


def execute(script: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a script as the shell of a CI does, with no more variables than a CI gives."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    quiet = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist -p toolkit -p pytest_timeout"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**kept, **quiet, "CI": "true", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def machine(project: Path, name: str) -> Path:
    """A fresh check-out."""
    return Path(shutil.copytree(project, project.parent / name))


class Github:
    """As much of GitHub as the workflow uses: outputs, matrices, artifacts, one cache."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.workflow = yaml.safe_load((project / ".github/workflows/tests.yml").read_text())
        self.shelf = project.parent / "shelf"
        self.output = project.parent / "output"
        self.summary = project.parent / "summary"
        self.shelf.mkdir()

    def run(self, name: str, index: int = 0, row: Mapping[str, str] | None = None) -> Path:
        """Run one job on a machine of its own."""
        folder = machine(self.project, f"{name}-{index}")
        for step in self.workflow["jobs"][name]["steps"]:
            self._step(step, folder, {"strategy.job-index": str(index), **(row or {})})
        return folder

    def _step(self, step: dict[str, Any], folder: Path, values: Mapping[str, str]) -> None:
        def fill(text: str) -> str:
            return re.sub(r"\$\{\{ (?:matrix\.)?([\w.-]+) \}\}", lambda found: values[found[1]], text)

        action = step.get("uses", "").partition("@")[0]
        settings = step.get("with", {})
        if "run" in step and "hashFiles" not in step.get("if", ""):
            files = {"GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary)}
            variables = {name: fill(value) for name, value in step.get("env", {}).items()}
            execute(step["run"], folder, {**files, "TOOLKIT_BUILD": "ci-7", **variables})
        elif action == "actions/upload-artifact":
            names = settings["path"].split("\n")
            self._copy(folder, self.shelf / fill(settings["name"]), [name for name in names if name])
        elif action == "actions/download-artifact":
            for artifact in self.shelf.glob(settings.get("pattern", settings.get("name"))):
                shutil.copytree(artifact, folder / settings["path"], dirs_exist_ok=True)

    @staticmethod
    def _copy(folder: Path, artifact: Path, names: list[str]) -> None:
        """One path: its contents. Several: each below their common root."""
        for name in names:
            source = folder / name
            target = artifact if len(names) == 1 else artifact / name
            if source.exists():
                shutil.copytree(source, target, dirs_exist_ok=True)


def invoke(project: Path, *words: str) -> None:
    execute(f"{sys.executable} -m invoke {' '.join(words)}", project, {})


def counted(folder: Path) -> tuple[int, int]:
    summary = json.loads((folder / "reports/summary.json").read_text())["summary"]
    return summary["tests"], summary["passed"]


def test_github_plans_shards_merges_and_keeps(project: Path) -> None:
    with (project / "pyproject.toml").open("a") as stream:
        stream.write('ci.target = "1s"\nprofiles.unit.workers = 0\n')
    invoke(project, "ci.github")
    github = Github(project)
    planner = github.run("plan")
    line = github.output.read_text().strip()
    assert line.startswith("unit=")
    rows = json.loads(line.removeprefix("unit="))["include"]
    assert len(rows) > 1, "twelve unknown tests do not fit into a second"
    ran = [counted(github.run("unit", index, row))[0] for index, row in enumerate(rows)]
    assert sum(ran) == TESTS
    report = github.run("report")
    assert counted(report) == (TESTS, TESTS)
    assert "12" in github.summary.read_text()
    kept = report / ".toolkit/ci/history.jsonl.gz"
    assert kept.is_file()
    take_in = next(
        step for step in github.workflow["jobs"]["plan"]["steps"] if "history.import" in step.get("run", "")
    )
    (planner / ".toolkit/ci").mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, planner / ".toolkit/ci")
    assert f"{len(rows)} runs taken in" in execute(take_in["run"], planner, {})


def test_gitlab_runs_fixed_shards_and_judges_their_coverage_together(project: Path) -> None:
    with (project / "pyproject.toml").open("a") as stream:
        stream.write('ci.jobs.unit.shards = 2\nsource = ["code_of_p.py"]\n')
        stream.write("[tool.toolkit.profiles.unit]\nworkers = 0\ncoverage = true\n")
        stream.write("fail_under = true\ncoverage_threshold = 100\n")
    invoke(project, "ci.gitlab")
    pipeline = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    shelf = project.parent / "shelf"
    for index, row in enumerate(pipeline["unit"]["parallel"]["matrix"]):
        folder = machine(project, f"unit-{index}")
        for line in lines(pipeline["unit"]):
            execute(line, folder, {"TOOLKIT_BUILD": "ci-7", **pipeline["unit"]["variables"], **row})
        for name in pipeline["unit"]["artifacts"]["paths"]:
            shutil.copytree(folder / name, shelf / name, dirs_exist_ok=True)
        assert (folder / pipeline["unit"]["artifacts"]["reports"]["junit"]).is_file()
    report = machine(project, "report")
    shutil.copytree(shelf, report, dirs_exist_ok=True)
    for line in lines(pipeline["report"]):
        execute(line, report, {"TOOLKIT_BUILD": "ci-7"})
    assert counted(report) == (TESTS, TESTS)
    assert (report / pipeline["report"]["artifacts"]["reports"]["coverage_report"]["path"]).is_file()


def lines(job: dict[str, Any]) -> Iterator[str]:
    """The script of a job; interpreters are here already."""
    return (line for line in job["script"] if not line.startswith("uv python install"))
