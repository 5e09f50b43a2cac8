"""Bad files are named with line and column; nothing crashes, expands or reads elsewhere."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InputError
from toolkit.junit.events import NotJUnit
from toolkit.junit.reading import LONGEST_TAG, read_cases
from toolkit.junit.values import LongText, parse_duration, parse_line, shorten
from toolkit.records import Outcome


def names(document: bytes) -> list[str]:
    return [case.name for case in read_cases(io.BytesIO(document))]


def wrap(inside: str) -> bytes:
    return f"<testsuite name='s'>{inside}</testsuite>".encode()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "report: the file is empty"),
        (b" \n\n ", "report: the file is empty"),
        (b"\x00\x01\x7fELF\xff", "line 1, column 1: not well-formed"),
        (b"<testsuite><testcase name='a'/>", "truncated"),
        (b"<testsuite><testcase na", "line 1, column 12: the file ends inside a tag"),
        (b"<testsuite>\n <testcase></testsuite>", "line 2, column 14: not well-formed"),
        (b"<testsuite/><testsuite/>", "two reports in one file"),
        (b"<testsuite>&nope;</testsuite>", "undefined entity"),
        (b"<testsuite>\x1b[31m</testsuite>", "line 1, column 12"),
        (b"<coverage/>", "the root element is <coverage>"),
        (b'<?xml version="1.0" encoding="nonsense"?><testsuite/>', "unknown encoding 'nonsense'"),
        (b'<?xml version="1.0" encoding="rot13"?><testsuite/>', "unknown encoding 'rot13'"),
        (b'<?xml version="1.0" encoding="gbk"?><testsuite name="\xff"/>', "not gbk as it says"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><testsuite>&x;</testsuite>', "refused"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuite/>', "refused"),
        (b'<!DOCTYPE a [<!ATTLIST testcase name CDATA "x">]><testsuite/>', "refused"),
        (b"<testsuite>" * 300, "more than 200 suites"),
        (b"<testsuite>" + b"<testcase>" * 300, "more than 200 test cases"),
    ],
)
def test_bad_files_are_named(document: bytes, reason: str) -> None:
    """The error says which file, where in it and why."""
    with pytest.raises(InputError) as error:
        names(document)
    assert str(error.value).startswith("report")
    assert reason in str(error.value)
    assert error.value.exit_code == 3


def test_an_entity_bomb_costs_nothing() -> None:
    """Refused at the declaration, before any expansion."""
    entities = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(12))
    bomb = f'<!DOCTYPE b [<!ENTITY l0 "ha">{entities}]><testsuite name="&l12;"/>'
    with pytest.raises(InputError, match=r"line 1, column \d+: .*refused"):
        names(bomb.encode())


def test_a_huge_tag_is_refused() -> None:
    """A tag that would have to be held in memory as a whole is limited; long texts are not."""
    huge = b"<testsuite><testcase name='" + b"a" * (LONGEST_TAG + 1024 * 1024)
    with pytest.raises(InputError, match="a tag is longer than"):
        names(huge)
    text = wrap("<testcase name='a'><failure>" + "line\n" * 200_000 + "last words</failure></testcase>")
    (case,) = read_cases(io.BytesIO(text))
    assert len(case.failures[0].traceback) < 101_000
    assert case.failures[0].traceback.endswith("last words")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.xml: cannot be read"):
        list(read_cases(tmp_path / "nothing.xml"))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_cases(tmp_path))


def test_a_broken_stream_is_an_input_error() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="report: cannot be read"):
        list(read_cases(Broken()))


def test_another_kind_of_document_says_which() -> None:
    with pytest.raises(NotJUnit) as error:
        names(b"<coverage version='7'/>")
    assert error.value.root == "coverage"


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-32",
        "iso-8859-1",
        "windows-1252",
        "iso-8859-15",
        "gbk",
        "shift_jis",
    ],
)
def test_encodings(encoding: str) -> None:
    """With byte order mark or declaration, and the ones that expat does not know."""
    name = "größe" if encoding not in {"gbk", "shift_jis"} else "テスト"
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    document = f'<?xml version="1.0" encoding="{declared}"?><testsuite><testcase name="{name}"/></testsuite>'
    assert names(document.encode(encoding)) == [name]


def test_a_declaration_after_blank_lines_and_a_plain_doctype_are_read() -> None:
    assert names(
        b'\n  \n<?xml version="1.0"?><!DOCTYPE testsuite><testsuite><testcase name="a"/></testsuite>'
    ) == ["a"]


def test_missing_attributes_lose_nothing() -> None:
    """Every element counts, even without name, class or time."""
    cases = list(read_cases(io.BytesIO(wrap("<testcase/><testcase/><testcase name='a' time='x'/>"))))
    assert [case.test for case in cases] == ["s::(no name)", "s::(no name)#2", "s::a"]
    assert sum(case.total for case in cases) == 0


def test_a_case_inside_a_case_keeps_both() -> None:
    inner = "<testcase name='inner'/>"
    cases = list(read_cases(io.BytesIO(wrap(f"<testcase name='outer'>{inner}<failure/></testcase>"))))
    assert {case.name: case.outcome for case in cases} == {"inner": Outcome.PASSED, "outer": Outcome.FAILED}


def test_elements_in_outputs_are_text() -> None:
    document = wrap(
        "<system-out>&lt;testcase name='x'/&gt;<![CDATA[<testcase/>]]></system-out><testcase name='a'/>"
    )
    assert names(document) == ["a"]


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (None, 0), ("", 0), ("0.5", 0.5), ("0,5", 0.5), ("1,234", 1.234), ("1,234.5", 1234.5),
        ("1.234,5", 1234.5), ("1,234,567.8", 1234567.8), ("1,234,567", 1234567), ("1.234.567", 1234567),
        ("1 234,5", 1234.5), ("1\u00a0234.5", 1234.5), ("1'234.5", 1234.5), ("3e-05", 3e-05), ("12ms", 0.012),
        ("2 s", 2), ("2.5sec", 2.5), ("-1", 0), ("nan", 0), ("inf", 0), ("abc", 0), ("1_000", 1000), ("٣", 3),
    ],
)  # fmt: skip
def test_durations_of_all_countries(raw: str | None, seconds: float) -> None:
    assert parse_duration(raw) == pytest.approx(seconds)


@given(st.text())
def test_any_duration_is_a_finite_number(raw: str) -> None:
    assert 0 <= parse_duration(raw) < float("inf")
    line = parse_line(raw)
    assert line is None or line >= 0


@given(st.lists(st.text(max_size=50)), st.integers(2, 60))
def test_long_texts_keep_both_ends(pieces: list[str], limit: int) -> None:
    """What is collected piece by piece equals what is cut at once."""
    text = LongText(limit)
    for piece in pieces:
        text.add(piece)
    assert text.text() == shorten("".join(pieces), limit)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data: bytes) -> None:  # toolkit: ignore[TS101] not raising is the claim
    for document in (data, b"<testsuite>" + data, b"<testsuite><testcase name='" + data):
        try:
            names(document)
        except InputError:
            continue


@given(st.data())
def test_no_damage_crashes_the_reader_or_invents_cases(data: st.DataObject) -> None:
    """A good file with bytes cut out or changed is read or refused, and never has more cases."""
    good = wrap("<testcase classname='c' name='a' time='1'><failure message='m'>t</failure></testcase>" * 3)
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    damaged = good[:start] + data.draw(st.binary(max_size=5)) + good[end:]
    try:
        assert len(names(damaged)) <= 3
    except InputError:
        return
