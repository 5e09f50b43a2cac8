"""The pipeline: stages of Nox sessions, and who hears of its end."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from toolkit.config.services import Variable

StageName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
OnFailure = Literal["stop", "go-on"]


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of ``[[tool.toolkit.pipeline.stages]]``: Nox sessions that run side by side.

    Your rows replace the built-in ones. Stages run one after the other, as they stand.
    """

    name: StageName
    """As messages and ``--stage`` call it."""
    sessions: tuple[str, ...]
    """Nox sessions as ``nox -s`` takes them: ``unit`` for all its Pythons, ``unit-3.12`` for one."""
    on_failure: OnFailure = "stop"
    """Whether the pipeline ends after this stage when one of its sessions fails."""
    at_once: Count = 0
    """So many sessions run at once; 0: all of them."""
    optional: bool = False
    """Whether sessions that the noxfile does not declare are left out, and said; otherwise an error."""
    needs_url: bool = False
    """Whether the stage runs only against a deployment whose URL is given."""
    timeout: Seconds | None = None
    """Seconds that each session may take; None: any time."""


DEFAULT_STAGES = (
    Stage(name="fast-feedback", sessions=("unit", "lint", "typecheck"), optional=True),
    Stage(name="integration", sessions=("integration",), optional=True),
    Stage(name="quality", sessions=("security", "audit", "performance"), optional=True),
    Stage(name="deployment", sessions=("smoke",), optional=True, needs_url=True),
    Stage(name="gates", sessions=("gates",), optional=True),
)
"""The stages of a project that writes none."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.pipeline]``: what ``invoke pipeline.run`` runs, stage after stage."""

    stages: tuple[Stage, ...] = DEFAULT_STAGES
    url: str = ""
    """Of the deployment that stages with ``needs_url`` are run against; ``--url`` replaces it."""
    url_variable: Variable = "API_URL"
    """Environment variable in which their sessions find the URL."""
    grace: Seconds = 30.0
    """Seconds that sessions get after Ctrl-C to stop their servers; then they are killed."""
    keep: Annotated[int, msgspec.Meta(ge=1)] = 20
    """So many pipelines with their logs are kept in the state folder."""


class Notifications(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.toolkit.notifications]``: who hears of a pipeline's end, by Apprise. No secrets belong here."""

    urls: tuple[str, ...] = ()
    """Addresses as Apprise knows them; ``$NAME`` in them is replaced by the environment variable, so that
    tokens stay out of this file: ``["$TEAM_CHAT", "mailtos://me:$MAIL_PASSWORD@example.org"]``."""
    on: Literal["always", "failure"] = "always"
    """Of which ends they hear."""


def pipeline_mistakes(pipeline: Pipeline) -> Iterator[str]:
    """Yield what single fields cannot say: names used twice, stages without a session."""
    path = "tool.toolkit.pipeline.stages"
    if not pipeline.stages:
        yield f"{path} = []: expected at least one stage"
    for name, times in Counter(stage.name for stage in pipeline.stages).items():
        if times > 1:
            yield f"{path}: {times} stages are called {name!r}"
    for number, stage in enumerate(pipeline.stages):
        if not stage.sessions:
            yield f"{path}[{number}].sessions = []: expected at least one Nox session"
        yield from (
            f"{path}[{number}].sessions: {name!r} is named {times} times"
            for name, times in Counter(stage.sessions).items()
            if times > 1
        )
