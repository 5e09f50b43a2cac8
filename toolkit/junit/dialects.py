"""Who wrote a report, and what it means there when one name occurs twice.

JUnit XML has no element for "the same test again" that all runners use. So the rule depends on the runner:

* pytest and Go make names unique, so a repeated name is another attempt. pytest writes two elements when a
  test fails and its tear-down fails, too: that is one attempt. pytest-rerunfailures leaves the
  elements of those attempts empty that it repeats: they look passed, and were not.
* Surefire and PHPUnit tell reruns inside the element; Jest, Vitest, Mocha and Cypress report the last
  attempt only, and allow two tests of one name. There a repeated name is another test.
* Elsewhere (Gradle and whatever is not known) a repeated name is another attempt if all before it were bad,
  since reruns follow failures, and another test if not.

All this within one ``<testsuite>`` element. The same names in another suite are other tests: one suite per
browser, per module, per file.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum


class Dialect(StrEnum):
    """Families of writers that differ in what they mean."""

    UNKNOWN = "unknown"
    TOOLKIT = "toolkit"
    PYTEST = "pytest"
    GO = "go"
    SUREFIRE = "surefire"
    PHPUNIT = "phpunit"
    JAVASCRIPT = "javascript"
    PLAYWRIGHT = "playwright"


UNIQUE_NAMES = frozenset({Dialect.TOOLKIT, Dialect.PYTEST, Dialect.GO})
"""A repeated name is another attempt."""

EQUAL_NAMES = frozenset({Dialect.SUREFIRE, Dialect.PHPUNIT, Dialect.JAVASCRIPT, Dialect.PLAYWRIGHT})
"""A repeated name is another test."""

_JAVASCRIPT_ROOTS = ("jest tests", "vitest tests", "mocha tests", "cypress tests", "root suite")
_JAVASCRIPT_FILES = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte")

Attributes = Mapping[str, str]


def root_dialect(name: str, attributes: Attributes) -> Dialect:
    """Guess from the root element."""
    if any("surefire" in attributes.get(key, "") for key in _SCHEMA_KEYS):
        return Dialect.SUREFIRE
    if attributes.get("name", "").lower() in _JAVASCRIPT_ROOTS:
        return Dialect.JAVASCRIPT
    if name == "testsuites" and attributes.get("name") == "pytest tests":
        return Dialect.PYTEST
    return Dialect.UNKNOWN


_SCHEMA_KEYS = ("xsi:noNamespaceSchemaLocation", "xsi:schemaLocation")


def suite_dialect(suite: Attributes, case: Attributes, properties: Attributes, *, outer: Dialect) -> Dialect:
    """Guess from a suite, its properties and its first case; what the suites around it say is the default."""
    if "toolkit.run" in properties:
        return Dialect.TOOLKIT
    if outer is not Dialect.UNKNOWN:
        return outer
    return next(
        (dialect for dialect, fits in _SIGNS.items() if fits(suite, case, properties)), Dialect.UNKNOWN
    )


def _surefire(suite: Attributes, _case: Attributes, properties: Attributes) -> bool:
    return "surefire.test.class.path" in properties or any(
        "surefire" in suite.get(k, "") for k in _SCHEMA_KEYS
    )


def _go(_suite: Attributes, _case: Attributes, properties: Attributes) -> bool:
    return "go.version" in properties


def _pytest(suite: Attributes, case: Attributes, _properties: Attributes) -> bool:
    return suite.get("name") == "pytest" or case.get("file", "").endswith(".py")


def _phpunit(_suite: Attributes, case: Attributes, _properties: Attributes) -> bool:
    return "assertions" in case and "class" in case


def _playwright(suite: Attributes, case: Attributes, _properties: Attributes) -> bool:
    name = suite.get("name", "")
    return bool(suite.get("hostname")) and name.endswith(_JAVASCRIPT_FILES) and case.get("classname") == name


def _javascript(suite: Attributes, case: Attributes, _properties: Attributes) -> bool:
    name = suite.get("name", "")
    files = (name, suite.get("file", ""), suite.get("filepath", ""), case.get("file", ""))
    return name.lower() in _JAVASCRIPT_ROOTS or any(file.endswith(_JAVASCRIPT_FILES) for file in files)


_SIGNS: Mapping[Dialect, Callable[[Attributes, Attributes, Attributes], bool]] = {
    Dialect.SUREFIRE: _surefire,
    Dialect.GO: _go,
    Dialect.PYTEST: _pytest,
    Dialect.PHPUNIT: _phpunit,
    Dialect.PLAYWRIGHT: _playwright,
    Dialect.JAVASCRIPT: _javascript,
}
"""The first that fits wins."""
