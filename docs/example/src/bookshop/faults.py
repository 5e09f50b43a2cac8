"""Faults that can be switched on, so that the tests which hunt them have something to find.

``BOOKSHOP_FAULT=race,slow_query bookshop serve`` starts a shop with two of them. Without the variable there
is none, and a name that is not a fault is an error.
"""

from enum import StrEnum

from bookshop.domain.problems import InvalidValue


class Fault(StrEnum):
    """A mistake of the kind that real applications contain."""

    LEAK = "leak"  # every request leaves something behind in memory
    N_PLUS_ONE = "n_plus_one"  # the list of authors asks the database once per author
    RACE = "race"  # stock is read and written back without a lock
    INJECTION = "injection"  # the author's name is pasted into the SQL
    SLOW_QUERY = "slow_query"  # the search makes the database work for each row


def parse_faults(text: str) -> frozenset[Fault]:
    """Read a comma-separated list of faults; empty means none.

    >>> sorted(parse_faults("race, leak"))
    [<Fault.LEAK: 'leak'>, <Fault.RACE: 'race'>]

    Raises:
        InvalidValue: a name that is no fault.
    """
    names = [name for raw in text.split(",") if (name := raw.strip())]
    known = {fault.value for fault in Fault}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise InvalidValue(f"BOOKSHOP_FAULT: {', '.join(wrong)}: expected any of {', '.join(sorted(known))}")
    return frozenset(map(Fault, names))
