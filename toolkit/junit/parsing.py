"""Events → cases: what elements and attributes mean. How bytes become events is in ``reading``.

The fast path is a ``<testcase>`` with class name, name and time, and without children: most of any report. It
is written out in one loop without calls, since a call costs as much as all the rest.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable

from toolkit.errors import InputError
from toolkit.junit.cases import JUnitCase, Suite
from toolkit.junit.dialects import Dialect, root_dialect, suite_dialect
from toolkit.junit.events import RERUN_TEXTS, TEXTS, Attributes, Event
from toolkit.junit.identity import NODE_ID, NODE_ID_JSON
from toolkit.junit.plain import MARK, Doubt, Run
from toolkit.junit.repeats import Seen, placed
from toolkit.junit.values import MESSAGE_LIMIT, LongText, parse_duration, parse_line
from toolkit.junit.verdicts import Child, Details, judge
from toolkit.records import Outcome

DEEPEST = 200
"""Suites inside suites; PHPUnit, the deepest honest writer, needs about ten."""
MISSING = "toolkit.missing"
"""Property of a suite: how many tests were collected and have no result."""

_MOST_CHILDREN = 1000
_MOST_PROPERTIES = 1000
_OUTPUT_LIMIT = 20_000
_USUAL = 3
"""Attributes of most cases: class name, name, time."""
_RESULTS = frozenset({"failure", "error", "skipped", *RERUN_TEXTS})
_OUTPUTS = {"system-out": "stdout", "system-err": "stderr"}
_PASSED = Outcome.PASSED


class _OpenSuite:
    """A suite while it is open."""

    __slots__ = ("attributes", "dialect", "properties", "seen", "suite")

    def __init__(self, attributes: Attributes, dialect: Dialect, properties: dict[str, str]) -> None:
        self.attributes = attributes
        self.dialect = dialect
        self.properties = properties
        self.seen = Seen()
        self.suite: Suite | None = None


class Cases:
    """The cases of one file, as its events come in; whoever reads empties ``ready``."""

    def __init__(self) -> None:
        self.ready: list[JUnitCase] = []
        self.runs: deque[Run] = deque()
        """Plain cases that were taken out of the document; their marks come as events."""
        self.missing = 0
        self.floor = 0.0
        """Seconds; first good attempts that took less are only tallied."""
        self.tallied = 0
        self.seconds = 0.0
        self._suites: list[_OpenSuite] = []
        self._current = _OpenSuite({}, Dialect.UNKNOWN, {})
        self._case: Attributes | None = None
        self._details: Details | None = None
        self._child: Child | None = None
        self._text: Callable[[str], None] | None = None
        self._outer: list[tuple[Attributes, Details | None]] = []

    def take(self, events: Iterable[Event]) -> None:
        """Take some events.

        Raises:
            InputError: suites or cases are nested deeper than any honest writer does.
        """
        case, floor, states = self._case, self.floor, self._current.seen.states
        for event in events:
            if event.__class__ is dict:
                if case is not None:  # a case in a case: in no schema, but nothing is lost
                    self._nest(case)
                case = event
            elif event == "testcase" and case is not None and self._text is None:
                if self._details is None and len(case) == _USUAL:
                    try:
                        seconds = float(case["time"])
                        key = hash((case["classname"], case["name"], ""))
                    except (KeyError, ValueError):
                        seconds = -1.0
                    if 0.0 <= seconds < floor and key not in states:
                        states[key] = 0  # one good attempt
                        self.tallied += 1
                        self.seconds += seconds
                        case = None
                        if self._outer:
                            case, self._details = self._outer.pop()
                        continue
                self._end_case(case)
                case, self._details = self._outer.pop() if self._outer else (None, None)
            elif event != MARK:
                self._other(event, case)
                states = self._current.seen.states
        self._case = case

    def _other(self, event: Event, case: Attributes | None) -> None:
        if isinstance(event, str):
            if self._text is not None:
                self._text(event)
            elif event in _RESULTS:
                self._child = None
            elif event == "testsuite" and case is None:
                self._current = self._suites.pop()
        elif isinstance(event, tuple):
            name, attributes = event
            if attributes is None:
                self._end_text(name)
            elif case is not None:
                self._start_child(name, attributes)
            else:
                self._start(name, attributes)

    def _start(self, name: str, attributes: Attributes) -> None:
        if not self._suites and self._current.dialect is Dialect.UNKNOWN:
            self._current.dialect = root_dialect(name, attributes)
        if name == "testsuite":
            self._open_suite(attributes)
        elif name == "property":
            self._suite_property(attributes)
        elif name in TEXTS:
            self._text = _ignored
        elif name == MARK:
            self._take_run()

    def _take_run(self) -> None:
        """Tally the cases that a mark stands for; if any needs more than that, look at each."""
        if not self.runs:
            raise Doubt("a mark that stands for nothing")
        run = self.runs.popleft()
        new, states = dict.fromkeys(run.keys, 0), self._current.seen.states  # 0: one good attempt
        distinct = len(new) == len(run.keys) and states.keys().isdisjoint(new)
        if distinct and max(run.seconds) < self.floor:
            states.update(new)
            self.tallied += len(new)
            self.seconds += sum(run.seconds)
        else:
            for attributes in run.attributes():
                self._plain(attributes)

    def _end_text(self, name: str) -> None:
        self._text = None
        if name in _RESULTS:
            self._child = None

    def _end_case(self, attributes: Attributes) -> None:
        details = self._details
        silent = details is None or not (details.children or details.properties)
        if silent and "status" not in attributes and "result" not in attributes:
            self._plain(attributes)
        else:
            self._add(attributes, details or Details())

    def _nest(self, case: Attributes) -> None:
        if len(self._outer) >= DEEPEST:
            raise InputError(f"more than {DEEPEST} test cases inside each other")
        self._outer.append((case, self._details))
        self._details = self._child = None

    def _open_suite(self, attributes: Attributes) -> None:
        if len(self._suites) >= DEEPEST:
            raise InputError(f"more than {DEEPEST} suites inside each other")
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
        if name in _RESULTS:
            child = self._child = Child(name, attributes, LongText())
            if len(details.children) < _MOST_CHILDREN:
                details.children.append(child)
            self._text = child.text.add
        elif name in _OUTPUTS:
            outputs = details.outputs if self._child is None else self._child.outputs
            self._text = outputs.setdefault(_OUTPUTS[name], LongText(_OUTPUT_LIMIT)).add
        elif name == "stackTrace":
            self._text = _ignored if self._child is None else self._child.text.add
        elif name == "property":
            _keep(details.properties, attributes)

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
        self.ready.append(
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
        outcome, first, reason, failures, trials = judge(attributes, details)
        properties = details.properties
        case = JUnitCase(
            suite=suite,
            name=name,
            classname=classname,
            file=file,
            line=self._line(attributes),
            outcome=outcome,
            first=first,
            duration=parse_duration(attributes.get("time")),
            reason=reason,
            failures=failures,
            trials=trials,
            properties=properties,
        )
        told_as = (
            [properties[key] for key in (NODE_ID, NODE_ID_JSON) if key in properties] if properties else []
        )
        key = (classname, name, file, *told_as)
        before = self._current.seen.first(key)
        case, told = placed(case, before)
        self._current.seen.keep(key, told)
        self.ready.append(case)

    def _line(self, attributes: Attributes) -> int | None:
        line = parse_line(attributes.get("line"))
        from_zero = self._current.dialect is Dialect.PYTEST
        return line + 1 if line is not None and from_zero else line


def _ignored(_text: str) -> None:
    """Take a text that says nothing about a case."""


def _keep(properties: dict[str, str], attributes: Attributes) -> None:
    name = attributes.get("name")
    if name is not None and len(properties) < _MOST_PROPERTIES:
        limit = None if name in {NODE_ID, NODE_ID_JSON} else MESSAGE_LIMIT
        properties[name] = attributes.get("value", "")[:limit]
