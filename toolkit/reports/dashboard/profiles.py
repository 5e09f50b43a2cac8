"""Profiles of slow tests, as addresses that the dashboard's page can link to."""

import os
from pathlib import Path
from urllib.parse import quote

from toolkit.performance.profiles import FOLDER, read_profiles
from toolkit.reports.dashboard.facts import ProfileFacts


def profiles_for(reports: Path, page: Path) -> tuple[ProfileFacts, ...]:
    """Read the notes of all profiles.

    Args:
        reports: folder of the reports.
        page: the file of the dashboard, from which the links lead.
    """
    folder = reports / FOLDER
    way = os.path.relpath(folder.resolve(), page.resolve().parent).replace(os.sep, "/")
    return tuple(
        ProfileFacts(
            test=note.test,
            kind=note.kind,
            page="/".join(map(quote, (".", *way.split("/"), note.file))),
            seconds=note.seconds,
            made=note.made,
        )
        for note in read_profiles(folder)
    )
