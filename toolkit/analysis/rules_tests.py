"""The rules for what the tests themselves say: checks, imports, fixtures.

Texts are those of pytest, unittest, JUnit, Jest, Go's testing, testify, GoogleTest, and of the libraries that
read formats.
"""

from toolkit.analysis.rules import ASSERTIONS, Category, Rule

ASSERTION = (
    Rule(
        name="check",
        category=Category.ASSERTION,
        cause="a check did not hold: the code gave another result than expected",
        weight=0.92,
        exceptions=ASSERTIONS,
    ),
    Rule(
        name="xpass",
        category=Category.ASSERTION,
        cause="a test that is expected to fail passed",
        weight=0.97,
        message=r"\[XPASS\(strict\)\]",
    ),
    Rule(
        name="expect",
        category=Category.ASSERTION,
        cause="a check did not hold: the code gave another result than expected",
        weight=0.96,
        exceptions=r"Error|TestingLibraryElementError|TestAssertionError|RuntimeError|",
        message=(
            r"\Aexpect(?:ed|\()|expect\(.{0,400}\)\.|expected.{0,200}(?:to (?:be|equal|have|"
            r"contain|match|include|throw|deeply)|but (?:got|was|received))|toMatchSnapshot|"
            r"Unable to find an element|assertion failed|Failed asserting that"
        ),
    ),
    Rule(
        name="text-check",
        category=Category.ASSERTION,
        cause="a check did not hold: the code gave another result than expected",
        weight=0.955,
        exceptions=r"",
        message=(
            r"Error:\s+(?:Not equal|Should (?:be|not)|Expected|Elements|Not Nil|Condition|"
            r"Max difference|Object|\".{0,80}\" (?:does not|should)|An error is expected|"
            r"Expected value not to be nil|Lengths)|^Expected:\s[\s\S]{0,2000}^(?:Got|Received|"
            r"Actual|     but|  Actual|But)\b|Expected equality of these values|^\s*Value of: |"
            r"assertion [`\"]?(?:left|failed)|AssertionError|\bassert(?:ion)? failed|"
            r"Failed asserting that|expected: .*\n\s*(?:got|actual)"
        ),
    ),
    Rule(
        name="go-fail",
        category=Category.ASSERTION,
        cause="a check did not hold: the test was marked as failed",
        weight=0.6,
        exceptions=r"",
        message=r"^\s*--- FAIL: |_test\.go:\d+:",
    ),
    Rule(
        name="pytest-text",
        category=Category.ASSERTION,
        cause="a check did not hold: the code gave another result than expected",
        weight=0.9,
        exceptions=r"",
        message=r"\Aassert ",
    ),
)

