"""Does ``toolkit init`` fit projects of other people, whatever their shape?

Takes source archives from the package index, makes a git repository of each, runs ``toolkit init`` and then
``nox -s unit``, without a hand edit. Proven is that the session passes, that it ran at least as many tests as
the project is known to have, that each test that did not pass has its reason in the report (skipped, expected
to fail), and that git sees only new files and one table at the end of pyproject.toml.

    uv run benchmarks/adoption.py [--shape src flat …] [--python 3.11 3.12 3.13] [--json]
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import third_party
from toolkit.config import load_config


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A shape of projects, and who has it."""

    name: str
    archives: tuple[tuple[str, str], ...]
    """Name and version; several become members of one repository."""
    least: int
    """Tests that must have run at least."""


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(name="src", archives=(("click", "8.5.1"),), least=1000),
        Shape(name="flat", archives=(("more-itertools", "11.2.1"),), least=500),
        Shape(name="unittest", archives=(("cachetools", "7.1.1"),), least=100),
        Shape(name="doctest", archives=(("jaraco-functools", "4.6.0"),), least=20),
        Shape(name="async", archives=(("asgiref", "3.13.0"),), least=50),
        Shape(
            name="monorepo",
            archives=(("cachetools", "7.1.1"), ("itsdangerous", "2.2.0")),
            least=500,
        ),
    )
}


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one project."""

    shape: str
    projects: tuple[str, ...]
    python: str
    exit_code: int
    passed: int
    tests: int
    others: dict[str, int]
    """Why a test did not simply pass, as the report says → how many."""
    table: tuple[str, ...]
    """The lines that were added to pyproject.toml."""
    new: tuple[str, ...]
    """New files."""
    changed: tuple[str, ...]
    """Changed files, but for pyproject.toml if what was in it is there byte for byte."""
    init_seconds: float
    nox_seconds: float
    output: str

    @property
    def proven(self) -> bool:
        """Whether everything that is claimed was seen."""
        fine = self.exit_code == 0 and self.tests >= SHAPES[self.shape].least and not self.unexplained
        return fine and not self.changed and set(self.new) <= NEW

    @property
    def unexplained(self) -> int:
        """Tests that neither passed nor have a reason."""
        return self.tests - self.passed - sum(self.others.values())


NEW = {"noxfile.py", "tasks.py", "pyproject.toml"}
IDENTITY = ("-c", "user.name=adoption", "-c", "user.email=adoption@localhost", "-c", "commit.gpgsign=false")


def prepare(shape: Shape, folder: Path) -> Path:
    """Make a git repository of a project, or of several as ``packages/NAME``; return its root."""
    roots = [third_party.unpack(_project(*archive), folder / "unpacked") for archive in shape.archives]
    root = folder / shape.name
    if len(roots) == 1:
        roots[0].rename(root)
    else:
        for path, (name, _) in zip(roots, shape.archives, strict=True):
            (root / "packages").mkdir(parents=True, exist_ok=True)
            path.rename(root / "packages" / name)
    _git(root, "init", "-q")
    with (root / ".git" / "info" / "exclude").open("a", encoding="utf-8") as stream:
        stream.write("__pycache__/\n*.egg-info/\n.pytest_cache/\nreports/\nbuild/\n")  # what running leaves
    _git(root, "add", "-A")
    _git(root, *IDENTITY, "commit", "-q", "-m", "as published")
    return root


def _project(name: str, version: str) -> third_party.Project:
    return third_party.Project(name=name, version=version, needs=())


def _git(root: Path, *words: str) -> str:
    return third_party.run(["git", *words], root)


def adopt(shape: Shape, root: Path, python: str) -> Adopted:
    """Run ``toolkit init`` and ``nox -s unit`` in a repository, and look what git sees."""
    began = time.monotonic()
    third_party.run([sys.executable, "-m", "toolkit.program", "init"], root)
    between = time.monotonic()
    session = "unit" if python == "all" else f"unit-{python}"
    done = subprocess.run(
        [sys.executable, "-m", "nox", "-s", session],
        cwd=root,
        env=third_party.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - between
    reports = load_config(root, {}).reports_dir
    summary = reports / "summary.json"
    counts = json.loads(summary.read_text(encoding="utf-8"))["summary"] if summary.is_file() else {}
    added = _added(root)
    status = [line.split(maxsplit=1) for line in _git(root, "status", "--porcelain").splitlines()]
    allowed = {"pyproject.toml"} if added else set()
    changed = [path for state, path in status if state != "??" and path not in allowed]
    return Adopted(
        shape=shape.name,
        projects=tuple(f"{name} {version}" for name, version in shape.archives),
        python=python,
        exit_code=done.returncode,
        passed=counts.get("passed", 0),
        tests=sum(counts.get(word, 0) for word in ("passed", "failed", "skipped", "errors")),
        others=reasons(reports / "junit.xml"),
        table=tuple(added),
        new=tuple(path for state, path in status if state == "??"),
        changed=tuple(changed),
        init_seconds=round(between - began, 1),
        nox_seconds=round(seconds, 1),
        output="" if done.returncode == 0 else done.stdout[-4000:],
    )


def reasons(report: Path) -> dict[str, int]:
    """Count why tests did not simply pass: kind and reason, numbers as ``N``; the most frequent first."""
    found: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase") if report.is_file() else ():
        for word in ("skipped", "failure", "error"):
            element = case.find(word)
            if element is not None:
                kind = "expected to fail" if element.get("type") == "pytest.xfail" else word
                reason = re.sub(r"\d+", "N", (element.get("message") or "no reason given").strip())
                found[f"{kind}: {reason.splitlines()[0][:90]}"] += 1
                break
    return dict(found.most_common())


def _added(root: Path) -> list[str]:
    """Return the lines at the end of pyproject.toml that are new; none where anything before them changed."""
    known = _git(root, "ls-files", "pyproject.toml").strip()
    before = _git(root, "show", f"HEAD:{known}") if known else ""
    after = (root / "pyproject.toml").read_text(encoding="utf-8")
    lines = after.removeprefix(before).splitlines() if after.startswith(before) else []
    return [row for row in lines if row.strip()]


def prove(shapes: list[str], pythons: list[str], folder: Path) -> Iterator[Adopted]:
    """Yield one proof per shape and Python, each from the archive as it was published."""
    for name in shapes:
        for python in pythons:
            root = prepare(SHAPES[name], folder / f"{name}-{python}")
            yield adopt(SHAPES[name], root, python)


def main() -> int:
    """Run the shapes that the command line asks for; exit code 1 when one is not proven."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument(
        "--python", nargs="+", default=["all"], help="3.11, 3.12 …; all: every Python of the project"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines only")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="adoption-") as folder:
        for proof in prove(options.shape, options.python, Path(folder)):
            failed += not proof.proven
            print(msgspec.json.encode(proof).decode() if options.json else line(proof), flush=True)
    return 1 if failed else 0


def line(proof: Adopted) -> str:
    """Return what is told of one project."""
    verdict = "proven" if proof.proven else f"NOT PROVEN: {proof.changed} {proof.new}\n{proof.output}"
    seconds = f"init {proof.init_seconds} s, nox {proof.nox_seconds} s"
    where = f"{proof.shape:9} {', '.join(proof.projects)} on {proof.python}"
    told = f"{where}: {proof.passed} of {proof.tests} passed, {seconds}: {verdict}"
    rest = [f"{count} {reason}" for reason, count in proof.others.items()]
    rest += [f"{proof.unexplained} NOT EXPLAINED"] if proof.unexplained else []
    return told + "".join(f"\n    {row}" for row in (*rest, *proof.table))


if __name__ == "__main__":
    sys.exit(main())
