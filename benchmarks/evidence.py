"""Runs the benchmarks and writes docs/evidence.md: what is claimed, measured, where, when and how.

Each result is kept with its date, command and machine under ``.toolkit/evidence/``, so that a long set can be
measured in pieces; the page is written of all that are there. A figure that a benchmark did not deliver is an
error, not an empty line.

    uv run benchmarks/evidence.py --histories *.csv.gz   # everything; takes an hour or two
    uv run benchmarks/evidence.py --quick                # small forms: minutes, and it says so on the page
    uv run benchmarks/evidence.py --only balance plugin  # these anew, the others as they are kept
    uv run benchmarks/evidence.py --missing              # only what is not kept yet: after an interruption
    uv run benchmarks/evidence.py --page                 # measure nothing, write the page

``--histories`` names public CI histories (columns as in ``prediction.py``) for order and prediction; without
it that claim is left out and said to be.
"""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import third_party
from benchmarks.evidence_claims import CLAIMS, Claim
from benchmarks.evidence_figures import Row, table

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".toolkit" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark delivered, and under which circumstances."""

    name: str
    command: str
    quick: bool
    exit_code: int
    date: str
    commit: str
    machine: str
    seconds: float
    report: Any


def measure(claim: Claim, *, quick: bool, histories: Sequence[Path], folder: Path) -> Result:
    """Run the benchmark of a claim.

    Raises:
        RuntimeError: it delivered no JSON; shows the end of what it printed.
    """
    where = machine()
    wanted = claim.quick if quick else claim.full
    files = [str(path.resolve()) for path in histories]
    arguments = [each for word in wanted for each in _filled(word, files, folder)]
    script = str(Path(__file__).with_name(claim.script))
    packages = [word for name in claim.packages for word in ("--with", name)]
    command = ["uv", "run", "--no-sync", *packages, "python", script, *arguments]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=third_party.environment(), capture_output=True, text=True, check=False
    )
    report = read_report(done.stdout, lines=claim.lines)
    if report is None:
        raise RuntimeError(f"{claim.name}: exit code {done.returncode}, no JSON\n{done.stderr[-3000:]}")
    shown = [each for word in wanted for each in _shown(word, histories)]
    return Result(
        name=claim.name,
        command=" ".join(["uv run", *packages, f"benchmarks/{claim.script}", *shown]),
        quick=quick,
        exit_code=done.returncode,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        commit=_commit(),
        machine=where,
        seconds=round(time.monotonic() - began, 1),
        report=report,
    )


def _filled(word: str, histories: Sequence[str], folder: Path) -> Sequence[str]:
    """Return the arguments that a word stands for."""
    if word == "{histories}":
        return histories
    for name, project in third_party.PROJECTS.items():
        if f"{{{name}}}" in word:
            place = folder / name
            root = place if place.is_dir() else third_party.unpack(project, folder).rename(place)
            return [word.replace(f"{{{name}}}", str(root))]
    return [word]


def _shown(word: str, histories: Sequence[Path]) -> Sequence[str]:
    """Return how a word is shown to those who want to do the same: names without folders of this machine."""
    if word == "{histories}":
        return [path.name for path in histories]
    return [word.replace("{", "").replace("}", "")]


def read_report(text: str, *, lines: bool = False) -> Any:
    """Read one JSON value, or with ``lines`` a list of one for each line; None: it is something else."""
    try:
        if lines:
            return [json.loads(line) for line in text.splitlines() if line.strip()] or None
        return json.loads(text)
    except ValueError:
        return None


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    """Say on which machine this runs, how busy it is, and on which Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB"
    return f"{system}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def rows_of(claim: Claim, report: Any) -> list[Row]:
    """Return the lines of a claim.

    Raises:
        RuntimeError: something is not in the report: the benchmark has changed, or it measured nothing.
    """
    try:
        rows = list(claim.rows(report))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise RuntimeError(
            f"{claim.name}: not in the report of {claim.script}: {type(error).__name__} {error}"
        ) from error
    if not rows:
        raise RuntimeError(f"{claim.name}: the report of {claim.script} is empty")
    return rows


