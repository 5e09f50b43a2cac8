"""Caches hide dependencies: what filled them belongs to all tests that use them."""

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("unmeasured")

needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")


@needs_monitoring
def test_what_a_cache_was_filled_with_belongs_to_whoever_uses_the_cache(project: Any) -> None:
    project.write(
        "lib.py",
        "import functools\n_cache = {}\n_one = None\n"
        "def make(key):\n    return helper(key)\n"
        "def helper(key):\n    return key * 2\n"
        "def get(key):\n    if key not in _cache:\n        _cache[key] = make(key)\n    return _cache[key]\n"
        "def single():\n    global _one\n    if _one is None:\n        _one = build()\n    return _one\n"
        "def build():\n    return 7\n"
        "@functools.lru_cache\ndef slow():\n    return inner()\n"
        "def inner():\n    return 9\n"
        "def unrelated():\n    return 0\n",
    )
    uses = "".join(
        f"def test_get_{n}(): assert lib.get(1) == 2\n"
        f"def test_single_{n}(): assert lib.single() == 7\n"
        f"def test_slow_{n}(): assert lib.slow() == 9\n"
        for n in (1, 2)
    )
    project.write("test_lib.py", f"import lib\n{uses}def test_free(): lib.unrelated()\n")
    assert len(project.run()) == 7
    project.replace("lib.py", "return key * 2", "return 2 * key")
    assert project.run() == {"test_get_1", "test_get_2"}
    project.replace("lib.py", "return 7", "return 3 + 4")
    assert project.run() == {"test_single_1", "test_single_2"}
    project.replace("lib.py", "return 9", "return 4 + 5")
    assert {"test_slow_1", "test_slow_2"} <= project.run()


@needs_monitoring
def test_a_kept_result_belongs_to_its_callee_though_other_tests_called_that_first(project: Any) -> None:
    """Calls are noted at first entries; these caches are filled by functions that were entered before."""
    project.write(
        "lib.py",
        "TABLE = []\n_found = {}\n"
        "def make():\n    return [12]\n"
        "def sliced():\n    if not TABLE:\n        TABLE[:] = make()\n    return TABLE[0]\n"
        "def make_a():\n    return 13\n"
        "def make_b():\n    return 14\n"
        "BUILDERS = {'a': make_a, 'b': make_b}\n"
        "def get(kind):\n    if kind not in _found:\n        _found[kind] = BUILDERS[kind]()\n"
        "    return _found[kind]\n",
    )
    project.write(
        "tables.py",
        "import functools\ndef build():\n    return 11\n@functools.cache\ndef table():\n    return build()\n",
    )
    project.write(
        "test_tables.py",
        "import tables\n"
        "def test_build(): assert tables.build() == 11\n"
        "def test_table(): assert tables.table() == 11\n"
        "def test_table_again(): assert tables.table() == 11\n",
    )
    project.write(
        "test_lib.py",
        "import lib\n"
        "def test_make(): assert lib.make() == [12]\n"
        "def test_sliced(): assert lib.sliced() == 12\n"
        "def test_sliced_again(): assert lib.sliced() == 12\n"
        "def test_get_a(): assert lib.get('a') == 13\n"
        "def test_make_b(): assert lib.make_b() == 14\n"
        "def test_get_b(): assert lib.get('b') == 14\n"
        "def test_get_b_again(): assert lib.get('b') == 14\n"
        "def test_free(): pass\n",
    )
    project.run("--order=declared")
    project.replace("tables.py", "return 11", "return 10 + 1")
    assert project.run("--order=declared") == {"test_build", "test_table", "test_table_again"}
    project.replace("lib.py", "return [12]", "return [10 + 2]")
    assert project.run("--order=declared") == {"test_make", "test_sliced", "test_sliced_again"}
    project.replace("lib.py", "return 14", "return 10 + 4")
    ran = project.run("--order=declared")
    assert ran == {"test_get_a", "test_make_b", "test_get_b", "test_get_b_again"}


@needs_monitoring
def test_a_kept_result_belongs_to_its_callee_though_others_called_that_in_the_same_test(project: Any) -> None:
    """Nor is it enough that somebody else is known to have called it there."""
    project.write(
        "lib.py",
        "import functools\n_found = {}\n"
        "def parse(text):\n    return text.upper()\n"
        "def read_all():\n    return parse('a')\n"
        "@functools.cache\ndef table():\n    return parse('t')\n"
        "def make_a():\n    return 13\n"
        "def make_b():\n    return 14\n"
        "def make(kind):\n    return make_b() if kind == 'b' else make_a()\n"
        "def get(kind):\n    if kind not in _found:\n        _found[kind] = make(kind)\n"
        "    return _found[kind]\n",
    )
    project.write(
        "test_lib.py",
        "import lib\n"
        "def test_read(): assert lib.read_all() == 'A'\n"
        "def test_both(): assert lib.read_all() + lib.table() == 'AT'\n"
        "def test_table(): assert lib.table() == 'T'\n"
        "def test_get_a(): assert lib.get('a') == 13\n"
        "def test_equal(): assert lib.make_b() == lib.get('b')\n"
        "def test_get_b(): assert lib.get('b') == 14\n"
        "def test_get_b_and_more(): assert lib.make('a') + lib.get('b') == 27\n"
        "def test_free(): pass\n",
    )
    project.run("--order=declared")
    project.replace("lib.py", "text.upper()", "text.title()")
    assert {"test_read", "test_both", "test_table"} <= project.run("--order=declared")
    project.replace("lib.py", "return 14", "return 10 + 4")
    ran = project.run("--order=declared")
    assert {"test_equal", "test_get_b", "test_get_b_and_more"} <= ran
    assert ran.isdisjoint({"test_free", "test_read"})


