"""CHECK constraints as PostgreSQL prints them become rules; what is not understood is left to the server."""

import pytest

from toolkit.scenarios.checks import read_check
from toolkit.scenarios.tables import Rule


def rule(test: str, value: object = None, other: str = "", column: str = "x") -> Rule:
    return Rule(column=column, test=test, value=value, other=other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("x >= 0", [rule("min", 0)]),
        ("(x > (0)::numeric)", [rule("above", 0)]),
        ("0 < x", [rule("above", 0)]),
        ("x >= '-5'::integer", [rule("min", "-5")]),
        ("x > -5", [rule("above", -5)]),
        ("((x >= 1) AND (x <= 99))", [rule("min", 1), rule("max", 99)]),
        ("x BETWEEN 1 AND 99", [rule("min", 1), rule("max", 99)]),
        ("x <> ''::text", [rule("not", "")]),
        ("x <> ALL (ARRAY[1, 2])", [rule("not", 1), rule("not", 2)]),
        ("(x = ANY (ARRAY['a'::text, 'b'::text]))", [rule("in", ["a", "b"])]),
        ("((x)::text = ANY ((ARRAY['a'::character varying])::text[]))", [rule("in", ["a"])]),
        ("x IN (1, 2)", [rule("in", [1, 2])]),
        ("((x = 'a'::text) OR (x = 'b'::text))", [rule("in", ["a", "b"])]),
        ("x = true", [rule("in", [True])]),
        ("(x ~ '^[0-9]{13}$'::text)", [rule("match", "^[0-9]{13}$")]),
        ("(x ~~ '%_@_%'::text)", [rule("like", "%_@_%")]),
        ("((length(x) >= 8) AND (length(x) < 80))", [rule("min length", 8), rule("max length", 79)]),
        ("char_length((x)::text) > 2", [rule("min length", 3)]),
        ("(lower((x)::text) = (x)::text)", [rule("lower")]),
        ("x = upper(x)", [rule("upper")]),
        ("x <= y", [rule("max", other="y")]),
        ("x IS NOT NULL", [rule("not null")]),
    ],
)
def test_understood(text: str, rules: list[Rule]) -> None:
    assert read_check(text) == (rules, True)


@pytest.mark.parametrize(
    "text",
    [
        "(x IS NOT NULL) OR (y IS NOT NULL)",
        "x IS NULL",
        "x % 2 = 0",
        "x <> y",
        "x = y",
        "x > now()",
        "((x = 1) OR (y = 2))",
        "is_valid(x)",
        "x = ANY (y)",
        "x IN (SELECT 1)",
        "this is no SQL (",
    ],
)
def test_left_to_the_server(text: str) -> None:
    assert read_check(text) == ([], False)


def test_what_is_understood_counts_beside_what_is_not() -> None:
    assert read_check("x > 0 AND is_valid(x)") == ([rule("above", 0)], False)
