"""Coverage of every process, with the project's own settings kept."""

import configparser
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gates.gated_project import Gated
from tests.history.made_runs import made_run
from tests.sessions.nox_project import Project, outside_environment
from toolkit.config import load_config
from toolkit.errors import ConfigError
from toolkit.sessions.coverage import measured_code
from toolkit.sessions.measuring import write_coverage_config


def settings(root: Path, text: str = "", **arguments: Any) -> configparser.SectionProxy:
    (root / ".coveragerc").write_text(text, encoding="utf-8")
    given = {"source": ["app"], "context": "unit-3.12", **arguments}
    file = write_coverage_config(root, root / "run", **given)
    parser = configparser.RawConfigParser()
    parser.read(file, encoding="utf-8")
    return parser["run"]


def words(section: configparser.SectionProxy, key: str) -> list[str]:
    return section[key].split()


def test_what_is_missing_is_added(tmp_path: Path) -> None:
    section = settings(tmp_path)
    assert words(section, "source") == ["app"]
    assert (section["branch"], section["parallel"], section["context"]) == ("true", "true", "unit-3.12")
    assert words(section, "patch") == ["subprocess"]
    assert Path(section["data_file"]) == tmp_path / "run" / "coverage" / ".coverage"


def test_the_projects_own_settings_are_kept(tmp_path: Path) -> None:
    own = "[run]\nsource = other\nomit =\n  */a.py\n  b.py\nconcurrency = thread\npatch = _exit\n"
    section = settings(tmp_path, f"{own}sigterm = true\ndynamic_context = test_function\n")
    assert words(section, "source") == ["other"]
    assert words(section, "omit") == ["*/a.py", "b.py"]
    assert words(section, "patch") == ["_exit", "subprocess"]
    assert section["sigterm"] == "true"
    assert section["dynamic_context"] == "test_function"


def test_a_limit_of_the_projects_own_is_the_only_one(tmp_path: Path) -> None:
    assert words(settings(tmp_path, "[run]\nsource_pkgs = app.inner\n"), "source") == []


def test_a_single_file_is_measured_as_a_module(tmp_path: Path) -> None:
    assert words(settings(tmp_path, source=["six.py"]), "source") == ["six"]


def test_broken_settings_are_an_error_that_names_the_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="coverage cannot read the project's settings"):
        settings(tmp_path, "[run]\nbranch = perhaps\n")


def test_options_of_a_coverage_plugin_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "somewhere.py").write_text("def coverage_init(reg, options): pass\n", encoding="utf-8")
    settings(tmp_path, "[run]\nplugins = somewhere\n[somewhere]\nextensions = html\n")
    assert "[somewhere]\nextensions = html" in (tmp_path / "run" / "coverage.ini").read_text("utf-8")


APP = """
import os

def grown_up(age):
    if age >= 18:
        return True
    return False

def in_child():
    return os.getpid()
"""

TESTS = """
import subprocess, sys
from app import grown_up

def test_one(): assert grown_up(20)
def test_child():
    subprocess.run([sys.executable, "-c", "import app; app.in_child(); app.grown_up(1)"], check=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_workers_and_subprocesses_count(tmp_path: Path, workers: str) -> None:
    """One line is reached by a worker only, others by the child of a test only: all of them count."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "test_app.py").write_text(TESTS, encoding="utf-8")
    file = write_coverage_config(tmp_path, tmp_path / "run", source=["app.py"], context="c")
    pytest_command = ["-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider"]
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", f"--rcfile={file}", *pytest_command],
        cwd=tmp_path,
        env=outside_environment(PYTHONPATH=str(tmp_path)),
        check=True,
        capture_output=True,
    )
    from toolkit.reports.coverage import combine_coverage, find_data

    report = combine_coverage({"unit": find_data(tmp_path / "run")}, tmp_path / "reports", root=tmp_path)
    assert report.total.percent == 100
    assert report.total.branches == 2


GATED = """
[tool.toolkit]
source = ["app.py"]
profiles.ci.workers = 0
profiles.ci.coverage_threshold = 95
"""


@pytest.mark.slow
def test_coverage_is_judged_once_for_all_sessions(project: Project) -> None:
    """What one profile reaches counts for the other; below the threshold nox fails."""
    project.write("pyproject.toml", f"{GATED}profiles.unit.coverage = true\nprofiles.unit.workers = 0\n")
    project.write("app.py", APP)
    project.write("tests/conftest.py", "import sys, pathlib\nsys.path.insert(0, '.')\n")
    project.write(
        "tests/test_sums.py", TESTS.replace("import app;", "import sys; sys.path.insert(0, '.'); import app;")
    )
    done = project.nox("-s", "ci", "unit")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Running session coverage") == 1
    assert "all: 100.0 %" in done.stdout
    assert "new code: not known: no base to compare with" in done.stdout
    names = {path.name for path in (project.root / "reports").iterdir()}
    assert {"coverage", "coverage.xml", "coverage.json", "summary.json"} <= names
    project.write("tests/test_sums.py", "from app import grown_up\ndef test_one(): assert grown_up(20)\n")
    short = project.nox("-s", "ci")
    assert short.returncode == 1
    assert "ci: exit code 0" in short.stdout, "the tests passed; the coverage did not"
    assert "below the 95 % that profile ci demands" in short.stdout
    alone = project.nox("--no-dependencies", "-s", "ci")
    assert alone.returncode == 1, "where nox cannot queue, the session judges itself"
    assert "below the 95 % that profile ci demands" in alone.stdout
    again = project.nox("-s", "coverage")
    assert again.returncode == 1, "by itself it judges the last that measured"


def test_a_coverage_report_says_of_which_code_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew after an edit, the report is still of the code that ran."""
    project = Gated(tmp_path / "shop")
    project.repository()
    config, head = load_config(project.root, {}), project.head()

    def measured(commit: str, *, dirty: bool) -> dict[str, str]:
        record = made_run(1, {"test_a": "p"}, commit=commit)
        header = msgspec.structs.replace(record.header, dirty=dirty)
        return measured_code(config, [(tmp_path, msgspec.structs.replace(record, header=header))])

    assert measured(head, dirty=False) == {"head": head, "state": ""}
    assert measured("c0", dirty=False) == {"head": "c0", "state": ""}, "checked out since"
    project.write("shop/core.py", "x = 1\n")
    assert measured(head, dirty=False) == {"head": head, "state": ""}, "edited since"
    assert measured(head, dirty=True)["state"]
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert measured(head, dirty=True) == {"head": "", "state": ""}, "without git nothing is claimed"
