"""Runs the benchmarks and writes docs/evidence.md: what is claimed, measured, where, when and how.

Each result is kept with its date, command and machine under ``.toolkit/evidence/``, so that a long set can be
measured in pieces; the page is written of all that are there. A figure that a benchmark did not deliver is an
error, not an empty line.

    uv run benchmarks/evidence.py                        # everything; takes an hour or two
    uv run benchmarks/evidence.py --quick                # small forms: minutes, and it says so on the page
    uv run benchmarks/evidence.py --only balance plugin  # these anew, the others as they are kept
    uv run benchmarks/evidence.py --page                 # measure nothing, write the page
    uv run benchmarks/evidence.py --histories FOLDER     # public CI histories for order and prediction
"""

import argparse
import datetime as dt
import fnmatch
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import third_party

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".toolkit" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the project says about itself, and how it is measured."""

    name: str
    says: str
    target: str
    script: str
    full: tuple[str, ...] = ()
    """Arguments; ``{tomlkit}`` and the like become unpacked source archives, ``{histories}`` a folder."""
    quick: tuple[str, ...] = ()
    lines: bool = False
    """Whether it prints a line of JSON for each row."""
    packages: tuple[str, ...] = ()
    """What the script is compared with; installed for it alone."""
    figures: tuple[str, ...] = ()
    """Patterns of paths in its JSON, parts joined by `` / ``; each must match."""


CLAIMS = (
    Claim(
        name="selection",
        says="Selection by what tests depend on misses no failing test; what it runs for that stands beside.",
        target="no miss, and less than everything; beside pytest-testmon",
        script="selection.py",
        full=("tomlkit={tomlkit}", "click={click}", "--mutants", "24", "--json"),
        quick=("tomlkit={tomlkit}", "--mutants", "4", "--json"),
        packages=("pytest-testmon", "pyyaml"),
        figures=("* / summary / *",),
    ),
    Claim(
        name="balance",
        says="Work is spread evenly over workers: makespan / lower bound, 1.00 cannot be beaten.",
        target="below pytest-split and xdist's schedulers",
        script="balance.py",
        full=("--project", "click", "tomlkit", "packaging", "--json"),
        quick=("--project", "tomlkit", "--workers", "2", "8", "--json"),
        packages=("pytest-split",),
        figures=("suites / * / ratios / *",),
    ),
    Claim(
        name="prediction",
        says="Tests that are likely to fail run first (APFD), and the probabilities are calibrated (ECE).",
        target="better than random and than recent failures first; ECE below 0.05",
        script="prediction.py",
        full=("{histories}", "--part", "held-out", "--json"),
        quick=("{histories}", "--part", "held-out", "--seeds", "1", "--json"),
        packages=("numpy", "scikit-learn"),
        figures=("* / methods / * / *APFD*", "* / calibration / *"),
    ),
    Claim(
        name="speedup",
        says="Workers and selection save time against everything serially in one process.",
        target="60 % with everything run, 90 % on a typical change",
        script="speedup.py",
        full=("--json",),
        quick=("--project", "tomlkit", "--changes", "3", "--repeat", "1", "--json"),
        figures=("* / ways / * / saved", "* / ways / typical change / tests run"),
    ),
    Claim(
        name="flaky",
        says="Flaky tests are found; regressions and outages are not called flaky (simulated).",
        target="precision and recall above 0.95",
        script="flaky.py",
        full=("--json",),
        quick=("--projects", "2", "--tests", "200", "--runs", "100", "--json"),
        figures=(
            "* / * / precision",
            "* / * / recall",
            "* / * / regressions called flaky",
            "* / * / outages called flaky",
        ),
    ),
    Claim(
        name="counts",
        says="Third-party projects, unchanged, count the same through the toolkit as with plain pytest.",
        target="all counts equal",
        script="third_party.py",
        full=("--json",),
        quick=("--project", "itsdangerous", "--python", "3.12", "--workers", "2", "--json"),
        lines=True,
        figures=("* / plain / *", "* / counted / *"),
    ),
    Claim(
        name="adoption",
        says="`toolkit init`, then `nox -s unit`, works in projects of six shapes without a hand edit.",
        target="exit code 0, nothing changed but one table",
        script="adoption.py",
        full=("--python", "3.12", "--json"),
        quick=("--python", "3.12", "--shape", "unittest", "--json"),
        lines=True,
        figures=("* / exit_code", "* / tests", "* / passed"),
    ),
    Claim(
        name="plugin",
        says="Having the plugin installed costs next to nothing.",
        target="import below 60 ms over bare pytest",
        script="plugin_import.py",
        full=("--repeat", "25", "--json"),
        quick=("--repeat", "5", "--json"),
        figures=("import_*", "*_adds_cpu_ms"),
    ),
    Claim(
        name="services",
        says="Real servers are up in fractions of a second, also without Docker.",
        target="quicker than pytest-postgresql's",
        script="services.py",
        full=("--only", "embedded", "--repeat", "7", "--json"),
        quick=("--only", "embedded", "--repeat", "3", "--json"),
        packages=("pytest-postgresql",),
        figures=("embedded / *",),
    ),
    Claim(
        name="databases",
        says="A database of one's own, with proof of ownership, costs no more than a bare copy.",
        target="ours / bare at most 1",
        script="databases.py",
        full=("--only", "clone,setup", "--json"),
        quick=("--only", "clone", "--repeat", "3", "--json"),
        packages=("pytest-postgresql",),
        figures=("clone / *",),
    ),
    Claim(
        name="cleanup",
        says="Cleanup never takes a database of a living run, and leaves none of a dead one.",
        target="lost 0, left 0",
        script="cleanup_race.py",
        full=("--iterations", "200", "--json"),
        quick=("--iterations", "5", "--json"),
        figures=("runs killed", "clones made", "cleanups", "lost", "left", "errors"),
    ),
    Claim(
        name="environments",
        says="Many runs on one machine at once, each with its own real servers: none fails, nothing is left.",
        target="none fails; 99.9 % need the full form, many times",
        script="concurrency.py",
        full=("--runs", "16", "--json"),
        quick=("--runs", "2", "--json"),
        figures=("runs", "failed", "left", "servers started", "of them at addresses of their own"),
    ),
)


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


def measure(claim: Claim, *, quick: bool, histories: str, folder: Path) -> Result:
    """Run the benchmark of a claim.

    Raises:
        RuntimeError: it delivered no JSON; shows the end of what it printed.
    """
    where = machine()
    arguments = [_filled(word, histories, folder) for word in (claim.quick if quick else claim.full)]
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
    shown = claim.quick if quick else claim.full
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


def _filled(word: str, histories: str, folder: Path) -> str:
    if word == "{histories}":
        return histories
    for name, project in third_party.PROJECTS.items():
        if f"{{{name}}}" in word:
            place = folder / name
            root = place if place.is_dir() else third_party.unpack(project, folder).rename(place)
            return word.replace(f"{{{name}}}", str(root))
    return word


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


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield path and value of everything in a report that is no container; of a list of names its length."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, _title(inner, place)))
    else:
        yield " / ".join(path), len(value) if isinstance(value, list) else value


def _title(row: dict[str, Any], place: int) -> str:
    words = [
        str(row[key]) for key in ("shape", "project", "python", "workers") if isinstance(row.get(key), str)
    ]
    return " ".join(words) or str(place)


def figures(claim: Claim, report: Any) -> list[tuple[str, Any]]:
    """Return the figures of a claim.

    Raises:
        RuntimeError: a pattern matches nothing: the benchmark has changed, or it measured nothing.
    """
    everything = list(leaves(report))
    for pattern in claim.figures:
        if not any(fnmatch.fnmatch(path, pattern) for path, _ in everything):
            raise RuntimeError(f"{claim.name}: nothing matches {pattern!r} in the report of {claim.script}")
    return [
        (path, value)
        for path, value in everything
        if any(fnmatch.fnmatch(path, pattern) for pattern in claim.figures)
    ]


def page(results: Sequence[Result]) -> str:
    """Write the page: a section for each claim, in the order of the claims."""
    found = {result.name: result for result in results}
    parts = [HEAD]
    for claim in CLAIMS:
        parts.append(f"## {claim.name.capitalize()}\n\n{claim.says} Wanted: {claim.target}.\n\n")
        result = found.get(claim.name)
        parts.append("Not measured yet.\n\n" if result is None else _section(claim, result))
    return "".join(parts).rstrip() + "\n"


HEAD = """\
# Evidence

