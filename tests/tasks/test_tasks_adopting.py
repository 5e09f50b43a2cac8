"""``toolkit init`` writes short files and one table and overwrites nothing; ``doctor`` says what works."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import invoke
from toolkit.adopt import doctor
from toolkit.adopt.doctor import Finding
from toolkit.adopt.files import NOXFILE, TASKS
from toolkit.config import load_config

__all__ = ["invoke"]

Invoke = Callable[..., tuple[int, str, str]]

PYPROJECT = """\
[project]
name = "shop"   # a comment
version = "1"
requires-python = ">=3.11"

[dependency-groups]
test = ["pytest"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that knows nothing of the toolkit."""
    monkeypatch.chdir(tmp_path)
    pythons = {"3.11": None, "3.12": ("/usr/bin/python3.12", "3.12.1")}  # asking each takes a second
    monkeypatch.setattr("toolkit.tasks.adopting.find_interpreters", lambda *_: pythons)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("import os\nURL = os.environ['DATABASE_URL']\n")
    for kind in ("unit", "integration"):
        (tmp_path / "tests" / kind).mkdir(parents=True)
        (tmp_path / "tests" / kind / f"test_{kind}.py").write_text("def test_it():\n    assert 1\n")
    return tmp_path


def test_init_writes_two_files_and_one_table(project: Path, invoke: Invoke) -> None:
    code, output, _ = invoke("init")
    assert code == 0
    assert (project / "noxfile.py").read_text() == NOXFILE
    assert (project / "tasks.py").read_text() == TASKS
    text = (project / "pyproject.toml").read_text()
    assert text.startswith(PYPROJECT), "what was there stays byte for byte"
    assert text.count("\n[") == PYPROJECT.count("\n[") + 1, "one table"
    config = load_config(project)
    assert config.folders == {"tests/unit": "unit", "tests/integration": "integration"}
    assert config.profiles["integration"].services == ("database",)
    assert "nox -s unit" in output
    assert "DATABASE_URL" in output


def test_init_twice_changes_nothing(project: Path, invoke: Invoke) -> None:
    invoke("init")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    code, output, _ = invoke("init")
    assert (code, "nothing to do" in output) == (0, True)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("option", ["--check", "--dry-run"])
def test_looking_writes_nothing(project: Path, invoke: Invoke, option: str) -> None:
    before = sorted(project.rglob("*"))
    code, output, _ = invoke("init", option)
    assert code == (1 if option == "--check" else 0)
    assert ("import nox" in output) is (option == "--dry-run")
    assert sorted(project.rglob("*")) == before
    assert (project / "pyproject.toml").read_text() == PYPROJECT


def test_check_is_content_with_a_project_that_is_set_up(project: Path, invoke: Invoke) -> None:
    invoke("init")
    assert invoke("init", "--check")[0] == 0


def test_sessions_and_tasks_of_the_project_are_left_alone(project: Path, invoke: Invoke) -> None:
    for name in ("noxfile.py", "tasks.py"):
        (project / name).write_text("mine = 1\n")
    code, output, _ = invoke("init")
    assert code == 0
    assert "nox -f toolkit_noxfile.py -s unit" in output
    assert (project / "toolkit_noxfile.py").read_text() == NOXFILE
    assert (project / "noxfile.py").read_text() == (project / "tasks.py").read_text() == "mine = 1\n"


def test_json_says_what_was_found_and_done(project: Path, invoke: Invoke) -> None:
    code, output, _ = invoke("init", "--check", "--json")
    told = json.loads(output)
    assert code == 1
    assert told["written"] is False
    assert [(step["action"], step["path"]) for step in told["steps"]] == [
        ("create", "noxfile.py"),
        ("create", "tasks.py"),
        ("append", "pyproject.toml"),
    ]
    assert told["found"]["layout"]["tests"] == ["tests"]


def test_git_takes_it_back(project: Path, invoke: Invoke) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "before")
    _, output, _ = invoke("init")
    undo = next(line for line in output.splitlines() if line.startswith("undo: "))
    assert git("status", "--porcelain") != ""
    subprocess.run(undo.removeprefix("undo: "), shell=True, cwd=project, check=True, capture_output=True)
    assert git("status", "--porcelain") == ""


def test_the_full_layout_is_written_on_request(project: Path, invoke: Invoke) -> None:
    code, _, _ = invoke("init", "--layout", "--compose")
    assert code == 0
    assert {path.name for path in (project / "tests").iterdir()} >= {"unit", "chaos", "data", "environments"}
    assert "assert importlib" in (project / "tests" / "smoke" / "test_smoke_shop.py").read_text()
    assert (project / "compose" / "test-stack.yml").read_text().startswith(("#", "name", "services"))
    assert load_config(project).folders["tests/chaos"] == "chaos"


def test_a_folder_that_does_not_exist_is_told(project: Path, invoke: Invoke) -> None:
    assert invoke("init", "--folder", "nowhere")[0] == 2


def test_doctor_says_what_works_here(project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    code, output, _ = invoke("doctor", "--json")
    told = json.loads(output)
    subjects = {row["subject"]: row for row in told["findings"]}
    assert code == (0 if told["fine"] else 4)
    assert subjects["disk"]["found"].endswith(str(project))
    assert {"toolkit", "Python 3.12", "uv", "git", "server database", "ports", "CPU"} <= subjects.keys()
    assert all(row["mend"] for row in told["findings"] if row["state"] != "works")


def test_doctor_ends_with_its_code_when_something_needed_is_missing(
    project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Finding(subject="ports", state="missing", found="none", mend="allow sockets")
    monkeypatch.setattr("toolkit.tasks.adopting.examine", lambda *_: [lost])
    code, output, errors = invoke("doctor")
    assert code == 4
    assert "allow sockets" in output
    assert "missing: ports" in errors


def test_every_check_explains_itself() -> None:
    assert all(check.__doc__ and check.__doc__.endswith("?") for check in doctor.CHECKS)
