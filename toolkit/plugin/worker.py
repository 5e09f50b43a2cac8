"""Which worker of the run this process is."""

import os
import re
from collections.abc import Mapping

import msgspec
import pytest

from toolkit.journal import MAIN
from toolkit.plugin.activation import is_worker


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One process that runs tests."""

    id: str = MAIN
    """``gw0``, ``gw1`` … under xdist, else ``main``."""
    index: int = 0
    """From 0; xdist counts on when it replaces a worker that died, so it may reach ``count`` and more."""
    count: int = 1
    """How many workers the run was started with."""


def this_worker(environ: Mapping[str, str]) -> Worker:
    """Read the worker's identity from the environment that xdist gives it.

    An id of another form (a remote gateway's, for instance) keeps its name; its index is the number at its
    end, or 0.
    """
    name = environ.get("PYTEST_XDIST_WORKER", "")
    if name in {"", "master", MAIN}:
        return Worker()
    digits = re.search(r"\d+$", name)
    count = environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    return Worker(
        id=name, index=int(digits.group()) if digits else 0, count=int(count) if count.isdecimal() else 1
    )


@pytest.fixture(scope="session")
def worker(pytestconfig: pytest.Config) -> Worker:
    """The worker that runs this test: ``worker.id``, ``worker.index``, ``worker.count``."""
    return this_worker(os.environ) if is_worker(pytestconfig) else Worker()
