"""Files, comments that silence, processes, broken input, and the two formats."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toolkit.config import load_config, parse_config
from toolkit.config.settings import Config
from toolkit.errors import ConfigError, UsageError
from toolkit.smells.checking import Order, check_file, check_paths, check_source
from toolkit.smells.files import excluded, find_files
from toolkit.smells.findings import Checked
from toolkit.smells.sarif import sarif

SLEEPY = "import time\ndef test_it():\n    time.sleep(1)\n    assert 1\n"
EMPTY = "def test_nothing(): ...\n"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n", encoding="utf-8")
    write(tmp_path, tests__test_a=SLEEPY, tests__deep__test_b=EMPTY, tests__helper=EMPTY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rules_of(source: str) -> list[tuple[str, int]]:
    checked = check_source(Order(root="/"), "tests/test_it.py", source)
    return [(finding.rule, finding.line) for finding in checked.findings]


@pytest.mark.parametrize("place", ["line", "def", "decorator", "file"])
def test_a_comment_silences_its_rule_on_the_line_in_the_test_or_in_the_file(place: str) -> None:
    comment = dict.fromkeys(("line", "def", "decorator", "file"), "")
    comment[place] = (
        f"  # toolkit: {'ignore-file' if place == 'file' else 'ignore'}[TS102] the clock is real here"
    )
    source = (
        f"import time, pytest{comment['file']}\n@pytest.mark.slow{comment['decorator']}\n"
        f"def test_it():{comment['def']}\n"
        f"    time.sleep(1){comment['line']}\n    assert 1\n"
    )
    checked = check_source(Order(root="/"), "tests/test_it.py", source)
    assert checked.findings == ()
    assert checked.silenced == 1


def test_other_rules_other_lines_and_strings_are_not_silenced() -> None:
    assert rules_of(SLEEPY.replace("(1)", "(1)  # toolkit: ignore[TS101]")) == [
        ("TS102", 3),
        ("TS100", 3),
    ] or [
        ("TS100", 3),
        ("TS102", 3),
    ]
    assert rules_of("# toolkit: ignore[TS102]\n" + SLEEPY) == [("TS100", 1), ("TS102", 4)]
    assert rules_of(SLEEPY.replace("(1)", "(1); '# toolkit: ignore[TS102]'")) == [("TS102", 3)]


def test_several_ids_in_one_comment_and_an_unknown_one_is_named() -> None:
    source = SLEEPY.replace("(1)", "(1)  # toolkit: ignore[TS102, TS999]")
    checked = check_source(Order(root="/"), "tests/test_it.py", source)
    (finding,) = checked.findings
    assert finding.rule == "TS100"
    assert "unknown rule 'TS999'" in finding.message


def test_comments_for_rules_that_are_not_applied_are_not_called_unused() -> None:
    source = "def test_it():\n    assert 1  # toolkit: ignore[TS102]\n"
    order = Order(root="/", rules=frozenset({"TS100", "TS101"}))
    assert check_source(order, "tests/test_it.py", source).findings == ()


def test_folders_are_searched_for_tests_and_named_files_are_taken_whatever_their_name(project: Path) -> None:
    (project / "tests" / ".hidden").mkdir()
    write(project, tests__node_modules__test_x=EMPTY)
    (project / "tests" / ".hidden" / "test_c.py").write_text(EMPTY)
    names = {path.name for path in find_files([Path("tests")], project)}
    assert names == {"test_a.py", "test_b.py"}
    assert [path.name for path in find_files([Path("tests/helper.py")], project)] == ["helper.py"]
    assert {path.name for path in find_files([Path("tests")], project, ["tests/deep"])} == {"test_a.py"}
    with pytest.raises(UsageError, match="no such file"):
        find_files([Path("nowhere")], project)


def test_globs_cover_what_is_deeper() -> None:
    assert excluded("tests/data/a/b.py", ["tests/data"])
    assert excluded("tests/data/a/b.py", ["tests/data/*"])
    assert not excluded("tests/database/b.py", ["tests/data"])


def test_several_processes_find_what_one_finds(project: Path) -> None:
    config = load_config(project)
    write(project, **{f"tests__test_{number}": SLEEPY for number in range(5)})
    assert check_paths(config, jobs=2) == check_paths(config, jobs=1)


def test_what_cannot_be_read_is_named_and_the_rest_is_checked(project: Path) -> None:
    (project / "tests" / "test_bad.py").write_text("def test_(:\n")
    (project / "tests" / "test_bytes.py").write_bytes(b"\xff\xfe")
    (project / "tests" / "test_null.py").write_bytes(b"a = 1\0")
    checked = check_paths(load_config(project))
    assert [bad.path for bad in checked.unreadable] == [
        "tests/test_bad.py",
        "tests/test_bytes.py",
        "tests/test_null.py",
    ]
    assert "line 1" in checked.unreadable[0].why
    assert len(checked.findings) == 2


def test_other_encodings_and_warnings_of_the_checked_code(tmp_path: Path) -> None:
    path = tmp_path / "test_latin.py"
    path.write_bytes("# -*- coding: latin-1 -*-\ndef test_é():\n    '\\d'\n".encode("latin-1"))
    assert [finding.test for finding in check_file(Order(root=str(tmp_path)), path).findings] == ["test_é"]


def test_depth_does_not_matter() -> None:
    """A thousand additions are a thousand levels of the tree."""
    source = "def test_it():\n    assert " + " + ".join(["1"] * 900) + "\n"
    assert rules_of(source) == []


STATEMENTS = st.sampled_from(
    """\
