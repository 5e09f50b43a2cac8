"""Checking files: each alone, many of them in several processes."""

import ast
import os
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from warnings import catch_warnings, simplefilter

import msgspec

from toolkit.config import Config
from toolkit.config.smells import Smells
from toolkit.config.validation import unknown
from toolkit.errors import UsageError
from toolkit.smells import asserting, body, state, world
from toolkit.smells.files import excluded, find_files, shown
from toolkit.smells.findings import Checked, Finding, Unreadable, joined
from toolkit.smells.ignoring import Ignore, find_ignores, silences
from toolkit.smells.looking import Module, look
from toolkit.smells.rules import RULES
from toolkit.smells.spots import Asked, RuleBody, Spot

UNUSED = "TS100"

BODIES: Mapping[str, RuleBody] = {
    "TS101": asserting.no_assertion,
    "TS102": world.sleep,
    "TS103": world.mocked_persistence,
    "TS104": state.order_dependence,
    "TS105": state.shared_state,
    "TS106": body.duplicate,
    "TS107": body.conditional_assertion,
    "TS108": world.unseeded_random,
    "TS109": world.real_network,
    "TS110": body.broad_except,
    "TS111": body.empty_test,
    "TS112": body.shadowed_test,
}
"""What each rule does. TS100 is about the comments, see :func:`check_source`."""

_WORTH_A_PROCESS = 400_000
"""Bytes of source; below, starting a process takes longer than it saves."""


def check_paths(
    config: Config, paths: Sequence[Path] = (), *, only: Collection[str] = (), jobs: int | None = None
) -> Checked:
    """Check files and folders of tests.

    Args:
        config: of the project.
        paths: files, checked whatever their name, and folders; none: the project's tests.
        only: ids of the rules to apply; none: all that are enabled.
        jobs: processes; None: as many as there are cores and enough to do.

    Raises:
        UsageError: a path or a rule does not exist.
    """
    for rule in only:
        if rule not in RULES:
            raise UsageError(unknown("rule", rule, RULES))
    wanted = paths or [path for path in map(config.root.joinpath, config.tests) if path.exists()]
    files = find_files(wanted, config.root, config.smells.exclude)
    rules = frozenset(only) or frozenset(RULES)
    order = Order(root=str(config.root), smells=config.smells, rules=rules)
    sizes = sum(path.stat().st_size for path in files)
    count = min(jobs or os.cpu_count() or 1, jobs or sizes // _WORTH_A_PROCESS + 1, len(files) or 1)
    if count == 1:
        return joined([check_file(order, path) for path in files])
    from concurrent.futures.process import ProcessPoolExecutor  # seldom needed, and slow to import
    from multiprocessing import get_context

    # not forked: the caller may have threads
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        told = msgspec.json.encode(order)
        size = max(1, min(32, len(files) // (count * 4)))
        batches = [
            (told, list(map(str, files[first : first + size]))) for first in range(0, len(files), size)
        ]
        return joined([msgspec.json.decode(part, type=Checked) for part in pool.map(_in_process, batches)])


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be applied to a file."""

    root: str
    smells: Smells = Smells()
    rules: frozenset[str] = frozenset(RULES)


def _in_process(batch: tuple[bytes, list[str]]) -> bytes:
    """Check some files in a process of its own; JSON between the two needs no agreement about classes."""
    order = msgspec.json.decode(batch[0], type=Order)
    return msgspec.json.encode(joined([check_file(order, Path(path)) for path in batch[1]]))


def check_file(order: Order, path: Path) -> Checked:
    """Check one file; one that cannot be read or parsed is named, not raised."""
    name = shown(path, Path(order.root))
    try:
        with tokenize.open(path) as stream:
            source = stream.read()
        return check_source(order, name, source)
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError, RecursionError, MemoryError) as error:
        place = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        return Checked(unreadable=(Unreadable(path=name, why=place),))


def check_source(order: Order, path: str, source: str) -> Checked:
    """Check the text of one file.

    Raises:
        SyntaxError: it is no Python; ValueError: it holds a null byte.
    """
    lines = source.splitlines()
    with catch_warnings():
        simplefilter("ignore")  # of the checked code: invalid escapes and the like
        module = look(ast.parse(source), path, lines)
    ignores = find_ignores(source)
    applied = [rule for rule in RULES if rule in order.rules and _applies(order.smells, rule, path)]
    found: list[Finding] = []
    silenced = 0
    for rule in applied:
        for spot in _spots(order.smells, rule, module):
            if silences(ignores, rule, _lines(spot)):
                silenced += 1
            else:
                found.append(_finding(order.smells, rule, path, spot))
    if UNUSED in applied:
        found += _unused(order, path, ignores, applied)
    return Checked(
        findings=tuple(sorted(found)),
        files=1,
        lines=len(lines),
        tests=sum(1 for _ in module.tests),
        silenced=silenced,
    )


def _applies(smells: Smells, rule: str, path: str) -> bool:
    chosen = smells.rule(rule)
    return chosen.enabled and not excluded(path, chosen.exclude)


def _spots(smells: Smells, rule: str, module: Module) -> Iterator[Spot]:
    body = BODIES.get(rule)
    if body is not None:
        yield from body(Asked(module, smells.rule(rule).allow))


def _lines(spot: Spot) -> list[range]:
    """Return the lines on which a comment silences: those of the place, and of the head of its test."""
    heads = [spot.node] if spot.test is None else [spot.node, spot.test.node]
    return [_head(node) for node in heads]


def _head(node: ast.AST) -> range:
    """Return the lines of an expression, or of a compound statement up to its body."""
    first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
    decorators = getattr(node, "decorator_list", None)
    inside = getattr(node, "body", None)
    if isinstance(inside, list) and inside:
        last = max(first, inside[0].lineno - 1)
    return range(min([first, *(each.lineno for each in decorators or ())]), last + 1)


def _finding(smells: Smells, rule: str, path: str, spot: Spot) -> Finding:
    return Finding(
        path=path,
        line=spot.node.lineno,  # type: ignore[attr-defined]
        column=spot.node.col_offset + 1,  # type: ignore[attr-defined]
        rule=rule,
        name=RULES[rule].name,
        severity=smells.rule(rule).severity,
        test="" if spot.test is None else spot.test.qualified,
        message=spot.message,
        mend=RULES[rule].mend,
    )


def _unused(
    order: Order, path: str, ignores: Sequence[Ignore], applied: Collection[str]
) -> Iterator[Finding]:
    for ignore in ignores:
        known = ignore.rule in RULES
        if ignore.used or (known and ignore.rule not in applied):
            continue
        what = f"silences {ignore.rule}, which has nothing to report here"
        yield Finding(
            path=path,
            line=ignore.line,
            column=ignore.column,
            rule=UNUSED,
            name=RULES[UNUSED].name,
            severity=order.smells.rule(UNUSED).severity,
            message=what if known else unknown("rule", ignore.rule, RULES),
            mend=RULES[UNUSED].mend,
        )
