"""Test smells: what makes a test say less, or less reliably, than it seems.

``checking.check_paths`` is the way in. ``rules`` is the table of the rules; ``files`` finds the files of
tests; ``looking`` walks each syntax tree once and notes what the rules ask for, with the words of ``names``;
``asserting``, ``body``, ``state`` and ``world`` are the rules themselves; ``ignoring`` reads the comments
that silence them; ``sarif`` writes for code scanners.
"""
