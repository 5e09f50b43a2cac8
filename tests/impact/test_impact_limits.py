"""Documented limits of selection: should one of these tests fail, a limit is gone and the docs can say so."""

from typing import Any


def test_a_question_whether_a_file_exists_is_not_seen(project: Any) -> None:
    project.write("test_a.py", "import pathlib\ndef test_a(): pathlib.Path('switch').exists()\n")
    project.run()
    project.write("switch", "")
    assert project.run() == set()


def test_line_numbers_are_not_seen(project: Any) -> None:
    project.write("lib.py", "def f():\n    raise ValueError\n")
    project.write(
        "test_a.py",
        "import lib\ndef test_a():\n    try: lib.f()\n"
        "    except ValueError as error: assert error.__traceback__.tb_next.tb_lineno == 2\n",
    )
    project.run()
    project.write("lib.py", "# a remark\ndef f():\n    raise ValueError\n")
    assert project.run() == set()
