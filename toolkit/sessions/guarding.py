"""What every session of the toolkit shares: it runs in the project, and errors end it with their message."""

import contextlib
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

import nox
from nox.command import CommandFailed

from toolkit.config import Config
from toolkit.errors import ToolkitError


def guarded(
    body: Callable[[nox.Session, Config], None], config: Config, *, name: str, description: str
) -> Callable[[nox.Session], None]:
    """Make the function of a session.

    Args:
        body: runs with the project's root as working directory; a :class:`ToolkitError` ends the session
            with its message instead of a traceback.
        config: passed on to it.
        name: of the session.
        description: the first line is what ``nox --list`` shows.
    """

    def session_function(session: nox.Session) -> None:
        try:
            with contextlib.chdir(config.root):
                body(session, config)
        except ToolkitError as error:
            session.error(str(error))

    session_function.__name__ = name
    session_function.__doc__ = description
    return session_function


def fail(session: nox.Session, reason: str) -> NoReturn:
    """Fail a session and say why: Nox itself prints no reason for a failure."""
    session.warn(f"{session.name}: {reason}")
    raise CommandFailed(reason)


def show_errors_plainly() -> None:
    """Let a :class:`ToolkitError` that ends the process print its message instead of a traceback.

    Nox catches nothing that a noxfile raises, and a typing error in ``[tool.toolkit]`` is raised there.
    """
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, ToolkitError):
            sys.stderr.write(f"toolkit: {error}\n")
        else:
            previous(kind, error, trace)

    sys.excepthook = hook
