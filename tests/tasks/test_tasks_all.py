"""What every task promises: each option described, ``--json`` beside tables, completion in every shell."""

import ast
import functools
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke.collection import Collection

from toolkit.program import USAGE_ERROR, main, make_program
from toolkit.tasks import ns


def all_tasks(space: Collection = ns, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, task in space.tasks.items():
        yield f"{prefix}{name}", task
    for name, inner in space.collections.items():
        yield from all_tasks(inner, f"{prefix}{name}.")


TASKS = dict(all_tasks())


def run_toolkit(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit.program", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )


ASK = """
import json
from tests.tasks.test_tasks_all import TASKS
rows = {}
for name, task in TASKS.items():
    described = dict(task.help)
    rows[name] = [task.__doc__ or "", described, [argument.name for argument in task.get_arguments()]]
print(json.dumps(rows))
"""
"""In a process of its own: invoke takes the descriptions from a task when it is first parsed."""


def test_every_task_and_option_is_described() -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", ASK], cwd=root, check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)
    assert rows.keys() == TASKS.keys()
    for name, (doc, described, arguments) in rows.items():
        assert doc.strip(), name
        assert {option.replace("-", "_") for option in described} == set(arguments), name
        assert all(text.strip() for text in described.values()), name


def test_every_task_that_prints_a_table_prints_json_too() -> None:
    """A task whose body, or a function of its module that it calls, prints a table has ``--json``."""
    without = sorted(
        name
        for name, task in TASKS.items()
        if prints_table(*place_of(task)) and "json" not in {each.name for each in task.get_arguments()}
    )
    assert without == []


def place_of(task: Any) -> tuple[str, str]:
    """Return module and name of the function of a task."""
    body = inspect.unwrap(task.body)
    return body.__module__, body.__name__


@functools.cache
def functions_of(module: str) -> dict[str, str]:
    """Return the source of each function of a module; each file is parsed once."""
    text = Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8")
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in functions}


def prints_table(module: str, name: str) -> bool:
    """Tell whether a function prints a table, or a function of its module that it calls."""
    near, seen, left = functions_of(module), set[str](), [name]
    while left:
        text = near[left.pop()]
        if re.search(r"\bprint_table\(|\bTable\(", text):
            return True
        called = {word for word in re.findall(r"(?<![.\w])(\w+)\(", text) if word in near} - seen
        seen |= called
        left += called
    return False


def test_the_search_for_tables_finds_them() -> None:
    assert prints_table(*place_of(TASKS["history.runs"]))
    assert not prints_table(*place_of(TASKS["reports.dashboard"]))


def test_a_wrong_command_line_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["nonsense"], ["init", "--nonsense"], ["--nonsense"]):
        with pytest.raises(SystemExit) as end:
            make_program().run(["toolkit", *words])
        assert end.value.code == USAGE_ERROR, words
        assert "toolkit --list" in capsys.readouterr().err


def test_every_task_is_listed_and_every_name_completes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_program().run(["toolkit", "--complete", "--", "toolkit"])
    assert set(capsys.readouterr().out.split()) >= {name.replace("_", "-") for name in TASKS}
    with pytest.raises(SystemExit):
        make_program().run(["toolkit", "--list"])
    listed = capsys.readouterr().out
    assert [name for name in TASKS if name.replace("_", "-") not in listed] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        make_program().run(["toolkit", "--print-completion-script", shell])
    script = capsys.readouterr().out
    assert end.value.code in {0, None}
    assert "--complete" in script
    assert "_complete_toolkit" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, capture_output=True)


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    """The script is sourced and asked as bash would ask it."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not on this machine")
    program = tmp_path / "toolkit"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m toolkit.program "$@"\n')
    program.chmod(0o755)
    asked = (
        "source <(toolkit --print-completion-script bash); COMP_WORDS=(toolkit init --che); COMP_CWORD=2; "
        '_complete_toolkit toolkit --che init; echo "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([bash, "-c", asked], capture_output=True, text=True, check=True, env={"PATH": path})
    assert done.stdout.split() == ["--check"]


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "invoke.program", None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == USAGE_ERROR
    assert "nox-invoke-toolkit[control]" in capsys.readouterr().err


def test_main_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["toolkit", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out.startswith("toolkit ")


def test_pipes_get_no_colours_and_json_nothing_else(tmp_path: Path) -> None:
    """Neither escape sequences nor progress in a pipe, also where colour is forced on for others."""
    done = run_toolkit("init", "--check", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout


@pytest.mark.slow
def test_no_color_is_respected_on_a_terminal(tmp_path: Path) -> None:
    """On a real terminal, with and without NO_COLOR: https://no-color.org."""
    pty = pytest.importorskip("pty", reason="there are no pseudo terminals on this system")
    seen = {}
    for value in ("", "1"):
        controller, worker = pty.openpty()
        command = [sys.executable, "-m", "toolkit.program", "init", "--check", "--folder", str(tmp_path)]
        environ = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": value}
        subprocess.run(command, stdout=worker, stderr=worker, env=environ, check=False)
        os.close(worker)
        seen[value] = drained(controller)
    assert b"files" in seen[""]
    assert b"\x1b[3" not in seen["1"]
    assert b"files" in seen["1"]


def drained(descriptor: int) -> bytes:
    """Read what a terminal shows until it is closed, which Linux reports as an error."""
    text = b""
    try:
        while part := os.read(descriptor, 65536):
            text += part
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return text
