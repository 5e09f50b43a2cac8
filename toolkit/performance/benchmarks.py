"""Files of pytest-benchmark (``--benchmark-json``, ``--benchmark-autosave``) as runs for the history."""

import datetime as dt
import hashlib
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.records import Attempt, CaseResult, Outcome, RunRecord, RunStarted, node_id


class Stats(msgspec.Struct):
    """What pytest-benchmark computed, in seconds."""

    min: float
    max: float
    mean: float
    median: float
    stddev: float
    rounds: int


class Benchmark(msgspec.Struct):
    """One benchmark."""

    fullname: str
    stats: Stats


class Machine(msgspec.Struct):
    """Where it ran."""

    node: str = ""
    python_version: str = ""
    system: str = ""


class Commit(msgspec.Struct):
    """Of what."""

    id: str = ""
    branch: str | None = None
    dirty: bool = False


class BenchmarkFile(msgspec.Struct):
    """The parts of a file that the history keeps."""

    benchmarks: list[Benchmark]
    datetime: dt.datetime
    machine_info: Machine = msgspec.field(default_factory=Machine)
    commit_info: Commit = msgspec.field(default_factory=Commit)


def read_benchmarks(file: Path) -> RunRecord:
    """Read a file as a run: each benchmark is a test that passed and measured something.

    The run's id comes of the content, so that reading a file twice adds nothing.

    Raises:
        InputError: it cannot be read, or was not written by pytest-benchmark; says where it is wrong.
    """
    try:
        data = file.read_bytes()
        found = msgspec.json.decode(data, type=BenchmarkFile)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(
            f"{file}: {error}", hint="expected a file of pytest-benchmark: --benchmark-json=FILE"
        ) from error
    at = found.datetime if found.datetime.tzinfo else found.datetime.replace(tzinfo=dt.UTC)
    spent = sum(each.stats.mean * each.stats.rounds for each in found.benchmarks)
    header = RunStarted(
        run=f"{at.astimezone(dt.UTC):%Y%m%dT%H%M%S}-{hashlib.sha256(data).hexdigest()[:6]}",
        started=at.timestamp() - spent,
        profile="performance",
        python=found.machine_info.python_version,
        platform=found.machine_info.system.lower(),
        host=found.machine_info.node,
        commit=found.commit_info.id,
        branch=found.commit_info.branch or "",
        dirty=found.commit_info.dirty,
    )
    cases = tuple(_case(each, header.started, order) for order, each in enumerate(found.benchmarks))
    return RunRecord(header=header, cases=cases, finished=at.timestamp(), exit_code=0)


def _case(benchmark: Benchmark, started: float, order: int) -> CaseResult:
    test, stats = node_id(benchmark.fullname), benchmark.stats
    measures = {f"benchmark.{name}_s": getattr(stats, name) for name in ("min", "median", "mean", "stddev")}
    spent = stats.mean * stats.rounds
    attempt = Attempt(
        test=test,
        outcome=Outcome.PASSED,
        order=order,
        started=started,
        duration=spent,
        call=spent,
        file=str(test).partition("::")[0],
        measures={**measures, "benchmark.rounds": float(stats.rounds)},
    )
    return CaseResult(test=test, attempts=(attempt,))
