"""A pool of warm clones: a thread copies the next one while the test runs on the last.

A hand-out takes no longer than taking something out of a queue. The pool never brings the server beyond the
cap: what would pass it is cloned when it is asked for, one at a time.
"""

import queue
import threading
import time
from typing import Self

from toolkit.databases.clones import Clone, drop_clone, keep_clone, make_clone
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server
from toolkit.databases.sources import Source
from toolkit.databases.templates import Template, ensure_template
from toolkit.errors import EnvironmentFailed, ToolkitError

COUNT = "SELECT count(*) FROM pg_database WHERE datname LIKE 'tk\\_clone\\_%%' ESCAPE '\\'"
"""Only a ceiling is derived from this count, never what may be dropped."""


class ClonePool:
    """Databases of one owner, ready before they are asked for. Thread-safe.

    Args:
        owner: this process.
        source: the schema.
        size: how many warm clones to keep ready; 0: none, each is made when it is asked for.
        cap: most clones on the server over all owners.
    """

    def __init__(self, owner: DatabaseOwner, source: Source, *, size: int = 1, cap: int = 64) -> None:
        self.owner = owner
        self.source = source
        self.template: Template = ensure_template(owner, source)
        self._size = size
        self._cap = cap
        self._warm: queue.SimpleQueue[Clone] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._server = Server(owner.server.url, name="toolkit clones")
        self._filling = Server(owner.server.url, name="toolkit warm clones")
        self._wanted = threading.Semaphore(size)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        if size:
            self._thread = threading.Thread(target=self._fill, name="toolkit-clones", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> Clone:
        """Return a fresh clone: a warm one when there is one, else a new one.

        Raises:
            EnvironmentFailed: the server cannot be reached, or there are as many clones as the cap allows.
        """
        try:
            clone = self._warm.get_nowait()
        except queue.Empty:
            with self._lock:
                return self._make(self._server)
        self._wanted.release()
        return clone

    def drop(self, clone: Clone) -> None:
        """Give a clone back: it is dropped."""
        with self._lock:
            drop_clone(self._server, clone)

    def keep(self, clone: Clone, *, test: str) -> Clone:
        """Keep a clone beyond the life of this process, for inspection."""
        with self._lock:
            return keep_clone(self._server, clone, test=test, by=self.owner.by, made=time.time())

    def close(self) -> None:
        """Drop all warm clones and stop; clones that were taken stay until they are given back."""
        self._closed.set()
        self._wanted.release()
        if self._thread is not None:
            self._thread.join()
        while not self._warm.empty():
            self.drop(self._warm.get())
        self._filling.close()
        self._server.close()

    def _make(self, server: Server) -> Clone:
        self.owner.assure()
        if int(server.fetch(COUNT)[0][0]) >= self._cap:
            raise EnvironmentFailed(
                f"there are {self._cap} clones on the server, and no more are allowed",
                hint="`invoke db.cleanup` drops those of dead runs; or raise tool.toolkit.databases.cap",
            )
        return make_clone(server, self.owner, self.template, self.source)

    def _fill(self) -> None:
        """Make one clone for each that was taken, until closed; trouble is left to whoever asks next."""
        while self._wanted.acquire() and not self._closed.is_set():
            try:
                self._warm.put(self._make(self._filling))
            except Exception as error:  # noqa: BLE001 - the same error meets the next caller of take()
                if not isinstance(error, ToolkitError):
                    self._filling.close()
                self._closed.wait(1.0)
                self._wanted.release()
