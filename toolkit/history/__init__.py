"""What happened before: every run and every attempt of every test, in SQLite or PostgreSQL.

``store.open_history(url)`` is the way in. The files:

.. code-block:: text

    store      open_history and History: the one object others hold
    imports    journals, JUnit files and exports on disk → history; what could not be read is named
    export     history → compressed JSON lines and back
    writing    one run record → rows, in one transaction
    queries    rows → answers
    usage      what tests need and what runs cost: the input of the next plan
    recent     the newest results of every test, kept, so that no question scans the history
    pruning    old runs out, nothing dangling left
    checks     is everything that belongs together there
    records    rows → the run record that was imported
    answers    the types of the answers
    schema     the tables, their version and the steps between versions
    database   what a database must be able to do: sqlite, postgres
"""
