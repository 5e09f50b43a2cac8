"""Coverage data of profiles, Pythons and workers → one report, with the figure of each profile.

The combined data is kept as ``.coverage`` in the folder, so that coverage's own commands work on it. The
project's own coverage settings hold (``omit``, ``exclude_also``, ``[paths]`` …).
https://coverage.readthedocs.io/en/latest/api.html
"""

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from toolkit.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from coverage import Coverage

DATA = ".coverage"
TEXT = "coverage.txt"
FORMATS = ("coverage.xml", "coverage.json", TEXT)
HTML = "coverage"
"""Folder of the pages; ``index.html`` in it is the first."""
REMEMBERED = "remembered"
"""Context of what tests would execute that ``--impacted`` left out (see ``toolkit.plugin.covering``)."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the code ran."""

    name: str  # of the profile or session
    percent: float  # of lines and branches together, as coverage counts
    statements: int
    missing: int
    branches: int = 0
    missing_branches: int = 0


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """All profiles together, and each."""

    total: Measure
    profiles: tuple[Measure, ...]
    problems: tuple[str, ...] = ()  # data files that could not be used
    remembered: int = 0  # lines that no test of these runs executed, but one that was left out would

    def lines(self) -> Iterator[str]:
        """Yield the figures as text."""
        for measure in (*self.profiles, self.total):
            yield f"{measure.name}: {measure.percent:.1f} % of {measure.statements:,} statements"
        if self.remembered:
            yield f"of these, {self.remembered:,} lines are remembered: only left-out tests execute them"
        for problem in self.problems:
            yield f"not counted: {problem}"


def find_data(run_folder: Path) -> tuple[Path, ...]:
    """Return the data files of one run: those of all its processes."""
    return tuple(sorted(path for path in (run_folder / HTML).glob(f"{DATA}*") if path.is_file()))


def combine_coverage(
    groups: Mapping[str, Sequence[Path]], folder: Path, *, root: Path, code: Mapping[str, str] | None = None
) -> CoverageReport:
    """Combine data files and write every format into a folder.

    Args:
        groups: name of a profile or session → its data files; they are read, not removed.
        folder: gets ``coverage.xml``, ``coverage.json``, ``coverage.txt``, ``coverage/index.html`` and
            the combined data. Each is moved into place when it is complete.
        root: of the project, whose settings hold.
        code: what tells which code was measured; ``meta.toolkit`` of ``coverage.json``.

    Raises:
        InputError: there is no usable data, or the report cannot be made of it.
        MissingExtra: coverage is not installed.
    """
    try:
        from coverage.exceptions import CoverageException
    except ImportError as error:
        raise MissingExtra("combining coverage", extra="control", package="coverage") from error
    problems: list[str] = []
    judged = {name: _usable(files, problems) for name, files in groups.items()}
    usable = {name: files for name, files in judged.items() if files}
    if not usable:
        told = "; ".join(problems) or "no data file was written"
        raise InputError(f"no coverage data: {told}", hint="run a profile with coverage = true")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with tempfile.TemporaryDirectory(prefix=".coverage-", dir=folder) as scratch, contextlib.chdir(root):
        try:
            total, profiles = _measure_all(usable, Path(scratch))
            remembered = _write(Path(scratch, "all"))
            _say_whose(Path(scratch, "all", "coverage.json"), code or {})
        except (CoverageException, BrokenProcessPool) as error:
            raise InputError(f"coverage cannot be reported: {error}") from error
        _move(Path(scratch, "all"), folder)
    return CoverageReport(total=total, profiles=profiles, problems=tuple(problems), remembered=remembered)


def _usable(files: Sequence[Path], problems: list[str]) -> list[Path]:
    """Leave out data files that cannot be read, and name them: coverage itself would only warn."""
    from coverage import CoverageData
    from coverage.exceptions import CoverageException

    usable = []
    for file in files:
        if not file.is_file():
            problems.append(f"{file}: does not exist")
            continue
        data = CoverageData(basename=str(file.resolve()))
        try:
            data.read()
        except CoverageException as error:
            problems.append(f"{file}: {error}")
        else:
            usable.append(file.resolve())
        finally:
            data.close()
    return usable


def _coverage(folder: Path) -> "Coverage":
    from coverage import Coverage

    return Coverage(data_file=str(folder / DATA), messages=False)


