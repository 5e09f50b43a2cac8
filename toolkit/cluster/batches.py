"""What a machine is asked to run and what it answers. :func:`run_batch` runs there."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from toolkit.cluster.sameness import Sameness, differences, here
from toolkit.records import Line, NodeId

REPORTS = "TOOLKIT_CLUSTER_REPORTS"
"""Names the file into which the process of a batch writes its reports."""

OUTPUT_KEPT = 20_000
"""Characters of the output of a batch that come back."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Tests for one process on one machine, in order."""

    tests: tuple[NodeId, ...]
    root: str
    """The project's folder on that machine."""
    arguments: tuple[str, ...]
    """Of pytest, beside the list of tests."""
    environ: dict[str, str]
    """Variables to set for the tests."""
    sameness: str
    """Digest of :class:`Sameness` that the machine must have."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Attributes:
        machine: host and process of the worker that ran it.
        journals: the lines of its journals.
        reports: the lines of its reports, see ``toolkit.plugin.report_lines``.
        code: exit code of its process; negative: the signal that killed it.
        differs: the machine's code and environment, when they are not the wanted ones; then nothing ran.
    """

    machine: str
    journals: bytes = b""
    reports: bytes = b""
    code: int = 0
    output: str = ""
    seconds: float = 0.0
    differs: Sameness | None = None


_SEEN: dict[str, tuple[float, Sameness]] = {}
_FRESH = 30.0
"""Seconds for which a look at code and packages holds; a batch is much shorter than a change of checkout."""


def describe_machine(root: str) -> Sameness:
    """Return code and environment of the machine that this runs on."""
    seen = _SEEN.get(root)
    if seen is None or time.monotonic() - seen[0] > _FRESH:
        seen = _SEEN[root] = (time.monotonic(), here(Path(root)))
    return seen[1]


def run_batch(batch: Batch) -> Answer:
    """Run a batch in a process of its own; called by Dask on the machine that got it."""
    import platform

    machine = f"{platform.node()}-{os.getpid()}"
    present = describe_machine(batch.root)
    if present.digest != batch.sameness:
        return Answer(machine=machine, differs=present)
    with tempfile.TemporaryDirectory(prefix="toolkit-batch-") as name:
        folder = Path(name)
        (folder / "tests.txt").write_text("".join(f"{test}\n" for test in batch.tests), encoding="utf-8")
        began = time.monotonic()
        done = subprocess.run(
            _command(batch, folder),
            cwd=batch.root,
            env=_environ(batch, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        reports = folder / "reports"
        return Answer(
            machine=machine,
            journals=b"".join(path.read_bytes() for path in sorted((folder / "run").glob("*.jsonl"))),
            reports=reports.read_bytes() if reports.exists() else b"",
            code=done.returncode,
            output=done.stdout[-OUTPUT_KEPT:],
            seconds=time.monotonic() - began,
        )


def _command(batch: Batch, folder: Path) -> list[str]:
    files = dict.fromkeys(test.partition("::")[0] for test in batch.tests)
    own = ["-p", "toolkit.plugin.cluster_child", f"--run-list={folder / 'tests.txt'}"]
    return [sys.executable, "-m", "pytest", *batch.arguments, *own, *files]


def _environ(batch: Batch, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        **batch.environ,
        "TOOLKIT_RUN_DIR": str(folder / "run"),
        REPORTS: str(folder / "reports"),
    }


def journal_lines(answer: Answer) -> list[Line]:
    """Return the records in the journals of a batch; the last line of a killed process may be torn."""
    lines: list[Line] = []
    for line in answer.journals.splitlines():
        with contextlib.suppress(msgspec.MsgspecError):
            lines.append(_DECODER.decode(line))
    return lines


_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def same_everywhere(mine: Sameness, machines: dict[str, Sameness]) -> list[str]:
    """Say which machines differ, and in what."""
    return [
        f"{machine}: {line}"
        for machine, theirs in sorted(machines.items())
        for line in differences(mine, theirs)
    ]
