"""The reference page of the plugin is complete."""

from pathlib import Path

import pytest

from toolkit.markers import MARKERS
from toolkit.plugin import isolation, worker
from toolkit.plugin.options import OPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "plugin.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("marker", "description"), MARKERS.items())
def test_every_marker_is_described(marker: str, description: str) -> None:
    assert f"| `{marker}` | {description} |\n" in PAGE


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_described(option: str) -> None:
    assert f"| `{option}" in PAGE


def test_every_fixture_is_described() -> None:
    defined = {
        name
        for module in (isolation, worker)
        for name, value in vars(module).items()
        if type(value).__name__ == "FixtureFunctionDefinition" or hasattr(value, "_pytestfixturefunction")
    }
    assert defined
    assert all(f"| `{name}` |" in PAGE for name in defined)
