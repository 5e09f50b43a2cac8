"""Passwords of service URLs are in no report, whatever a failing test shows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.plugin.secrecy import SHORTEST, hide, masked, passwords

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

SECRET = "0123456789abcdef0123456789abcdef"
URL = f"postgresql://test:{SECRET}@127.0.0.1:5432/test"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", URL)
    return SECRET


@given(st.text(alphabet="abcXYZ019:/%-_", min_size=0, max_size=30))
def test_long_passwords_of_urls_are_known(password: str) -> None:
    found = set(
        passwords({"A_URL": f"redis://user:{password}@127.0.0.1:1/0", "OTHER": f"x://a:{password}@h"})
    )
    assert (password in found) == (len(password) >= SHORTEST)


def test_what_was_shortened_is_masked_too(secret: str) -> None:
    """Pytest leaves out the middle of long values."""
    assert hide(f"a {URL} b") == "a postgresql://test:***@127.0.0.1:5432/test b"
    assert hide(f"'{secret[:11]}...x'") == "'***...x'"
    assert hide(f"'x...{secret[-9:]}@h'") == "'x...***@h'"
    assert hide(secret[:9]) == secret[:9]  # part of many other things


def test_any_shape_is_masked(secret: str) -> None:
    assert masked(("file", 3, f"skipped at {URL}")) == (
        "file",
        3,
        "skipped at postgresql://test:***@127.0.0.1:5432/test",
    )
    assert masked(None) is None


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_file_that_cannot_be_imported_shows_none(
    active: Path, pytester: pytest.Pytester, secret: str, workers: str
) -> None:
    """Neither on the terminal nor in JUnit XML nor in the journal."""
    pytester.makepyfile(
        """
        import os, sys
        url = os.environ["DATABASE_URL"]
        print(url)
        raise OSError(f"no answer from {url}")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", workers, "-vv", "--junitxml=x.xml")
    result.stdout.fnmatch_lines(["*no answer from postgresql://test:[*][*][*]@127.0.0.1:5432/test*"])
    written = [path.read_text() for path in active.rglob("*") if path.suffix in {".xml", ".jsonl"}]
    texts = [result.stdout.str(), result.stderr.str(), *written]
    assert not [text for text in texts if secret in text or secret[:12] in text]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_no_report_shows_a_password(
    active: Path, pytester: pytest.Pytester, secret: str, workers: str
) -> None:
    """Assertions, locals, causes, captured output, doctests, skips; terminal, JUnit XML, journal."""
    pytester.makepyfile(
        '''
        import os, pytest, sys
        URL = os.environ["DATABASE_URL"]

        def test_assertion():
            url = URL
            print(url)
            assert url == ""

        def test_chain():
            try:
                raise ValueError(URL)
            except ValueError as error:
                raise RuntimeError(f"at {URL}") from error

        @pytest.fixture
        def broken():
            sys.stderr.write(URL)
            raise OSError(URL)

        def test_fixture(broken): ...

        def test_skipped():
            pytest.skip(URL)

        def example():
            """
            >>> URL
            ''
            """

        def test_printed():
            print("visible", URL)
        '''
    )
    words = ["--showlocals", "-rA", "-vv", "--doctest-modules", "--junitxml=x.xml", "-o", "junit_logging=all"]
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", workers, *words)
    result.assert_outcomes(failed=3, errors=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*visible postgresql://test:[*][*][*]@127.0.0.1:5432/test*"])
    written = [
        path for path in active.rglob("*") if path.suffix in {".xml", ".jsonl", ".json", ".md", ".html"}
    ]
    assert {".xml", ".jsonl"} <= {path.suffix for path in written}
    texts = [result.stdout.str(), result.stderr.str(), *(path.read_text() for path in written)]
    assert not [text for text in texts if secret in text or secret[:12] in text]
