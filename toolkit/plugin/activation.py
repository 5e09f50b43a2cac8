"""Whether anybody asked for the plugin, and what it keeps for the session once it is active."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolkit.plugin import options

if TYPE_CHECKING:
    from toolkit.config import Config

_CONFIG: pytest.StashKey["Config"] = pytest.StashKey()


def asked(config: pytest.Config, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether an option, the environment or the project asks for the plugin. Reads one file at most."""
    return bool(
        options.given(config)
        or _run_dir_is_free(os.environ if environ is None else environ)
        or (is_worker(config) and "toolkit_run_dir" in config.workerinput)  # type: ignore[attr-defined]
        or has_table(config.rootpath / "pyproject.toml")
    )


def _run_dir_is_free(environ: Mapping[str, str]) -> bool:
    """Tell whether ``TOOLKIT_RUN_DIR`` means us, not the session whose test started this process."""
    given = environ.get("TOOLKIT_RUN_DIR")
    return bool(given) and not os.path.exists(f"{given}/controller.jsonl")  # noqa: PTH110 - no import


def has_table(pyproject: Path) -> bool:
    """Tell whether a pyproject.toml has a ``[tool.toolkit]`` table, without parsing it."""
    try:
        text = pyproject.read_bytes()
    except OSError:
        return False
    return (
        b"tool" in text
        and re.search(rb"^\s*\[\[?\s*tool\s*\.\s*toolkit\s*[.\]]", text, re.MULTILINE) is not None
    )


def settings(config: pytest.Config) -> "Config":
    """Return ``[tool.toolkit]`` of the session's project, loaded once.

    Raises:
        pytest.UsageError: the table has mistakes; names all of them.
    """
    if _CONFIG not in config.stash:
        from toolkit.config import load_config
        from toolkit.errors import ToolkitError

        try:
            config.stash[_CONFIG] = load_config(config.rootpath)
        except ToolkitError as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[_CONFIG]


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is an xdist worker of the session (not merely started by a test in one)."""
    return hasattr(config, "workerinput")
