"""Further tools of the sessions ``lint`` and ``typecheck``: one row each."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from toolkit.config.validation import unknown

PLACES = ("source", "tests", "reports")
"""What may stand in braces in a command."""
BLIND = ("--exit-zero", "--exit-code=0", "|| true")
"""Words with which a tool passes whatever it finds."""


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.tools.<name>]``: a tool that a session runs beside its own.

    An empty table named ``pylint``, ``black``, ``isort``, ``flake8`` or ``pyright`` is enough: what these
    need is known. Your own keys are laid over that.
    """

    command: tuple[str, ...]
    """The words of the command. ``{source}`` and ``{tests}`` stand for the project's folders, one word each,
    ``{reports}`` for the folder of the session's reports. Any exit code but 0 fails."""
    session: Literal["lint", "typecheck"] = "lint"
    """Which session runs it. ``typecheck`` has the project installed."""
    requires: tuple[str, ...] = ()
    """Packages that the session installs for it; none when the session's dependency group has them."""


BUILT_IN_TOOLS: Mapping[str, Mapping[str, Any]] = {
    "pylint": {"command": ("pylint", "{source}"), "requires": ("pylint>=3.3",), "session": "typecheck"},
    "black": {"command": ("black", "--check", "--diff", "{source}", "{tests}"), "requires": ("black>=24",)},
    "isort": {
        "command": ("isort", "--check-only", "--diff", "{source}", "{tests}"),
        "requires": ("isort>=5",),
    },
    "flake8": {"command": ("flake8", "{source}", "{tests}"), "requires": ("flake8>=7",)},
    "pyright": {
        "command": ("pyright", "{source}"),
        "requires": ("pyright[nodejs]>=1.1.390",),
        "session": "typecheck",
    },
}
"""Rows that only have to be named; the values are those of a TOML table."""


def with_known_tools(rows: Any) -> Any:
    """Lay each row over the built-in one of its name; rows that nobody named stay away."""
    if not isinstance(rows, Mapping):
        return rows
    return {
        name: {**BUILT_IN_TOOLS.get(name, {}), **row} if isinstance(row, Mapping) else row
        for name, row in rows.items()
    }


def tool_mistakes(tools: Mapping[str, Tool]) -> list[str]:
    """Return what types cannot say: empty commands, unknown places, commands that cannot fail."""
    told = []
    for name, tool in tools.items():
        where = f"tool.toolkit.tools.{name}"
        if not name.replace("-", "").replace("_", "").isalnum():
            told.append(f"{where}: a name has letters, digits, - and _")
        if not tool.command or not tool.command[0].strip():
            told.append(f"{where}.command: must not be empty")
        for word in tool.command:
            inner = word[1:-1]
            if word.startswith("{") and word.endswith("}") and inner.isidentifier() and inner not in PLACES:
                told.append(f"{where}.command: {word!r}: {unknown('place', inner, PLACES)}")
            if word in BLIND:
                told.append(f"{where}.command: {word!r}: with it the tool passes whatever it finds")
    return told
