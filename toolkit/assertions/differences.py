"""The difference between two sets of rows, as lines that a person can read."""

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 10
CUT = 120
Row = Mapping[str, Any]


def row_line(row: Row) -> str:
    """Show one row."""
    return ", ".join(f"{name}={_short(value)}" for name, value in row.items())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= CUT else f"{text[:CUT]}…"


def row_differences(expected: Sequence[Row], found: Sequence[Row], *, ordered: bool = False) -> list[str]:
    """Return what is missing, what is too much, and what differs between the rows that are most alike.

    Args:
        expected: rows that should be there.
        found: rows that are there, with the same columns.
        ordered: whether the order counts, too.
    """
    if ordered:
        return _in_order(expected, found)
    missing, extra = _left_over(expected, found)
    lines = []
    while missing and extra and (pair := _most_alike(missing, extra)):
        wanted, got = pair
        lines.append(f"  ~ {_changed(wanted, got)}")
        missing.remove(wanted)
        extra.remove(got)
    lines += [f"  - missing: {row_line(row)}" for row in missing]
    lines += [f"  + not expected: {row_line(row)}" for row in extra]
    return cut(lines)


def cut(lines: list[str]) -> list[str]:
    """Keep the first lines and tell how many there are more."""
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"  … {len(lines) - SHOWN} more differences"]


def _in_order(expected: Sequence[Row], found: Sequence[Row]) -> list[str]:
    lines = []
    for place in range(max(len(expected), len(found))):
        if place >= len(found):
            lines.append(f"  - row {place + 1} is missing: {row_line(expected[place])}")
        elif place >= len(expected):
            lines.append(f"  + row {place + 1} was not expected: {row_line(found[place])}")
        elif dict(expected[place]) != dict(found[place]):
            lines.append(f"  ~ row {place + 1}: {_changed(expected[place], found[place])}")
    return cut(lines)


def _left_over(expected: Sequence[Row], found: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Take away what both have; values need not be hashable, so alike ones are compared."""
    buckets: dict[str, list[Row]] = {}
    for row in found:
        buckets.setdefault(_bucket(row), []).append(row)
    missing = []
    for row in expected:
        same = buckets.get(_bucket(row), [])
        if row in same:
            same.remove(row)
        else:
            missing.append(row)
    rest = [row for rows in buckets.values() for row in rows]
    still = []
    for row in missing:  # equal, but not shown alike: 1 and Decimal("1")
        if row in rest:
            rest.remove(row)
        else:
            still.append(row)
    return still, rest


def _bucket(row: Row) -> str:
    return repr(sorted(row.items(), key=lambda item: item[0]))


def _most_alike(missing: Sequence[Row], extra: Sequence[Row]) -> tuple[Row, Row] | None:
    """Return the two rows with the most values in common; None: none have any."""
    pairs = [(_common(one, two), one, two) for one in missing[:SHOWN] for two in extra[:SHOWN]]
    most, one, two = max(pairs, key=lambda pair: pair[0])
    return (one, two) if most else None


def _common(one: Row, two: Row) -> int:
    return sum(name in two and two[name] == value for name, value in one.items())


def _changed(wanted: Row, got: Row) -> str:
    same = {name: value for name, value in wanted.items() if name in got and got[name] == value}
    parts = [
        f"{name}: expected {_short(value)}, found {_short(got.get(name))}"
        for name, value in wanted.items()
        if name not in same
    ]
    return f"{row_line(same)}: {'; '.join(parts)}" if same else "; ".join(parts)
