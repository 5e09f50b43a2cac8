"""What ``selection.py`` measures: a row for each mutant or commit, and what they say together."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Row:
    """One mutant or commit."""

    project: str
    kind: str
    where: str
    tests: int
    failing: int  # in the whole run, and did not before
    must: int  # those, and for commits all whose outcome differs and all that are new
    whole_seconds: float
    needed: int | None = None  # tests that enter the changed function; None: not a function, or not known
    selected: dict[str, int] = field(default_factory=dict)
    missed: dict[str, list[str]] = field(default_factory=dict)
    unstable: list[str] = field(
        default_factory=list
    )  # failed once, or had this ID once, and not again on the same tree
    seconds: dict[str, float] = field(default_factory=dict)
    broken: dict[str, bool] = field(default_factory=dict)


def summarise(rows: list[Row], tools: list[str]) -> dict[str, dict[str, float]]:
    """Return recall, fractions selected and time for each tool."""
    return {tool: summary(rows, tool) for tool in tools}


def summary(rows: list[Row], tool: str) -> dict[str, float]:
    must = sum(row.must for row in rows)
    missed = sum(len(row.missed[tool]) for row in rows)
    fractions = [row.selected[tool] / max(row.tests, 1) for row in rows]
    seconds = sum(row.seconds[tool] for row in rows) / sum(row.whole_seconds for row in rows)
    known = [row for row in rows if row.needed is not None]
    return {
        "edits": len(rows),
        "failing tests": sum(row.failing for row in rows),
        "tests that had to run": must,
        "missed": missed,
        "unstable tests": sum(len(row.unstable) for row in rows),
        "edits with a miss": sum(bool(row.missed[tool]) for row in rows),
        "runs with an internal error": sum(row.broken[tool] for row in rows),
        "recall": round(1 - missed / must, 4) if must else 1.0,
        "median fraction selected": round(statistics.median(fractions), 4),
        "mean fraction selected": round(statistics.mean(fractions), 4),
        "edits of functions": len(known),
        "of these, median fraction selected": middle(row.selected[tool] / max(row.tests, 1) for row in known),
        "of these, median fraction needed": middle((row.needed or 0) / max(row.tests, 1) for row in known),
        "cpu seconds / whole run": round(seconds, 3),
    }


def middle(fractions: Iterable[float]) -> float:
    found = list(fractions)
    return round(statistics.median(found), 4) if found else 1.0


def show(row: Row, tools: list[str]) -> None:
    picked = " ".join(f"{tool} {row.selected[tool]} (missed {len(row.missed[tool])})" for tool in tools)
    needed = "" if row.needed is None else f" needed {row.needed}"
    failing = f"failing {row.failing:4} of {row.tests}"
    told = f"{row.project} {row.kind:12} {row.where:55.55} {failing}:{needed} {picked}"
    print(told, flush=True)
    for test in row.missed[tools[0]][:3]:
        print(f"    missed by {tools[0]}: {test}", flush=True)
