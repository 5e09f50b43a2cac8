"""Each rule reports what its page shows as wrong, spares what it shows as right and what it promises to."""

import textwrap
from pathlib import Path

import pytest

from toolkit.config.smells import RULES as CONFIGURABLE
from toolkit.config.smells import SmellRule, Smells
from toolkit.smells.checking import BODIES, Order, check_source
from toolkit.smells.rules import RULES, Rule, reference

ROOT = Path(__file__).parents[2]


def found(source: str, *, path: str = "tests/test_it.py", **settings: SmellRule) -> list[str]:
    """Return the ids and lines of what is found in a source."""
    order = Order(root="/project", smells=Smells(rules=settings))
    checked = check_source(order, path, textwrap.dedent(source))
    return [f"{finding.rule}:{finding.line}" for finding in checked.findings]


def ids(source: str, *, path: str = "tests/test_it.py", **settings: SmellRule) -> set[str]:
    return {one.partition(":")[0] for one in found(source, path=path, **settings)}


def test_one_set_of_rules() -> None:
    assert tuple(RULES) == CONFIGURABLE == ("TS100", *BODIES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_examples_of_each_rule_are_what_they_are_shown_as(rule: Rule) -> None:
    assert ids(rule.bad) == {rule.id}
    assert ids(rule.good) == set()


def test_the_page_of_rules_is_up_to_date() -> None:
    """If not: ``uv run python docs/smells_reference.py``."""
    assert (ROOT / "docs" / "reference" / "smells.md").read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize(
    "body",
    [
        "def check(x): assert x\ndef test_it(): check(1)",
        "def deep(x): assert x\ndef check_less(x): deep(x)\ndef test_it(): check_less(1)",
        "from .helpers import look_at\ndef test_it(): look_at(1)",
        "from tests.helpers import look_at\ndef test_it(): look_at(1)",
        "def test_it(judge): judge(1)",
        "class TestA:\n    def ok(self): assert 1\n    def test_it(self): self.ok()",
        "class Base:\n    def ok(self): assert 1\nclass TestA(Base):\n    def test_it(self): self.ok()",
        "from elsewhere import Base\nclass TestA(Base):\n    def test_it(self): self.look()",
        "class TestA:\n    def setup_class(cls): cls.ok = f\n    def test_it(self): self.ok(1)",
        "from elsewhere import Base\nclass TestA(Base):\n    def test_it(self): super().test_it()",
        "import unittest\nclass A(unittest.TestCase):\n    def test_it(self): self.assertTrue(1)",
        "import warnings\ndef test_it():\n    warnings.simplefilter('error')\n    run()",
        "import pytest\n@pytest.mark.filterwarnings('error')\ndef test_it(): run()",
        "import subprocess\ndef test_it(): subprocess.run(['a'], check=True)",
        "def test_it(): mock.assert_called_once_with(1)",
        "def test_it():\n    if not run(): raise ValueError",
        "def test_it():\n    def callback(): raise AssertionError('called')\n    run(callback)",
        "def test_it(benchmark): benchmark(run)",
        "def test_it(app): app.get('/', status=404)",
        "class Handler:\n    def get(self): assert self.ok\ndef test_it(): serve(Handler)",
        "def validator(f): return f\n@validator\ndef test_it(): run()",
        "from nose.tools import raises\n@raises(ValueError)\ndef test_it(): run()",
        "import pytest\n@pytest.mark.skip\ndef test_it(): run()",
        "import pytest\n@pytest.fixture\ndef test_data(): return make()",
        "def test_it(): run()\ntest_it.__test__ = False",
        "class Helper:\n    def test_connection(self): self.connect()",
        "def test_it(result): result.stdout.fnmatch_lines(['*1 passed*'])",
    ],
)
def test_tests_that_assert_somewhere_are_spared(body: str) -> None:
    assert "TS101" not in ids(body)


@pytest.mark.parametrize(
    "body",
    [
        "def look(x): print(x)\ndef test_it(): look(1)",
        "class TestA(TestCase):\n    def test_it(self):\n        with self.subTest(1): run()",
        "class TestA:\n    def ok(self): print(1)\n    def test_it(self): self.ok()",
        "import warnings\ndef test_it():\n    warnings.simplefilter('ignore')\n    run()",
        "import subprocess\ndef test_it(): subprocess.run(['a'], check=False)",
        "def test_it():\n    def handler(): raise ValueError\n    run(handler)",
        "def again(): again()\ndef test_it(): again()",
        "async def test_it():\n    '''Says what.'''\n    await run()",
        "class test_lower:\n    def test_it(self): run()",
        "if True:\n    def test_it(): run()",
        "try:\n    import a\nexcept ImportError:\n    a = None\nelse:\n    def test_it(): run()",
    ],
)
def test_tests_that_assert_nowhere_are_reported(body: str) -> None:
    assert "TS101" in ids(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import time\ndef test_it():\n    time.sleep(1)\n    assert 1", True),
        ("from time import sleep as nap\ndef test_it():\n    nap(1)\n    assert 1", True),
        ("import asyncio\nasync def test_it():\n    await asyncio.sleep(0.1)\n    assert 1", True),
        ("import time\ndef test_it():\n    for i in range(3):\n        time.sleep(i)\n    assert 1", True),
        ("import time\ndef test_it():\n    while True:\n        time.sleep(1)\n    assert 1", True),
        ("import time, pytest\n@pytest.fixture\ndef server():\n    time.sleep(1)", True),
        ("import asyncio\nasync def test_it():\n    await asyncio.sleep(0)\n    assert 1", False),
        ("import time\ndef test_it():\n    while not done():\n        time.sleep(1)\n    assert 1", False),
        (
            (
                "import time\ndef test_it():\n    for _ in range(9):\n        if done(): break\n"
                "        time.sleep(1)\n    assert 1"
            ),
            False,
        ),
        ("import time\ndef test_it():\n    def slow(): time.sleep(1)\n    assert run(slow)", False),
        ("import time\ndef helper():\n    time.sleep(1)", False),
        (
            (
                "import time\nfrom unittest.mock import patch\n@patch('time.sleep')\ndef test_it(sleep):\n"
                "    time.sleep(1)\n    assert sleep.called"
            ),
            False,
        ),
        (
            (
                "def test_it(monkeypatch):\n    monkeypatch.setattr(time, 'sleep', f)\n    time.sleep(1)\n"
                "    assert 1"
            ),
            False,
        ),
        ("import trio\nasync def test_it(autojump_clock):\n    await trio.sleep(9)\n    assert 1", False),
        ("import asyncio\nasync def test_it():\n    assert run(asyncio.sleep(1))", False),
        ("import asyncio\nasync def test_it():\n    with raises(E):\n        await asyncio.sleep(1)", False),
    ],
)
def test_sleeps(body: str, expected: bool) -> None:
    assert ("TS102" in ids(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("def test_it(mocker):\n    mocker.patch('shop.db.connect')\n    assert 1", True),
        ("def test_it(mocker):\n    mocker.patch.object(shop, 'get_session')\n    assert 1", True),
        ("def test_it(monkeypatch):\n    monkeypatch.setattr(shop.database, 'query', f)\n    assert 1", True),
        (
            (
                "from unittest.mock import MagicMock\ndef test_it():\n    cursor = MagicMock()\n"
                "    assert run(cursor)"
            ),
            True,
        ),
        ("def test_it():\n    assert run(Mock(spec=OrderRepository))", True),
        ("import pytest\n@pytest.fixture\ndef db():\n    db_session = Mock()\n    return db_session", True),
        ("def test_it(mocker):\n    mocker.patch('shop.db.now')\n    assert 1", False),
        ("def test_it(mocker):\n    mocker.patch('shop.clock.now')\n    assert 1", False),
        ("def test_it():\n    session = Mock()\n    assert run(session)", False),
    ],
)
def test_mocked_persistence(body: str, expected: bool) -> None:
    assert ("TS103" in ids(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import os\ndef test_it():\n    os.chdir('/')\n    assert 1", True),
        ("import os\ndef test_it():\n    os.environ.update(A='1')\n    assert 1", True),
        ("import shop\ndef test_it():\n    shop.RATE = 2\n    assert 1", True),
        ("import shop.tax\ndef test_it():\n    shop.tax.RATE, other = 2, 3\n    assert 1", True),
        ("READY = 0\ndef test_it():\n    global READY\n    READY = 1\n    assert 1", True),
        ("import sys\ndef test_it():\n    del sys.modules['a']\n    assert 1", True),
        ("def test_it():\n    global READY\n    assert READY", False),
        ("import os\ndef test_it():\n    os.chdir('/')\n    assert 1\n    os.chdir('old')", False),
        (
            (
                "import os\ndef test_it():\n    try:\n        os.environ['A'] = '1'\n        assert 1\n"
                "    finally:\n        undo()"
            ),
            False,
        ),
        (
            (
                "import os\ndef test_it(monkeypatch):\n    monkeypatch.delenv('A')\n"
                "    os.environ['A'] = '1'\n    assert 1"
            ),
            False,
        ),
        (
            (
                "import os\ndef test_it():\n    with patch.dict(os.environ):\n"
                "        os.environ['A'] = '1'\n        assert 1"
            ),
            False,
        ),
        (
            (
                "import os\ndef teardown_function(): undo()\ndef test_it():\n    os.environ['A'] = '1'\n"
                "    assert 1"
            ),
            False,
        ),
        (
            (
                "import os\nclass TestA:\n    def tearDown(self): undo()\n    def test_it(self):\n"
                "        os.chdir('/')\n        assert 1"
            ),
            False,
        ),
        (
            (
                "import os, pytest\n@pytest.fixture(autouse=True)\ndef keep(): yield\ndef test_it():\n"
                "    os.chdir('/')\n    assert 1"
            ),
            False,
        ),
        (
            (
                "import flask\ndef test_it():\n    flask.g.user = 1\n    flask.session['a'] = 1\n"
                "    assert 1"
            ),
            False,
        ),
        ("import shop\ndef test_it(shop):\n    shop.RATE = 2\n    assert 1", False),
        ("import os\ndef test_it():\n    def child(): os.chdir('/')\n    assert run(child)", False),
    ],
)  # fmt: skip
def test_order_dependence(body: str, expected: bool) -> None:
    assert ("TS104" in ids(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("SEEN = {}\ndef test_it():\n    SEEN['a'] = 1\n    assert SEEN", True),
        ("SEEN: list = []\ndef test_it():\n    del SEEN[0]\n    assert 1", True),
        ("COUNT = Counter()\ndef test_it():\n    COUNT['a'] += 1\n    assert 1", True),
        (
            (
                "class TestA:\n    seen = set()\n    def test_it(self):\n        self.seen.add(1)\n"
                "        assert 1"
            ),
            True,
        ),
        (
            (
                "import pytest\n@pytest.fixture(scope='module')\ndef seen(): return []\n"
                "def test_it(seen):\n    seen.append(1)\n    assert 1"
            ),
            True,
        ),
        (
            (
                "import pytest\n@pytest.fixture\ndef seen(): return []\ndef test_it(seen):\n"
                "    seen.append(1)\n    assert 1"
            ),
            False,
        ),
        ("SEEN = []\ndef test_it():\n    SEEN.clear()\n    SEEN.append(1)\n    assert 1", False),
        ("SEEN = []\ndef test_it():\n    SEEN[:] = []\n    SEEN.append(1)\n    assert 1", False),
        (
            (
                "SEEN = []\ndef setup_function(): SEEN.clear()\ndef test_it():\n    SEEN.append(1)\n"
                "    assert 1"
            ),
            False,
        ),
        ("SEEN = []\ndef test_it():\n    SEEN = []\n    SEEN.append(1)\n    assert 1", False),
        ("SEEN = []\nSEEN = ()\ndef test_it():\n    SEEN.append(1)\n    assert 1", False),
        (
            (
                "class TestA:\n    seen = []\n    def setUp(self): self.seen = []\n    def test_it(self):\n"
                "        self.seen.append(1)\n        assert 1"
            ),
            False,
        ),
    ],
)  # fmt: skip
def test_shared_state(body: str, expected: bool) -> None:
    assert ("TS105" in ids(body)) is expected


