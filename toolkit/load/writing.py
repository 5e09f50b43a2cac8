"""The figures of a load as a file, and as one line."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from toolkit.errors import InputError
from toolkit.load.verdicts import LoadResult

FOLDER = "load"
"""In the folder of the reports."""


class LoadReport(LoadResult, frozen=True, kw_only=True):
    """``load/NAME.json``: the figures, and what they are of.

    The file has the verdict beside them, for whoever reads it.

    Attributes:
        head: the commit; empty: not known.
        state: what differed from it, see :mod:`toolkit.gates.identity`.
        altered: keys of the scenario that were given another value on the command line.
    """

    head: str = ""
    state: str = ""
    altered: tuple[str, ...] = ()


def write_result(
    reports: Path, name: str, result: LoadResult, *,
    code: tuple[str, str] = ("", ""), altered: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write ``load/NAME.json`` in the folder of the reports, whole or not at all; return its path.

    Args:
        reports: the folder.
        name: of the scenario.
        result: the figures.
        code: commit and fingerprint of the code that was under load.
        altered: keys of the scenario that were given another value.
    """
    path = reports / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {field: getattr(result, field) for field in LoadResult.__struct_fields__}
    report = LoadReport(**figures, head=code[0], state=code[1], altered=tuple(altered))
    values = {**msgspec.to_builtins(report), "verdict": report.verdict}
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=1) + b"\n")
    hidden.replace(path)
    return path


def read_result(path: Path) -> LoadReport:
    """Read what :func:`write_result` wrote.

    Raises:
        InputError: it cannot be read, or is something else; says what is wrong.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=LoadReport)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: {error}", hint="invoke load.run writes it anew") from error


def result_line(result: LoadResult) -> str:
    """Say in one line what became of a load."""
    figures = result.all
    text = (
        f"{result.verdict}: {result.throughput:.1f} of {result.wanted_rate:g} per second, "
        f"p50 {figures.p50_ms:.1f} ms, p99 {figures.p99_ms:.1f} ms, errors {result.error_rate:.2%}; "
        f"client {result.client_share:.0%} of a core, {result.late_p99_ms:.1f} ms late"
    )
    why = result.saturated or "; ".join(result.failed)
    return f"{text}. {why}" if why else text


def measures_of(name: str, result: LoadResult) -> dict[str, float]:
    """Name → value for the record of a test."""
    found = {
        "throughput_per_s": result.throughput,
        "mean_s": result.all.mean_ms / 1000,
        "p95_s": result.all.p95_ms / 1000,
        "p99_s": result.all.p99_ms / 1000,
        "error_rate": result.error_rate,
        "client_late_p99_s": result.late_p99_ms / 1000,
        "client_share": result.client_share,
    }
    return {f"load.{name}.{key}": value for key, value in found.items()}
