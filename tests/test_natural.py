"""Names sort as people count."""

from hypothesis import given
from hypothesis import strategies as st

from toolkit.natural import natural_key


def test_numbers_count_by_value() -> None:
    assert sorted(["t10", "t9", "t1"], key=natural_key) == ["t1", "t9", "t10"]
    assert sorted(["V10__b.sql", "V2__a.sql"], key=natural_key) == ["V2__a.sql", "V10__b.sql"]


@given(st.lists(st.text(alphabet="a1²09_", max_size=6)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    """Digits that are no decimals, such as a superscript two, do not break the order."""
    assert len(sorted(names, key=natural_key)) == len(names)
