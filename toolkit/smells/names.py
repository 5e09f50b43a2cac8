"""Which names say what: that a call asserts, sets up, sleeps, mocks, stores."""

import ast
import re

FIXTURE = re.compile(r"(?:^|\.)(?:\w*_)?fixture$")
TEST_BASE = re.compile(r"(?:^|\.)(?:Test\w*|\w*Test(?:s|Case\w*|Base|Mixin)?)$")
"""A base class that makes its subclasses test cases."""
SET_UP = re.compile(r"_?(?:set_?up|async_?set_?up|before_|start_?up)", re.IGNORECASE)
TEAR_DOWN = re.compile(r"_?(?:async_?)?(?:tear_?down|after_|clean_?up)", re.IGNORECASE)

ASSERTS = re.compile(
    r"(?:^|_)(?:assert|check|verify|expect|ensure|validate|compare|confirm|must|should|fail|raises|warns)"
    r"|assert|^(?:check|verify|expect|compare|ensure|validate|fail)[A-Z]"
    r"|^(?:fnmatch_lines|re_match_lines|no_fnmatch_line|no_re_match_line|fnmatch_lines_random"
    r"|deprecated_call|skip|skipTest|xfail|importorskip|wait_for|fail_after|benchmark|pedantic|testmod|exec_test)",
    re.IGNORECASE,
)
"""The last word of a call that checks something, or ends the test."""

ENDS = re.compile(r"^(?:fail|skip|skipTest|xfail|importorskip|exit|assume)$")
"""What ends a test, or this example of it."""

TEST_CODE = re.compile(
    r"^\.|(?:^|\.)_*(?:tests?|testing|t|conftest|tests?_?(?:utils?|helpers?|support|common|base|lib)|helpers?|utils?"
    r"|support|common|fixtures|assertions?)(?:\.|$)"
)
"""A module that is part of the tests: what comes from there may assert."""

FAKE_CLOCK = re.compile(r"clock|freez|time_machine|fake_time|mock_time|traveller", re.IGNORECASE)
"""A fixture or decorator that replaces time."""
CUTS_SHORT = re.compile(r"raises|timeout|fail_after|move_on_after|fail_at|move_on_at", re.IGNORECASE)
"""What stands after ``with`` and ends a long wait, or expects it to be ended."""
CLEANS = re.compile(
    r"close|stop|shut|^rm|rmdir|kill|terminate|unlink|remove|rmtree|cancel|disconnect|wait|clean|release|delete|drop|join",
    re.IGNORECASE,
)

SLEEPS = frozenset(
    {"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep", "gevent.sleep", "eventlet.sleep"}
)

PERSISTENT = re.compile(
    r"^_?(?:db|database|sqlalchemy|psycopg2?|asyncpg|aiopg|sqlite3|aiosqlite|pymysql|MySQLdb|pymongo"
    r"|(?:db_?)?cursor|sessionmaker|db_?session|session_?local|SessionLocal|async_?session|get_db|get_session"
    r"|session_scope|create_(?:async_)?engine|db_?engine|db_?conn(?:ection)?|execute_(?:query|sql)|\w+_repository"
    r"|\w*Repository|repository|\w+_repo|\w+_dao|\w+DAO)$"
)
PERSISTS = frozenset(
    {
        "connect", "execute", "executemany", "commit", "rollback", "query", "session", "cursor", "fetchone",
        "fetchall", "begin", "flush", "scalar", "scalars", "Session", "engine", "connection", "transaction",
    }
)  # fmt: skip
MOCKS = frozenset(
    {"Mock", "MagicMock", "AsyncMock", "NonCallableMock", "NonCallableMagicMock", "create_autospec"}
)

RANDOM = re.compile(
    r"^(?:random\.(?:random|randint|randrange|choice|choices|shuffle|sample|uniform|triangular|gauss|normalvariate"
    r"|betavariate|expovariate|getrandbits|randbytes)"
    r"|numpy\.random\.(?:rand|randn|randint|random|random_sample|choice|shuffle|permutation|uniform|normal))$"
)
MADE_RANDOM = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"})
SEEDS = re.compile(r"(?:^|[._])(?:seed|manual_seed|set_state|setstate|set_seed|seed_all|seed_everything)$")

SENDS = re.compile(
    r"^(?:(?:requests|httpx|aiohttp|urllib3)\.(?:\w+\(\)\.)?"
    r"(?:get|post|put|patch|delete|head|options|request|stream|ws_connect)"
    r"|urllib\.request\.(?:urlopen|urlretrieve)|socket\.(?:create_connection|gethostbyname|getaddrinfo)"
    r"|http\.client\.HTTPS?Connection|smtplib\.SMTP(?:_SSL)?|ftplib\.FTP|websockets\.connect|\w+\.connect)$"
)
REPLACES_NETWORK = re.compile(
    r"responses|respx|httpretty|requests_mock|vcr|betamax|aioresponses|pook|mocket|monkeypatch|mock|patch|httpbin"
    r"|httpserver|cassette|transport|recorded",
    re.IGNORECASE,
)
NOT_UNIT = re.compile(
    r"integration|e2e|end_to_end|functional|system|acceptance|smoke|network|external|online|live|internet|slow",
    re.IGNORECASE,
)

CHANGES_PROCESS = frozenset(
    {
        "os.environ.update", "os.environ.setdefault", "os.environ.pop", "os.environ.clear", "os.putenv",
        "os.unsetenv", "os.chdir", "os.umask", "sys.path.append", "sys.path.insert", "sys.path.extend",
        "sys.path.remove",
        "sys.modules.pop", "sys.modules.update", "locale.setlocale", "time.tzset", "socket.setdefaulttimeout",
        "sys.setrecursionlimit", "logging.disable",
    }
)  # fmt: skip
PROCESS = frozenset(
    {"os.environ", "sys.modules", "sys.path", "sys.argv", "sys.stdout", "sys.stderr", "sys.stdin"}
)
MUTATES = frozenset(
    {
        "append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "popleft",
        "popitem", "remove", "discard", "clear",
    }
)  # fmt: skip

_MAKERS = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter"})


def is_mutable(value: ast.expr | None) -> bool:
    """Tell whether an expression makes a list, a dict or a set."""
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in _MAKERS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def last(name: str) -> str:
    """Return the last word of a dotted name."""
    return name.rpartition(".")[2]
