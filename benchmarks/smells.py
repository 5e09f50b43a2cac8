"""How often is a reported smell a real one, and how fast are tests checked?

Checks the test suites of four third-party projects (source archives from the package index). They were chosen
and read after the rules were finished; others had been read before, to make the rules better. Of each project
the findings are sorted by a hash, and the first ones were read. The verdicts stand in ``smells_judged.tsv``:
true when the place does what the rule says and a better way to write the test exists. Precision is the share
of true ones. Speed is lines of source per second of CPU time, in one process, parsing included.

    uv run benchmarks/smells.py [--project NAME] [--json]

Exit code 1: precision below 90 %, fewer than 20,000 lines a second, or a finding of the sample not judged.
"""

import argparse
import csv
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from third_party import Project, unpack

from toolkit.config.settings import Config
from toolkit.smells.checking import check_paths
from toolkit.smells.findings import Finding

JUDGED = Path(__file__).with_name("smells_judged.tsv")
SAMPLE = 18
"""Findings of each project that were read."""
PRECISION, SPEED = 0.9, 20_000

SUITES = {
    "werkzeug": ("3.1.9", "tests"),
    "kombu": ("5.7.0", "t"),
    "pydantic": ("2.14.3", "tests"),
    "gunicorn": ("27.0.1", "tests"),
}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One project."""

    project: str
    files: int
    lines: int
    tests: int
    found: dict[str, int]
    judged: int
    true: int
    unjudged: tuple[str, ...]
    lines_per_second: float


def read_verdicts() -> dict[tuple[str, str], bool]:
    """Return what was judged: (project, place and rule) → whether it is true."""
    with JUDGED.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {(row["project"], row["finding"]): row["verdict"] == "true" for row in rows}


def named(finding: Finding) -> str:
    """Return the name of a finding in the file of verdicts."""
    return f"{finding.path}:{finding.line} {finding.rule}"


def sample(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are read: chance, but always the same."""

    def chance(finding: Finding) -> str:
        return hashlib.sha256(f"{finding.path}\0{finding.line}\0{finding.rule}".encode()).hexdigest()

    return sorted(findings, key=chance)[:SAMPLE]


def measure(project: str, folder: Path) -> Measured:
    """Check one project's tests."""
    version, tests = SUITES[project]
    root = unpack(Project(name=project, version=version, needs=()), folder)
    config = Config(root=root, tests=(tests,))
    check_paths(config, jobs=1)  # the files are in memory then
    before = time.process_time()
    checked = check_paths(config, jobs=1)
    seconds = time.process_time() - before
    verdicts = read_verdicts()
    names = [named(finding) for finding in sample(checked.findings)]
    judged = [verdicts[project, name] for name in names if (project, name) in verdicts]
    return Measured(
        project=project,
        files=checked.files,
        lines=checked.lines,
        tests=checked.tests,
        found=dict(sorted(Counter(finding.rule for finding in checked.findings).items())),
        judged=len(judged),
        true=sum(judged),
        unjudged=tuple(name for name in names if (project, name) not in verdicts),
        lines_per_second=checked.lines / seconds,
    )


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", choices=SUITES, action="append", help="only this one")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolkit-smells-") as folder:
        rows = [measure(project, Path(folder)) for project in arguments.project or SUITES]
    judged, true = sum(row.judged for row in rows), sum(row.true for row in rows)
    slowest = min(row.lines_per_second for row in rows)
    unjudged = [f"{row.project}: {name}" for row in rows for name in row.unjudged]
    if arguments.json:
        told = {
            "projects": msgspec.to_builtins(rows),
            "judged": judged,
            "true": true,
            "precision": true / judged,
        }
        print(json.dumps(told, indent=2))
    else:
        for row in rows:
            found = f"{sum(row.found.values())} findings {row.found}"
            print(f"{row.project}: {row.tests} tests, {row.lines} lines, {row.lines_per_second:,.0f} lines/s")
            print(f"  {found}; {row.true} of {row.judged} judged ones are true")
        print(f"precision {true}/{judged} = {true / judged:.1%}; slowest {slowest:,.0f} lines/s of one core")
        for name in unjudged:
            print(f"not judged: {name}")
    return int(bool(unjudged) or true / judged < PRECISION or slowest < SPEED)


if __name__ == "__main__":
    sys.exit(main())
