"""Keeps the passwords of service URLs out of reports: failures, captured output, the journal, JUnit XML.

A test that fails beside a URL shows it: in the values of an assertion, in local variables, in what it
printed. Passwords of less than twelve characters are no secrets (CI services use "postgres"), and masking
such words would spoil the reports.
"""

import os
import re
import urllib.parse
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pytest

SHORTEST = 12
"""Characters of a password that is masked."""

SHOWN = 8
"""Characters of its beginning or end that are masked where pytest has left out the middle of a text."""


def passwords(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the passwords of all URLs in variables named ``…_URL``, as they stand there and decoded."""
    for name, value in environ.items():
        if name.endswith("_URL") and "@" in value:
            user = value.partition("://")[2].rpartition("@")[0]
            found = user.partition(":")[2]
            yield from (text for text in {found, urllib.parse.unquote(found)} if len(text) >= SHORTEST)


def hide(text: str) -> str:
    """Replace every password of this process's environment in a text."""
    for password in passwords(os.environ):
        if password[:SHOWN] in text or password[-SHOWN:] in text:
            text = _pattern(password).sub("***", text)
    return text


def _pattern(password: str) -> re.Pattern[str]:
    lengths = range(len(password) - 1, SHOWN - 1, -1)
    heads = (f"{re.escape(password[:length])}(?=\\.\\.\\.)" for length in lengths)
    tails = (f"(?<=\\.\\.\\.){re.escape(password[-length:])}" for length in lengths)
    return re.compile("|".join([re.escape(password), *heads, *tails]))


def wanted(config: pytest.Config) -> bool:  # noqa: ARG001 - one signature
    """Only where there is something to hide."""
    return any(passwords(os.environ))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Mask the report of a test before anybody sees it."""
    report = yield
    _mask(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Mask the report of a file that cannot be imported."""
    report = yield
    _mask(report)
    return report


def _mask(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.sections:
        report.sections = [(title, hide(text)) for title, text in report.sections]
    if report.longrepr is not None:
        report.longrepr = masked(report.longrepr)


def masked(thing: Any) -> Any:
    """Mask all texts of one of pytest's representations of a failure, in place where it is an object."""
    if isinstance(thing, str):
        return hide(thing)
    if isinstance(thing, (list, tuple)):
        return type(thing)(masked(each) for each in thing)
    if type(thing).__module__.startswith("_pytest."):
        for name, value in vars(thing).items():
            object.__setattr__(thing, name, masked(value))  # some of them are frozen
    return thing
