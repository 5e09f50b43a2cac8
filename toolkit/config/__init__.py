"""``[tool.toolkit]`` of a project's ``pyproject.toml`` as frozen types.

``load_config()`` is the way in. One file per table: ``profiles`` (named ways to run tests), ``settings`` (the
rest), ``validation`` (from TOML to types, every error with its key path), ``loading`` (files, overlays).
"""

from toolkit.config.loading import detect_environment, find_root, load_config, parse_config
from toolkit.config.profiles import Profile
from toolkit.config.settings import Config, Install, Thresholds

__all__ = [
    "Config",
    "Install",
    "Profile",
    "Thresholds",
    "detect_environment",
    "find_root",
    "load_config",
    "parse_config",
]
