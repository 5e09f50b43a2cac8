"""Test infrastructure for Python projects: plan, run, record, learn.

The map. Each folder serves one of the four words; a module imports only from lines below its own
(checked by import-linter, see ``pyproject.toml``):

.. code-block:: text

    program                              the command ``toolkit``: every task, before there is a tasks.py
    sessions | tasks | plugin            the doors: nox, invoke, pytest (nobody imports them)
    pipeline | ci | cluster | adopt      stages of Nox sessions, resumable; definitions of GitHub Actions and
                                         GitLab CI; batches of tests on machines of a Dask cluster; an
                                         existing project: what is there, what to write, what it can do
    gates                                may this be merged: coverage, speed, load, security, reliability
    maintenance                          (beside gates) what grows old goes, what changed is told
    remediation | reports | notifications
                                         from causes to what mends them, done and proven; what people and CI
                                         read: JUnit XML, JSON, Markdown, HTML, dashboard, metrics, terminal;
                                         who hears of an end: chat, mail, webhook
    impact | scheduling | analysis       decisions: values in, values out, no I/O
                                         (analysis.failures: why a test failed; .flaky, .metrics, .trends,
                                         .forecast: what the history says; .state: all of it at once)
    smells                               (beside analysis) what makes tests say less than they seem
    scenarios                            real test data from the real schema, and its removal
    performance                          what a block of code costs, and what it may; benchmarks by commit;
                                         profiles of slow tests
    load                                 load on a running API, by the clock, and its verdict
    security                             attacks on an API, and what its answers must be like
    chaos                                breaking real servers on purpose, with proof that all comes back
    databases                            what tests do to PostgreSQL: templates, clones, shards, cleanup
    services                             where real servers run: containers, local processes, elsewhere by URL
    history | tracing                    what happened before: SQLite or PostgreSQL; what a test touches
    assertions                           what tests claim about real systems, told with the difference
    leases                               who owns what was created, and is the owner alive
    config                               [tool.toolkit] as frozen types
    junit | journal                      JUnit XML of every runner; the files a run writes, line by line
    records | markers | noxfile          the vocabulary; which sessions a noxfile declares
    errors                               the exception tree

Nothing is re-exported here: import from the module that owns the name.
"""

__version__ = "0.1.0"
