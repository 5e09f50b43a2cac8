"""What an active plugin sets where the user has not: strict markers and config, no benchmarks by default.

Never ``--lf`` or the like: a default that leaves tests out would hide them. Asynchronous tests are left to
whichever plugin the project uses.
"""

import difflib
import os
import re
from collections.abc import Collection, Mapping

import pytest

from toolkit.plugin import activation

_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_ARGUMENTS = re.compile(r"\b(?!(?:and|or|not)\b)([^\s()]+)\s*\([^()]*\)")
_NAME = re.compile(r"[^\s()]+")
_WORDS = frozenset({"and", "or", "not", "True", "False", "None"})


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Apply the presets before other plugins read their options."""
    settings = activation.settings(config)
    for name, description in settings.markers.items():
        config.addinivalue_line("markers", f"{name}: {description}")
    if settings.strict:
        _set_unless_given(config, "strict_markers")
        _set_unless_given(config, "strict_config")
    _switch_benchmarks_off(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse ``-m`` with a marker that nobody registered: it would select nothing, or everything."""
    config = session.config
    if activation.is_worker(config) or not activation.settings(config).strict:
        return
    expression = str(config.getoption("markexpr", "") or "")
    known = registered(config)
    unknown = sorted(names_in(expression) - known)
    if unknown:
        raise pytest.UsageError(unknown_marker(unknown[0], expression, known, os.environ))


def names_in(expression: str) -> frozenset[str]:
    """Return the marker names of a ``-m`` expression; the arguments of ``marker(name=value)`` are none."""
    bare = _ARGUMENTS.sub(r"\1", _STRING.sub('""', expression))
    return frozenset(_NAME.findall(bare)) - _WORDS


def registered(config: pytest.Config) -> frozenset[str]:
    """Return the names of all registered markers."""
    return frozenset(re.split(r"[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers"))


def unknown_marker(name: str, expression: str, known: Collection[str], environ: Mapping[str, str]) -> str:
    """Say which marker is unknown, where it stands, which was meant, which are valid and what to do."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    profile = environ.get("TOOLKIT_PROFILE")
    return (
        f"-m {expression!r}{f' of profile {profile!r}' if profile else ''}: unknown marker {name!r}"
        f"{f' (did you mean {near[0]!r}?)' if near else ''}; valid: {', '.join(sorted(known))}\n"
        "  hint: register a marker of your own in [tool.toolkit.markers] of pyproject.toml"
    )


def _set_unless_given(config: pytest.Config, name: str) -> None:
    """Switch a strictness option on, unless the project's configuration says yes or no.

    Since pytest 9 these are configuration values, before they were command-line options. There is no public
    way to set the former; what ``getini`` keeps is what ``Config.addinivalue_line`` changes as well.
    """
    try:
        given = config.getini(name)
    except (KeyError, ValueError):
        for options in (config.option, config.known_args_namespace):
            setattr(options, name, True)
        return
    if given is None and not config.getini("strict"):
        config._inicache[name] = True  # noqa: SLF001


def _switch_benchmarks_off(config: pytest.Config) -> None:
    """Run benchmarks as plain tests unless they are asked for: measuring takes seconds for each."""
    asked = ("benchmark_enable", "benchmark_only", "benchmark_skip")
    if hasattr(config.option, "benchmark_disable") and not any(
        config.getoption(name, None) for name in asked
    ):
        config.option.benchmark_disable = True
