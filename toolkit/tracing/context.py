"""A context: what dependencies are credited to, with what it touched; see ``toolkit.tracing.tracer``."""

from types import CodeType
from typing import Any


class Context:
    """What one context touched since its last line in the trail."""

    __slots__ = ("functions", "items", "kind", "module_code", "name", "number", "traced", "written")

    def __init__(self, number: int, kind: str, name: str, module_code: CodeType | None = None) -> None:
        self.number = number
        self.kind = kind
        self.name = name
        self.module_code = module_code
        self.functions: set[int] = set()
        self.items: dict[str, dict[str, Any]] = {}
        self.traced = True
        self.written = False

    def add(self, kind: str, item: str, value: Any = 1) -> None:
        """Note that something other than a function was touched; the first value stays."""
        self.items.setdefault(kind, {}).setdefault(item, value)