def test_what_is_read_where_things_are_kept_belongs_to_all_who_use_it(project: Any) -> None:
    """Another function had opened the same file first, in the same test; a variable was read once."""
    project.write(
        "lib.py",
        "import functools, os\ndef read():\n    with open('data.txt') as stream: return stream.read()\n"
        "@functools.cache\ndef kept():\n    return read() + os.environ.get('LIB_MODE', '')\n",
    )
    project.write("data.txt", "1")
    project.write(
        "test_lib.py",
        "import lib\ndef test_one(): assert lib.read() + lib.kept()\ndef test_two(): assert lib.kept()\n",
    )
    project.write("test_free.py", "def test_free(): pass\n")
    project.run("--order=declared", LIB_MODE="a")
    project.write("data.txt", "2")
    assert project.run("--order=declared", LIB_MODE="a") == {"test_one", "test_two"}
    assert project.run("--order=declared", LIB_MODE="b") == {"test_one", "test_two"}


@needs_monitoring
def test_functions_are_handed_to_caches_that_have_other_names_too(project: Any) -> None:
    project.write(
        "lib.py",
        "import functools\nfrom functools import lru_cache as fast\n"
        "def low():\n    return 1\ndef mid():\n    return 2\n"
        "def build():\n    return low()\nbuilt = functools.lru_cache(maxsize=None)(build)\n"
        "@fast\ndef kept():\n    return mid()\n",
    )
    project.write(
        "test_lib.py",
        "import lib\n"
        "def test_before(): assert lib.low() + lib.mid() == 3\n"
        "def test_built(): assert lib.built() == 1\n"
        "def test_built_again(): assert lib.built() == 1\n"
        "def test_kept(): assert lib.kept() == 2\n"
        "def test_kept_again(): assert lib.kept() == 2\n",
    )
    project.write("test_free.py", "def test_free(): pass\n")
    project.run("--order=declared")
    project.replace("lib.py", "return 1", "return 0 + 1")
    assert {"test_built", "test_built_again"} <= project.run("--order=declared")
    project.replace("lib.py", "return 2", "return 0 + 2")
    ran = project.run("--order=declared")
    assert {"test_kept", "test_kept_again"} <= ran
    assert "test_free" not in ran


@needs_monitoring
def test_a_cache_that_is_asked_very_often_before_it_is_filled_hides_nothing(project: Any) -> None:
    project.write(
        "lib.py",
        "_found = {}\ndef make_a():\n    return 13\ndef make_b():\n    return 14\n"
        "BUILDERS = {'a': make_a, 'b': make_b}\n"
        "def get(kind):\n    if kind not in _found:\n        _found[kind] = BUILDERS[kind]()\n"
        "    return _found[kind]\n",
    )
    project.write(
        "test_lib.py",
        "import lib\n"
        "def test_often():\n"
        "    assert lib.make_b() == 14\n"
        "    assert all(lib.get('a') == 13 for _ in range(1500)) and lib.get('b') == 14\n"
        "def test_b(): assert lib.get('b') == 14\n"
        "def test_free(): pass\n",
    )
    project.run("--order=declared")
    project.replace("lib.py", "return 14", "return 10 + 4")
    assert project.run("--order=declared") == {"test_often", "test_b"}


@needs_monitoring
def test_a_cache_that_is_filled_by_a_generator_a_coroutine_or_on_the_way_out_hides_nothing(
    project: Any,
) -> None:
    project.write(
        "lib.py",
        "import asyncio\n_found = {}\ndef low(x):\n    return x\ndef mid(x):\n    return x\n"
        "def high(x):\n    return x\n"
        "def steps():\n    yield 1\n"
        "    if 'g' not in _found:\n        _found['g'] = low(1)\n    yield _found['g']\n"
        "async def waits():\n    await asyncio.sleep(0)\n"
        "    if 'c' not in _found:\n        _found['c'] = mid(2)\n"
        "    return _found['c']\n"
        "def fails():\n    if 'e' not in _found:\n        _found['e'] = high(3)\n        raise ValueError\n"
        "    return _found['e']\n",
    )
    project.write(
        "test_lib.py",
        "import asyncio, lib, pytest\n"
        "def test_before(): assert lib.low(1) + lib.mid(1) + lib.high(1) == 3\n"
        "def test_steps():\n    lib.low(1)\n    assert list(lib.steps()) == [1, 1]\n"
        "def test_waits():\n    lib.mid(1)\n    assert asyncio.run(lib.waits()) == 2\n"
        "def test_fails():\n    lib.high(1)\n    with pytest.raises(ValueError): lib.fails()\n"
        "def test_steps_again(): assert list(lib.steps()) == [1, 1]\n"
        "def test_waits_again(): assert asyncio.run(lib.waits()) == 2\n"
        "def test_fails_again(): assert lib.fails() == 3\n",
    )
    project.run("--order=declared")
    for name in ("low", "mid", "high"):
        project.replace("lib.py", f"def {name}(x):\n    return x", f"def {name}(x):\n    return 0 + x")
        kind = {"low": "steps", "mid": "waits", "high": "fails"}[name]
        ran = project.run("--order=declared")
        assert ran == {"test_before", f"test_{kind}", f"test_{kind}_again"}