def _measure_all(usable: Mapping[str, Sequence[Path]], scratch: Path) -> tuple[Measure, tuple[Measure, ...]]:
    """Measure everything, and each profile; a single one is everything."""
    total = _measured("all", [file for files in usable.values() for file in files], scratch / "all")
    if len(usable) == 1:
        return total, tuple(msgspec.structs.replace(total, name=name) for name in usable)
    numbered = enumerate(usable.items())
    return total, tuple(_measured(name, files, scratch / str(number)) for number, (name, files) in numbered)


def _measured(name: str, files: Sequence[Path], folder: Path) -> Measure:
    folder.mkdir()
    coverage = _coverage(folder)
    coverage.combine([str(file) for file in files], strict=True, keep=True)
    coverage.save()
    coverage.json_report(outfile=str(folder / "coverage.json"), ignore_errors=True)
    coverage.get_data().close()
    told: dict[str, Any] = json.loads((folder / "coverage.json").read_text("utf-8"))["totals"]
    return Measure(
        name=name,
        percent=told["percent_covered"],
        statements=told["num_statements"],
        missing=told["missing_lines"],
        branches=told.get("num_branches", 0),
        missing_branches=told.get("missing_branches", 0),
    )


def _write(folder: Path) -> int:
    """Write the reports of combined data; return how many of the executed lines are only remembered.

    The pages take as long as all else together: they are made in a process of their own meanwhile.
    """
    with _loaded(folder) as coverage:
        remembered = _remembered(coverage)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pages = pool.submit(_write_pages, folder, marked=bool(remembered))
        _write_texts(folder, remembered)
        pages.result()
    return sum(map(len, remembered.values()))


@contextlib.contextmanager
def _loaded(folder: Path) -> Iterator["Coverage"]:
    coverage = _coverage(folder)
    coverage.load()
    try:
        yield coverage
    finally:
        coverage.get_data().close()


def _write_pages(folder: Path, *, marked: bool) -> None:
    with _loaded(folder) as coverage:
        coverage.html_report(directory=str(folder / HTML), ignore_errors=True, show_contexts=marked)


def _write_texts(folder: Path, remembered: Mapping[str, Sequence[int]]) -> None:
    with _loaded(folder) as coverage:
        coverage.xml_report(outfile=str(folder / "coverage.xml"), ignore_errors=True)
        if remembered:
            outfile = str(folder / "coverage.json")
            coverage.json_report(outfile=outfile, ignore_errors=True, show_contexts=True)
        text = io.StringIO()
        coverage.report(file=text, ignore_errors=True, show_missing=True)
    text.write("".join(_remembered_lines(remembered)))
    (folder / TEXT).write_text(text.getvalue(), "utf-8")


def _say_whose(file: Path, code: Mapping[str, str]) -> None:
    document = json.loads(file.read_bytes())
    document["meta"]["toolkit"] = dict(code)
    file.write_text(json.dumps(document), "utf-8")


def _remembered(coverage: "Coverage") -> dict[str, list[int]]:
    """Return, for each file, the executable lines that only left-out tests execute."""
    from coverage.exceptions import NoSource, NotPython

    data = coverage.get_data()
    contexts = data.measured_contexts()
    kept = {context for context in contexts if context.rpartition("|")[2] == REMEMBERED}
    if not kept:
        return {}
    data.set_query_contexts([f"^{re.escape(context)}$" for context in sorted(contexts - kept)])
    ran = {file: set(data.lines(file) or ()) for file in data.measured_files()}
    data.set_query_contexts(None)
    found = {}
    for file, lines in ran.items():
        with contextlib.suppress(NoSource, NotPython):
            statements = set(coverage.analysis2(file)[1])
            found[file] = sorted((set(data.lines(file) or ()) & statements) - lines)
    return {file: lines for file, lines in sorted(found.items()) if lines}


def _remembered_lines(remembered: Mapping[str, Sequence[int]]) -> Iterator[str]:
    if remembered:
        yield "\nRemembered (executed by tests that --impacted left out; contexts of the pages tell):\n"
    for file, lines in remembered.items():
        yield f"  {os.path.relpath(file)}: {', '.join(map(str, lines))}\n"


def _move(source: Path, target: Path) -> None:
    for name in (DATA, *FORMATS):
        (source / name).replace(target / name)
    old = target / f".{HTML}.{os.getpid()}.old"
    if (target / HTML).exists():
        (target / HTML).replace(old)
    (source / HTML).replace(target / HTML)
    shutil.rmtree(old, ignore_errors=True)
