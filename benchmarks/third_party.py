"""Do third-party projects count the same through the toolkit as with plain pytest?

Takes source archives with their own tests from the package index, changes nothing but adding noxfile.py,
tasks.py and a [tool.toolkit] table, and runs ``nox -s all`` with and without workers on every Python; beside
it plain ``pytest`` on an untouched copy, in an environment without the toolkit. The aggregated counts of
``reports/summary.json`` must equal those that pytest prints.

    uv run benchmarks/third_party.py [--project NAME] [--python 3.12] [--workers 0 auto] [--json]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

PYTHONS = ("3.11", "3.12", "3.13")
ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".toolkit" / "third_party"

NOXFILE = textwrap.dedent(  # indented: uv would read its first lines as this script's own
    """\
    # /// script
    # dependencies = ["nox>=2025.5.1", "nox-invoke-toolkit"]
    # ///
    import nox
    from toolkit.config import load_config
    from toolkit.sessions import add_profile_sessions
    nox.options.default_venv_backend = "uv|virtualenv"
    add_profile_sessions(load_config())
    """
)
TASKS = "from toolkit.tasks import ns\n"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A source archive, and what its tests need that no installer can find out."""

    name: str
    version: str
    needs: tuple[str, ...]
    """What plain pytest needs beside the project."""
    table: str = ""
    """More lines of the [tool.toolkit] table."""


PROJECTS = {
    project.name: project
    for project in (
        # its pinned freezegun is older than Python 3.13
        Project(
            name="itsdangerous",
            version="2.2.0",
            needs=("freezegun", "pytest"),
            table='install.requires = ["freezegun"]',
        ),
        Project(name="jinja2", version="3.1.6", needs=("-r", "requirements/tests.txt")),
        Project(
            name="tomlkit",
            version="0.15.2",
            needs=("pytest", "pyyaml"),
            table='install.requires = ["pyyaml"]',
        ),
        Project(name="click", version="8.5.1", needs=("pytest",)),
        Project(name="more-itertools", version="11.2.1", needs=("-r", "requirements/testing.txt", "pytest")),
        Project(
            name="packaging",
            version="26.3",
            needs=("coverage[toml]>=7.2.0", "hypothesis>=6.0.0", "pip>=21.1", "pretend", "pytest", "tomli_w"),
        ),
    )
}

WORDS = ("passed", "failed", "skipped", "xfailed", "xpassed", "errors")
Counts = dict[str, int]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One project on one Python: what pytest printed and what the toolkit counted."""

    project: str
    python: str
    workers: str
    plain: Counts
    counted: Counts
    plain_seconds: float
    nox_seconds: float

    @property
    def equal(self) -> bool:
        """Whether all counts are the same."""
        return self.plain == self.counted


def environment(
    *, dropped: Sequence[str] = ("TOOLKIT_", "PYTEST_", "NOX_CURRENT", "COVERAGE_")
) -> dict[str, str]:
    """Return this process's environment without what the tests around it have set."""
    alone = {"CI", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "UV_PROJECT_ENVIRONMENT"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(tuple(dropped)) and k not in alone}
    return {**kept, "NOX_DOWNLOAD_PYTHON": "never", "NO_COLOR": "1"}


def unpack(project: Project, folder: Path, cache: Path = CACHE) -> Path:
    """Return a fresh copy of a project's source archive in ``folder``; the archive is fetched once."""
    stem = f"{project.name.replace('-', '_')}-{project.version}"
    archive = cache / f"{stem}.tar.gz"
    if not archive.is_file():
        waiting = cache / f".{stem}.{os.getpid()}"
        run(
            [
                "uv",
                "run",
                "--no-project",
                "--with",
                "pip",
                "python",
                "-m",
                "pip",
                "download",
                "--no-deps",
                "-q",
                "--no-binary",
                ":all:",
                "-d",
                str(waiting),
                f"{project.name}=={project.version}",
            ],
            ROOT,
        )
        next(waiting.glob("*.tar.gz")).replace(archive)
        shutil.rmtree(waiting)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / stem


