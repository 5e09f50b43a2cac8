"""``invoke failures.explain``, ``similar``, ``resolve``, ``changes``: what earlier runs say of a failure."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from invoke.context import Context

from toolkit.analysis.comparing import WORST_FIRST, State
from toolkit.analysis.failures import Diagnosis, classify_all
from toolkit.analysis.knowledge import Episode, Sight, alike, episodes
from toolkit.analysis.past import past_of
from toolkit.analysis.signatures import Signature
from toolkit.config import Config, load_config
from toolkit.errors import ChangesUnknown, ToolkitError, UsageError
from toolkit.history.answers import PastFailure
from toolkit.history.store import History
from toolkit.impact.changes import files_between, subjects_between
from toolkit.records import NodeId
from toolkit.reports.dashboard.failing import states_of
from toolkit.reports.dashboard.outlook import Outlook
from toolkit.reports.dashboard.sources import newest_build, read_sources
from toolkit.tasks.door import print_json, task
from toolkit.tasks.history import opened
from toolkit.tasks.tables import print_table, wide_console

AS_JSON = "print JSON and nothing else"
FAILURE = "node id of a test (its newest failure), or a signature or group that failures.list names"
NOTES = "resolutions.jsonl"
READ = 5_000
"""So many of the newest failures are searched."""


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a person knows of a signature."""

    signature: str
    note: str
    commit: str = ""
    at: float = 0.0
    by: str = ""


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """An episode, and what changed when it ended."""

    episode: Episode
    commits: tuple[str, ...] = ()  # hash and subject, newest first
    files: tuple[str, ...] = ()
    unknown: str = ""  # why git cannot tell


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one failure."""

    test: NodeId
    run: str
    diagnosis: Diagnosis
    state: str  # of the test in the newest run; "" when nothing happened
    tests: tuple[NodeId, ...]  # all that ever failed with this signature
    fixes: tuple[Fix, ...]  # episodes of this signature, newest first
    resolutions: tuple[Resolution, ...]


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """Another failure, and how much it is like the one in question."""

    similarity: float
    signature: str
    test: NodeId
    run: str
    exception: str
    message: str
    failures: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The failures of the history with their diagnoses, newest first, and the one that is meant."""

    past: tuple[PastFailure, ...]
    diagnoses: tuple[Diagnosis, ...]
    place: int

    @property
    def key(self) -> str:
        """The signature that is meant."""
        return self.diagnoses[self.place].signature.key

    def same(self) -> list[int]:
        """Return the places of all failures with this signature."""
        return [place for place, one in enumerate(self.diagnoses) if one.signature.key == self.key]


def find(history: History, what: str) -> Found:
    """Find the failure that is meant.

    Raises:
        UsageError: the history holds none.
    """
    past = tuple(failed for failed in history.failures(limit=READ) if failed.failure.phase != "teardown")
    diagnoses = classify_all(
        (((failed.failure,), failed.outcome) for failed in past), (failed.evidence for failed in past)
    )
    for place, (failed, diagnosis) in enumerate(zip(past, diagnoses, strict=True)):
        if what in {failed.test, diagnosis.signature.key, diagnosis.group}:
            return Found(past=past, diagnoses=tuple(diagnoses), place=place)
    raise UsageError(
        f"no test, signature or group {what!r} among the newest {len(past):,} failures",
        hint="invoke failures.list --json names them",
    )


@task(positional=["what"], help={"what": FAILURE, "json": AS_JSON})
def explain(_context: Context, what: str, *, json: bool = False) -> None:
    """Tell all that is known of a failure: causes, since when, what ended it the last time, notes."""
    config = load_config()
    with opened() as history:
        found = find(history, what)
        told = _explained(config, history, found)
    if json:
        print_json(told)
        return
    for line in _lines(told):
        print(line)  # noqa: T201 - a door prints


def _explained(config: Config, history: History, found: Found) -> Explanation:
    past = past_of(history)
    places = found.same()
    sights = [
        Sight(test=found.past[at].test, run=found.past[at].run, signature=found.diagnoses[at].signature)
        for at in places
    ]
    meant = found.past[found.place]
    sources = read_sources(history, newest_build(history), created=time.time(), outlook=Outlook())
    return Explanation(
        test=meant.test,
        run=meant.run,
        diagnosis=found.diagnoses[found.place],
        state=str(states_of(sources).get(meant.test, "")),
        tests=tuple(dict.fromkeys(sight.test for sight in sights)),
        fixes=tuple(_fix(config.root, episode) for episode in episodes(sights, past)[:10]),
        resolutions=tuple(note for note in read_notes(config) if note.signature == found.key),
    )


def _fix(root: Path, episode: Episode) -> Fix:
    if not (episode.bad and episode.fixed):
        return Fix(episode=episode)
    try:
        return Fix(
            episode=episode,
            commits=subjects_between(root, episode.bad, episode.fixed),
            files=files_between(root, episode.bad, episode.fixed)[:50],
        )
    except ChangesUnknown as error:
        return Fix(episode=episode, unknown=error.message)


