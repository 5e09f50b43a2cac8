"""The garbage collector is left as it was found."""

import gc

import pytest

from toolkit.plugin.garbage import uncollected


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_pauses_and_is_then_as_before(on: bool) -> None:
    """Also after an error; whoever switched it off keeps it off."""
    before = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with uncollected():
            assert not gc.isenabled()
        with pytest.raises(ZeroDivisionError), uncollected():
            1 / 0  # noqa: B018
        assert gc.isenabled() is on
    finally:
        (gc.enable if before else gc.disable)()
