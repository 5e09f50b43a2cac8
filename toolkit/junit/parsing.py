"""Expat events → cases. Knows elements and attributes; files, bytes and limits are in ``reading``.

The fast path is a ``<testcase>`` without children: most of any report. It must stay free of calls.
"""

import math
from collections.abc import Callable
from pyexpat import XMLParserType

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase, Suite
from toolkit.junit.dialects import Dialect, root_dialect, suite_dialect
from toolkit.junit.identity import NODE_ID, NODE_ID_JSON
from toolkit.junit.repeats import Seen, placed
from toolkit.junit.values import MESSAGE_LIMIT, LongText, parse_duration, parse_line
from toolkit.junit.verdicts import RERUNS, Child, Details, judge
from toolkit.records import Outcome

DEEPEST = 200
"""Suites inside suites; PHPUnit, the deepest honest writer, needs about ten."""
MISSING = "toolkit.missing"
"""Property of a suite: how many tests were collected and have no result."""

_MOST_CHILDREN = 1000
_MOST_PROPERTIES = 1000
_OUTPUT_LIMIT = 20_000
_TEXTS = frozenset({"failure", "error", "skipped", *RERUNS})
_OUTPUTS = {"system-out": "stdout", "system-err": "stderr"}
_PASSED = Outcome.PASSED

Attributes = dict[str, str]


class NotJUnit(InputError):
    """A well-formed document of another kind."""

    def __init__(self, message: str, *, root: str) -> None:
        super().__init__(message, hint="pass JUnit XML files, or folders that hold them")
        self.root = root


class _OpenSuite:
    """A suite while it is open."""

    __slots__ = ("attributes", "dialect", "properties", "seen", "suite")

    def __init__(self, attributes: Attributes, dialect: Dialect, properties: dict[str, str]) -> None:
        self.attributes = attributes
        self.dialect = dialect
        self.properties = properties
        self.seen = Seen()
        self.suite: Suite | None = None


