"""GitHub's actions, each pinned to the commit of a release: a tag can be moved, a commit cannot."""

from collections.abc import Mapping

PINS: Mapping[str, str] = {
    "actions/cache/restore": "27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5",
    "actions/cache/save": "27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5",
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "astral-sh/setup-uv": "20cfd1bf945f4377ade1205e4dbc17946fc9a30d # v10.0.1",
}
"""Action → commit and version; read from the tags of their repositories."""


def pinned(action: str, overrides: Mapping[str, str]) -> tuple[str, str]:
    """Return what stands after ``uses:`` and the comment behind it.

    An override of ``actions/cache`` also counts for ``actions/cache/restore``.
    """
    repository = "/".join(action.split("/")[:2])
    pin = overrides.get(action) or overrides.get(repository) or PINS[action]
    commit, _, version = pin.partition("#")
    return f"{action}@{commit.strip()}", version.strip()
