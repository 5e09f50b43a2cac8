"""Messages reach a real HTTP server; addresses, which hold secrets, are never shown."""

import http.server
import json
import sys
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from toolkit.errors import MissingExtra
from toolkit.notifications.sending import send


class Inbox(http.server.BaseHTTPRequestHandler):
    """Takes what is posted; refuses what is posted to /refuse."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(500 if "refuse" in self.path else 200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is inherited
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox) as server:
        server.messages = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_every_address_gets_the_message(
    inbox: http.server.HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    here = f"127.0.0.1:{inbox.server_port}"
    environ = {"TOKEN": "secret-1", "TOOLKIT_NOTIFY": f"json://{here}/third"}
    urls = [f"json://{here}/first/$TOKEN", f"json://{here}/refuse/${{TOKEN}}"]
    sent = send(urls, "a title", "a body", environ=environ, failed=True)
    assert [bool(each.problem) for each in sent] == [False, True, False]
    messages = inbox.messages  # type: ignore[attr-defined]
    assert {path.strip("/") for path, _ in messages} >= {"first/secret-1", "third"}
    assert messages[0][1]["title"] == "a title"
    assert messages[0][1]["message"] == "a body"
    assert messages[0][1]["type"] == "failure"
    assert "secret-1" not in repr(sent) + caplog.text


def test_a_variable_that_is_not_set_is_named_not_sent() -> None:
    (delivery,) = send(["json://127.0.0.1:9/$NOT_THERE"], "", "", environ={}, failed=False)
    assert (delivery.to, delivery.problem) == ("1", "NOT_THERE is not set in the environment")


def test_a_dollar_in_a_secret_of_the_environment_names_no_variable(inbox: http.server.HTTPServer) -> None:
    environ = {"TOOLKIT_NOTIFY": f"json://127.0.0.1:{inbox.server_port}/pa$sword"}
    (delivery,) = send([], "a title", "a body", environ=environ, failed=False)
    assert delivery.problem == "", "before: 'sword is not set in the environment', which told half of it"
    ((path, _),) = inbox.messages  # type: ignore[attr-defined]
    assert urllib.parse.unquote(path).strip("/") == "pa$sword"


def test_two_dollars_are_one(inbox: http.server.HTTPServer) -> None:
    url = f"json://127.0.0.1:{inbox.server_port}/a$$b"
    assert send([url], "a title", "a body", environ={}, failed=False)[0].problem == ""
    ((path, _),) = inbox.messages  # type: ignore[attr-defined]
    assert urllib.parse.unquote(path).strip("/") == "a$b"


def test_an_address_that_is_none_is_not_repeated() -> None:
    (delivery,) = send(["nonsense-$S"], "", "", environ={"S": "hidden"}, failed=False)
    assert "does not understand" in delivery.problem
    assert "hidden" not in repr(delivery)


def test_without_addresses_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert send([], "", "", environ={}, failed=False) == ()
    with pytest.raises(MissingExtra, match="notify"):
        send(["json://127.0.0.1:9"], "", "", environ={}, failed=False)
