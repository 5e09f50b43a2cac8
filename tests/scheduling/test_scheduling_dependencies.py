"""The dependency report: components that really share nothing, groups that may run in parallel."""

from itertools import combinations
from xml.etree.ElementTree import fromstring

from hypothesis import given
from hypothesis import strategies as st

from toolkit.records import NodeId
from toolkit.scheduling.dependencies import Needs, components, needs_of, report_on
from toolkit.scheduling.jobs import Job
from toolkit.scheduling.pictures import to_dot, to_mermaid, to_svg

NEEDS = st.lists(st.sets(st.sampled_from("abcdef"), max_size=3), max_size=15).map(
    lambda rows: [
        Needs(test=NodeId(f"t{number}"), code=tuple(sorted(row))) for number, row in enumerate(rows)
    ]
)


@given(needs=NEEDS)
def test_components_share_nothing_and_lose_nobody(needs: list[Needs]) -> None:
    parts = components(needs, lambda row: row.code)
    assert sorted(test for part in parts for test in part.tests) == sorted(row.test for row in needs)
    for one, other in combinations(parts, 2):
        assert not set(one.shared) & set(other.shared)
    by_test = {row.test: set(row.code) for row in needs}
    for part in parts:
        reached = {part.tests[0]}
        while (
            more := {test for test in part.tests if any(by_test[test] & by_test[old] for old in reached)}
            - reached
        ):
            reached |= more
        assert reached == set(part.tests), "a component is connected"


def test_needs_come_from_what_was_recorded_and_declared() -> None:
    job = Job(test=NodeId("tests/test_a.py::t"), duration=2, uses=("port",), serial=True)
    needs = needs_of(
        job,
        [
            ("function", "shop/cart.py"),
            ("function", "tests/test_a.py"),
            ("module", "shop/cart.py"),
            ("module", "shop/__init__.py"),
            ("file", "data/prices.json"),
            ("variable", "DATABASE_URL"),
            ("variable", "HOME"),
        ],
    )
    assert needs.code == ("shop/cart.py",), "what it executes tells more than what it merely imports"
    assert needs.imported == ("shop/__init__.py",)
    assert needs.data == ("data/prices.json",)
    assert needs.services == ("database",), "known by the variable that was read"
    assert needs.resources == ("alone", "port")
    assert not needs_of(Job(test=NodeId("tests/test_database.py::test_redis"), duration=1), None).services, (
        "nothing is guessed from a name"
    )


def test_the_report_says_what_may_run_in_parallel() -> None:
    jobs = [
        Job(test=NodeId("a.py::x1"), duration=2, uses=("x",)),
        Job(test=NodeId("a.py::x2"), duration=3, uses=("x",)),
        Job(test=NodeId("b.py::y"), duration=1, uses=("y",)),
        Job(test=NodeId("b.py::free"), duration=1),
        Job(test=NodeId("c.py::alone"), duration=4, serial=True),
    ]
    report = report_on(jobs, [needs_of(job, None) for job in jobs], workers=(1, 2, 8))
    assert [(chain.name, chain.seconds) for chain in report.chains] == [("x", 5), ("y", 1)]
    assert report.free == ("b.py::free",)
    assert report.alone == ("c.py::alone",)
    assert report.resources == {"alone": (1, 4), "x": (2, 5), "y": (1, 1)}
    assert report.estimates == {1: 11, 2: 9, 8: 9}, "the chain of x, then the one that runs alone"
    assert report.unrecorded == 5


def test_pictures_survive_any_name() -> None:
    job = Job(test=NodeId('a.py::t["x]"]'), duration=1)
    report = report_on([job], [needs_of(job, [("function", 'we"ird\\<b>.py'), ("file", "d|x")])])
    assert '"a.py" -> "we\\"ird\\\\<b>.py" [label="runs"];' in to_dot(report)
    assert 'n1["d#124;x"]' in to_mermaid(report)
    assert "we#34;ird\\#60;b#62;.py" in to_mermaid(report)
    drawn = fromstring(to_svg(report))
    names = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert names[-3:] == ["a.py", 'we"ird\\<b>.py', "d|x"]
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}path"))) == 2
    assert fromstring(to_svg(report_on([], []))) is not None, "nothing at all is a picture too"
