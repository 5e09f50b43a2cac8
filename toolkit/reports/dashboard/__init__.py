"""The dashboard: what happened, why, since when and what to do, as one page, Markdown and JSON.

.. code-block:: text

    sources.py    history and the newest runs → Sources: everything that is read, once
    outlook.py    … of these what the analysis of the whole history says
    facts.py      the vocabulary: Facts and its parts; the JSON of the dashboard is exactly this
    telling.py    Sources → Facts
    failing.py    … what changed since the last run, and failures by cause
    past.py       … flaky, slower and likely to fail: what the history says of single tests
    running.py    … slowest, resources, workers, trend: what the runs cost
    benchmarks.py … benchmarks from commit to commit
    strain.py     reports of load, fuzz and security sessions → their part of Facts
    profiles.py   pages with profiles of tests → links
    insights.py   … the few sentences that a person reads first
    columns.py    Sources → all tests as compressed columns, for the page
    page.py       Facts and columns → one HTML file (assets/)
    markdown.py   Facts → Markdown
    writing.py    all three → files
    live.py       journals of runs that still go on → snapshots
    serving.py    snapshots → a page that follows them, on loopback
"""
