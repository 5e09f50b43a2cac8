"""The live dashboard and the metrics on a port of this machine: read only, for this machine only.

A page of another site could ask a server on loopback under a name of its own (DNS rebinding), so the ``Host``
of every request must be loopback; nothing can be changed by a request, and nothing may embed the answers.
"""

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from toolkit.errors import EnvironmentFailed, ToolkitError
from toolkit.reports.dashboard.live import LiveBoard, Snapshot
from toolkit.reports.dashboard.page import assembled, policy
from toolkit.reports.prometheus import CONTENT_TYPE

LOOPBACK = "127.0.0.1"
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?")


class LiveServer(ThreadingHTTPServer):
    """Serves one board. ``serve_forever`` runs it, ``shutdown`` from another thread ends it."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, board: LiveBoard, port: int = 0) -> None:
        self._board = board
        self._lock = Lock()
        try:
            super().__init__((LOOPBACK, port), _Requests)
        except OSError as error:
            raise EnvironmentFailed(
                f"port {port} of {LOOPBACK} cannot be used: {error.strerror or error}",
                hint="choose another with --port, or leave it out for a free one",
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def look(self) -> Snapshot:
        """Return the newest state; one request at a time does the work."""
        with self._lock:
            return self._board.look()

    def metrics(self) -> str:
        """Return the metrics of the history, for Prometheus."""
        with self._lock:
            return self._board.metrics()

    def last(self) -> Snapshot:
        """Return the state that was looked at last."""
        return self._board.snapshot


class _Requests(BaseHTTPRequestHandler):
    server: LiveServer
    server_version = "toolkit"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        if not _HOST.fullmatch(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this server is for this machine only")
            return
        try:
            self._answer(self.path.partition("?")[0])
        except ToolkitError as error:
            self._send(str(error).encode(), "text/plain; charset=utf-8", HTTPStatus.SERVICE_UNAVAILABLE)
        except (TimeoutError, ConnectionError):  # the reader has gone
            self.close_connection = True

    def _answer(self, path: str) -> None:
        if path == "/":
            text = "".join(assembled("null", "", live=True))
            self._send(text.encode(), "text/html; charset=utf-8")
        elif path == "/facts.json":
            found = self.server.look()
            if self.headers.get("If-None-Match") == found.etag:
                self._send(b"", "application/json", HTTPStatus.NOT_MODIFIED, found.etag)
            else:
                self._send(found.facts, "application/json", etag=found.etag)
        elif path == "/tests.bin":
            self._send(self.server.last().tests, "application/octet-stream")
        elif path == "/metrics":
            self._send(self.server.metrics().encode(), CONTENT_TYPE)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, etag: str = "") -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": f"{policy(live=True)}; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "ETag": etag,
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: the terminal is for people."""
