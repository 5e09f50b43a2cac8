"""What was tried and whether it helped: one line per attempt, so that what helps here comes first."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from toolkit.errors import ToolkitError

FILE = "remedies.jsonl"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt."""

    at: float  # Unix seconds
    remedy: str
    target: str
    group: str
    helped: bool
    told: str  # what was done, and what the proof said
    seconds: float


def remember(state: Path, tried: Tried) -> None:
    """Append an attempt to the project's ledger.

    Raises:
        ToolkitError: it cannot be written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        with (state / FILE).open("ab") as stream:
            stream.write(msgspec.json.encode(tried) + b"\n")
    except OSError as error:
        raise ToolkitError(f"{state / FILE}: cannot be written: {error.strerror or error}") from error


def helped_before(state: Path) -> Mapping[str, tuple[int, int]]:
    """Return remedy → how often it was tried, and how often it helped; unreadable lines are passed over."""
    tried: Counter[str] = Counter()
    helped: Counter[str] = Counter()
    try:
        rows = (state / FILE).read_bytes().splitlines()
    except OSError:
        return {}
    for raw in rows:
        try:
            row = msgspec.json.decode(raw, type=Tried)
        except msgspec.MsgspecError:  # torn by a crash
            continue
        tried[row.remedy] += 1
        helped[row.remedy] += row.helped
    return {remedy: (count, helped[remedy]) for remedy, count in tried.items()}
