"""What people and CI read: one summary, in every form.

.. code-block:: text

    aggregate.py   files and runs → one Summary, in memory that does not grow with their number
    finding.py     paths on a command line → report files
    counting.py    one file or run → its Part
    causes.py      runs → their failures by cause
    recoveries.py  runs → how long servers took to recover from the faults of chaos tests
    summary.py     the vocabulary: Counts, Row, Detail, Part, Summary, verdict; and the JSON of it
    markdown.py    Summary → Markdown
    page.py        Summary → one HTML file (templates/report.html)
    phrases.py     numbers as people read them
    terminal.py    Summary → a short text
    coverage.py    coverage data of profiles and Pythons → one report
    dashboard/     history and the newest runs → one page with everything, Markdown, JSON
    prometheus.py  history → metrics (templates/grafana.json shows them)
    writing.py     all of them → a folder, each moved into place when complete
"""
