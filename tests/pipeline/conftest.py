"""What the tests of the pipeline share: a place in which steps run in milliseconds."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from toolkit.leases.store import LeaseStore
from toolkit.noxfile import NoxSession
from toolkit.pipeline.plan import PipelinePlan, PlannedStage, PlannedStep
from toolkit.pipeline.running import run_stages
from toolkit.pipeline.state import PipelineState, StageState, StepState, new_state
from toolkit.pipeline.steps import Place, RunningStep, environment
from toolkit.pipeline.stopping import Stop

SESSIONS = Path(__file__).with_name("sessions.py")


class Heard:
    """A watcher that remembers, and that may act when it hears something."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.most = 0
        self.act: Callable[[Sequence[RunningStep]], None] = lambda _: None

    def began(self, _stage: StageState, step: StepState) -> None:
        self.events.append(f"+{step.session}")

    def ended(self, _stage: StageState, step: StepState) -> None:
        self.events.append(f"-{step.session}")

    def look(self, running: Sequence[RunningStep]) -> None:
        self.most = max(self.most, len(running))
        self.act(running)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Where steps run; their command is ``sessions.py`` instead of Nox."""
    (tmp_path / "pipeline").mkdir()
    with LeaseStore(tmp_path / "state") as store:
        yield Place(
            root=tmp_path,
            folder=tmp_path / "pipeline",
            nox=(sys.executable, "-S", str(SESSIONS)),
            env=environment("API_URL", "http://127.0.0.1:1", "the-build"),
            store=store,
            owner=store.owner(),
            pipeline="p",
        )


Go = Callable[..., PipelineState]


@pytest.fixture
def go(place: Place, heard: Heard, stop: Stop) -> Go:
    """Run stages, given as words: their sessions, and options of the planned stage."""

    def run(
        *stages: str, state: PipelineState | None = None, grace: float = 10.0, **options: object
    ) -> PipelineState:
        if state is None:
            state = new_state("p", PipelinePlan(stages=tuple(planned(row, **options) for row in stages)), 1.0)
        run_stages(place, state, stop, heard, grace=grace)
        return state

    return run


def planned(words: str, **options: object) -> PlannedStage:
    steps = tuple(PlannedStep(session=word, sessions=(word,)) for word in words.split())
    return PlannedStage(name=words.partition(" ")[0], steps=steps, **options)  # type: ignore[arg-type]


def declared(*names: str) -> tuple[NoxSession, ...]:
    """Sessions of a noxfile: ``unit-3.12`` is the 3.12 of ``unit``."""
    return tuple(
        NoxSession(session=name, name=name.partition("-")[0], python=name.partition("-")[2] or None)
        for name in names
    )
