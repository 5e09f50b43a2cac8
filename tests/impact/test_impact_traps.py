"""One test for each mistake that tools of this kind make: every time a test would be missed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("unmeasured")
needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions are traced from 3.12 on")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@needs_monitoring
def test_what_a_shared_fixture_runs_belongs_to_every_test_that_uses_it(project: Any) -> None:
    project.write("lib.py", "def connect():\n    return 1\n\ndef close():\n    return 2\n")
    project.write(
        "conftest.py",
        "import pytest, lib\n"
        "@pytest.fixture(scope='session')\ndef database():\n    yield lib.connect()\n    lib.close()\n"
        "@pytest.fixture(scope='module')\ndef table(database):\n    return database\n",
    )
    project.write("test_a.py", "def test_first(database): pass\ndef test_free(): pass\n")
    project.write("test_b.py", "def test_other(table): pass\n")
    assert len(project.run()) == 3
    project.replace("lib.py", "return 1", "return 1 + 0")
    assert project.run() == {"test_first", "test_other"}
    project.replace("lib.py", "return 2", "return 2 + 0")
    assert project.run() == {"test_first", "test_other"}


@needs_monitoring
def test_what_runs_while_a_module_is_imported_belongs_to_whoever_reaches_it(project: Any) -> None:
    project.write("registry.py", "KNOWN = {}\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f\n")
    project.write("table.py", "def build():\n    return [1, 2]\n")
    project.write(
        "lib.py",
        "from registry import register, KNOWN\nfrom table import build\nSQUARES = build()\n"
        "class Base:\n    def __init_subclass__(cls):\n        cls.size = len(SQUARES)\n"
        "class Child(Base):\n    limit = 3\n"
        "@register\ndef plus(x):\n    return x + 1\n",
    )
    project.write("test_lib.py", "import lib\ndef test_lib(): assert lib.SQUARES == [1, 2]\n")
    project.write("test_free.py", "def test_free(): pass\n")
    assert len(project.run()) == 2
    for name, old, new in (
        ("table.py", "[1, 2]", "[1, 1 + 1]"),
        ("registry.py", "return f", "return (f or f)"),
        ("lib.py", "len(SQUARES)", "len(SQUARES) + 1"),
        ("lib.py", "limit = 3", "limit = 4"),
    ):
        project.replace(name, old, new)
        assert project.run() == {"test_lib"}, (name, old)


def test_a_trail_that_could_not_be_written_whole_hides_nothing(project: Any) -> None:
    """The disk is full for a moment: what was lost then is not known, so any change may concern the tests."""
    project.write("lib.py", "X = 1\n")
    project.write("other.py", "def f():\n    return 1\n")
    project.write(
        "test_lib.py",
        "import os\ndef broken(descriptor, data):\n    raise OSError(28, 'no space left')\n"
        "def test_one(monkeypatch):\n"
        "    with monkeypatch.context() as patch:\n"
        "        patch.setattr(os, 'write', broken)\n"
        "        import lib\n"
        "    assert lib.X == 1\n"
        "def test_two():\n    import lib\n    assert lib.X == 1\n",
    )
    project.run("--order=declared")
    project.replace("lib.py", "X = 1", "X = 2")
    assert project.run("--order=declared", code=1) == {"test_one", "test_two"}


@needs_fork
def test_a_child_whose_trail_could_not_be_written_hides_nothing(project: Any) -> None:
    project.write("lib.py", "X = 1\n")
    project.write(
        "test_lib.py",
        "import os\ndef broken(descriptor, data):\n    raise OSError(28, 'no space left')\n"
        "def test_fork():\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os.write = broken\n"
        "        import lib\n"
        "        os._exit(lib.X - 1)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "def test_free(): pass\n",
    )
    project.run("--order=declared")
    project.replace("lib.py", "X = 1", "X = 2")
    assert "test_fork" in project.run("--order=declared", code=1)


def assert_selected(selected: set[str], needed: set[str]) -> None:
    """Exactly what is needed ran; where functions are not traced, what one test opens counts for its file."""
    assert selected == needed if sys.version_info >= (3, 12) else selected >= needed


def test_files_folders_and_variables_are_inputs(project: Any) -> None:
    project.write("data/words.txt", "one two")
    project.write(
        "test_data.py",
        "import os, pathlib\n"
        "def test_file(): assert pathlib.Path('data/words.txt').read_text()\n"
        "def test_folder(): assert os.listdir('data')\n"
        "def test_absent():\n"
        "    try: open('settings.local')\n    except FileNotFoundError: pass\n"
        "def test_variable(): os.environ.get('SERVICE_MODE')\n"
        "def test_free(): pass\n",
    )
    assert len(project.run()) == 5
    assert project.run() == set()
    project.write("data/words.txt", "one two three")
    assert_selected(project.run(), {"test_file"})
    project.write("data/more.txt", "")
    assert_selected(project.run(), {"test_folder"})
    project.write("settings.local", "x")
    assert_selected(project.run(), {"test_absent"})
    assert_selected(project.run(SERVICE_MODE="fast"), {"test_variable"})


@needs_monitoring
def test_child_processes_count(project: Any) -> None:
    project.write("lib.py", "def answer():\n    return 42\ndef other():\n    return 1\n")
    project.write("work.py", "import lib\n\ndef work():\n    lib.answer()\n")
    project.write(
        "test_child.py",
        "import multiprocessing, os, subprocess, sys, work\n"
        "def test_subprocess():\n"
        "    subprocess.run([sys.executable, '-c', 'import lib; lib.answer()'], check=True)\n"
        "def test_spawn():\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work.work)\n"
        "    child.start(); child.join(); assert child.exitcode == 0\n"
        "def test_fork():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n        work.work(); os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "def test_clean_environment():\n"
        "    subprocess.run([sys.executable, '-I', '-c', 'pass'], env={}, check=True)\n"
        "def test_free(): pass\n",
    )
    assert len(project.run()) == 5
    project.replace("lib.py", "return 42", "return 40 + 2")
    assert project.run() == {"test_subprocess", "test_spawn", "test_fork", "test_clean_environment"}
    project.replace("lib.py", "return 1", "return 1 + 0")
    assert project.run() == {"test_clean_environment"}, "not traced: it depends on everything"


@needs_monitoring
def test_threads_that_outlive_their_test_count_for_the_following(project: Any) -> None:
    project.write(
        "lib.py",
        "import time\ndef step():\n    time.sleep(0.01)\ndef loop(stop):\n    while not stop: step()\n",
    )
    project.write(
        "test_thread.py",
        "import lib, threading, time\nstop = []\n"
        "thread = threading.Thread(target=lib.loop, args=(stop,), daemon=True)\n"
        "def test_start():\n    thread.start()\n"
        "def test_next():\n    time.sleep(0.3)\n"
        "def test_last():\n    stop.append(1); thread.join()\n"
        "def test_after(): pass\n",
    )
    project.run("--order=declared")
    project.replace("lib.py", "0.01", "0.011")
    ran = project.run("--order=declared")  # what a thread begins between two tests counts for all
    assert ran - {"test_after"} == {"test_start", "test_next", "test_last"}
    project.replace("lib.py", "while not stop", "while not (stop)  ")
    assert project.run("--order=declared") == set()


def test_new_files_that_take_the_place_of_others_count(project: Any) -> None:
    project.write("pkg/__init__.py", "")
    project.write("pkg/things.py", "VALUE = 1\n")
    project.write(
        "tests/test_things.py", "from pkg import things\ndef test_things(): assert things.VALUE == 1\n"
    )
    project.write("tests/test_free.py", "def test_free(): pass\n")
    project.run()
    project.write("pkg/things/__init__.py", "VALUE = 2\n")
    assert project.run(code=1) == {"test_things"}
    shutil.rmtree(project.root / "pkg/things")
    assert project.run() == {"test_things"}
    project.write("tests/conftest.py", "")
    assert {"test_things", "test_free"} == project.run()


def test_configuration_and_locked_packages_count(project: Any) -> None:
    project.write("requirements.txt", "pytest>=8\n")
    project.write("test_a.py", "import pytest\ndef test_a(): pass\n")
    project.write("test_b.py", "def test_b(): pass\n")
    project.run()
    assert project.run() == set()
    project.write("requirements.txt", "pytest>=8.1\n")
    assert project.run() == {"test_a", "test_b"}, "pytest itself concerns all tests"
    project.write("pytest.ini", "[pytest]\npythonpath = .\nxfail_strict = true\n")
    assert project.run() == {"test_a", "test_b"}


def test_other_choices_compose_and_keep_what_is_recorded(project: Any) -> None:
    project.write(
        "pytest.ini",
        "[pytest]\npythonpath = .\naddopts = -m 'not slow' -p no:cacheprovider\nmarkers = slow\n",
    )
    project.write("lib.py", "def f():\n    return 1\n")
    project.write(
        "test_a.py",
        "import lib, pytest\ndef test_one(): lib.f()\ndef test_two(): lib.f()\n"
        "@pytest.mark.slow\ndef test_slow(): lib.f()\n",
    )
    assert project.run() == {"test_one", "test_two"}
    project.replace("lib.py", "return 1", "return 2")
    assert project.run("-k", "one") == {"test_one"}
    assert project.run() == {"test_two"}
    assert project.run("-m", "slow") == {"test_slow"}
    assert project.run() == set()
    assert "left out" in project.output


@needs_monitoring
def test_marked_new_skipped_and_failing_tests_always_run(project: Any) -> None:
    project.write(
        "test_a.py",
        "import pytest\n@pytest.mark.smoke\ndef test_smoke(): pass\n"
        "@pytest.mark.unskippable\ndef test_unskippable(): pass\n"
        "@pytest.mark.skipif(True, reason='x')\ndef test_skipped(): pass\n"
        "def test_failing(): assert 0\ndef test_plain(): pass\n",
    )
    assert len(project.run(code=1)) == 5
    always = {"test_smoke", "test_unskippable", "test_skipped", "test_failing"}
    assert project.run(code=1) == always
    project.replace("test_a.py", "def test_plain", "def test_new(): pass\ndef test_plain")
    assert project.run(code=1) == always | {"test_new"}


def test_a_killed_run_is_taken_up_by_the_next(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)  # measured tests run until their coverage is remembered, too
    project.write(
        "test_a.py",
        "import os, time, pathlib\ndef test_quick(): pass\n"
        "def test_hang():\n    pathlib.Path('../hanging').touch()\n"
        "    time.sleep(0 if os.path.exists('../go') else 60)\n",
    )
    aside = project.root.parent
    process = subprocess.Popen(
        project.command("--impacted"),
        cwd=project.root,
        env=project.environment(PROBE_FILE=str(aside / "killed.json")),
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (aside / "hanging").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (aside / "go").touch()
    assert project.run() == {"test_hang"}, "the other one was recorded before the kill"


@needs_monitoring
def test_shadow_runs_everything_and_judges(project: Any) -> None:
    project.write("lib.py", "def f():\n    return 1\n")
    project.write("test_a.py", "import lib\ndef test_one(): assert lib.f() == 1\ndef test_two(): pass\n")
    project.run()
    project.replace("lib.py", "return 1", "return 2")
    assert project.run(impacted="--impacted-shadow", code=1) == {"test_one", "test_two"}
    assert "1 would have been left out" in project.output
    assert "1 failing tests, 0 would have been missed (recall 100.0%)" in project.output


@needs_monitoring
def test_a_git_reference_adds_what_changed_since(project: Any) -> None:
    project.write("lib.py", "def f():\n    return 1\n")
    project.write("test_a.py", "import lib\ndef test_one(): lib.f()\ndef test_two(): pass\n")
    project.git("init", "-q", "-b", "main")
    project.git("add", "-A")
    project.git("commit", "-qm", "first")
    project.git("checkout", "-qb", "work")
    project.replace("lib.py", "return 1", "return 1 + 0")
    assert len(project.run()) == 2
    assert project.run() == set()
    assert project.run(impacted="--impacted=main") == {"test_one"}
    project.git("commit", "-qam", "second")
    assert project.run(impacted="--impacted=main") == {"test_one"}
    assert project.run(impacted="--impacted=HEAD") == set()
    assert project.run(impacted="--impacted=nowhere") == {"test_one", "test_two"}
    assert "not a commit that git knows here" in project.output
