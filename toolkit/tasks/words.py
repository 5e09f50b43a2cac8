"""Any number of words for one option: ``invoke history.import A B C``.

Invoke fills a positional option once and then takes the next word for the name of another task; an
``iterable`` option takes several values only with its flag before each. With :func:`accept_words`, an option
that is both ``positional`` and ``iterable`` takes every word that is neither a flag, nor a flag's value, nor
the name of a task (for a file of such a name, write ``./name``). All other tasks are parsed as ever.
"""

from typing import Any

from invoke.parser.parser import ParseMachine


def accept_words() -> None:
    """Teach invoke's parser; doing it twice changes nothing."""
    if ParseMachine.handle is not _handle:
        ParseMachine.handle = _handle  # type: ignore[method-assign,assignment]  # there is no hook


_parse = ParseMachine.handle


def _handle(machine: Any, token: str) -> None:
    option = _taker(machine)
    if option is None or token.startswith("-") or token in machine.contexts or machine.waiting_for_flag_value:
        _parse(machine, token)
    else:
        option.value = token


def _taker(machine: Any) -> Any:
    """Return the option of the present task that takes all words, unless another one comes before."""
    context = machine.context
    if context is None or machine.current_state == "unknown" or context.missing_positional_args:
        return None
    return next((option for option in context.positional_args if option.kind is list), None)
