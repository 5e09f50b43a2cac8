"""The command-line options, as one table: each part of the plugin adds its rows here.

A default other than None would make the plugin active in every session of every project: an option that is
given is what activates it.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
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


def seconds(text: str) -> float:
    """Parse seconds, 0 or more.

    Raises:
        ValueError: it is none.
    """
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


class Reference(argparse.Action):
    """``--impacted`` or ``--impacted=REF``; a path behind ``--impacted`` stays a path to run."""

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """Take the value, or give it back to the parser as one of the paths."""
        explicit = f"{self.option_strings[0]}={values}" in sys.argv
        if values is None:
            values = True
        elif not explicit and (Path(values).exists() or "::" in values):
            given = [*getattr(namespace, "_unrecognized_args", ()), values]
            vars(namespace)["_unrecognized_args"] = given  # argparse adds these to those it does not know
            values = True
        setattr(namespace, self.dest, values)


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
    "--repeat": {
        "dest": "toolkit_repeat",
        "type": count,
        "default": None,
        "metavar": "N",
        "help": "Run every test N times, or until it fails; every try is recorded",
    },
    "--repeat-new": {
        "dest": "toolkit_repeat_new",
        "type": count,
        "default": None,
        "metavar": "N",
        "help": "Run tests that the history does not know N times, or until they fail: is a new test flaky?",
    },
    "--order": {
        "dest": "toolkit_order",
        "default": None,
        "metavar": "ORDER",
        "help": "smart (likely to fail and new first, then quick), fast-first, longest-first, declared, "
        "random or random:SEED; shared set-ups stay together",
    },
    "--shard": {
        "dest": "toolkit_shard",
        "default": None,
        "metavar": "K/N",
        "help": "Run the K-th of N parts: by measured durations with --plan, else by number of tests",
    },
    "--plan": {
        "dest": "toolkit_plan",
        "default": None,
        "metavar": "FILE",
        "help": "The plan that all shards share, so that they are the same on every machine",
    },
    "--write-plan": {
        "dest": "toolkit_write_plan",
        "default": None,
        "metavar": "FILE",
        "help": "Write the plan of the collected tests to FILE; use it with --collect-only",
    },
    "--profile-slow": {
        "dest": "toolkit_profile_slow",
        "type": seconds,
        "default": None,
        "metavar": "SECONDS",
        "help": "Profile tests that take so long by the history, and keep a page of each; 0: every test",
    },
    "--profiler": {
        "dest": "toolkit_profiler",
        "choices": ("time", "memory"),
        "default": None,
        "help": "What --profile-slow follows: time (pyinstrument, the default) or memory (memray)",
    },
    "--cluster": {
        "dest": "toolkit_cluster",
        "default": None,
        "metavar": "ADDRESS",
        "help": "Run the tests on the machines of a Dask cluster: tcp://host:8786; replaces -n",
    },
    "--run-list": {
        "dest": "toolkit_run_list",
        "default": None,
        "metavar": "FILE",
        "help": "Run exactly the tests listed in FILE (node ids, one a line), in that order",
    },
    "--impacted": {
        "dest": "toolkit_impacted",
        "action": Reference,
        "nargs": "?",
        "default": None,
        "metavar": "REF",
        "help": "Run only tests that changes since they were recorded can affect; with =REF also those that"
        " changes since this git revision can affect. The first run records everything",
    },
    "--no-impacted": {
        "dest": "toolkit_impacted",
        "action": "store_false",
        "default": None,
        "help": "Run everything and record for later runs with --impacted",
    },
    "--impacted-shadow": {
        "dest": "toolkit_shadow",
        "action": "store_true",
        "default": None,
        "help": "Run everything, report what --impacted would have left out and whether that was right",
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
