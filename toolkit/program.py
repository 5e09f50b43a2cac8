"""Front door: the command ``toolkit``: every task, in any folder, before there is a ``tasks.py``."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolkit import __version__

if TYPE_CHECKING:
    from invoke.program import Program

NAMES = ("toolkit",)

USAGE_ERROR = 2
"""As every task ends when it is called wrongly; invoke's own is 1, which means a failed test here."""


def main() -> None:
    """Run the command line of this process; ends it."""
    try:
        program = make_program()
    except ImportError as error:
        sys.stderr.write(
            f"toolkit needs {error.name or error}, which is not installed\n"
            "  hint: install it with: pip install 'nox-invoke-toolkit[control]'\n"
        )
        sys.exit(USAGE_ERROR)
    program.run()


def make_program() -> "Program":
    """Return invoke's program over the tasks of the toolkit; a wrong command line ends it with code 2."""
    import invoke.program
    from invoke.exceptions import Exit, ParseError

    from toolkit.tasks import ns

    def told(step: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*words: Any) -> Any:
            try:
                return step(*words)
            except ParseError as error:
                raise Exit(f"{error}\n  hint: toolkit --list shows every task", USAGE_ERROR) from error

        return guarded

    program = invoke.program.Program(
        version=__version__, namespace=ns, name="toolkit", binary="toolkit", binary_names=list(NAMES)
    )
    for step in ("parse_core", "parse_collection", "parse_tasks"):
        setattr(program, step, told(getattr(program, step)))
    return program


if __name__ == "__main__":
    main()
