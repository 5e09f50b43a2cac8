"""What all tests share: hypothesis settings that hold on a busy machine, pytester."""

import contextlib
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

with contextlib.suppress(ImportError):  # an older one has no such module, and does not do this
    # Hypothesis also tries the constants that it finds in our imported modules. One that is imported while a
    # test runs changes what is generated half-way, which it then reports as "inconsistent data generation".
    from hypothesis.internal.conjecture import providers

    vars(providers).update(_get_local_constants=lambda: vars(providers)["_local_constants"])

pytest_plugins = ["pytester", "tests.commands", "tests.runtimes"]

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# Whoever starts the tests in the background of a shell gives them a SIGINT that is ignored, and so to every
# process that they start to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Installed because ours must work beside them (tests/plugin): they stay out of all other inner sessions.
NEIGHBOURS = ("asyncio", "benchmark", "locust", "randomly", "rerunfailures")
os.environ["PYTEST_ADDOPTS"] = " ".join(f"-p no:{name}" for name in NEIGHBOURS)

settings.load_profile("ci" if os.environ.get("CI") else "local")

MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""Variables by which coverage measures subprocesses."""


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a test starts are not measured: others cover the same code at half the cost."""
    for name in MEASURING:
        monkeypatch.delenv(name, raising=False)
