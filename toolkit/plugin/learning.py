"""At the end of a session that nobody else looks after: its record goes into the history."""

from toolkit.config import Config


def import_runs(settings: Config) -> str:
    """Take this run, and what earlier ones left behind, into the history.

    Returns:
        Why it could not be done, to be shown; nothing when it was. Never raises: the tests have their result,
        the journals stay, and the next run makes up for it.
    """
    try:
        from toolkit.history.imports import import_pending
        from toolkit.history.store import open_history

        with open_history(settings.history_url) as history:
            import_pending(history, settings.state_dir)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the history, the tests are not at fault
        return f"this run is not in the history yet: {error}"
    return ""
