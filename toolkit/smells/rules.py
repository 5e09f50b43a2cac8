"""The rules: what each says, why it matters, how to mend it. The reference page is made of this table."""

import inspect
import re

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. ``bad`` is a file that it reports, ``good`` one that it does not; tests hold it to that."""

    id: str
    name: str
    title: str
    why: str
    mend: str
    bad: str
    good: str
    spares: str = ""
    """What it deliberately does not report."""


def _rule(
    ident: str, name: str, title: str, *, why: str, mend: str, bad: str, good: str, spares: str = ""
) -> Rule:
    return Rule(
        id=ident, name=name, title=title, why=why, mend=mend, spares=spares,
        bad=_source(bad), good=_source(good),
    )  # fmt: skip


def _source(text: str) -> str:
    """Return an example as a formatted file: two empty lines before each definition."""
    return re.sub(r"\n\n(?=def |@)", "\n\n\n", inspect.cleandoc(text)) + "\n"


_TABLE = (
    _rule(
        "TS100", "unused-ignore", "A comment silences a rule that has nothing to report there",
        why="A comment that silences nothing hides the next real finding on its line, and names a debt"
        " that was paid.",
        mend="Delete the comment, or correct the id.",
        bad="""
        def test_sum():
            assert 1 + 1 == 2  # toolkit: ignore[TS102]
        """,
        good="""
        def test_sum():
            assert 1 + 1 == 2
        """,
        spares="Ids of rules that are switched off, or that are not applied in this run.",
    ),
    _rule(
        "TS101", "no-assertion", "The test checks nothing",
        why="It passes whatever the code returns; only an exception makes it fail. It counts for coverage"
        " and proves"
        " nothing.",
        mend="Assert what the code returned or changed. Where not raising is the claim, say so:"
        " `assert call() is None`.",
        bad="""
        def test_total(shop):
            shop.total([1, 2])
        """,
        good="""
        def test_total(shop):
            assert shop.total([1, 2]) == 3
        """,
        spares="Tests that call a helper which asserts, or that may (imported from test code, inherited,"
        " a fixture),"
        " whose helper is named for it (`check_`, `verify_` …), that fail on warnings, run a benchmark,"
        " or end in a"
        " raise.",
    ),
    _rule(
        "TS102", "sleep", "The test waits for a fixed time",
        why="Too short on a busy machine, so it fails by chance; too long everywhere else, so all runs pay.",
        mend="Wait for the condition with a deadline, use an event, or freeze the clock.",
        bad="""
        import time

        def test_worker(worker):
            worker.start()
            time.sleep(2)
            assert worker.done
        """,
        good="""
        def test_worker(worker):
            worker.start()
            assert worker.finished.wait(timeout=10)
        """,
        spares="Sleeps of zero, in loops that look again (polling), in functions inside the test, and"
        " where sleeping"
        " is itself replaced.",
    ),
    _rule(
        "TS103", "mocked-persistence", "The test replaces the database",
        why="Constraints, transactions, types and SQL are what fails in production; a mock agrees with"
        " everything.",
        mend="Use a real database: the fixtures give each test a clone in milliseconds.",
        bad="""
        from unittest.mock import patch

        @patch("shop.orders.db_session")
        def test_order(db_session):
            db_session.query.return_value = []
            assert orders() == []
        """,
        good="""
        def test_order(database):
            assert orders(database.url) == []
        """,
    ),
    _rule(
        "TS104", "order-dependence", "The test changes what all tests share, and does not put it back",
        why="Whatever runs after it in the same process sees the change: results depend on order,"
        " selection and the"
        " number of workers.",
        mend="Use `monkeypatch` (setenv, chdir, setattr, syspath_prepend), which puts everything back.",
        bad="""
        import os

        def test_mode():
            os.environ["MODE"] = "strict"
            assert mode() == "strict"
        """,
        good="""
        def test_mode(monkeypatch):
            monkeypatch.setenv("MODE", "strict")
            assert mode() == "strict"
        """,
        spares="Changes inside try/finally, in classes that tear down, in tests with a clean-up of their"
        " own, and"
        " under `patch.dict`.",
    ),
    _rule(
        "TS105", "shared-state", "Tests change one list, dict or set that they share",
        why="What one test put in, the next one finds: their results depend on their order.",
        mend="Make the value in a fixture or in the test.",
        bad="""
        SEEN = []

        def test_add():
            SEEN.append(1)
            assert SEEN == [1]
        """,
        good="""
        def test_add():
            seen = []
            seen.append(1)
            assert seen == [1]
        """,
        spares="Values that a test first empties or makes anew, or that a fixture or set-up resets.",
    ),
    _rule(
        "TS106", "duplicate", "Two tests do the same",
        why="One of them was meant to test something else, or it only costs time.",
        mend="Make it test what its name says, or delete it.",
        bad="""
        def test_upper():
            text = "a".upper()
            assert text == "A"

        def test_lower():
            text = "a".upper()
            assert text == "A"
        """,
        good="""
        def test_upper():
            text = "a".upper()
            assert text == "A"

        def test_lower():
            text = "A".lower()
            assert text == "a"
        """,
        spares="Tests with different parameters, marks or fixtures, and those that use their own name"
        " (snapshots).",
    ),
    _rule(
        "TS107", "conditional-assertion", "A condition in the test decides whether anything is checked",
        why="A branch that is never taken is never checked, and nobody sees it.",
        mend="Split the test, or make the expected value a parameter.",
        bad="""
        def test_price(order):
            if order.paid:
                assert order.price > 0
        """,
        good="""
        def test_price_of_a_paid_order(paid_order):
            assert paid_order.price > 0
        """,
        spares="Conditions of which every branch asserts, those inside loops, on values that are written down"
        " in the test (parameters), on what is around it (platform, server, settings, packages), and those"
        " that skip, fail or leave.",
    ),
    _rule(
        "TS108", "unseeded-random", "The test draws random values without a seed",
        why="A failure cannot be repeated, and a pass proves it for one value only.",
        mend="Seed it (`random.Random(7)`), or let Hypothesis choose, which shows and repeats what failed.",
        bad="""
        import random

        def test_sort():
            values = [random.randint(0, 9) for _ in range(5)]
            assert sort(values) == sorted(values)
        """,
        good="""
        import random

        def test_sort():
            chance = random.Random(7)
            values = [chance.randint(0, 9) for _ in range(5)]
            assert sort(values) == sorted(values)
        """,
        spares="Files that set a seed anywhere.",
    ),
    _rule(
        "TS109", "real-network", "A unit test talks to a server on the internet",
        why="It fails when the network does, is slow, and tests someone else's server.",
        mend="Run the server locally, replace the transport, or move the test to the integration tests.",
        bad="""
        import requests

        def test_rates():
            assert requests.get("https://rates.bank.eu/today").ok
        """,
        good="""
        import requests

        def test_rates(local_server):
            assert requests.get(f"{local_server.url}/today").ok
        """,
        spares="Loopback, names reserved for tests (RFC 2606, RFC 6761), tests that replace the"
        " transport, tests marked or"
        " placed as integration, e2e, functional or network tests.",
    ),
    _rule(
        "TS110", "broad-except", "The test swallows exceptions",
        why="The very failure that it should show, including those of its own assertions, is caught and"
        " forgotten.",
        mend="Use `pytest.raises(TheError)`, or let the exception out.",
        bad="""
        def test_close(shop):
            try:
                assert shop.close() == 0
            except Exception:
                pass
        """,
        good="""
        import pytest

        def test_close(shop):
            with pytest.raises(ConnectionError):
                shop.close()
        """,
        spares="Handlers that raise, fail, skip or check the exception.",
    ),
    _rule(
        "TS111", "empty-test", "The test has no body",
        why="It is counted as passed and tests nothing.",
        mend="Write it, delete it, or mark it: `@pytest.mark.skip(reason=…)`.",
        bad="""
        def test_refund():
            pass
        """,
        spares="Tests that are marked to be skipped, or whose decorator or fixtures are what is tested.",
        good="""
        import pytest

        @pytest.mark.skip(reason="refunds come with release 2")
        def test_refund():
            pass
        """,
    ),
    _rule(
        "TS112", "shadowed-test", "Two tests have one name: the first never runs",
        why="Python keeps the last definition of a name, so the first test has silently gone.",
        mend="Rename one of them.",
        bad="""
        def test_add():
            assert 1 + 1 == 2

        def test_add():
            assert 1 + 2 == 3
        """,
        good="""
        def test_add_one():
            assert 1 + 1 == 2

        def test_add_two():
            assert 1 + 2 == 3
        """,
        spares="Definitions in different branches of an `if` or `try`, and those that a decorator registers.",
    ),
)  # fmt: skip

RULES = {rule.id: rule for rule in _TABLE}
"""Every rule by its id."""


def reference() -> str:
    """Write docs/reference/smells.md."""
    return "".join([_HEAD, *map(_section, RULES.values())]).rstrip() + "\n"


_HEAD = """\
# Test smells

The rules of `invoke smells.check`. How to run, silence and configure them:
[Check tests for smells](../how-to/smells.md).

<!-- Written by docs/smells_reference.py from toolkit/smells/rules.py: do not edit. -->

"""


def _section(rule: Rule) -> str:
    spared = f"**Not reported.** {rule.spares}\n\n" if rule.spares else ""
    return (
        f"## {rule.id} {rule.name} {{ #{rule.id.lower()} }}\n\n{rule.title}.\n\n"
        f"**Why.** {rule.why}\n\n**How to mend it.** {rule.mend}\n\n{spared}"
        f"Reported:\n\n```python\n{rule.bad}```\n\nNot reported:\n\n```python\n{rule.good}```\n\n"
    )
