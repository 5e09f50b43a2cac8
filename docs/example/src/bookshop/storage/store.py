"""One transaction of everything."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.orm import Session

from bookshop.faults import Fault
from bookshop.ports import Unavailable
from bookshop.storage.books import SqlBooks
from bookshop.storage.customers import SqlCustomers
from bookshop.storage.orders import SqlOrders, SqlOutbox

NO_ANSWER = (OperationalError, InterfaceError, PoolEmpty)


class SqlWork:
    """Implements :class:`bookshop.ports.Work`."""

    def __init__(self, session: Session, faults: frozenset[Fault]) -> None:
        self.books = SqlBooks(session, faults)
        self.customers = SqlCustomers(session)
        self.orders = SqlOrders(session)
        self.outbox = SqlOutbox(session)


class SqlStore:
    """Implements :class:`bookshop.ports.Store` on an engine."""

    def __init__(self, engine: Engine, faults: frozenset[Fault] = frozenset()) -> None:
        self._engine = engine
        self._faults = faults

    @contextmanager
    def work(self) -> Iterator[SqlWork]:
        """Begin a transaction; a database that does not answer is :class:`Unavailable`."""
        try:
            with Session(self._engine) as session, session.begin():
                yield SqlWork(session, self._faults)
        except NO_ANSWER as error:
            raise Unavailable("the database does not answer") from error

    def alive(self) -> bool:
        """Ask the database something."""
        try:
            with self._engine.connect() as connection:
                return bool(connection.scalar(text("SELECT true")))
        except NO_ANSWER:
            return False


def open_engine(url: str) -> Engine:
    """Open a pool that notices when the server was restarted (pre-ping) and gives up after five seconds."""
    return create_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5},
    )
