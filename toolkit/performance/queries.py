"""How many statements a block sends to the database, and which it repeats: the N+1 problem."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

SHOWN = 5
CUT = 200


class Queries:
    """Statements in the order in which they were sent."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __len__(self) -> int:
        return len(self.statements)

    def repeated(self) -> list[tuple[str, int]]:
        """Return statements that were sent more than once, with other values, the most frequent first."""
        counted = Counter(shape(each) for each in self.statements)
        return [(text, count) for text, count in counted.most_common() if count > 1]


def shape(statement: str) -> str:
    """Return a statement without what differs between two of the same making: spaces and values."""
    text = re.sub(r"'(?:[^']|'')*'|\b\d+\b|%\(\w+\)s(?:::\w+)?|%s|\$\d+", "?", statement)
    text = re.sub(r"\(\s*\?(?:\s*,\s*\?)+\s*\)", "(…)", text)
    return " ".join(text.split())


@contextlib.contextmanager
def count_queries(
    engine: Any, *, at_most: int | None = None, repeats: int | None = None
) -> Iterator[Queries]:
    """Count the statements that an SQLAlchemy engine sends while a block runs.

    Args:
        engine: an engine, synchronous or not, or a connection.
        at_most: statements; None: any number.
        repeats: how often the same statement may be sent, with whatever values; None: as often as it likes.

    Raises:
        AssertionError: too many; shows which are repeated.
    """
    from sqlalchemy import event

    __tracebackhide__ = True
    found = Queries()
    target = getattr(engine, "sync_engine", None) or engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.statements.append(statement)

    event.listen(target, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(target, "before_cursor_execute", note)
    problems = _problems(found, at_most, repeats)
    if problems:
        told = [f"  {count} x {text[:CUT]}" for text, count in found.repeated()[:SHOWN]]
        raise AssertionError(
            "\n".join([*problems, *(told or [f"  {text[:CUT]}" for text in found.statements[:SHOWN]])])
        )


def _problems(found: Queries, at_most: int | None, repeats: int | None) -> list[str]:
    problems = []
    if at_most is not None and len(found) > at_most:
        problems.append(f"{len(found)} statements were sent, {at_most} are allowed")
    most = max((count for _, count in found.repeated()), default=1)
    if repeats is not None and most > repeats:
        problems.append(f"one statement was sent {most} times, {repeats} are allowed: load them at once")
    return problems
