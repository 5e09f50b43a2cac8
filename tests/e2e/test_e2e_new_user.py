"""Somebody new, on a bare system with nothing but Python and git, follows README to the letter.

What is typed stands in README; what is shown is compared with what README and the pages promise, and kept as
``reports/transcripts/new-user.txt``.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bare_system import HOME, System, make_system, needed

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "reports" / "transcripts"
PROJECT = HOME / "shop"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "shop"
version = "1.0"
requires-python = ">=3.11"

[project.optional-dependencies]
test = ["pytest"]
""",
    "src/shop/__init__.py": '"""A shop."""\n\n\ndef total(prices: list[int]) -> int:\n'
    "    return sum(prices)\n",
    "tests/test_checkout.py": "from shop import total\n\n\ndef test_the_checkout_adds_up():\n"
    "    assert total([2, 3]) == 5\n",
    ".gitignore": ".venv/\n.nox/\nreports/\n*.egg-info/\n__pycache__/\n",
}

UNWANTED = (
    "cc",
    "gcc",
    "make",
    "docker",
    "uv",
    "pip",
    "pip3",
    "postgres",
    "redis-server",
    "nats-server",
    "curl",
)
"""Programs that a new user may not have; README must do without them."""


def typed(language: str) -> list[tuple[str, list[str]]]:
    """Return the commands of README's first block of a language about an own project, and their output."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## In your own project")[2]
    body = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    if language == "console":
        parts = re.split(r"^\$ ", body[1], flags=re.MULTILINE)[1:]
        return [(lines[0], lines[1:]) for lines in (part.rstrip("\n").split("\n") for part in parts)]
    return [(line.partition("  #")[0].rstrip(), []) for line in body[1].splitlines()]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A bare system in which the project of somebody lies, and an index that has this toolkit."""
    needed()
    wheels = tmp_path / "wheels"
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", wheels, ROOT], check=True, capture_output=True)
    wheels.chmod(0o755)
    made = make_system(tmp_path / "system", wheels)
    yield made
    shutil.rmtree(made.root)  # 300 MB; the mounts were gone with the last command


def test_readme_works_to_the_letter_with_only_python_and_git(system: System) -> None:
    present = f"for name in {' '.join(UNWANTED)}; do command -v $name; done; id -u"
    there = system.run(f"{present}; ls -A ~; set -- /proc/[0-9]*; echo $#")
    assert there.stdout.split() == ["1000", "1"], there.stdout  # no such program, no file, no other process
    for name, text in FILES.items():
        system.write(PROJECT / name, text)
    identity = "git -c user.name=new -c user.email=new@localhost"
    began = system.run(f"git init -q && git add -A && {identity} commit -q -m before", folder=PROJECT)
    assert began.returncode == 0, began.stdout

    commands = [
        (command.replace("3.12", system.python), [line.replace("3.12", system.python) for line in expected])
        for command, expected in (*typed("console"), *typed("shell"))
    ]
    starts = [command.split()[0] for command, _ in commands]
    assert starts == ["python3", "pip", "toolkit", "nox", "toolkit", "toolkit", "nox", "nox", "invoke"]
    # One shell for all, as the first command activates an environment; each says how it ended.
    script = "".join(
        f"echo '=== {at}'\n{command}\necho \"--- $?\"\n" for at, (command, _) in enumerate(commands)
    )
    done = system.run(script, folder=PROJECT, timeout=600)
    seen = re.findall(r"^=== \d+\n(.*?)^--- (\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    keep([(command, shown, code) for (command, _), (shown, code) in zip(commands, seen, strict=False)])

    assert len(seen) == len(commands), done.stdout
    for (command, expected), (shown, code) in zip(commands, seen, strict=True):
        assert code == "0", f"{command}\n{shown}"
        assert [line for line in expected if line not in shown] == [], f"{command}\n{shown}"
    check_what_is_shown(
        dict(zip([command for command, _ in commands], [shown for shown, _ in seen], strict=True))
    )
    status = system.run("git status --porcelain", folder=PROJECT)
    assert status.stdout.split() == ["M", "pyproject.toml", "??", "noxfile.py", "??", "tasks.py"]
    reports = system.root / PROJECT.relative_to("/") / "reports"
    assert {"report.html", "junit.xml", "summary.json", "summary.md"} <= {
        path.name for path in reports.iterdir()
    }


def check_what_is_shown(shown: dict[str, str]) -> None:
    """Compare with what README and the pages say of these commands."""
    init = shown["toolkit init"]
    assert re.search(r"^tests +tests \(1 file\)$", init, re.MULTILINE)
    assert "next: nox -s unit" in init
    assert "undo: git restore pyproject.toml && git clean -f -- noxfile.py tasks.py" in init
    doctor = shown["toolkit doctor"]
    assert re.search(r"attention +uv .*pip install uv", doctor)
    assert re.search(r"works +git ", doctor)
    assert "test_the_checkout_adds_up" in shown["nox -s unit"] or "1 passed" in shown["nox -s unit"]
    assert "flaky.list" in next(text for command, text in shown.items() if command == "invoke --list")
    assert "\x1b[" not in "".join(shown.values())  # no terminal, so no colours


def keep(rows: list[tuple[str, str, str]]) -> None:
    """Keep what was typed and shown, for people and as an artifact of CI; where pip looked is left out."""
    TRANSCRIPTS.mkdir(parents=True, exist_ok=True)
    text = "".join(
        f"$ {command}\n{shown}" + (f"[exit code {code}]\n" if code != "0" else "")
        for command, shown, code in rows
    )
    text = re.sub(r"^(Looking in|WARNING: Location) .*\n", "", text, flags=re.MULTILINE)
    (TRANSCRIPTS / "new-user.txt").write_text(text, encoding="utf-8")
