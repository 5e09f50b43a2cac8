"""Starts the tracer of a Python process that a traced test has started, then runs the real sitecustomize."""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_package = os.path.dirname(os.path.dirname(os.path.dirname(_here)))


def _trace() -> None:
    added = False
    try:
        if importlib.util.find_spec("toolkit") is None:
            sys.path.append(_package)
            added = True
        from toolkit.tracing.children import start_from_environment

        start_from_environment()
    except Exception:  # noqa: BLE001, S110 - a child that cannot be traced must run all the same
        pass
    finally:
        if added:
            sys.path.remove(_package)


def _run_real() -> None:
    others = [folder for folder in sys.path if os.path.abspath(folder or ".") != _here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_trace()
_run_real()
