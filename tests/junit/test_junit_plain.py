"""Taking plain cases out before expat sees them changes no result: expat alone gives the same counts."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.junit import reading
from toolkit.junit.cases import JUnitCase
from toolkit.junit.plain import Skimmer
from toolkit.junit.reading import read_notable
from toolkit.reports.counting import count_file
from toolkit.reports.summary import Limits

DATA = Path(__file__).parents[1] / "data" / "junit"

PIECES = (
    '<testcase classname="c" name="a" time="0.1" />\n',
    '<testcase classname="c" name="a" time="0.1"></testcase>',
    '<testcase classname="c" name="b" time="7"><system-out>some text\n</system-out></testcase>',
    '<testcase name="b" classname="c" time="0.2"/>',
    '<testcase classname="c" name="d&amp;é" time="0.2"/>',
    '<testcase classname="c" name="b" time="0.1" status="skipped"/>',
    '<testcase classname="c" name="a" time="1"><failure message="m">text</failure></testcase>',
    '<testcase classname="c" name="b" time="1"><skipped/></testcase>',
    '<testcase classname="c" name="e" time="1"><failure>',
    "</failure></testcase>",
    '<testsuite name="pytest">',
    '<testsuite name="other">',
    "</testsuite>",
    "<system-out>",
    "</system-out>",
    "<!-- ",
    " -->",
    "<![CDATA[",
    "]]>",
    "<?note ?>",
    "<toolkit.plain/>",
    "<properties>",
    "</properties>",
    "\n",
)


def counted(path: Path, floor: float, *, skim: bool) -> tuple[list[JUnitCase], int, int, float]:
    """All that is told of a file; the numbers of a tally are comparable, its order is not."""
    cases, tallied, missing, seconds = [], 0, 0, 0.0
    for item in read_notable(path, lambda: floor, skim=skim):
        if isinstance(item, JUnitCase):
            cases.append(item)
        else:
            tallied, missing, seconds = item.cases, item.missing, item.seconds
    return cases, tallied, missing, round(seconds, 6)


def alike(path: Path, floor: float) -> bool:
    """Whether skimming either gives the same or says that it cannot; the latter is no result."""
    try:
        quick = counted(path, floor, skim=True)
    except InputError:
        return False
    assert quick == counted(path, floor, skim=False)
    return True


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=12),
    chunk=st.integers(20, 300),
    floor=st.sampled_from([0.0, 0.15, 100.0]),
)
def test_no_document_is_counted_differently(
    tmp_path: Path, pieces: list[str], chunk: int, floor: float
) -> None:
    """Whatever stands around plain cases, and wherever a chunk ends: in a comment, a case, a tag."""
    path = tmp_path / "report.xml"
    for inside in ("".join(pieces), PIECES[0] + "".join(pieces)):
        path.write_text(f'<testsuites><testsuite name="s">{inside}</testsuite></testsuites>', "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "CHUNK", chunk)
            alike(path, floor)


@pytest.mark.parametrize("floor", [0.0, 0.05, 1e9])
@pytest.mark.parametrize("path", sorted(DATA.glob("*.xml")), ids=lambda path: path.stem)
def test_no_dialect_is_counted_differently(path: Path, floor: float) -> None:
    assert alike(path, floor)


@pytest.mark.parametrize(
    ("around", "tests"),
    [
        ("<testsuite>{}</testsuite>", 2),
        ("<testsuite><!-- {} --></testsuite>", 0),
        ("<testsuite><testcase name='a'><system-out><![CDATA[{}]]></system-out></testcase></testsuite>", 1),
        ("<testsuite><testcase name='a'>{}</testcase></testsuite>", 3),
        ("<?xml version='1.0' encoding='utf-8'?><testsuite>{}</testsuite>", 2),
    ],
)
def test_what_stands_around_decides(tmp_path: Path, around: str, tests: int) -> None:
    """The careful reader is asked where the quick one has a doubt, so the count is always right."""
    path = tmp_path / "report.xml"
    path.write_text(around.format(PIECES[0] + PIECES[2]))
    assert count_file(path, Limits()).counts.tests == tests


@pytest.mark.parametrize(
    "around", ["{}<testsuite/>", "<testsuite/>{}", "<testsuite a='{}'/>", "<coverage>{}"]
)
def test_a_defect_is_told_as_it_is(tmp_path: Path, around: str) -> None:
    """The place in the message is that in the file."""
    path = tmp_path / "report.xml"
    path.write_text("\n" + around.format(PIECES[0] * 3))
    with pytest.raises(InputError) as error:
        list(read_notable(path, lambda: 0.0))
    assert count_file(path, Limits()).bad == str(error.value.message).removeprefix(f"{path}: ")


def test_plain_cases_are_taken_out() -> None:
    """Or nothing would be gained: expat sees a mark for each row of them."""
    rest, runs = Skimmer().skim(f"<testsuite>{PIECES[0] * 3}{PIECES[6]}{PIECES[0]}".encode())
    assert rest == f"<testsuite><toolkit.plain/>\n{PIECES[6]}<toolkit.plain/>\n".encode()
    assert [len(run.keys) for run in runs] == [3, 1]
    assert [case["name"] for run in runs for case in run.attributes()] == ["a"] * 4