LONG = "value = compute_something(1, 2, 3)\n    assert value == 6"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"def test_a():\n    {LONG}\ndef test_b():\n    'other words'\n    {LONG}", True),
        (f"def test_a(x):\n    {LONG}\ndef test_b(y):\n    {LONG}", False),
        (f"def test_a(snapshot):\n    {LONG}\ndef test_b(snapshot):\n    {LONG}", False),
        (f"@pytest.mark.slow\ndef test_a():\n    {LONG}\ndef test_b():\n    {LONG}", False),
        ("def test_a():\n    assert 1\ndef test_b():\n    assert 1", False),
    ],
)
def test_duplicates(body: str, expected: bool) -> None:
    assert ("TS106" in ids(body)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("if order.paid:\n        assert order.price", True),
        ("if order.paid:\n        self.assertTrue(order.price)", True),
        ("match order.kind:\n        case 1:\n            assert order.price", True),
        ("if order.paid:\n        assert 1\n    elif order:\n        assert 2", True),
        (
            "if order.paid:\n        assert 1\n    elif shop:\n        assert 2\n    else:\n        assert 3",
            False,
        ),
        (
            "match order.kind:\n        case 1:\n            assert 1\n        case _:\n            assert 2",
            False,
        ),
        ("if order.paid:\n        pass\n    else:\n        assert False", False),
        ("for one in order:\n        if one:\n            assert one.price", False),
        ("if sys.version_info > (3, 12):\n        assert order.price", False),
        ("if HAS_LXML:\n        assert order.price", False),
        (
            "if order.paid:\n        assert 1\n    else:\n        is_safe(order)\ndef is_safe(x): assert x",
            False,
        ),
        ("if server.is_old:\n        assert order.price", False),
        ("if speaks(order):\n        assert order.price", False),
        ("if mod.IS_PYPY:\n        assert order.price", False),
        ("if order.paid:\n        assert 1\n    else:\n        pytest.skip('none')", False),
        ("while True:\n        if order.paid:\n            assert 1\n            break", False),
        ("if order.paid:\n        order.ship()\n    assert order", False),
        ("def callback():\n        if order: assert 1\n    assert callback", False),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    assert ("TS107" in ids(f"def test_it(order, shop):\n    {condition}\n")) is expected


@pytest.mark.parametrize("names", ['"kind, size"', '["kind", "size"]', '("kind", "size")'])
def test_conditions_on_values_that_are_written_down_are_spared(names: str) -> None:
    """Every branch is taken: the parameters say so."""
    body = "    if kind == 'a' and len(size) > 1:\n        assert 1\n"
    assert ids(f"@pytest.mark.parametrize({names}, X)\ndef test_it(kind, size, shop):\n{body}") == set()
    other = body.replace("len(size)", "shop.size")
    assert ids(f"@pytest.mark.parametrize({names}, X)\ndef test_it(kind, size, shop):\n{other}") == {"TS107"}


def test_generated_values_may_be_told_apart() -> None:
    assert ids("@given(x)\ndef test_it(x):\n    if x:\n        assert x") == set()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("np.random.rand(3)", True),
        ("np.random.default_rng()", True),
        ("random.Random()", True),
        ("random.choice([1])", True),
        ("np.random.default_rng(7)", False),
        ("random.Random(7)", False),
    ],
)
def test_chance(call: str, expected: bool) -> None:
    source = f"import random\nimport numpy as np\ndef test_it():\n    assert {call}\n"
    assert ("TS108" in ids(source)) is expected
    assert "TS108" not in ids(source + "def setup_module():\n    random.seed(1)\n")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("requests.get('https://pypi.example.eu/')", True),
        ("requests.request('GET', 'http://shop.eu/')", True),
        ("requests.Session().get('http://8.8.8.8/')", True),
        ("socket.create_connection(('shop.eu', 80))", True),
        ("http.client.HTTPSConnection('shop.eu')", True),
        ("requests.get('http://localhost:8000/')", False),
        ("requests.get('http://[::1]:8000/')", False),
        ("requests.get('http://192.168.0.1/')", False),
        ("requests.get('https://example.com/')", False),
        ("requests.get('http://shop.test/')", False),
        ("requests.get(url)", False),
        ("client.get('https://shop.eu/')", False),
        ("socket.create_connection(('127.0.0.1', 80))", False),
    ],
)
def test_network(call: str, expected: bool) -> None:
    source = f"import requests, socket, http.client\ndef test_it():\n    assert {call}\n"
    assert ("TS109" in ids(source)) is expected
    assert "TS109" not in ids(source, path="tests/integration/test_it.py")
    assert "TS109" not in ids(source.replace("def test_it", "@pytest.mark.network\ndef test_it"))
    assert "TS109" not in ids(source.replace("test_it()", "test_it(requests_mock)"))
    assert "TS109" not in ids("import responses\n" + source)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("try:\n        run()\n    except:\n        log()\n    assert 1", True),
        ("try:\n        run()\n    except (ValueError, BaseException):\n        pass\n    assert 1", True),
        ("with suppress(Exception):\n        assert run()", True),
        ("try:\n        run()\n    except ValueError:\n        pass\n    assert 1", False),
        ("try:\n        run()\n    except Exception:\n        kind = sys.exc_info()\n    assert 1", False),
        ("try:\n        run()\n    except Exception as error:\n        seen(error)\n    assert 1", False),
        ("try:\n        run()\n    except Exception:\n        raise\n    assert 1", False),
        ("try:\n        run()\n    except Exception:\n        pytest.fail('no')\n    assert 1", False),
        ("try:\n        server.close()\n    except Exception:\n        pass\n    assert 1", False),
        ("with suppress(Exception):\n        await server.wait_closed()\n    assert run()", False),
        ("try:\n        raise ValueError\n    except Exception:\n        assert 1", False),
        (
            (
                "try:\n        run()\n    except Exception:\n        pass\n    else:\n        fail()\n"
                "    assert 1"
            ),
            False,
        ),
    ],
)
def test_broad_excepts(body: str, expected: bool) -> None:
    assert ("TS110" in ids(f"async def test_it():\n    {body}\n")) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("def test_it():\n    '''Later.'''", True),
        ("def test_it(): ...", True),
        ("@pytest.mark.skip\ndef test_it(): ...", False),
        ("@pytest.mark.slow\ndef test_it(): ...", True),
        ("@run_in_thread\ndef test_it(): ...", False),
        ("class Protocol:\n    def test_it(self): ...", False),
    ],
)
def test_empty_bodies(body: str, expected: bool) -> None:
    assert ids(body) == ({"TS111"} if expected else set())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("class TestA:\n    def test_a(self): assert 1\nclass TestA:\n    def test_b(self): assert 2", True),
        ("class TestA:\n    def test_a(self): assert 1\n    def test_a(self): assert 2", True),
        ("def helper(): pass\ndef helper(): pass", False),
        ("@register\ndef test_a(): assert 1\n@register\ndef test_a(): assert 2", False),
        ("if X:\n    def test_a(): assert 1\nelse:\n    def test_a(): assert 2", False),
        ("class Kind:\n    def test_a(self): assert 1\n    def test_a(self): assert 2", False),
    ],
)
def test_shadowed(body: str, expected: bool) -> None:
    assert ("TS112" in ids(body)) is expected


def test_what_the_project_allows_is_not_reported() -> None:
    sleeping = "import time\ndef test_it():\n    time.sleep(1)\n    assert 1"
    assert ids(sleeping, TS102=SmellRule(allow=("time.*",))) == set()
    asserting = "def test_it(page):\n    page.has_title('Shop')"
    assert ids(asserting) == {"TS101"}
    assert ids(asserting, TS101=SmellRule(allow=("page.has_*",))) == set()


def test_rules_are_switched_off_everywhere_or_somewhere() -> None:
    empty = "def test_it(): ..."
    assert ids(empty, TS111=SmellRule(enabled=False)) == set()
    assert ids(empty, TS111=SmellRule(exclude=("tests/*",))) == set()
    assert ids(empty, TS111=SmellRule(exclude=("other/*",))) == {"TS111"}