class Events:
    """Turns the events of one parser into ``cases``; whoever feeds the parser empties that list."""

    def __init__(self, parser: XMLParserType, where: str) -> None:
        self.cases: list[JUnitCase] = []
        self.missing = 0
        self.floor = 0.0
        """First good attempts that took less are only tallied; 0: all become cases."""
        self.tallied = 0
        self.seconds = 0.0
        self._parser = parser
        self._where = where
        self._suites: list[_OpenSuite] = []
        self._current = _OpenSuite({}, Dialect.UNKNOWN, {})
        self._case: Attributes | None = None
        self._details: Details | None = None
        self._child: Child | None = None
        self._outer: list[tuple[Attributes, Details | None]] = []
        parser.StartElementHandler = self._root
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity

    def refusal(self, what: str, *, hint: str | None = None) -> InputError:
        """Make the error for something at the current place of the file."""
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        return InputError(f"{self._where}: line {line}, column {column}: {what}", hint=hint)

    # What hostile files use ------------------------------------------------------------------------

    def _doctype(self, _name: str, system: str | None, public: str | None, inner: bool) -> None:
        if inner or system or public:
            raise self.refusal(
                "a document type with declarations or an address is refused: it can make a small file huge, "
                "or read other files"
            )

    def _entity(self, *_declaration: object) -> int:
        raise self.refusal("entity declarations are refused")

    # Elements --------------------------------------------------------------------------------------

    def _root(self, name: str, attributes: Attributes) -> None:
        prefix, _, bare = name.rpartition(":")
        if bare not in {"testsuites", "testsuite"}:
            message = f"{self._where}: the root element is <{name[:80]}>, not <testsuites> or <testsuite>"
            raise NotJUnit(message, root=bare)
        start, end, skip = self._start, self._end, len(prefix) + 1
        if prefix:
            self._parser.StartElementHandler = lambda name, attributes: start(name[skip:], attributes)
            self._parser.EndElementHandler = lambda name: end(name[skip:])
        else:
            self._parser.StartElementHandler = start
        self._current.dialect = root_dialect(bare, attributes)
        start(bare, attributes)

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == "testcase":
            if self._case is not None:  # a case in a case: in no schema, but nothing is lost
                self._nest()
            self._case = attributes
        elif self._case is not None:
            self._start_child(name, attributes)
        elif name == "testsuite":
            self._open_suite(attributes)
        elif name == "property":
            self._suite_property(attributes)

    def _end(self, name: str) -> None:
        if name == "testcase":
            attributes = self._case
            if attributes is None:
                return
            details = self._details
            silent = details is None or not (details.children or details.properties)
            if silent and "status" not in attributes and "result" not in attributes:
                self._plain(attributes)
            else:
                self._add(attributes, details or Details())
            self._case, self._details = self._outer.pop() if self._outer else (None, None)
        elif self._case is not None:
            self._end_child(name)
        elif name == "testsuite":
            self._current = self._suites.pop()

    def _nest(self) -> None:
        if len(self._outer) >= DEEPEST:
            raise self.refusal(f"more than {DEEPEST} test cases inside each other")
        assert self._case is not None  # noqa: S101 - for the type checker
        self._outer.append((self._case, self._details))
        self._details = self._child = None

    def _open_suite(self, attributes: Attributes) -> None:
        if len(self._suites) >= DEEPEST:
            raise self.refusal(f"more than {DEEPEST} suites inside each other")
        outer = self._current
        self._suites.append(outer)
        self._current = _OpenSuite(attributes, outer.dialect, dict(outer.properties))

    def _suite_property(self, attributes: Attributes) -> None:
        _keep(self._current.properties, attributes)
        if attributes.get("name") == MISSING:
            self.missing += parse_line(attributes.get("value")) or 0

    def _make_suite(self, case: Attributes) -> Suite:
        current, attributes = self._current, self._current.attributes
        current.dialect = suite_dialect(attributes, case, current.properties, outer=current.dialect)
        current.suite = Suite(
            name=attributes.get("name", ""),
            parents=tuple(around.attributes.get("name", "") for around in self._suites[1:]),
            file=attributes.get("file") or attributes.get("filepath", ""),
            host=attributes.get("hostname", ""),
            package=attributes.get("package", ""),
            timestamp=attributes.get("timestamp", ""),
            dialect=current.dialect,
            properties=current.properties,
        )
        return current.suite

    # Children of a case ----------------------------------------------------------------------------

    def _start_child(self, name: str, attributes: Attributes) -> None:
        details = self._details
        if details is None:
            details = self._details = Details()
        if name in _TEXTS:
            child = self._child = Child(name, attributes, LongText())
            if len(details.children) < _MOST_CHILDREN:
                details.children.append(child)
            self._listen(child.text.add)
        elif name in _OUTPUTS:
            outputs = details.outputs if self._child is None else self._child.outputs
            self._listen(outputs.setdefault(_OUTPUTS[name], LongText(_OUTPUT_LIMIT)).add)
        elif name == "stackTrace" and self._child is not None:
            self._listen(self._child.text.add)
        elif name == "property":
            _keep(details.properties, attributes)

    def _end_child(self, name: str) -> None:
        self._listen(None)
        if name in _TEXTS:
            self._child = None

    def _listen(self, sink: Callable[[str], None] | None) -> None:
        self._parser.CharacterDataHandler = sink

    # Cases -----------------------------------------------------------------------------------------

    def _plain(self, attributes: Attributes) -> None:
        get = attributes.get
        name, classname, file = get("name", ""), get("classname", ""), get("file", "")
        key = hash((classname, name, file))
        states = self._current.seen.states
        if key in states or "class" in attributes:
            self._add(attributes, Details())
            return
        states[key] = 0  # one good attempt
        try:
            seconds = float(get("time", 0.0))
        except ValueError:
            seconds = parse_duration(get("time"))
        if 0.0 <= seconds < self.floor:
            self.tallied += 1
            self.seconds += seconds
            return
        self.cases.append(
            JUnitCase(
                suite=self._current.suite or self._make_suite(attributes),
                name=name,
                classname=classname,
                file=file,
                line=self._line(attributes) if "line" in attributes else None,
                outcome=_PASSED,
                duration=seconds if 0.0 <= seconds < math.inf else 0.0,
            )
        )

    def _add(self, attributes: Attributes, details: Details) -> None:
        suite = self._current.suite or self._make_suite(attributes)
        name, file = attributes.get("name", ""), attributes.get("file", "")
        classname = attributes.get("classname") or attributes.get("class", "")
        verdict = judge(attributes, details)
        properties = details.properties
        key = (classname, name, file, *(properties[k] for k in (NODE_ID, NODE_ID_JSON) if k in properties))
        before = self._current.seen.first(key)
        case = JUnitCase(
            suite=suite,
            name=name,
            classname=classname,
            file=file,
            line=self._line(attributes),
            duration=parse_duration(attributes.get("time")),
            properties=properties,
            **verdict._asdict(),
        )
        case, told = placed(case, before)
        self._current.seen.keep(key, told)
        self.cases.append(case)

    def _line(self, attributes: Attributes) -> int | None:
        line = parse_line(attributes.get("line"))
        from_zero = self._current.dialect is Dialect.PYTEST
        return line + 1 if line is not None and from_zero else line


def _keep(properties: dict[str, str], attributes: Attributes) -> None:
    name = attributes.get("name")
    if name is not None and len(properties) < _MOST_PROPERTIES:
        limit = None if name in {NODE_ID, NODE_ID_JSON} else MESSAGE_LIMIT
        properties[name] = attributes.get("value", "")[:limit]
