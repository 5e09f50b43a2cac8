"""Files of the tools → records. What is missing, malformed or of other code is said, never assumed."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from toolkit.analysis.flakiness import flakiness_of
from toolkit.analysis.past import past_of
from toolkit.analysis.quarantine import Quarantine, parse_quarantine
from toolkit.config import Config
from toolkit.errors import ChangesUnknown, InputError, ToolkitError
from toolkit.gates.coverage import Coverage, FileCoverage
from toolkit.gates.identity import code_identity, code_state, is_changed
from toolkit.gates.interleaving import RESULT
from toolkit.gates.pairing import Paired
from toolkit.gates.performance import Benchmark, Benchmarks
from toolkit.gates.reliability import RUN_TESTS, Reliability, reliability_of
from toolkit.gates.security import Source
from toolkit.gates.sources import source_of
from toolkit.gates.static import TOOLS, Ran
from toolkit.gates.verdicts import Absent
from toolkit.history.imports import import_pending
from toolkit.history.store import open_history
from toolkit.impact.changes import base_of

COVERAGE = "coverage.json"
BENCHMARKS = "benchmarks.json"
PARTIAL_BENCHMARKS = "benchmarks-partial.json"
"""Of a session with arguments of its own, which may have chosen one test: nobody judges it."""
AUDIT = "audit"
"""Folder of the reports of security tools."""
ANSWERS = "answers.json"
"""What the session ``audit`` recorded of each tool: who was asked, and why there is no answer."""
RUN_COVERAGE = "nox -s ci"
RUN_BENCHMARKS = "nox -s performance"
RUN_AUDIT = "nox -s audit"
RUN_PAIRED = "invoke gates.performance"

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a security tool ended, for ``answers.json``.

    Attributes:
        tool: its name.
        asked: the tool, or the address or folder of the advisories.
        exit_code: of the process.
        problem: why there is no complete answer; empty when there is one.
    """

    tool: str
    asked: str = ""
    exit_code: int | None = None
    problem: str = ""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """``answers.json``: how all tools ended, and on which code, see :mod:`toolkit.gates.identity`."""

    head: str = ""
    state: str = ""
    answers: tuple[Answer, ...]


def read_document(path: Path, root: Path, parse: Callable[[Any], T], *, remedy: str) -> T | Absent:
    """Read a JSON file and turn it into a record, or say why there is none.

    Args:
        path: of the file.
        root: of the project; the path is told relative to it.
        parse: turns the document into a record; what it raises is told.
        remedy: what makes the file.
    """
    where = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Absent(reason=f"{where}: not there", remedy=f"run: {remedy}", source=where)
    except OSError as error:
        told = f"{where}: cannot be read: {error.strerror or error}"
        return Absent(reason=told, remedy=f"run: {remedy}", source=where, malformed=True)
    try:
        return parse(json.loads(text))
    except RecursionError:
        reason = "nested too deeply"
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        reason = f"not the expected report ({type(error).__name__}: {error})"
    except ValueError as error:
        reason = "empty" if not text.strip() else str(error)
    return Absent(reason=f"{where}: {reason}", remedy=f"run: {remedy}", source=where, malformed=True)


def read_coverage(config: Config) -> Coverage | Absent:
    """Read ``coverage.json`` of coverage.py, and make sure that it is of this code."""
    path = config.reports_dir / COVERAGE

    def parse(document: Mapping[str, Any]) -> Coverage:
        files = document["files"]
        code = (document.get("meta") or {}).get("toolkit")  # not there where coverage.py was run by hand
        if code is not None and (code["head"], code["state"]) != code_identity(config):
            raise ValueError(f"it is of other code: {code['head'][:12]}, or of other changes beside it")
        stale = next(stale_files(config.root, files), None)
        if stale:
            raise ValueError(f"it is of other code: {stale}")
        return Coverage(source=path.name, files=tuple(_files(files)))

    return read_document(path, config.root, parse, remedy=RUN_COVERAGE)


def _files(files: Mapping[str, Any]) -> Iterator[FileCoverage]:
    for name, file in files.items():
        told = file["summary"]
        yield FileCoverage(
            path=name.replace("\\", "/"),
            total=told["num_statements"] + told.get("num_branches", 0),
            covered=told["covered_lines"] + told.get("covered_branches", 0),
        )


