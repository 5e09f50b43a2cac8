"""What the history means: pure functions over what was recorded, each formula with its source.

.. code-block:: text

    state                                     everything below, computed once
    metrics owners trends changepoints advice counts and times, their changes, what to do about them
    flakiness flaky orders                    flaky tests and their kinds
    streaks bursts beta                       the statistics that they rest on
    quarantine release confirmation           kept from failing builds, until proven mended
    forecast prediction likelihood cofailure  what fails next
    failures groups outages causes ...        why tests failed, and which failures have one cause
    past                                      what all of them look at
"""
