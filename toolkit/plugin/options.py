"""The command-line options, as one table: each part of the plugin adds its rows here.

A default other than None would make the plugin active in every session of every project: an option that is
given is what activates it.
"""

from collections.abc import Mapping
from typing import Any

import pytest


def count(text: str) -> int:
    """Parse a number of 0 or more.

    Raises:
        ValueError: it is none (argparse then names the option and the value).
    """
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--record": {
        "dest": "toolkit_record",
        "action": "store_true",
        "default": None,
        "help": "Record this run under .toolkit/runs, also in a project without a [tool.toolkit] table",
    },
    "--no-record": {
        "dest": "toolkit_record",
        "action": "store_false",
        "default": None,
        "help": "Write no journal of this run and keep it out of the history",
    },
    "--retries": {
        "dest": "toolkit_retries",
        "type": count,
        "default": None,
        "metavar": "N",
        "help": "Try a failed test up to N more times; every try is recorded, a late pass is called flaky",
    },
}
"""Flag → arguments of ``argparse.ArgumentParser.add_argument``."""


def register(parser: pytest.Parser) -> None:
    """Add the options; one that another plugin took already is left to that plugin."""
    group = parser.getgroup("toolkit", "nox-invoke-toolkit")
    for flag, arguments in OPTIONS.items():
        try:
            group.addoption(flag, **arguments)
        except ValueError:  # another plugin's (pytest-retry has --retries)
            continue


def given(config: pytest.Config) -> frozenset[str]:
    """Return the destinations of our options that were given on the command line or in addopts."""
    namespace = config.known_args_namespace
    names = {str(arguments["dest"]) for arguments in OPTIONS.values()}
    return frozenset(name for name in names if getattr(namespace, name, None) is not None)
