"""New, fixed, regressed, known, flaky: each word means one thing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.analysis.comparing import Sighting, State, state_of, worst


def seen(letters: str, codes: str = "") -> list[Sighting]:
    """Make sightings, each on a code of its own unless codes are given."""
    codes = codes or "abcdefghij"[: len(letters)]
    return [Sighting(letter=letter, code=code.strip()) for letter, code in zip(letters, codes, strict=True)]


@pytest.mark.parametrize(
    ("letters", "codes", "state"),
    [
        ("f", "", State.NEW),
        ("ppf", "", State.NEW),
        ("sf", "", State.NEW),
        ("ppc", "", State.NEW),
        ("pff", "", State.KNOWN),
        ("fsf", "", State.KNOWN),
        ("fpf", "", State.REGRESSED),
        ("pfp", "", State.FIXED),
        ("efsy", "", State.FIXED),
        ("pP", "", State.FLAKY),
        ("pf", "aa", State.FLAKY),
        ("fp", "aa", State.FLAKY),
        ("fpf", "aba", State.REGRESSED),
        ("pf", "  ", State.NEW),
        ("ppp", "", None),
        ("p", "", None),
        ("fs", "", None),
        ("px", "", None),
    ],
)
def test_states(letters: str, codes: str, state: State | None) -> None:
    *before, now = seen(letters, codes)
    assert state_of(before, now) is state


@settings(max_examples=50)
@given(st.text("pfecsxyPX", max_size=8), st.sampled_from("pfecsxyP"))
def test_every_failure_has_a_state_and_nothing_good_is_a_failure(before: str, now: str) -> None:
    state = state_of(seen(before), Sighting(letter=now, code="now"))
    if now in "fec":
        assert state in {State.NEW, State.KNOWN, State.REGRESSED}
    else:
        assert state in {None, State.FIXED, State.FLAKY}


def test_the_worst_of_several_counts() -> None:
    assert worst([None, State.FIXED, State.KNOWN]) is State.KNOWN
    assert worst([State.KNOWN, State.NEW]) is State.NEW
    assert worst([None]) is None
