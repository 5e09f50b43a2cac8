"""A command in the foreground of the terminal: Ctrl-C belongs to it alone, as in a shell.

``subprocess.run`` kills its child a quarter of a second after Ctrl-C: too soon for a debugger that is to stop
there, and for fixtures that have servers to end.
"""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def run_foreground(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
    """Run a command until it ends, however often Ctrl-C is pressed; return its exit code.

    Args:
        command: program and arguments.
        folder: where it runs.
        environ: its whole environment.
    """
    with _interrupts_left_alone():
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


@contextlib.contextmanager
def _interrupts_left_alone() -> Iterator[None]:
    """Do nothing at SIGINT. Not SIG_IGN, which the command would inherit; signals reach the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
