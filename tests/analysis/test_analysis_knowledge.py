"""When a failure began, when it ended, and what it is like."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.analysis.knowledge import ALIKE, Sight, alike, episodes, similarity
from toolkit.analysis.past import Past, RunPlace
from toolkit.analysis.signatures import Signature
from toolkit.history.answers import Recent
from toolkit.records import NodeId

T = NodeId("tests/test_a.py::test_b")
FAULT = Signature(exception="ValueError", message="bad <n> in row", places=("src/a.py f",))


def past_of_letters(letters: str, *, context: str = "unit 3.12", dirty: str = "") -> Past:
    """Make a past in which run r0, r1 … had these verdicts, each on a commit of its own."""
    runs = [f"r{place}" for place in range(len(letters))]
    places = {
        run: RunPlace(
            run=run, started=float(at), code=f"run {run}" if run in dirty else f"c{at}", context=context
        )
        for at, run in enumerate(runs)
    }
    row = Recent(test=T, runs=tuple(runs), verdicts=letters, durations=(1.0,) * len(letters))
    return Past(runs=places, recent={T: row})


def sights(*runs: str) -> list[Sight]:
    return [Sight(test=T, run=run, signature=FAULT) for run in runs]


def test_an_episode_ends_with_the_first_good_run_and_names_both_commits() -> None:
    (one,) = episodes(sights("r1", "r2"), past_of_letters("pffsp"))
    assert (one.first, one.last, one.green, one.bad, one.fixed, one.runs) == ("r1", "r2", "r4", "c2", "c4", 2)


def test_it_lasts_until_it_is_good_and_may_come_again() -> None:
    found = episodes(sights("r0", "r2"), past_of_letters("fpf"))
    assert [(one.first, one.green) for one in found] == [("r2", ""), ("r0", "r1")]


def test_a_failure_for_another_reason_does_not_end_an_episode() -> None:
    (one,) = episodes(sights("r0"), past_of_letters("ffp"))
    assert (one.last, one.green) == ("r0", "r2")


def test_uncommitted_code_is_no_commit_and_the_same_commit_is_no_fix() -> None:
    (one,) = episodes(sights("r0"), past_of_letters("fp", dirty="r1"))
    assert (one.bad, one.fixed) == ("c0", "")


def test_a_test_that_is_not_known_has_no_episode() -> None:
    assert episodes([Sight(test=NodeId("x"), run="r0", signature=FAULT)], past_of_letters("f")) == ()


def test_equal_failures_are_one_and_others_are_ranked() -> None:
    near = Signature(exception="ValueError", message="bad <n> in column", places=("src/a.py f",))
    far = Signature(exception="OSError", message="disk full", places=("lib/z.py g",))
    assert similarity(FAULT, FAULT) == 1.0
    assert similarity(FAULT, near) > ALIKE > similarity(FAULT, far)
    known = {one.key: one for one in (FAULT, near, far)}
    assert [key for _, key in alike(FAULT, known)] == [near.key]


SIGNATURES = st.builds(
    Signature,
    exception=st.sampled_from(["A", "B"]),
    message=st.text("abc <>", max_size=12),
    places=st.tuples(st.sampled_from("xyz")),
)


@settings(max_examples=50)
@given(SIGNATURES, SIGNATURES)
def test_similarity_is_a_symmetric_share(one: Signature, other: Signature) -> None:
    assert similarity(one, other) == similarity(other, one)
    assert 0.0 <= similarity(one, other) <= 1.0
