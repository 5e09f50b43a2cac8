"""What a change can affect: from recorded dependencies and files on disk to the tests that must run.

.. code-block:: text

    selection     tests → selected or left out, each with its reason           (pure)
    state         what is now: fingerprints of everything the tests depend on
    changes       what git says has changed; the distributions installed and locked
    trails        from the trails of a run to the inputs of each test
    graph         which module reaches which, by import
    fingerprints  functions, module levels and files as short hashes
    store         the dependencies of all tests, in one SQLite file
    inputs        the vocabulary: Input, CaseRecord

A test that is not known, or whose dependencies are in doubt, is selected.
"""
