"""CI definitions, written from the configuration and the sessions of the noxfile.

.. code-block:: text

    jobs        which Nox sessions run in which jobs, on which Pythons, in how many shards
    servers     service containers: image, port, credentials, URL
    actions     GitHub's actions, each pinned to a commit
    commands    what the jobs run, the same everywhere
    github      the workflow of GitHub Actions
    gitlab      the pipeline of GitLab
    text        from values to YAML
    files       writing, and is what was written still true?
"""
