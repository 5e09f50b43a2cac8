# /// script
# dependencies = ["nox>=2025.5.1", "nox-invoke-toolkit[control]"]
# ///
"""Sessions of this repository: its own profiles, by the factory that every user calls, and the checks.

`nox -s ci` is everything: all tests on all Pythons, then what stands in CHECKS.
"""

import nox

from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions
from toolkit.sessions.checks import add_check_sessions

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"

CHECKS = ("lint", "typecheck", "audit", "docs", "build")

config = load_config()
add_profile_sessions(config, alongside={"ci": ("e2e", *CHECKS), "security": ("audit",)})
add_check_sessions(config)