What this project says about itself, measured. All of it was written by one command, `benchmarks/evidence.py`;
each section can be made anew by the command in it. Read times as proportions: what is compared ran in turn,
on one machine. A load above the number of cores means that the machine was busy with something else: then
time that parallel work saves is not seen. "Small form" means fewer repetitions or fewer projects than the
full benchmark has: the direction can be trusted, the last digit cannot.

<!-- Written by benchmarks/evidence.py: do not edit. -->

"""


def _section(claim: Claim, result: Result) -> str:
    form = ", small form" if result.quick else ""
    ended = (
        ""
        if result.exit_code == 0
        else f" **It ended with code {result.exit_code}: the claim did not hold.**"
    )
    lines = [
        f"{result.date}, commit {result.commit}, {result.machine}, {result.seconds:.0f} s{form}.{ended}\n",
        f"```shell\n{result.command}\n```\n",
        "| figure | value |\n|---|---|",
        *(f"| {path.replace('|', '¦')} | {_shown(value)} |" for path, value in figures(claim, result.report)),
    ]
    return "\n".join(lines) + "\n\n"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value).replace("|", "¦")


def load_kept() -> list[Result]:
    """Read all results that are kept."""
    return [msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(KEPT.glob("*.json"))]


def main() -> int:
    """Measure what the command line asks for, then write the page; exit code 1 when a claim did not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[claim.name for claim in CLAIMS], help="these claims")
    parser.add_argument("--quick", action="store_true", help="small forms")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--histories", default="", help="a CSV of a public CI history, for the prediction")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="evidence-"))
    try:
        for claim in CLAIMS:
            if options.page or (options.only and claim.name not in options.only):
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
        figures(claim, result.report)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return [claim.name]
    (KEPT / f"{claim.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    print(f"{claim.name}: {result.seconds:.0f} s", file=sys.stderr, flush=True)
    return []


if __name__ == "__main__":
    sys.exit(main())
