"""A new user, with nothing but Python and git, follows README to the letter: the transcript is compared."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PROJECT = {
    "pyproject.toml": f"""\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "tally"
version = "1.0"
requires-python = ">={HERE}"

[project.optional-dependencies]
test = ["pytest"]
""",
    "src/tally/__init__.py": '"""Counts."""\n\n\ndef tally(words: list[str]) -> dict[str, int]:\n'
    "    return {word: words.count(word) for word in words}\n",
    "tests/test_tally.py": "from tally import tally\n\n\ndef test_words_are_counted():\n"
    "    assert tally(['a', 'b', 'a']) == {'a': 2, 'b': 1}\n",
    ".gitignore": ".venv/\n.nox/\nreports/\n*.egg-info/\n__pycache__/\n",
}

TOOLS = ("cat", "cut", "dirname", "env", "git", "ls", "rm", "sed", "sh", "uname", "basename")
"""What a bare system has beside Python."""


def readme_commands() -> list[tuple[str, list[str]]]:
    """Return the commands of README's first console block, each with what it must print."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = re.search(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    found = []
    for part in re.split(r"^\$ ", body[1].replace("3.12", HERE), flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        found.append((command, lines))
    return found


def bare_machine(folder: Path) -> dict[str, str]:
    """Return an environment in which only Python, git and the basic tools of a system are found."""
    programs = folder / "bin"
    programs.mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python{HERE}"
    for name, path in [("python3", base), *((tool, shutil.which(tool)) for tool in TOOLS)]:
        if path:
            (programs / name).symlink_to(path)
    (folder / "home").mkdir()
    wheels = folder / "wheels"
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", wheels, ROOT], check=True, capture_output=True)
    installer = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))
    }
    links = f"{wheels} {installer.get('PIP_FIND_LINKS', '')}".strip()
    return {
        **installer,
        "PIP_FIND_LINKS": links,
        "HOME": str(folder / "home"),
        "PATH": str(programs),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }


def test_readme_works_to_the_letter_with_only_python_and_git(tmp_path: Path) -> None:
    project = tmp_path / "tally"
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    environ = bare_machine(tmp_path)
    git = ["git", "-c", "user.name=new", "-c", "user.email=new@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "before"]):
        subprocess.run([*git, *words], cwd=project, env=environ, check=True, capture_output=True)
    commands = readme_commands()
    assert [command.split()[0] for command, _ in commands] == ["python3", "pip", "toolkit", "nox", "toolkit"]
    script = "set -e\n" + "".join(
        f"echo '\n=== {place}'\n{command}\n" for place, (command, _) in enumerate(commands)
    )
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    transcript = re.split(r"^=== \d+$", done.stdout, flags=re.MULTILINE)[1:]
    for (command, expected), shown in zip(commands, transcript, strict=True):
        assert [line for line in expected if line not in shown] == [], f"{command}\n{shown}"
    status = subprocess.run(
        [*git, "status", "--porcelain"], cwd=project, env=environ, check=True, capture_output=True, text=True
    )
    assert status.stdout.split() == ["M", "pyproject.toml", "??", "noxfile.py", "??", "tasks.py"]
    assert (project / "reports" / "report.html").is_file()
