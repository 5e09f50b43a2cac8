"""Errors of the library end a task with their message and their exit code."""

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from toolkit.errors import ConfigError
from toolkit.tasks.door import print_json, task


def test_an_error_becomes_an_exit() -> None:
    """A user sees one message and a documented code, never a traceback."""

    @task(help={"name": "whom to greet"})
    def broken(_context: Context, name: str = "") -> None:
        """Fail."""
        raise ConfigError(f"bad {name}", hint="mend it")

    with pytest.raises(Exit) as error:
        broken(Context(), name="x")
    assert error.value.code == 2
    assert "bad x\n  hint: mend it" in str(error.value.message)


def test_json_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": (1,)})
    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n'
