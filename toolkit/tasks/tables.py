"""How tasks print tables for people."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def wide_console() -> Console:
    """Return where to print; a pipe or a file has no edge at which columns must be squeezed."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_WIDE)


_WIDE = 250


def print_table(
    console: Console, title: str, headings: Sequence[str], rows: Iterable[tuple[str, ...]]
) -> None:
    """Print rows; a column in which nothing is written is left out."""
    rows = list(rows)
    told = [place for place, _ in enumerate(headings) if any(row[place] for row in rows)]
    table = Table(title=Text(title), title_justify="left", box=None)
    for place in told:
        table.add_column(headings[place], no_wrap=headings[place] in {"started", "run"})
    for row in rows:
        table.add_row(*(Text(row[place]) for place in told))
    console.print(table if rows else Text(f"{title}: none"))
