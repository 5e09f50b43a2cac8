"""What all tests share: hypothesis settings that hold on a busy machine, pytester."""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.runtimes"]

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# Whoever starts the tests in the background of a shell gives them a SIGINT that is ignored, and so to every
# process that they start to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Installed because ours must work beside them (tests/plugin): they stay out of all other inner sessions.
NEIGHBOURS = ("asyncio", "benchmark", "randomly", "rerunfailures")
os.environ["PYTEST_ADDOPTS"] = " ".join(f"-p no:{name}" for name in NEIGHBOURS)

settings.load_profile("ci" if os.environ.get("CI") else "local")
