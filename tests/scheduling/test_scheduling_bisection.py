"""ddmin finds a minimal set, whatever set it is, in few trials."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from toolkit.scheduling.bisection import minimise


@given(size=st.integers(1, 80), data=st.data())
def test_the_guilty_are_found_however_many(size: int, data: st.DataObject) -> None:
    guilty = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=4))
    found = minimise(range(size), lambda part: guilty <= set(part))
    assert found == sorted(guilty)


@given(size=st.integers(1, 60), data=st.data())
def test_the_result_is_one_minimal_also_when_there_are_alternatives(size: int, data: st.DataObject) -> None:
    """Any of several sets may do: nothing of the result can be left out."""
    sets = data.draw(
        st.lists(st.frozensets(st.integers(0, size - 1), min_size=1, max_size=3), min_size=1, max_size=3)
    )

    def shows(part: Sequence[int]) -> bool:
        return any(one <= set(part) for one in sets)

    found = minimise(range(size), shows)
    assert shows(found)
    assert len(found) == 1 or not any(shows([item for item in found if item != out]) for out in found)


def test_one_polluter_among_a_thousand_takes_few_trials() -> None:
    trials: list[int] = []

    def shows(part: Sequence[int]) -> bool:
        trials.append(len(part))
        return 137 in part

    assert minimise(range(1000), shows) == [137]
    assert len(trials) <= 20
