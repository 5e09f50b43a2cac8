"""What a change can affect: from recorded dependencies and files on disk to the tests that must run.

.. code-block:: text

    session       the parts put together for one run of pytest
    explaining    why a test runs or does not
    exchange      the store as one small file
    store         the dependencies of all tests, in one SQLite file
    schema        its tables
    bitmaps       sets of tests in the store
    selection     tests → selected or left out, each with its reason
    retracing     which tests are traced when everything runs
    kept          what functions that keep things ran in earlier runs
    policy        when everything runs all the same; recall so far
    remembering   the coverage of left-out tests: kept after a run, recalled in the next
    covered       what each context of a process executed, as a file
    memory        the coverage of all tests, in one SQLite file
    lines         where the lines of unchanged code are now
    rehearsal     what modules run when they are imported, where that was not seen
    dependencies  from trails to the inputs of each test
    touching      from code objects and items to inputs
    trails        what the processes of a run noted
    graph         which module reaches which, by import
    changes       what git says has changed
    distributions what is installed and locked
    state         fingerprints of everything that tests depend on, in one state of the project
    tree          files on disk, or as they were at a commit
    fingerprints  functions, module levels and files as short hashes
    keeping       functions that keep things for later calls
    looking       where these look for what they keep
    inputs        the vocabulary: Input, CaseRecord

A test that is not known, or whose dependencies are in doubt, is selected.
"""
