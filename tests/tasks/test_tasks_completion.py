"""Completion in each shell: set up as the page says, then typed into a terminal with a Tab at the end."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "adopt.md"

SHELLS = {
    "bash": (["bash", "--noprofile", "-i"], ".bashrc", "PS1='ready> '\n"),
    "zsh": (["zsh", "-i"], ".zshrc", "PS1='ready> '\n"),
    "fish": (["fish", "-i"], ".config/fish/config.fish", "function fish_prompt; echo 'ready> '; end\n"),
}
"""How each is started, the file of its user, and what makes its prompt known."""

TYPED = {
    "toolkit init --chec": "<toolkit><init><--check>",
    "toolkit history.run": "<toolkit><history.runs>",
    "toolkit gates.check --coverage-t": "<toolkit><gates.check><--coverage-threshold>",
}
"""What is typed before the Tab → the words of the line after it."""

PATIENCE = 60
"""Seconds until a terminal is given up; nothing depends on speed."""

TAB, HOME, ENTER = "\t", "\x01", "\r"


def set_up(shell: str) -> str:
    """Return the line of the page that sets completion up for a shell."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if f"--print-completion-script {shell}" in line]
    return line


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has the command and an empty home."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "toolkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m toolkit.program "$@"\n')
    (programs / "toolkit").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(tmp_path), "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}


class Terminal:
    """A shell in a terminal of its own, as its user sees it."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._screen, self._inner = pty.openpty()
        self._shown = ""
        # The leader of a session gets the first terminal that it opens as its own.
        opening = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self._inner), *command]
        self._shell = subprocess.Popen(opening, env=environ, cwd=environ["HOME"], start_new_session=True)

    def type(self, text: str) -> None:
        """Type; what was shown before counts no more."""
        self._shown = ""
        os.write(self._screen, text.encode())

    def wait_for(self, text: str) -> str:
        """Return everything that was shown since the last typing, once ``text`` is in it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self._shown:
            ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self._shown!r}"
            self._shown += os.read(self._screen, 4096).decode(errors="replace")
        return self._shown

    def close(self) -> None:
        """End the shell and everything that it started."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        os.close(self._inner)
        os.close(self._screen)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_completes_what_is_typed(shell: str, newcomer: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        message = f"{shell} is not on this machine"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    command, file, prompt = SHELLS[shell]
    own = Path(newcomer["HOME"]) / file
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(prompt)
    subprocess.run(["sh", "-ec", set_up(shell)], env=newcomer, check=True)
    terminal = Terminal(command, newcomer)
    try:
        terminal.wait_for("ready> ")
        for typed, words in TYPED.items():
            # The words of the line are printed by the shell itself: they are nowhere in what is typed.
            terminal.type(f"{typed}{TAB}{HOME}printf '<%s>' {ENTER}")
            terminal.wait_for(words)
    finally:
        terminal.close()