def page(results: Sequence[Result]) -> str:
    """Write the page: a section for each claim, in the order of the claims."""
    found = {result.name: result for result in results}
    parts = [HEAD, _overview(found)]
    for claim in CLAIMS:
        parts.append(f"## {claim.name.capitalize()}\n\n{claim.says}\n\n")
        result = found.get(claim.name)
        parts.append("Not measured yet.\n\n" if result is None else _section(claim, result))
    return "".join(parts).rstrip() + "\n"


HEAD = """\
# Evidence

What this project says about itself, measured, beside what one would use instead, with the goal and whether it
was reached. All of it was written by one command, `uv run benchmarks/evidence.py`; each section can be made
anew by the command in it, or by `benchmarks/evidence.py --only NAME`.

Read times as proportions: what is compared ran in turn, on one machine. A load above the number of cores
means that the machine was busy with something else: then time that parallel work saves is not seen. "Small
form" means fewer repetitions or fewer projects than the full benchmark has: the direction can be trusted, the
last digit cannot.

<!-- Written by benchmarks/evidence.py: do not edit. -->

"""


def _overview(found: Mapping[str, Result]) -> str:
    """Write one line for each claim: how many of its goals were reached."""
    lines = ["| claim | goals reached |", "|---|---|"]
    for claim in CLAIMS:
        title = f"[{claim.name.capitalize()}](#{claim.name})"
        result = found.get(claim.name)
        verdicts = [row.met for row in rows_of(claim, result.report) if row.met is not None] if result else []
        told = f"{sum(verdicts)} of {len(verdicts)}" if verdicts else "not measured yet"
        lines.append(f"| {title}: {claim.says} | {told} |")
    return "\n".join(lines) + "\n\n"


def _section(claim: Claim, result: Result) -> str:
    form = ", small form" if result.quick else ""
    lines = [
        table(rows_of(claim, result.report)) + "\n",
        f"{result.date}, commit {result.commit}, {result.machine}; took {result.seconds:.0f} s{form}.\n",
        f"```shell\n{result.command}\n```\n",
    ]
    if result.exit_code:
        lines.insert(0, f"**The benchmark ended with code {result.exit_code}: the claim did not hold.**\n")
    return "\n".join(lines) + "\n"


def load_kept() -> list[Result]:
    """Read all results that are kept; one that its script would not deliver any more is told and left out."""
    known = {claim.name: claim for claim in CLAIMS}
    found = []
    for path in sorted(KEPT.glob("*.json")):
        result = msgspec.json.decode(path.read_bytes(), type=Result)
        try:
            rows_of(known[result.name], result.report)
        except (RuntimeError, KeyError) as error:
            print(f"{path}: is out of date, measure again: {error}", file=sys.stderr)
            continue
        found.append(result)
    return found


def main() -> int:
    """Measure what the command line asks for, then write the page; exit code 1 when a claim did not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[claim.name for claim in CLAIMS], help="these claims")
    parser.add_argument("--quick", action="store_true", help="small forms")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--missing", action="store_true", help="only what is not kept yet")
    parser.add_argument(
        "--histories",
        nargs="+",
        type=Path,
        default=[],
        metavar="CSV",
        help="public CI histories, for prediction",
    )
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    there = {result.name for result in load_kept()}
    folder = Path(tempfile.mkdtemp(prefix="evidence-"))
    try:
        for claim in CLAIMS:
            kept = options.missing and claim.name in there
            if options.page or kept or (options.only and claim.name not in options.only):
                continue
            if "{histories}" in claim.full and not options.histories:
                print(f"{claim.name}: left out, it needs --histories", file=sys.stderr)
                continue
            failed += _measured(claim, options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results = load_kept()
    options.output.write_text(page(results), encoding="utf-8")
    failed += [result.name for result in results if result.exit_code]
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(results), indent=2).decode())
    else:
        print(
            f"{options.output}: {len(results)} of {len(CLAIMS)} claims measured; failed: {failed or 'none'}"
        )
    return int(bool(failed))


def _measured(claim: Claim, options: argparse.Namespace, folder: Path) -> list[str]:
    """Measure one claim and keep the result; return its name when it could not be measured."""
    try:
        result = measure(claim, quick=options.quick, histories=options.histories, folder=folder)
        rows_of(claim, result.report)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return [claim.name]
    (KEPT / f"{claim.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    print(f"{claim.name}: {result.seconds:.0f} s", file=sys.stderr, flush=True)
    return []


if __name__ == "__main__":
    sys.exit(main())
