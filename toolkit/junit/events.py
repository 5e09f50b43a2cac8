"""What expat tells, as a list: the cheapest thing that Python can do with an element.

An event is one of four: the attributes (a ``dict``) of a ``<testcase>`` that begins, ``(name, attributes)``
of another element that begins, ``(name, None)`` of an element of interest for its text that ends, and a
``str``: between these two a text, elsewhere the name of an element that ends. So most events are recorded by
``list.append`` itself, without a call of Python code.
"""

from collections.abc import Callable
from pyexpat import XMLParserType

from toolkit.errors import InputError

Attributes = dict[str, str]
Event = Attributes | str | tuple[str, Attributes | None]

RERUN_TEXTS = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError", "rerun"})
TEXTS = frozenset({"failure", "error", "skipped", "stackTrace", "system-out", "system-err", *RERUN_TEXTS})
"""Elements whose text is of interest."""


class NotJUnit(InputError):
    """A well-formed document of another kind."""

    def __init__(self, message: str, *, root: str) -> None:
        super().__init__(message, hint="pass JUnit XML files, or folders that hold them")
        self.root = root


class Recorder:
    """Records the events of one parser; whoever feeds the parser empties the list."""

    def __init__(self, parser: XMLParserType, where: str) -> None:
        self.events: list[Event] = []
        self._parser = parser
        self.where = where
        self._prefix = 0
        self._start = self._starter()
        parser.StartElementHandler = self._root
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity
        self._listen(False)

    def release(self) -> None:
        """Let go of the parser, which holds buffers and would wait for the garbage collector."""
        parser, self._start = self._parser, _nothing
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = None

    def refusal(self, what: str) -> InputError:
        """Make the error for something at the current place of the file."""
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        return InputError(f"{self.where}: line {line}, column {column}: {what}")

    def _doctype(self, _name: str, system: str | None, public: str | None, inner: bool) -> None:
        if inner or system or public:
            raise self.refusal(
                "a document type with declarations or an address is refused: it can make a small file huge, "
                "or read other files"
            )

    def _entity(self, *_declaration: object) -> int:
        raise self.refusal("entity declarations are refused")

    def _root(self, name: str, attributes: Attributes) -> None:
        prefix, _, bare = name.rpartition(":")
        if bare not in {"testsuites", "testsuite"}:
            message = f"{self.where}: the root element is <{name[:80]}>, not <testsuites> or <testsuite>"
            raise NotJUnit(message, root=bare)
        self._prefix = len(prefix) + 1 if prefix else 0
        self._parser.StartElementHandler = self._start_prefixed if prefix else self._start
        self._listen(False)
        self.events.append((bare, attributes))

    def _starter(self) -> Callable[[str, Attributes], None]:
        """Make the handler of most events; a closure, since looking up attributes is most of its work."""
        append, listen = self.events.append, self._listen

        def start(name: str, attributes: Attributes) -> None:
            if name == "testcase":
                append(attributes)
            else:
                append((name, attributes))
                if name in TEXTS:
                    listen(True)

        return start

    def _start_prefixed(self, name: str, attributes: Attributes) -> None:
        self._start(name[self._prefix :], attributes)

    def _end_prefixed(self, name: str) -> None:
        self.events.append(name[self._prefix :])

    def _end_text(self, name: str) -> None:
        self._listen(False)
        self.events.append((name[self._prefix :], None))

    def _listen(self, listen: bool) -> None:
        """Take texts until the next element ends, or take none."""
        append = self._end_prefixed if self._prefix else self.events.append
        self._parser.CharacterDataHandler = self.events.append if listen else None
        self._parser.EndElementHandler = self._end_text if listen else append


def _nothing(_name: str, _attributes: Attributes) -> None:
    """Take an event of a parser that was released."""
