"""Gates: may this be merged? Records in, verdicts out.

.. code-block:: text

    verdicts       the vocabulary: finding, check, gate, report
    coverage       of everything, of critical paths, of new code
    performance    benchmarks: absolute limits, and against old code
    benchmarks     … for the dashboard
    pairing        the statistics of that comparison
    interleaving   its job: old and new code in turn, from work trees
    worktrees      those trees, and the end of those that a killed process left
    lockstep       processes that take turns
    turntaking     their side of it
    arms           one tree of files and its process
    security       findings of bandit, pip-audit and safety against a budget
    live           what load, fuzzing and the security tests found on the running system
    live_inputs    … files of those sessions → records
    static         lint and typecheck were content
    reliability    what the history says: consistency, flaky tests, quarantine
    identity       which code a report is of
    waivers        findings that do not count until a day is over
    inputs         files of the tools → records; what is missing or malformed is said, never assumed
    newcode        git and diff-cover → which new lines were executed
    checking       all of it for one project
    schema         the JSON schema of ``quality-gates-report.json``
    writing        the report as JSON, Markdown, SARIF, GitLab code quality and GitHub annotations

A gate whose input is missing, malformed or of other code fails and says what to run.
"""
