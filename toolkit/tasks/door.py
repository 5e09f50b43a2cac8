"""What every task shares: errors become exit codes, ``--json`` prints JSON and nothing else."""

import functools
from collections.abc import Callable
from typing import Any

import invoke.tasks
import msgspec
from invoke.exceptions import Exit

from toolkit.errors import ToolkitError
from toolkit.tasks.words import accept_words

Body = Callable[..., None]


def task(**options: Any) -> Callable[[Body], "invoke.tasks.Task[Body]"]:
    """Make an invoke task of a function; a :class:`ToolkitError` ends it with its message and exit code.

    Args:
        options: those of ``invoke.task``. ``help`` must describe every option of the function. An option
            that is both ``positional`` and ``iterable`` takes any number of words.
    """
    accept_words()

    def decorate(body: Body) -> "invoke.tasks.Task[Body]":
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                body(*args, **kwargs)
            except ToolkitError as error:
                raise Exit(str(error), error.exit_code) from error

        options.setdefault("auto_shortflags", False)
        made: invoke.tasks.Task[Body] = invoke.tasks.task(**options)(guarded)
        return made

    return decorate


def print_json(value: object) -> None:
    """Print one value as indented JSON on standard output; structs and dataclasses are understood."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())  # noqa: T201 - a door prints
