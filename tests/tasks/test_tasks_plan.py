"""``invoke plan.*`` on a small real project: what scripts read, and what people get wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import invoke_in
from toolkit.errors import UsageError
from toolkit.tasks.collecting import parse_seconds

FOREIGN = ("TOOLKIT_", "PYTEST_", "COVERAGE_")  # what the runs of the project execute, others cover
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | {
    "COLUMNS": "200",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the others cost 0.6 s a run
    "PYTEST_ADDOPTS": "-p xdist -p toolkit",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("project")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "p"\nclassifiers = ["Programming Language :: Python :: 3.12",'
        '"Programming Language :: Python :: 3.13"]\n[tool.toolkit]\n'
        '[tool.toolkit.profiles.quick]\nmarkers = "smoke"\nworkers = 0\n'
        "[tool.toolkit.profiles.alone]\nworkers = 0\n"
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        "import time, pytest\n"
        "@pytest.mark.parametrize('i', range(6))\n"
        "def test_sleepy(i): time.sleep(0.2)\n"
        "@pytest.mark.smoke\n"
        "def test_smoke(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q"]
    subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    return tmp_path


def invoke(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return invoke_in(project, *words, environ=ENVIRONMENT)


def invoke_json(project: Path, *words: str) -> Any:
    result = invoke(project, *words, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
def test_show_says_what_runs_where_and_for_how_long(project: Path) -> None:
    plan = invoke_json(project, "plan.show", "--output", "out/plan.json")
    assert len(plan["tests"]) == 7
    assert plan["left_out"] == []
    assert 1.2 < plan["alone"] < 4
    assert plan["lower_bound"] <= plan["estimate"] <= plan["alone"]
    assert (project / "out" / "plan.json").exists()
    printed = invoke(project, "plan.show", "--profile", "quick")
    assert "1 tests run (1 measured before), 6 are left out" in printed.stdout
    assert "test_smoke" in printed.stdout


@pytest.mark.slow
def test_matrix_has_as_many_shards_as_the_target_needs(project: Path) -> None:
    """The matrix comes from profiles, Pythons and shards; its arguments run the shards."""
    matrix = invoke_json(
        project,
        "plan.matrix",
        "--profile",
        "alone,quick",
        "--target-time",
        "1.2s",
        "--output",
        "plans",
        "--cores",
        "1",
    )
    jobs = matrix["include"]
    assert {job["session"] for job in jobs} == {"alone-3.12", "alone-3.13", "quick-3.12", "quick-3.13"}
    alone = [job for job in jobs if job["session"] == "alone-3.12"]
    assert len(alone) >= 2
    assert sum(job["tests"] for job in alone) == 7
    assert all(job["estimate"] <= 1.2 for job in alone)
    ran = 0
    for job in alone:
        command = [sys.executable, "-m", "pytest", "-q", *job["arguments"].split()]
        result = subprocess.run(
            command, cwd=project, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=True
        )
        ran += int(result.stdout.split(" passed")[0].split()[-1])
    assert ran == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["plan.show", "--profile", "quik"], 2, "unknown profile 'quik' (did you mean 'quick'?)"),
        (["plan.show", "--target-time", "soon"], 2, "expected for example 90s"),
        (["plan.show", "--target-time", "5m", "--shards", "2"], 2, "not both"),
        (["plan.show", "--arguments", "-k ("], 4, "Wrong expression passed to '-k'"),
        (["plan.show", "--arguments", "'"], 2, "No closing quotation"),
        (["plan.matrix", "--target-time", "0.1s"], 2, "cannot be met"),
    ],
)
def test_mistakes_have_a_message_and_an_exit_code(
    project: Path, words: list[str], code: int, message: str
) -> None:
    result = invoke(project, *words)
    assert result.returncode == code
    assert message in result.stderr + result.stdout


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "5 minutes", "-3s", "m"])
def test_wrong_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="5m"):
        parse_seconds(text)


@pytest.mark.slow
def test_dependencies_are_those_that_were_recorded(project: Path) -> None:
    """Before recording only markers are known, and the table says so; afterwards code and data are there."""
    (project / "shop.py").write_text("def price(): return open('prices.txt').read()\n")
    (project / "prices.txt").write_text("7\n")
    (project / "tests" / "test_shop.py").write_text(
        "import os, sys; sys.path.insert(0, '.')\nimport pytest, shop\n"
        "def test_price():\n    assert shop.price() == '7\\n'\n    os.environ.get('REDIS_URL')\n"
        "@pytest.mark.uses('port')\ndef test_port(): pass\n"
    )
    before = invoke_json(project, "plan.dependencies", "--arguments", "tests/test_shop.py")
    assert before["unrecorded"] == 2
    command = [sys.executable, "-m", "pytest", "-q", "--impacted", "tests/test_shop.py"]
    subprocess.run(command, cwd=project, env=ENVIRONMENT, check=True, capture_output=True)
    report = invoke_json(project, "plan.dependencies", "--arguments", "tests/test_shop.py")
    price = next(row for row in report["tests"] if row["test"].endswith("test_price"))
    if sys.version_info >= (3, 12):  # before, imports stand for what a test executes
        assert price["code"] == ["shop.py"]
    assert price["data"] == ["prices.txt"]
    assert price["services"] == ["cache"]
    assert report["resources"]["port"][0] == 1
    printed = invoke(project, "plan.dependencies", "--form", "mermaid", "--arguments", "tests/test_shop.py")
    assert printed.stdout.startswith("flowchart LR")
    told = invoke(project, "plan.dependencies", "--arguments", "tests/test_shop.py").stdout
    assert "tests/test_shop.py" in told
    assert "1 test may run beside anything" in told
    assert invoke(project, "plan.dependencies", "--form", "picture").returncode == 2
    for made in ("tests/test_shop.py", "shop.py", "prices.txt"):
        (project / made).unlink()  # the other tests count what is in this project
