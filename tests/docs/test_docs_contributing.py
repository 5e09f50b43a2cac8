"""The path of somebody who contributes: one command, the same that CI runs; a map that is true."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_one_command_is_what_ci_runs_in_a_fresh_clone() -> None:
    (command,) = re.findall(r"^pip install uv && (uv run nox -s ci)\b", TEXT, re.MULTILINE)
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().splitlines()[-1]
    assert last.removesuffix(" </dev/null") == command
    assert f"pip install uv && {command} " in (ROOT / "README.md").read_text(encoding="utf-8")
    (workflow,) = (ROOT / ".github" / "workflows").glob("*.yml")
    assert re.search(r"run: (bash )?\.ci/run$", workflow.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_one_command_leaves_no_session_out() -> None:
    """What `ci` calls beside itself: other Pythons, whole projects, lowest versions and every check."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert named >= {"fast-3.11", "fast-3.13", "e2e", "minimum-versions"}
    assert named >= {"lint", "typecheck", "audit", "docs", "build"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"^\| `([^`]+)` \|", TEXT, re.MULTILINE))))
def test_every_place_on_the_map_of_contributors_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_part_that_can_be_run_alone_has_its_folder() -> None:
    """`uv run pytest tests/config` is the example of the page; each package has such a folder."""
    packages = {path.parent.name for path in (ROOT / "toolkit").glob("*/__init__.py")}
    tested = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert packages - tested - {"compose"} == set()
