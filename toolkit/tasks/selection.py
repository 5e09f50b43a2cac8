"""``invoke plan.*``, what asks the recorded dependencies: why a test runs, and how well that works."""

from pathlib import Path
from typing import Any

from invoke.context import Context

from toolkit.config import load_config
from toolkit.errors import UsageError
from toolkit.impact.exchange import export_store, import_store
from toolkit.impact.explaining import explain as explain_test
from toolkit.impact.session import ImpactSession
from toolkit.impact.store import STORE_NAME, DependencyStore, open_store
from toolkit.records import NodeId
from toolkit.tasks.door import print_json, task


def recorded() -> tuple[Path, DependencyStore]:
    """Return the project's root and its recorded dependencies.

    Raises:
        UsageError: nothing is recorded yet.
    """
    config = load_config()
    path = config.root / config.state / STORE_NAME
    if not path.is_file():
        raise UsageError(
            f"{path}: nothing is recorded yet", hint="run pytest --impacted once: it records every test"
        )
    return config.root, open_store(path)


@task(
    positional=["test"],
    help={
        "test": "Node id of a test, as pytest prints it",
        "ref": "Also what changed since this git revision",
        "json": "Print JSON only",
    },
)
def explain(_: Context, test: str, ref: str = "", json: bool = False) -> None:
    """Explain why a test is selected or left out: everything it depends on, and what of it changed."""
    root, store = recorded()
    with store:
        explanation = explain_test(ImpactSession(root, store), NodeId(test), reference=ref)
    if json:
        print_json(explanation)
        return
    print(f"{test}: {'runs' if explanation.selected else 'is left out'}: {explanation.why}")  # noqa: T201
    for item in explanation.changed:
        print(f"  changed: {item}")  # noqa: T201
    for kind, names in explanation.depends_on.items():
        print(f"  {kind}: {len(names)}")  # noqa: T201
        for name in names[:20]:
            print(f"    {name}")  # noqa: T201
        if len(names) > 20:  # noqa: PLR2004
            print(f"    … {len(names) - 20} more; all with --json")  # noqa: T201


@task(help={"json": "Print JSON only"})
def recall(_: Context, json: bool = False) -> None:
    """Show how selection did: recall in runs of everything, misses, time saved."""
    _root, store = recorded()
    with store:
        report = _recall_report(store)
    if json:
        print_json(report)
        return
    for name, value in report.items():
        print(f"{name}: {value}")  # noqa: T201


def _recall_report(store: DependencyStore) -> dict[str, Any]:
    from toolkit.impact.policy import track
    from toolkit.impact.session import environment_name

    found = track(store.runs(environment_name()))
    return {
        "judged_runs": found.judged,
        "failing": found.failing,
        "missed": found.missed,
        "recall": found.recall,
        "selecting_runs": found.runs,
        "seconds_saved": round(found.saved, 1),
        "misses": [test for _run, test in store.misses()],
    }


@task(positional=["file"], help={"file": "Where to write, for example a path in the cache of your CI"})
def export(_: Context, file: str) -> None:
    """Write the recorded dependencies as one small file, for other machines."""
    _root, store = recorded()
    with store:
        size = export_store(store, Path(file))
    print(f"{file}: {size / 1e6:.1f} MB")  # noqa: T201


@task(name="import", positional=["file"], help={"file": "A file written by plan.export"})
def import_(_: Context, file: str) -> None:
    """Take recorded dependencies from a file; tests that are recorded here already stay as they are."""
    config = load_config()
    with open_store(config.root / config.state / STORE_NAME) as store:
        added = import_store(store, Path(file))
    print(f"{added} tests added")  # noqa: T201
