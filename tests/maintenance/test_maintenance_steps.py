"""Steps fail alone, reports are inert, schedules can be read by what they are written for."""

import shlex
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.config import parse_config
from toolkit.config.maintenance import STEPS
from toolkit.errors import ConfigError, EnvironmentFailed, UsageError
from toolkit.maintenance.report import markdown
from toolkit.maintenance.schedules import KINDS, Moment, parse_moment, schedule
from toolkit.maintenance.steps import Item, Maintained, Outcome, Skip, Step, StepReport, run_steps


def failing(error: Exception) -> Step:
    def step() -> Outcome:
        raise error

    return step


def done(*states: str) -> Maintained:
    steps = tuple(
        msgspec.convert({"name": "x", "state": state, "summary": ""}, StepReport) for state in states
    )
    return Maintained(project="p", started=0.0, dry_run=False, steps=steps)


def test_a_step_that_fails_does_not_stop_the_others() -> None:
    ways: dict[str, Step] = {
        "a": failing(EnvironmentFailed("no server")),
        "b": failing(ZeroDivisionError("x")),
        "c": failing(Skip("nothing is up")),
        "d": lambda: Outcome(state="done", summary="fine", items=(Item(what="f", action="remove"),)),
    }
    told: list[StepReport] = []
    reports = run_steps(["a", "b", "c", "d"], ways, told.append)
    assert told == reports
    assert [(each.state, each.summary) for each in reports] == [
        ("failed", "no server"),
        ("failed", "ZeroDivisionError: x"),
        ("skipped", "nothing is up"),
        ("done", "fine"),
    ]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), 0),
        (("done", "nothing", "skipped"), 0),
        (("attention", "done"), 1),
        (("attention", "failed", "done"), 4),
    ],
)
def test_the_exit_code_is_that_of_the_worst_step(states: tuple[str, ...], code: int) -> None:
    assert done(*states).exit_code == code


@given(st.text(), st.text())
def test_whatever_a_file_is_called_the_report_keeps_its_lines(name: str, why: str) -> None:
    step = StepReport(
        name="artifacts", state="done", summary=name, items=(Item(what=name, action="x", why=why),)
    )
    plain = msgspec.structs.replace(step, summary="", items=(Item(what="", action="x", why=""),))
    texts = [
        markdown(Maintained(project=name, started=0.0, dry_run=True, steps=(each,))) for each in (step, plain)
    ]
    assert len(texts[0].split("\n")) == len(texts[1].split("\n"))
    assert "<" not in texts[0].replace("\\<", "")


def test_the_report_tells_states_items_and_that_nothing_was_changed() -> None:
    items = tuple(Item(what=f"file {number}", action="remove") for number in range(201))
    step = StepReport(name="artifacts", state="done", summary="201 files", items=items, seconds=0.26)
    text = markdown(Maintained(project="shop", started=0.0, dry_run=True, steps=(step,)))
    assert "# Maintenance of shop\n\n1970-01-01 00:00 UTC\n\nA dry run: nothing was changed." in text
    assert "| ✔ artifacts | done | 201 files | 0.3 |" in text
    assert "* remove file 199\n* … and 1 more\n" in text


@pytest.mark.parametrize("text", ["Mon 03:17", "monday 3:17", "  MON  03:17 "])
def test_moments(text: str) -> None:
    assert parse_moment(text) == Moment(day="Mon", hour=3, minute=17)


@pytest.mark.parametrize(
    "text", ["", "Mon", "03:17", "Foo 03:17", "Mon 24:00", "Mon 03:60", "Mon 03:17\n* * * * * rm"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a day and a time"):
        parse_moment(text)


def test_cron_gets_a_line_that_a_shell_reads_back() -> None:
    root, python = Path("/home/me/my 100% shop's"), "/opt/py thon/bin/python"
    line = schedule("cron", Moment(day="Sun", hour=4, minute=5), root, python)
    fields, command = line.rstrip("\n").split(" * * ")
    assert fields == "5 4"
    day, _, shell = command.partition(" ")
    assert day == "0"
    assert "%" not in shell.replace(r"\%", "")
    words = shlex.split(shell.replace(r"\%", "%"))
    assert words == ["cd", str(root), "&&", python, "-m", "toolkit.program", "maintenance.weekly"]


def test_systemd_units_escape_what_systemd_would_expand() -> None:
    text = schedule("systemd", Moment(), Path("/srv/100%/$HOME"), '/opt/"py"/python')
    assert "WorkingDirectory=/srv/100%%/$HOME\n" in text
    assert r'ExecStart="/opt/\"py\"/python" -m toolkit.program maintenance.weekly' in text
    assert "OnCalendar=Mon *-*-* 03:17:00" in text


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_schedules_of_ci_are_yaml(kind: str) -> None:
    yaml = pytest.importorskip("yaml")
    text = schedule(kind, Moment(), Path("/p"), "python")
    assert "17 3 * * 1" in text
    assert yaml.safe_load(text)


def test_there_is_no_other_kind() -> None:
    with pytest.raises(UsageError, match="unknown kind 'cronn'"):
        schedule("cronn", Moment(), Path("/p"), "python")
    assert set(KINDS) == {"cron", "systemd", "github", "gitlab"}


@pytest.mark.parametrize("folder", ["/tmp", "../other", "a/../../b", ".", "", "a\\..\\b"])
def test_folders_outside_the_project_are_refused_in_the_settings(folder: str) -> None:
    table = {"maintenance": {"temporary": [folder]}}
    with pytest.raises(ConfigError, match="expected a folder inside the project"):
        parse_config({"tool": {"toolkit": table}}, root=Path("/p"), environ={})


def test_steps_in_the_settings_exist() -> None:
    table = {"maintenance": {"steps": ["artefacts"]}}
    with pytest.raises(ConfigError, match="did you mean 'artifacts'"):
        parse_config({"tool": {"toolkit": table}}, root=Path("/p"), environ={})
    assert len(STEPS) == 10
