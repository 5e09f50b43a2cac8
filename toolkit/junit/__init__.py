"""JUnit XML, read from every runner and written for every reader.

.. code-block:: text

    reading.py    a file → its cases, streamed; every defect is an InputError with line and column
    plain.py      cases that passed and say no more, taken out before expat sees them
    events.py     what expat tells, recorded as cheaply as Python can
    parsing.py    events → cases
    verdicts.py   attributes and children of a case → its outcome
    repeats.py    which elements tell of the same test
    dialects.py   who wrote the file, and what a repeated name means to them
    identity.py   class name, name and file → the one NodeId of a test
    values.py     durations in every locale, long texts cut in the middle
    cases.py      the vocabulary: Suite, Trial, JUnitCase
    runs.py       a whole file → a RunRecord, for the history
    writing.py    RunRecords → a file that Jenkins and GitLab understand
"""
