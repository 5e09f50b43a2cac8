"""The quarantine file, what may leave it, and how much repetition proves what."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.past_runs import made_past
from toolkit.analysis.confirmation import Confirmation
from toolkit.analysis.quarantine import (
    Entry,
    entry_of,
    parse_quarantine,
    with_entry,
    without_entries,
)
from toolkit.analysis.release import problems, standings
from toolkit.errors import InputError, UsageError

DAY = dt.date(1970, 1, 1)
FILE = """\
# ours
[[test]]
id = "a"   # first
owner = "@me"
reason = "why"
since = 2026-01-01
expires = 2026-02-01

# about b
[[test]]
id = "b"
owner = "@me"
reason = "why"
since = 2026-01-01
expires = 2026-02-01
"""


def made(test: str, since: dt.date = DAY, expires: dt.date = dt.date(2030, 1, 1), **more: str) -> Entry:
    return Entry(id=test, owner="@me", reason="why", since=since, expires=expires, **more)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
        unique=True,
        max_size=4,
    )
)
def test_what_is_added_is_read_back_and_can_be_removed(ids: list[str]) -> None:
    text = ""
    for one in ids:
        text = with_entry(text, made(one, issue="https://example.org/1"))
    assert [entry.id for entry in parse_quarantine(text, "q")] == ids
    for one in ids:
        text = without_entries(text, [one])
    assert parse_quarantine(text, "q") == ()


def test_comments_and_other_entries_stay() -> None:
    left = without_entries(FILE, ["a"])
    assert left.startswith('# ours\n\n# about b\n[[test]]\nid = "b"\n')
    assert "# about b" in without_entries(FILE, ["b"])
    assert with_entry(FILE, made("c")).startswith(FILE.rstrip())


def test_entries_in_another_form_are_left_to_a_person() -> None:
    text = 'test = [{id = "a", owner = "o", reason = "r", since = 2026-01-01, expires = 2026-02-01}]\n'
    assert len(parse_quarantine(text, "q")) == 1
    with pytest.raises(UsageError, match="by hand"):
        without_entries(text, ["a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[[test]]", "[test"), "not TOML"),
        (('owner = "@me"\n', ""), r"test 1 \(\"a\".*missing required field `owner`"),
        (('owner = "@me"', 'owner = " "'), "owner must not be empty"),
        (('id = "b"', 'id = "a"'), "is there twice"),
        (("expires = 2026-02-01", "expires = 2025-02-01"), "expires before it begins"),
        (("since", "begun"), "unknown field `begun`"),
        (("# ours", "cap = 3"), "unknown field `cap`"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        parse_quarantine(FILE.replace(*change), "quarantine.toml")
    assert "quarantine.toml" in str(raised.value)
    assert "hint" in str(raised.value)


def test_an_id_without_parameters_stands_for_all() -> None:
    entries = {"a::t": made("a::t"), "a::u[1]": made("a::u[1]")}
    assert entry_of("a::t[x-[y]]", entries) == entries["a::t"]
    assert entry_of("a::u[1]", entries) == entries["a::u[1]"]
    assert entry_of("a::u[2]", entries) is None
    assert entry_of("a::tt", entries) is None


def test_an_entry_holds_to_the_end_of_its_last_day() -> None:
    entry = made("a", expires=dt.date(2026, 2, 1))
    assert not entry.expired(dt.date(2026, 2, 1))
    assert entry.expired(dt.date(2026, 2, 2))


def test_stable_again_after_enough_passes() -> None:
    past = made_past(
        {"few": "p" * 20, "many": "p" * 45, "bad": "p" * 44 + "f", "late": "p" * 30 + "P" + "p" * 14}
    )
    entries = tuple(made(test) for test in past.recent)
    found = {one.entry.id: one for one in standings(entries, past, today=DAY, stable_below=0.05)}
    assert {test for test, one in found.items() if one.stable} == {"many"}
    assert (found["late"].failures, found["late"].results) == (1, 45)
    assert found["few"].bound > 0.05 > found["many"].bound


def test_results_before_the_quarantine_do_not_count() -> None:
    past = made_past({"t": "fp" * 20})
    (found,) = standings((made("t", since=dt.date(1970, 1, 2)),), past, today=DAY, stable_below=0.05)
    assert (found.results, found.failures, found.stable) == (0, 0, False)


def test_one_unstable_parameter_keeps_all_of_them() -> None:
    past = made_past({"t[1]": "p" * 45, "t[2]": "p" * 44 + "P"})
    (found,) = standings((made("t"),), past, today=DAY, stable_below=0.05)
    assert (found.known, found.results, found.stable) == (True, 90, False)


def test_what_is_wrong_with_a_quarantine() -> None:
    past = made_past({"a": "pp"})
    entries = (made("a", expires=DAY), made("gone"))
    found = standings(entries, past, today=dt.date(2026, 1, 1), stable_below=0.05)
    told = problems(found, cap=1)
    assert len(told) == 3
    assert "at most 1" in told[0]
    assert "a: expired on 1970-01-01, owner @me" in told[1]
    assert "gone" in told[2]
    assert problems(found[:0], cap=0) == []


@pytest.mark.parametrize(
    ("rate", "confidence", "needed"), [(0.05, 0.95, 59), (0.5, 0.5, 1), (0.01, 0.99, 459)]
)
def test_how_many_tries_are_needed(rate: float, confidence: float, needed: int) -> None:
    found = Confirmation(passed=needed, rate=rate, confidence=confidence)
    assert (found.needed, found.verdict) == (needed, "stable")
    assert found.reached >= confidence
    assert Confirmation(passed=needed - 1, rate=rate, confidence=confidence).verdict == "undecided"


def test_both_outcomes_settle_it_at_once() -> None:
    found = Confirmation(passed=3, failed=1)
    assert (found.verdict, found.reached) == ("flaky", 1.0)
    assert "failed 1 of 4 tries" in found.told()


def test_a_test_that_always_fails_is_broken_not_flaky() -> None:
    assert Confirmation(failed=59).verdict == "broken"
    assert "if it passed in 5.0%" in Confirmation(failed=59).told()
    assert "if it failed in 5.0%" in Confirmation(passed=59).told()
    assert "59 equal outcomes" in Confirmation(failed=5).told()