def _lines(told: Explanation) -> list[str]:
    signature = told.diagnosis.signature
    lines = [f"{told.test} in {told.run}" + (f": {told.state}" if told.state else "")]
    lines += [f"signature {signature.key}: {signature.exception}: {signature.message[:200]}"]
    for cause in told.diagnosis.causes:
        lines += [f"  {cause.confidence:.2f} {cause.cause}", f"       {cause.evidence}"]
    lines += [f"{len(told.tests)} tests have failed with it: {', '.join(told.tests[:3])}"]
    lines += [line for fix in told.fixes for line in _fix_lines(fix)]
    lines += [
        f"note of {note.by}: {note.note}" + f" ({note.commit})" * bool(note.commit)
        for note in told.resolutions
    ]
    return lines


def _fix_lines(fix: Fix) -> list[str]:
    one = fix.episode
    end = f"good again in {one.green}" if one.green else "not good again yet"
    lines = [f"{one.test}: failed in {one.runs} runs, {one.first} to {one.last}; {end}"]
    lines += [f"  since then: {commit}" for commit in fix.commits[:10]]
    if fix.files:
        lines += [f"  files: {', '.join(fix.files[:10])}"]
    return lines + [f"  {fix.unknown}"] * bool(fix.unknown)


@task(positional=["what"], help={"what": FAILURE, "json": AS_JSON, "limit": "how many"})
def similar(_context: Context, what: str, *, json: bool = False, limit: int = 10) -> None:
    """List failures with other signatures that are like this one, the most alike first."""
    with opened() as history:
        found = find(history, what)
    known: dict[str, Signature] = {}
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    for place, diagnosis in enumerate(found.diagnoses):
        key = diagnosis.signature.key
        known[key] = diagnosis.signature
        first.setdefault(key, place)
        counts[key] = counts.get(key, 0) + 1
    meant = found.diagnoses[found.place].signature
    rows = [
        Likeness(
            similarity=score,
            signature=key,
            test=found.past[first[key]].test,
            run=found.past[first[key]].run,
            exception=known[key].exception,
            message=known[key].message[:200],
            failures=counts[key],
        )
        for score, key in alike(meant, known, limit=limit)
    ]
    if json:
        print_json(rows)
        return
    print_table(
        wide_console(),
        f"Like {meant.key} ({meant.exception})",
        ("similarity", "signature", "test", "run", "exception", "failures"),
        [
            (f"{row.similarity:.2f}", row.signature, row.test, row.run, row.exception, str(row.failures))
            for row in rows
        ],
    )


@task(
    positional=["what"],
    help={
        "what": FAILURE,
        "note": "what was wrong, what mended it",
        "commit": "that mended it",
        "json": AS_JSON,
    },
)
def resolve(_context: Context, what: str, *, note: str = "", commit: str = "", json: bool = False) -> None:
    """Write down what was behind a failure: failures.explain shows it when the same comes again."""
    if not note:
        raise UsageError("--note is missing: what was wrong, and what mended it?")
    config = load_config()
    with opened() as history:
        found = find(history, what)
    made = Resolution(
        signature=found.key, note=note, commit=commit, at=time.time(), by=os.environ.get("USER", "somebody")
    )
    _write_note(config, made)
    if json:
        print_json(made)
    else:
        print(f"{made.signature}: noted")  # noqa: T201 - a door prints


def _write_note(config: Config, made: Resolution) -> None:
    path = config.state_dir / NOTES
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(msgspec.json.encode(made) + b"\n")
    except OSError as error:
        raise ToolkitError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_notes(config: Config) -> tuple[Resolution, ...]:
    """Return all notes, newest first; lines that a crash tore are passed over."""
    try:
        rows = (config.state_dir / NOTES).read_bytes().splitlines()
    except OSError:
        return ()
    notes: list[Resolution] = []
    for raw in rows:
        try:
            notes.append(msgspec.json.decode(raw, type=Resolution))
        except msgspec.MsgspecError:
            continue
    return tuple(reversed(notes))


@task(help={"run": "id of a run (default: the newest and its build)", "json": AS_JSON})
def changes(_context: Context, *, run: str = "", json: bool = False) -> None:
    """List what became of the tests since the run before: new, regressed, flaky, known, fixed."""
    with opened() as history:
        chosen = history.record(run) if run else None
        if run and chosen is None:
            raise UsageError(f"no such run in the history: {run}", hint="invoke history.runs")
        records = newest_build(history) if chosen is None else (chosen,)
        states = states_of(read_sources(history, records, created=time.time(), outlook=Outlook()))
    if json:
        print_json([{"test": test, "state": state} for test, state in _worst_first(states)])
        return
    rows = [(str(state), test) for test, state in _worst_first(states)]
    print_table(wide_console(), "What changed", ("state", "test"), rows)


def _worst_first(states: Mapping[NodeId, State]) -> Sequence[tuple[NodeId, State]]:
    return sorted(states.items(), key=lambda one: (WORST_FIRST.index(one[1]), one[0]))