assert x; if x: assert y; time.sleep(2); try: f()|except: pass; os.environ['A'] = 'b'; global g; g = 1
SEEN.append(1); with a: pass; f = lambda: (yield); class C: pass; def inner(): assert 1; del a[0], b.c
(p, q.r), s[0] = t; x: int = 3; x += 1; f()()[0].g(*a, **b); match x:|    case 1: pass; random.random()
requests.get('http://shop.eu'); cursor = Mock(); patch('a.db'); raise; pass; 'doc'; await f(); setattr()
patch(1, 2); import os as o; from . import x; sleep(); suppress(); time.sleep(); for a in b: break""".replace(
        "\n", "; "
    ).split("; ")
)


def _is_python(source: str) -> bool:
    try:
        compile(source, "x", "exec")
    except SyntaxError:
        return False
    return True


@settings(max_examples=50)
@given(st.lists(STATEMENTS, min_size=1, max_size=8), st.booleans())
def test_any_combination_of_statements_is_checked_and_every_finding_has_a_place(
    body: list[str], in_class: bool
) -> None:
    lines = "\n".join("    " + line.replace("|", "\n    ") for line in body)
    source = f"SEEN = []\nimport os, time, random, requests\nasync def test_it(x):\n{lines}\n"
    if in_class:
        source = "class TestIt:\n" + "\n".join(f"    {line}" for line in source.splitlines()) + "\n"
    assume(_is_python(source))
    checked = check_source(Order(root="/"), "tests/test_it.py", source)
    assert checked.tests == 1
    assert all(1 <= finding.line <= checked.lines and finding.column >= 1 for finding in checked.findings)


def test_settings_name_rules_that_exist() -> None:
    document = {"tool": {"toolkit": {"smells": {"rules": {"TS999": {"enabled": False}}}}}}
    with pytest.raises(ConfigError, match="unknown rule 'TS999'"):
        parse_config(document, root=Path("/p"), environ={})


Run = Callable[..., tuple[int, str, str]]


def test_the_task_tells_the_place_and_what_to_do_next(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("smells.check")
    assert code == 1
    assert "tests/test_a.py:3:5: TS102 sleep (warning): test_it waits for a fixed time: time.sleep(1)" in out
    assert "2 tests in 2 files: 2 smells" in out
    assert "invoke smells.explain TS111" in out


def test_exit_codes(project: Path, invoke: Run) -> None:
    assert invoke("smells.check", "tests/deep", "--rule", "TS102")[0] == 0
    assert invoke("smells.check", "--rule", "TS999")[0] == 2
    assert invoke("smells.check", "--json", "--sarif")[0] == 2
    assert invoke("smells.check", "nowhere")[0] == 2
    (project / "tests" / "test_bad.py").write_text("def test_(:\n")
    code, out, _ = invoke("smells.check")
    assert code == 3
    assert "tests/test_bad.py: not read: line 1" in out


def test_notes_do_not_fail(project: Path, invoke: Run) -> None:
    table = '[tool.toolkit.smells.rules]\nTS102.severity = "note"\nTS111.severity = "note"\n'
    (project / "pyproject.toml").write_text(table)
    code, out, _ = invoke("smells.check")
    assert code == 0
    assert "TS102 sleep (note)" in out


def test_json_is_json_and_nothing_else(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("smells.check", "tests/test_a.py", "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 1
    assert told["counts"] == {"TS102": 1}
    (finding,) = told["findings"]
    assert (finding["path"], finding["line"], finding["rule"]) == ("tests/test_a.py", 3, "TS102")
    assert told["tests"] == told["files"] == 1


def test_sarif_has_rules_places_and_stable_fingerprints(project: Path, invoke: Run) -> None:
    code, out, _ = invoke("smells.check", "--sarif")
    assert code == 1
    log: dict[str, Any] = json.loads(out)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "tests/test_a.py", "uriBaseId": "SRCROOT"}
    assert place["region"]["startLine"] == 3
    before = [result["partialFingerprints"] for result in run["results"]]
    write(project, tests__test_a="\n\n" + SLEEPY)
    moved = json.loads(invoke("smells.check", "--sarif")[1])["runs"][0]["results"]
    assert [result["partialFingerprints"] for result in moved] == before


def test_sarif_of_strange_names_and_of_files_that_were_not_read() -> None:
    order = Order(root="/p")
    one = check_source(order, "tests/a b#é.py", EMPTY + EMPTY.replace("nothing", "other"))
    log = sarif(Checked(findings=one.findings))
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in log["runs"][0]["results"]
    ]
    assert uris == ["tests/a%20b%23%C3%A9.py"] * 2
    missing = check_file(order, Path("/elsewhere/test_gone.py"))
    invocation = sarif(missing)["runs"][0]["invocations"][0]
    assert not invocation["executionSuccessful"]
    (told,) = invocation["toolExecutionNotifications"]
    assert (
        told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == "file:///elsewhere/test_gone.py"
    )


def test_rules_are_listed_and_explained(project: Path, invoke: Run) -> None:
    assert "shadowed-test" in invoke("smells.rules")[1]
    assert len(json.loads(invoke("smells.rules", "--json")[1])) == 13
    out = invoke("smells.explain", "sleep")[1]
    assert out == invoke("smells.explain", "ts102")[1]
    assert "deadline" in out
    assert invoke("smells.explain", "TS999")[0] == 2


def test_a_project_without_tests_is_clean(tmp_path: Path) -> None:
    assert check_paths(Config(root=tmp_path)) == Checked()


def test_the_hook_names_a_command_that_is_there() -> None:
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    python, option, module, command = hook["entry"].split()
    assert (python, option, module, command) == ("python", "-m", "toolkit.program", "smells.check")
    assert {"id", "name", "language", "files", "additional_dependencies"} <= hook.keys()


def test_our_own_suite_is_clean() -> None:
    """What has to stay is silenced with a reason beside it."""
    checked = check_paths(load_config(Path(__file__).parents[2], environ={}))
    assert [f"{found.path}:{found.line} {found.rule}" for found in checked.findings] == []
    assert checked.tests > 1000
