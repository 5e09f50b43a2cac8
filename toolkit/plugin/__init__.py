"""Front door: pytest. Wires the options and the modules; does nothing else until it is asked.

Always: the markers are registered, so a project's ``--strict-markers`` passes, and the options exist.
Only when asked (an option of ours is given, ``TOOLKIT_RUN_DIR`` is set, or the rootdir's ``pyproject.toml``
has a ``[tool.toolkit]`` table) the modules named in :data:`MODULES` are imported and registered.

A part of the plugin is a module of this package with ordinary ``pytest_*`` hooks and fixtures. To add one:
name it in :data:`MODULES`, add its options to :mod:`toolkit.plugin.options`. When the module has a function
``wanted(config) -> bool`` it is only registered where that is true; a function ``activated(config)`` is
called then, before the first conftest file is imported.
"""

from importlib import import_module

import pytest

from toolkit.plugin import activation, markers, options

MODULES = (
    "presets",
    "folders",
    "worker",
    "isolation",
    "secrecy",
    "recording",
    "profiling",
    "retries",
    "quarantine",
    "isolated",
    "ordering",
    "scheduler",
    "clustering",
    "impacted",
    "fixtures.databases",
    "fixtures.cache",
    "fixtures.web",
    "fixtures.queues",
    "fixtures.sharing",
    "fixtures.scenarios",
    "fixtures.chaos",
    "fixtures.performance",
    "fixtures.load",
)
"""Modules of this package, imported and registered in this order, only in an active session."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the options known."""
    options.register(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Register our modules before the first conftest file is imported."""
    _activate(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; and our modules, where this plugin was itself loaded late."""
    markers.register(config)
    _activate(config)


def _activate(config: pytest.Config) -> None:
    if config.pluginmanager.has_plugin(f"toolkit-{MODULES[0]}") or not activation.asked(config):
        return
    from toolkit.plugin.garbage import uncollected
    from toolkit.plugin.importing import unrewritten

    with unrewritten(), uncollected():
        for name in MODULES:
            module = import_module(f"toolkit.plugin.{name}")
            if not hasattr(module, "wanted") or module.wanted(config):
                config.pluginmanager.register(module, f"toolkit-{name}")
                if hasattr(module, "activated"):
                    module.activated(config)
