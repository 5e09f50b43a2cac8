"""pytest as a process of a Nox session: its environment, its end, its exit code."""

import re
from collections.abc import Mapping, Sequence

import nox
from nox.command import CommandFailed

INTERRUPT_TIMEOUT = 20.0
"""Seconds that pytest gets after Ctrl-C to tear its fixtures down."""


def run_pytest(session: nox.Session, command: Sequence[str], variables: Mapping[str, str]) -> int | None:
    """Run pytest and return its exit code; negative: the signal that killed it; None: nothing was run."""
    env: dict[str, str | None] = {**variables, "PYTHONDONTWRITEBYTECODE": None}
    try:
        ran = session.run(*command, env=env, interrupt_timeout=INTERRUPT_TIMEOUT, terminate_timeout=10.0)
    except CommandFailed as error:
        return exit_code_of(error)
    return None if ran is None else 0


def exit_code_of(error: CommandFailed) -> int:
    """Return the code with which a command of Nox ended; 1 when Nox does not say it."""
    code = getattr(error, "return_code", None)  # younger than the oldest supported Nox
    if code is None:
        found = re.fullmatch(r"Returned code (-?\d+)", error.reason or "")
        code = found[1] if found else 1
    return int(code)