def adopt(project: Project, root: Path, pythons: Sequence[str], workers: str) -> None:
    """Add the two files and the table; nothing else of the project is touched."""
    (root / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
    (root / "tasks.py").write_text(TASKS, encoding="utf-8")
    table = f"""
[tool.toolkit]
pythons = {json.dumps(list(pythons))}
profiles.all.workers = {workers if workers.isdigit() else json.dumps(workers)}
{project.table}
"""
    with (root / "pyproject.toml").open("a", encoding="utf-8") as stream:
        stream.write(table)


def run(command: Sequence[str], root: Path, *, allowed: Sequence[int] = (0,)) -> str:
    """Run a command and return its output; a code that is not allowed shows it."""
    done = subprocess.run(
        command,
        cwd=root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-5000:]}")
    return done.stdout


def plain_pytest(project: Project, root: Path, python: str) -> Counts:
    """Run the project's tests as its developers do, and read what pytest prints last."""
    run(["uv", "venv", "-q", "--no-config", "-p", python, ".venv"], root)
    interpreter = str(root / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    run(
        ["uv", "pip", "install", "-q", "--no-config", "--python", interpreter, "-e", ".", *project.needs],
        root,
    )
    return printed_counts(run([interpreter, "-m", "pytest"], root, allowed=(0, 1, 2)))


def printed_counts(output: str) -> Counts:
    """Read pytest's last line: ``1 failed, 2434 passed, 3 errors in 14.03s``."""
    last = next(line for line in reversed(output.splitlines()) if re.search(r"\bin \d[\d.]*s\b", line))
    found = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last)}
    found["errors"] = found.get("errors", 0) + found.pop("error", 0)
    return {word: found.get(word, 0) for word in WORDS}


def toolkit_counts(root: Path, python: str) -> Counts:
    """Run ``nox -s all`` and read the aggregated counts of its reports."""
    run([sys.executable, "-m", "nox", "-s", f"all-{python}"], root, allowed=(0, 1))
    return reported_counts(json.loads((root / "reports" / "summary.json").read_text(encoding="utf-8")))


def reported_counts(report: Mapping[str, Mapping[str, int]]) -> Counts:
    """Turn the summary into pytest's words: there xfailed are not among the skipped."""
    found = report["summary"]
    return {
        "passed": found["passed"] - found["xpassed"],
        "failed": found["failed"],
        "skipped": found["skipped"] - found["xfailed"],
        "xfailed": found["xfailed"],
        "xpassed": found["xpassed"],
        "errors": found["errors"],
    }


def prove(project: Project, folder: Path, python: str, workers: Sequence[str]) -> Iterator[Proof]:
    """Yield one proof per worker setting."""
    began = time.monotonic()
    plain = plain_pytest(project, unpack(project, folder / "plain"), python)
    plain_seconds = time.monotonic() - began
    for setting in workers:
        root = unpack(project, folder / f"workers-{setting}")
        adopt(project, root, [python], setting)
        began = time.monotonic()
        counted = toolkit_counts(root, python)
        yield Proof(
            project=project.name,
            python=python,
            workers=setting,
            plain=plain,
            counted=counted,
            plain_seconds=round(plain_seconds, 1),
            nox_seconds=round(time.monotonic() - began, 1),
        )


def main() -> int:
    """Run the matrix that the command line asks for; exit code 1 when any counts differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", nargs="+", choices=PROJECTS, default=list(PROJECTS))
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=list(PYTHONS))
    parser.add_argument("--workers", nargs="+", default=["0", "2"], help="0, a number, or auto")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir(), "toolkit-third-party"),
        help="where the copies are made: outside of this project, whose pytest settings would count there",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines only")
    options = parser.parse_args()
    differing = 0
    for name in options.project:
        for python in options.python:
            folder = options.folder / f"{name}-{python}"
            shutil.rmtree(folder, ignore_errors=True)
            for proof in prove(PROJECTS[name], folder, python, options.workers):
                differing += not proof.equal
                print(msgspec.json.encode(proof).decode() if options.json else line(proof), flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if differing else 0


def line(proof: Proof) -> str:
    """Return one row of the table."""
    told = " ".join(f"{word}={proof.counted[word]}" for word in WORDS if proof.counted[word])
    verdict = "equal" if proof.equal else f"DIFFERENT: pytest printed {proof.plain}"
    where = f"{proof.project:15} {proof.python:5} workers={proof.workers:5}"
    return f"{where} {told}  {verdict}  (pytest {proof.plain_seconds} s, nox {proof.nox_seconds} s)"


if __name__ == "__main__":
    sys.exit(main())
