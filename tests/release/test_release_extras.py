"""What is published can be installed: every extra alone and all together, on each supported Python."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"])


def resolved(extras: list[str], python: str) -> set[str]:
    """Return the names of everything that would be installed, on any platform."""
    done = subprocess.run(
        [
            "uv",
            "pip",
            "compile",
            "-q",
            "--universal",
            "--no-header",
            "--no-annotate",
            "--python-version",
            python,
            "-",
        ],
        input=f"nox-invoke-toolkit[{','.join(extras)}] @ {ROOT.as_uri()}",
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stderr
    return {line.split("==")[0].split(" ")[0] for line in done.stdout.splitlines()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_extra_alone_and_all_together_on_each_python() -> None:
    base = resolved([], "3.11")
    assert base >= {"pytest", "pytest-xdist", "msgspec"}
    for extra in EXTRAS:  # "universal" answers for this Python and all newer ones
        assert resolved([extra], "3.11") >= base, extra
    for python in ("3.11", "3.12", "3.13"):
        assert resolved(EXTRAS, python) >= base, python


def test_the_base_stays_small() -> None:
    """These three enter the environments in which other people's tests run."""
    names = {line.split(">=")[0] for line in PROJECT["dependencies"]}
    assert names == {"pytest", "pytest-xdist", "msgspec"}


def test_what_belongs_to_a_release_is_there() -> None:
    for name in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "toolkit/py.typed",
    ):
        assert (ROOT / name).is_file(), name
    assert PROJECT["license-files"] == ["LICENSE"]
    assert PROJECT["scripts"] == {"toolkit": "toolkit.program:main"}
    assert "Typing :: Typed" in PROJECT["classifiers"]
