"""Sessions that run after others: the coverage of all, and what a noxfile puts alongside a profile."""

from collections.abc import Sequence

import nox

from toolkit.errors import UsageError
from toolkit.sessions.coverage import SESSION as COVERAGE


def queue_coverage(session: nox.Session) -> bool:
    """Have the coverage of all sessions judged at the end; False where Nox cannot (``nox -j``)."""
    try:
        session.notify(COVERAGE, posargs=())
    except ValueError:
        return False
    return True


def queue(session: nox.Session, names: Sequence[str]) -> None:
    """Have other sessions run after this one, once, with no arguments of their own.

    Raises:
        UsageError: Nox cannot, because it runs sessions in parallel or without dependencies.
    """
    for name in names:
        try:
            session.notify(name, posargs=())
        except ValueError as error:
            raise UsageError(
                f"{session.name} also runs {', '.join(names)}, which `nox -j` and `--no-dependencies` forbid",
                hint=f"name them: nox -s {session.name} {' '.join(names)}",
            ) from error
