"""``python -m toolkit.tasks``: the tasks where no ``tasks.py`` stands, as in a pre-commit hook."""

from invoke.program import Program

from toolkit import __version__
from toolkit.tasks import ns

if __name__ == "__main__":
    Program(name="toolkit", binary="python -m toolkit.tasks", namespace=ns, version=__version__).run()
