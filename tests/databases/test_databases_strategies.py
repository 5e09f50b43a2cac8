"""Templates are copied in the faster way: which one that is depends on the server's disk and the size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.databases.server import Server, connect, url_of
from toolkit.databases.strategies import SMALL, strategy_for


@given(version=st.integers(90000, 200000), fsync=st.booleans(), size=st.integers(0, 1 << 40))
def test_the_choice_is_the_one_that_was_measured(version: int, fsync: bool, size: int) -> None:
    """Files, unless two synced checkpoints cost more than the pages; older servers have no choice."""
    chosen = strategy_for(version=version, fsync=fsync, size=size)
    if version < 150000:
        assert chosen is None
    else:
        assert (chosen == "WAL_LOG") == (fsync and size <= SMALL)


@pytest.mark.parametrize("how", ["", " STRATEGY FILE_COPY", " STRATEGY WAL_LOG"])
def test_every_way_gives_the_same_copy(server: Server, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of, name = "copied", "copy"
    server.create(of)
    with connect(url_of(server.url, of)) as connection:
        connection.execute("CREATE TABLE book (title text); INSERT INTO book VALUES ('Ulysses')")
    monkeypatch.setattr(server, "_how", lambda _template: how)
    server.create(name, template=of, comment="mine")
    assert server.comment_of(name) == (True, "mine")
    with connect(url_of(server.url, name)) as connection:
        assert connection.execute("SELECT title FROM book").fetchall() == [("Ulysses",)]
    for each in (name, of):
        server.drop(each)


def test_the_server_is_asked_once_for_each_template(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = server._how("template1")
    assert asked == " STRATEGY FILE_COPY"  # test servers do not wait for their disk
    monkeypatch.delattr(Server, "fetch")
    assert server._how("template1") == asked