IMPORT_ERROR = (
    Rule(
        name="module",
        category=Category.IMPORT_ERROR,
        cause="a module is not installed or not on the path",
        weight=0.97,
        exceptions=(
            r"ModuleNotFoundError|ClassNotFoundException|NoClassDefFoundError|ModuleNotFound\w*|"
            r"ERR_MODULE_NOT_FOUND"
        ),
        message=r"""(?:(?:No module named )?[\"']?(?P<what>[\w.$/-]+)[\"']?)?""",
        shared=True,
    ),
    Rule(
        name="import",
        category=Category.IMPORT_ERROR,
        cause="a name or library cannot be imported",
        weight=0.96,
        exceptions=(
            r"ImportError|ImportWarning|LoadError|ConftestImportFailure|"
            r"VersionConflict|ExceptionInInitializerError"
        ),
        message=(
            r"(?:cannot import name "
            r"""(?P<what>["']\w+["'] from (?:partially initialized module )?["'][\w.]+["']))?"""
        ),
        shared=True,
    ),
    Rule(
        name="distribution",
        category=Category.IMPORT_ERROR,
        cause="a package is not installed",
        weight=0.965,
        exceptions=r"PackageNotFoundError|DistributionNotFound",
        message=r"""(?:found for |The [\"'])?(?P<what>[\w.-]+)?""",
        shared=True,
    ),
    Rule(
        name="library",
        category=Category.IMPORT_ERROR,
        cause="a shared library is missing or cannot be imported",
        weight=0.965,
        message=(
            r"(?:(?P<what>[\w.+-]+): )?cannot open shared object file|Library not loaded|DLL load failed|"
            r"cannot load library|\bin java\.library\.path|symbol not found in flat namespace"
        ),
        shared=True,
    ),
    Rule(
        name="library-type",
        category=Category.IMPORT_ERROR,
        cause="a shared library is missing or cannot be imported",
        weight=0.96,
        exceptions=r"UnsatisfiedLinkError",
        shared=True,
    ),
    Rule(
        name="module-told",
        category=Category.IMPORT_ERROR,
        cause="a module is not installed or not on the path",
        weight=0.95,
        message=(
            r"""no module named (?P<what>[\"']?[\w.]+)|ModuleNotFoundError|"""
            r"""cannot find module [\"'](?P<name>[^\"']+)|ERR_MODULE_NOT_FOUND|"""
            r"no required module provides package|cannot find package|is not in (?:GOROOT|std)|"
            r"could not be resolved from|package \S+ is not in|ImportError\b|Cannot find package|"
            r"Failed to resolve import"
        ),
        shared=True,
    ),
    Rule(
        name="build",
        category=Category.IMPORT_ERROR,
        cause="the code could not be built",
        weight=0.93,
        message=(
            r"\[build failed\]|\[setup failed\]|compilation (?:failed|error)|"
            r"undefined reference to|error TS\d+|could not compile"
        ),
        shared=True,
    ),
    Rule(
        name="syntax",
        category=Category.IMPORT_ERROR,
        cause="a file that is imported has wrong syntax",
        weight=0.9,
        exceptions=r"SyntaxError|IndentationError|TabError",
        around=r"^E +File \"|\bimport\b|error during collection|test suite failed",
        shared=True,
    ),
    Rule(
        name="suite",
        category=Category.IMPORT_ERROR,
        cause="the test file could not be loaded",
        weight=0.6,
        message=r"test suite failed to run|collection failure|error collecting|ImportError while",
        shared=True,
    ),
)

FIXTURE_SETUP = (
    Rule(
        name="fixture-missing",
        category=Category.FIXTURE_SETUP,
        cause="a fixture does not exist",
        weight=0.98,
        exceptions=r"FixtureLookupError|",
        message=r"""fixture [\"'](?P<what>[^\"']+)[\"'] not found""",
        shared=True,
    ),
    Rule(
        name="fixture-lookup",
        category=Category.FIXTURE_SETUP,
        cause="a fixture does not exist or cannot be used",
        weight=0.96,
        exceptions=(
            r"FixtureLookupError|FixtureLookupErrorRepr|FixtureDef\w*|"
            r"ParameterResolutionException|FixtureError"
        ),
        shared=True,
    ),
    Rule(
        name="fixture-wrong",
        category=Category.FIXTURE_SETUP,
        cause="a fixture is used in a way that cannot work",
        weight=0.97,
        exceptions=r"Failed|ScopeMismatch|ValueError|RuntimeError|UsageError|PytestRemovedIn\w+|",
        message=(
            r"""ScopeMismatch|Fixtures? [\"']?(?P<what>\w+)[\"']?(?: are not meant to be|"""
            r" called directly)|recursive dependency involving fixture|(?:fixture |"
            r"\w+ )?did not yield a value|fixture function has more than one|"
            r"generator didn't (?:yield|stop)|fixture .{0,60} already|Fixture value|"
            r"Database access (?:is )?not allowed, use the|requested an async fixture|"
            r"in test .{0,80}: function uses no (?:argument|fixture)|Failed to resolve parameter|"
            r"No ParameterResolver"
        ),
        shared=True,
    ),
    Rule(
        name="context",
        category=Category.FIXTURE_SETUP,
        cause="the application of the test could not be set up",
        weight=0.85,
        exceptions=(
            r"IllegalStateException|BeanCreationException|UnsatisfiedDependencyException|"
            r"ContextLoadException|ApplicationContextException"
        ),
        message=r"ApplicationContext|creating bean|Unsatisfied dependency",
        shared=True,
    ),
    Rule(
        name="hook",
        category=Category.FIXTURE_SETUP,
        cause="a hook that prepares the tests failed",
        weight=0.8,
        message=(
            r"\"?before (?:all|each)\"? hook|beforeAll|beforeEach|setUpClass|setUpModule|"
            r"SetUpTestCase|setup hook"
        ),
        shared=True,
    ),
)

RULES: tuple[Rule, ...] = (*ASSERTION, *IMPORT_ERROR, *FIXTURE_SETUP)
