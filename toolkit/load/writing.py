"""The figures of a load as a file, and as one line."""

from pathlib import Path

import msgspec

from toolkit.load.verdicts import LoadResult


def write_result(reports: Path, name: str, result: LoadResult) -> Path:
    """Write ``load/NAME.json`` in the folder of the reports, whole or not at all; return its path."""
    path = reports / "load" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {**msgspec.to_builtins(result), "verdict": result.verdict}
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=1) + b"\n")
    hidden.replace(path)
    return path


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
