"""What starts the weekly maintenance: a line of cron, a systemd timer, a schedule of GitHub or GitLab."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from toolkit.config.validation import unknown
from toolkit.errors import UsageError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the week."""

    day: str = "Mon"
    hour: int = 3
    minute: int = 17  # not the full hour, at which everybody's jobs start


def parse_moment(text: str) -> Moment:
    """Read ``Mon 03:17``.

    Raises:
        UsageError: it is no day, or no time of a day.
    """
    found = re.fullmatch(r"(?P<day>[A-Za-z]{3})[a-z]* +(?P<hour>\d{1,2}):(?P<minute>\d\d)", text.strip())
    day = found["day"].capitalize() if found else ""
    if found is None or day not in DAYS or int(found["hour"]) > 23 or int(found["minute"]) > 59:  # noqa: PLR2004
        raise UsageError(f"moment {text!r}: expected a day and a time, such as 'Mon 03:17'")
    return Moment(day=day, hour=int(found["hour"]), minute=int(found["minute"]))


def schedule(kind: str, moment: Moment, root: Path, python: str) -> str:
    """Write one kind of schedule.

    Args:
        kind: of :data:`KINDS`.
        moment: when it starts.
        root: of the project on this machine.
        python: the interpreter that has the toolkit.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(unknown("kind", kind, KINDS))
    return KINDS[kind](moment, root, python)


def _cron_time(moment: Moment) -> str:
    """Return the five fields of crontab(5); 0 is Sunday."""
    return f"{moment.minute} {moment.hour} * * {(DAYS.index(moment.day) + 1) % 7}"


def _cron(moment: Moment, root: Path, python: str) -> str:
    command = f"cd {shlex.quote(str(root))} && {shlex.quote(python)} -m toolkit.program maintenance.weekly"
    escaped = command.replace("%", r"\%")  # a line break in crontab(5)
    return f"{_cron_time(moment)} {escaped}\n"


def _systemd(moment: Moment, root: Path, python: str) -> str:
    """Two units, see systemd.service(5) and systemd.timer(5)."""
    return f"""\
# ~/.config/systemd/user/toolkit-maintenance.service
[Unit]
Description=Weekly maintenance of {_unit(root.name)}

[Service]
Type=oneshot
WorkingDirectory={_unit(str(root))}
ExecStart={_argument(python)} -m toolkit.program maintenance.weekly

# ~/.config/systemd/user/toolkit-maintenance.timer
# then: systemctl --user enable --now toolkit-maintenance.timer
[Unit]
Description=Weekly maintenance of {_unit(root.name)}

[Timer]
OnCalendar={moment.day} *-*-* {moment.hour:02}:{moment.minute:02}:00
Persistent=true
RandomizedDelaySec=10min

[Install]
WantedBy=timers.target
"""


def _unit(text: str) -> str:
    """Escape the specifiers of systemd.unit(5)."""
    return text.replace("%", "%%")


def _argument(text: str) -> str:
    """Quote an argument as systemd.service(5) reads it."""
    escaped = _unit(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def _github(moment: Moment, _root: Path, _python: str) -> str:
    return f"""\
on:
  schedule:
    - cron: "{_cron_time(moment)}" # UTC
  workflow_dispatch:
"""


def _gitlab(moment: Moment, _root: Path, _python: str) -> str:
    return f"""\
# Settings > CI/CD > Pipeline schedules: "{_cron_time(moment)}"
maintenance:
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
  script:
    - python -m toolkit.program maintenance.weekly
  artifacts:
    when: always
    paths: [reports/maintenance.md, reports/maintenance.json]
"""


KINDS: Mapping[str, Callable[[Moment, Path, str], str]] = {
    "cron": _cron,
    "systemd": _systemd,
    "github": _github,
    "gitlab": _gitlab,
}
"""The schedules that can be written."""
