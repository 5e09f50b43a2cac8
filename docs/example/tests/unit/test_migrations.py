"""Migrations come in order, are complete, and are never rewritten."""

import pytest

from bookshop.domain.problems import InvalidValue
from bookshop.migrate import in_order, pending, read_migrations

pytestmark = pytest.mark.unit


def test_our_own_migrations_are_numbered_without_gaps():
    names = [migration.name for migration in read_migrations()]
    assert names[0] == "001_catalogue.sql"
    assert names == sorted(names)


def test_what_is_not_named_like_a_migration_is_none():
    assert in_order([("README.md", ""), ("001_first.sql", "SELECT 1"), ("__init__.py", "")])[0].number == 1


@pytest.mark.parametrize("names", [["002_b.sql"], ["001_a.sql", "003_c.sql"], ["001_a.sql", "001_b.sql"]])
def test_gaps_and_doubles_are_refused(names):
    with pytest.raises(InvalidValue, match="expected 001, 002"):
        in_order((name, "") for name in names)


def test_only_new_ones_are_waiting():
    first, second = in_order([("001_a.sql", "SELECT 1"), ("002_b.sql", "SELECT 2")])
    assert pending([first, second], {1: first.checksum}) == [second]


def test_a_rewritten_migration_is_refused():
    (first,) = in_order([("001_a.sql", "SELECT 1")])
    with pytest.raises(InvalidValue, match="001_a.sql was changed"):
        pending([first], {1: "another checksum"})
