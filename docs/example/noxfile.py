# /// script
# dependencies = ["nox>=2025.5.1", "nox-invoke-toolkit"]
# ///
import nox

from toolkit.config import load_config
from toolkit.sessions import add_profile_sessions

nox.options.default_venv_backend = "uv|virtualenv"
add_profile_sessions(load_config())