def stale_files(root: Path, files: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a report is not of the code on disk: files that are gone, statements where none is."""
    for name, file in files.items():
        path = root / name.replace("\\", "/")
        if not path.is_file():
            yield f"{name} does not exist"
            continue
        if path.suffix == ".py":
            lines = path.read_bytes().splitlines()
            measured = (*file["executed_lines"], *file["missing_lines"])
            wrong = next((line for line in measured if not _may_be_statement(lines, line)), None)
            if wrong is not None:
                yield f"{name}:{wrong} is no statement"


def _may_be_statement(lines: list[bytes], line: int) -> bool:
    text = lines[line - 1].strip() if line <= len(lines) else b""
    return bool(text) and not text.startswith(b"#")


def read_benchmarks(config: Config) -> Benchmarks | Absent:
    """Read the JSON of pytest-benchmark."""
    path = config.reports_dir / BENCHMARKS
    head, _ = code_identity(config)

    def parse(document: Mapping[str, Any]) -> Benchmarks:
        rows = tuple(
            Benchmark(name=row["fullname"], milliseconds=float(row["stats"]["median"]) * 1000)
            for row in document["benchmarks"]
        )
        if not rows:
            raise ValueError("no benchmark was measured")
        commit = str((document.get("commit_info") or {}).get("id") or "unknown")
        if head and commit not in {"unversioned", "unknown", head}:
            raise ValueError(f"it is of other code: {commit[:12]}")
        if (document.get("commit_info") or {}).get("dirty") is False and is_changed(config):
            raise ValueError(f"it is of other code: of {commit[:12]} without the changes beside it")
        return Benchmarks(source=path.name, rows=rows)

    return read_document(path, config.root, parse, remedy=RUN_BENCHMARKS)


def read_paired(config: Config) -> Paired | Absent:
    """Read the comparison with the old code, and make sure that it is of this code."""
    path = config.reports_dir / RESULT

    def parse(document: Any) -> Paired:
        found = msgspec.convert(document, Paired)
        now = (base_of(config.root, "HEAD..HEAD"), code_state(config))
        if (found.head, found.state) != now:
            raise ValueError(f"it is of other code: {found.head[:12]}, or of other changes beside it")
        return found

    try:
        return read_document(path, config.root, parse, remedy=RUN_PAIRED)
    except ChangesUnknown as error:
        return Absent(reason=error.message, remedy=f"run: {RUN_PAIRED}", source=path.name)


def read_session(config: Config, session: str) -> Ran | Absent:
    """Read how the tools of a session ended, and make sure that it is of this code."""

    def parse(document: Any) -> Ran:
        found = msgspec.convert(document, Ran)
        if (found.head, found.state) != code_identity(config):
            raise ValueError(f"it is of other code: {found.head[:12]}, or of other changes beside it")
        if not found.exit_codes:
            raise ValueError("no tool was run")
        return found

    path = config.reports_dir / session / TOOLS
    return read_document(path, config.root, parse, remedy=f"nox -s {session}")


def read_sources(config: Config) -> dict[str, Source | Absent]:
    """Read what each demanded security tool answered."""
    folder = config.reports_dir / AUDIT
    answers = read_answers(config)
    if isinstance(answers, Absent):
        return dict.fromkeys(config.audit.sources, answers)
    return {name: _read_source(name, folder, config.root, answers) for name in config.audit.sources}


def read_answers(config: Config) -> dict[str, Answer] | Absent:
    """Read how the tools ended, on this code; nothing when they were run by hand."""

    def parse(document: Any) -> dict[str, Answer]:
        found = msgspec.convert(document, Answers)
        if (found.head, found.state) != code_identity(config):
            raise ValueError(f"it is of other code: {found.head[:12]}, or of other changes beside it")
        return {answer.tool: answer for answer in found.answers}

    path = config.reports_dir / AUDIT / ANSWERS
    return read_document(path, config.root, parse, remedy=RUN_AUDIT) if path.exists() else {}


def _read_source(name: str, folder: Path, root: Path, answers: Mapping[str, Answer]) -> Source | Absent:
    answer = answers.get(name)
    if answer is None and answers:
        return Absent(reason=f"{name} was not asked the last time", remedy=f"run: {RUN_AUDIT}", source=name)
    if answer is not None and answer.problem:
        asked = f" ({answer.asked})" if answer.asked else ""
        told = f"{name} did not answer{asked}: {answer.problem}"
        return Absent(reason=told, remedy=f"run: {RUN_AUDIT}", source=answer.asked or name)
    asked = "" if answer is None else answer.asked

    def parse(document: Mapping[str, Any]) -> Source:
        return source_of(name, document, f"{name}.json", asked=asked)

    return read_document(folder / f"{name}.json", root, parse, remedy=RUN_AUDIT)


def read_reliability(config: Config) -> Reliability | Absent:
    """Read the history, runs that wait for their import included."""
    try:
        with open_history(config.history_url) as history:
            import_pending(history, config.state_dir)
            past = past_of(history)
            return reliability_of(
                past, flakiness_of(history, past), runs=config.gates.runs, source=history.where
            )
    except ToolkitError as error:
        return Absent(
            reason=f"the history cannot be read: {error.message}", remedy="see invoke history.check",
            source="history", malformed=True,
        )  # fmt: skip
    except OSError as error:
        return Absent(reason=f"the history cannot be read: {error}", remedy=f"run: {RUN_TESTS}")


def read_quarantine(config: Config) -> Quarantine | Absent:
    """Read the quarantine; no file is an empty one."""
    file = config.root / config.flaky.quarantine
    try:
        return parse_quarantine(file.read_text(encoding="utf-8"), config.flaky.quarantine)
    except FileNotFoundError:
        return ()
    except (InputError, UnicodeDecodeError, OSError) as error:
        told = error.message if isinstance(error, InputError) else f"{file.name}: {error}"
        return Absent(reason=told, remedy=f"correct {file.name}", source=file.name, malformed=True)
