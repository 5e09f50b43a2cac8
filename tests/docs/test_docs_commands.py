"""What the pages show is run: files are written, commands executed, their output compared."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "example" not in page.relative_to(DOCS).parts)
EXECUTED = "<!-- executed by tests -->"

_BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)

RUN = [
    page
    for page in PAGES
    if page.parent.name == "tutorial" or EXECUTED in page.read_text(encoding="utf-8").splitlines()
]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: where it stands, its language, the file it is to be written to."""

    line: int
    language: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, what it must print, and how it must end."""

    text: str
    expected: tuple[str, ...]
    exit_code: int


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            title=found["title"] or "",
            body=re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE),
        )
        for found in _BLOCK.finditer(text)
    ]


def commands(body: str) -> list[Command]:
    """Return the commands of a ``console`` block."""
    found = []
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *output = part.rstrip("\n").split("\n")
        code = re.search(r"\s+# exit code (\d+)$", command)
        found.append(
            Command(
                text=command[: code.start()] if code else command,
                expected=tuple(line.strip() for line in output if line.strip()),
                exit_code=int(code[1]) if code else 0,
            )
        )
    return found


def missing_line(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that is not in the output, in order; None: all are there."""
    lines = iter(output.splitlines())
    for wanted in expected:
        if not any(wanted in line for line in lines):
            return wanted
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_on_pages_parses(page: Path) -> None:  # toolkit: ignore[TS101] not raising is the claim
    for block in blocks(page):
        if block.language == "toml":
            tomllib.loads(block.body)
        elif block.language == "python":
            compile(block.body, f"{page.name}:{block.line}", "exec")


def test_the_tutorial_is_among_the_pages_that_are_run() -> None:
    assert "first-run" in {page.stem for page in RUN}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This toolkit as a wheel, found by uv as if it came from an index."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", folder, ROOT], check=True, capture_output=True)
    return folder


@pytest.mark.e2e
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_pages_do_what_they_say(page: Path, tmp_path: Path, wheels: Path) -> None:
    """From top to bottom in an empty folder, as a reader would who types everything."""
    environ = reader(tmp_path, wheels)
    for block in blocks(page):
        if block.title:
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(on_this_python(block.body), encoding="utf-8")
        elif block.language == "console":
            for command in commands(on_this_python(block.body)):
                follow(command, tmp_path, environ, where=f"{page.name}:{block.line}")


def reader(folder: Path, wheels: Path) -> dict[str, str]:
    """Return the environment of somebody who has activated .venv and has nothing else of ours."""
    foreign = (
        "TOOLKIT_",
        "PYTEST_",
        "COV",
        "NOX",
        "CI",
        "GITHUB_",
        "VIRTUAL_ENV",
        "PYTHON",
        "UV_RUN",
        "UV_PROJECT",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ours = Path(sys.prefix) / "bin"
    others = [entry for entry in kept["PATH"].split(os.pathsep) if Path(entry) != ours]
    installer = str(Path(shutil.which("uv") or "uv").parent)  # where it is found, although perhaps only there
    path = os.pathsep.join([str(folder / ".venv" / "bin"), *others, installer])
    return {**kept, "PATH": path, "UV_FIND_LINKS": str(wheels), "TERM": "dumb"}


def on_this_python(text: str) -> str:
    """The pages are written for one Python; the tests run on several."""
    return text.replace("3.12", ".".join(platform.python_version_tuple()[:2]))


def follow(command: Command, folder: Path, environ: dict[str, str], *, where: str) -> None:
    """Run a command as shown and compare."""
    if (
        command.text == "uv venv"
    ):  # of the Python that runs this test; for other commands it would be the target
        environ = {**environ, "UV_PYTHON": sys.executable}
    run = subprocess.run(
        command.text,
        shell=True,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    shown = f"{where}: {command.text}\n{run.stdout[-6000:]}"
    assert run.returncode == command.exit_code, shown
    assert missing_line(command.expected, run.stdout) is None, (
        f"{missing_line(command.expected, run.stdout)!r} is not in the output of {shown}"
    )
