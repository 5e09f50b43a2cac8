"""Rows for any schema: every constraint holds, one seed gives one result, what is impossible is said."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from toolkit.errors import InputError, UsageError
from toolkit.scenarios.files import Rows, Scenario
from toolkit.scenarios.ordering import find_order
from toolkit.scenarios.rows import Generation, Nothing, Values, generate
from toolkit.scenarios.tables import Column, ForeignKey, Rule, Schema, Table, Unique
from toolkit.scenarios.values import HOLDS, with_number

ID = Column(name="id", kind="integer", bits=64, nullable=False, sequence=True)
PLAIN: tuple[tuple[Column, tuple[Rule, ...]], ...] = (
    (Column(name="email", kind="text", length=30), (Rule(column="email", test="like", value="%_@_%"),)),
    (Column(name="code", kind="text"), (Rule(column="code", test="match", value="^[A-Z]{3}[0-9]{2}$"),)),
    (Column(name="name", kind="text", length=5), (Rule(column="name", test="not", value=""),)),
    (Column(name="login", kind="text"), (Rule(column="login", test="lower"),)),
    (Column(name="bio", kind="text"), (Rule(column="bio", test="min length", value=150),)),
    (Column(name="state", kind="text", choices=("new", "old")), ()),
    (Column(name="status", kind="text"), (Rule(column="status", test="in", value=["a", "b"]),)),
    (
        Column(name="price", kind="decimal", precision=6, scale=2),
        (Rule(column="price", test="above", value=0),),
    ),
    (Column(name="rate", kind="float"), (Rule(column="rate", test="below", value=0.001),)),
    (
        Column(name="low", kind="integer", bits=16),
        (Rule(column="low", test="min", value=-5), Rule(column="low", test="max", other="high")),
    ),
    (Column(name="high", kind="integer", bits=16), (Rule(column="high", test="min", value=0),)),
    (Column(name="starts", kind="datetime", zoned=True), ()),
    (Column(name="ends", kind="datetime", zoned=True), (Rule(column="ends", test="above", other="starts"),)),
    (Column(name="at", kind="time"), (Rule(column="at", test="not null"),)),
    (Column(name="flag", kind="boolean"), ()),
    (Column(name="key", kind="uuid"), ()),
    (Column(name="tags", kind="array", item=Column(name="tags", kind="text", length=4)), ()),
    (Column(name="document", kind="json"), ()),
)


@st.composite
def tables(draw: st.DrawFn, names: list[str], name: str) -> Table:
    """A table with some columns, keys to others and itself, and unique columns."""
    chosen = draw(st.lists(st.sampled_from(PLAIN), unique_by=lambda each: each[0].name, max_size=6))
    columns, keys = [ID], list[ForeignKey]()
    rules: list[Rule] = []
    for column, demanded in chosen:
        columns.append(Column(**{**_fields(column), "nullable": draw(st.booleans())}))
        rules += demanded
    for number, other in enumerate(draw(st.lists(st.sampled_from(names), max_size=3))):
        columns.append(Column(name=f"ref{number}", kind="integer", nullable=draw(st.booleans())))
        keys.append(
            ForeignKey(columns=(f"ref{number}",), table=other, remote=("id",), deferrable=draw(st.booleans()))
        )
    uniques = [Unique(columns=("id",))]
    wide = [column.name for column in columns if column.name in {"email", "code", "key", "login"}]
    uniques += [Unique(columns=(each,), folded=each == "email") for each in wide if draw(st.booleans())]
    present = {column.name for column in columns}
    return Table(
        name=name,
        columns=tuple(columns),
        key=("id",),
        uniques=tuple(uniques),
        foreign_keys=tuple(keys),
        rules=tuple(rule for rule in rules if rule.other in {"", *present}),
    )


def _fields(column: Column) -> dict[str, Any]:
    return {name: getattr(column, name) for name in column.__struct_fields__}


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = [f"t{number}" for number in range(draw(st.integers(1, 4)))]
    return {name: draw(tables(names, name)) for name in names}


def mistakes(schema: Schema, made: Generation) -> list[str]:
    """Check all rows against all constraints, without the code that made them."""
    rows = {filled.table.name: filled.rows for filled in made.tables}
    found = []
    for name, its_rows in rows.items():
        table = schema[name]
        for row in its_rows:
            found += [
                f"{name}.{c.name}: NULL" for c in table.columns if row[c.name] is None and not c.nullable
            ]
            found += [f"{name}: {rule}" for rule in table.rules if not holds(rule, row)]
            found += [
                f"{name}.{column.name}: too long"
                for column in table.columns
                if column.length and len(row[column.name] or "") > column.length
            ]
            found += [f"{name}: {key}" for key in table.foreign_keys if not refers(key, row, rows[key.table])]
        for unique in table.uniques:
            values = [tuple(str(row[column]) for column in unique.columns) for row in its_rows]
            values = [each for each in values if "None" not in each]
            if unique.folded:
                values = [tuple(text.lower() for text in each) for each in values]
            found += [f"{name}: {unique}"] * (len(values) - len(set(values)))
    return found


def holds(rule: Rule, row: Values) -> bool:
    value, limit = row[rule.column], row[rule.other] if rule.other else rule.value
    if value is None:
        return rule.test != "not null"
    if limit is None or rule.test == "not null":
        return True
    if rule.test in HOLDS:
        return bool(HOLDS[rule.test](limit, value))
    holding: dict[str, Callable[[], bool]] = {
        "min": lambda: value >= limit,
        "max": lambda: value <= limit,
        "above": lambda: value > limit,
        "below": lambda: value < limit,
        "in": lambda: value in limit,
    }
    return bool(holding[rule.test]())


def refers(key: ForeignKey, row: Values, parents: list[Values]) -> bool:
    values = [row[name] for name in key.columns]
    return None in values or values in [[parent[name] for name in key.remote] for parent in parents]


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(schemas(), st.integers(0, 12), st.integers(1, 5))
def test_every_constraint_holds_and_one_seed_gives_one_result(schema: Schema, count: int, seed: int) -> None:
    try:
        find_order(schema, set(schema))
    except InputError:
        assume(False)
    scenario = Scenario(seed=seed, tables=dict.fromkeys(schema, count))
    made = generate(schema, scenario, Nothing())
    assert mistakes(schema, made) == []
    assert {filled.table.name: len(filled.rows) for filled in made.tables} == dict.fromkeys(schema, count)
    again = generate(schema, scenario, Nothing())
    assert [filled.rows for filled in made.tables] == [filled.rows for filled in again.tables]


def table(name: str, *columns: Column, **more: Any) -> Table:
    uniques = (Unique(columns=("id",)), *more.pop("uniques", ()))
    return Table(name=name, columns=(ID, *columns), key=("id",), uniques=uniques, **more)


def ref(name: str = "parent", *, nullable: bool = False) -> Column:
    return Column(name=name, kind="integer", nullable=nullable)


def key(to: str, column: str = "parent", *, deferrable: bool = False) -> ForeignKey:
    return ForeignKey(columns=(column,), table=to, remote=("id",), deferrable=deferrable)


def rows_of(schema: Schema, **wanted: Rows | int) -> dict[str, list[Values]]:
    made = generate(schema, Scenario(tables=wanted), Nothing())
    assert mistakes(schema, made) == []
    return {filled.table.name: filled.rows for filled in made.tables}


def test_another_seed_gives_other_rows_and_another_column_does_not() -> None:
    """A column that is added to the schema leaves the values of the others as they were."""
    one = {"people": table("people", Column(name="name", kind="text", nullable=False))}
    more = {"people": table("people", *one["people"].columns[1:], Column(name="age", kind="integer"))}
    first, other = (
        generate(one, Scenario(seed=s, tables={"people": 5}), Nothing()).tables[0].rows for s in (1, 2)
    )
    assert first != other
    assert [row["name"] for row in first] == [row["name"] for row in rows_of(more, people=5)["people"]]


def test_each_row_of_a_parent_gets_its_children() -> None:
    schema = {"a": table("a"), "b": table("b", ref(), foreign_keys=(key("a"),))}
    made = rows_of(schema, a=3, b=Rows(each={"a": 2}))
    assert [row["parent"] for row in made["b"]] == [1, 1, 2, 2, 3, 3]


def test_parents_that_are_not_named_come_along() -> None:
    """As few as will do, one for each child only where the key is unique."""
    many = {"a": table("a"), "b": table("b", ref(), foreign_keys=(key("a"),))}
    assert len(rows_of(many, b=8)["a"]) == 2
    one = {**many, "b": table("b", ref(), foreign_keys=(key("a"),), uniques=(Unique(columns=("parent",)),))}
    assert len(rows_of(one, b=8)["a"]) == 8


def test_a_table_that_refers_to_itself_makes_a_tree() -> None:
    optional = {"a": table("a", ref(nullable=True), foreign_keys=(key("a"),))}
    parents = [row["parent"] for row in rows_of(optional, a=20)["a"]]
    assert parents[0] is None
    assert all(parent is None or parent <= number for number, parent in enumerate(parents))
    needed = {"a": table("a", ref(), foreign_keys=(key("a"),))}
    assert rows_of(needed, a=20)["a"][0] == {"id": 1, "parent": 1}


@pytest.mark.parametrize("deferrable", [True, False])
def test_circles_are_cut_where_that_is_possible(deferrable: bool) -> None:
    """Users have a team, teams have a leader: one of the keys is set at the end."""
    schema = {
        "team": table(
            "team", ref(nullable=not deferrable), foreign_keys=(key("user", deferrable=deferrable),)
        ),
        "user": table("user", ref(), foreign_keys=(key("team"),)),
    }
    made = generate(schema, Scenario(tables={"team": 2, "user": 6}), Nothing())
    assert mistakes(schema, made) == []
    assert made.deferred is deferrable
    assert [filled.later for filled in made.tables] == [() if deferrable else (key("user"),), ()]
    assert all(row["parent"] for filled in made.tables for row in filled.rows)


def test_a_circle_that_cannot_be_cut_is_named() -> None:
    schema = {
        "team": table("team", ref(), foreign_keys=(key("user"),)),
        "user": table("user", ref(), foreign_keys=(key("team"),)),
        "else": table("else", ref(nullable=True), foreign_keys=(key("user"),)),
    }
    with pytest.raises(InputError, match="team, user need each other in a circle"):
        find_order(schema, {"team", "user"})
    with pytest.raises(InputError, match="in a circle"):
        find_order(schema, set(schema))


def test_all_pairs_are_found_when_exactly_all_are_needed() -> None:
    """Chance alone would go on for ever: a join table with every combination, then one too many."""
    schema = {
        "a": table("a"),
        "b": table("b"),
        "ab": Table(
            name="ab",
            columns=(ref("a_id"), ref("b_id"), Column(name="place", kind="integer", nullable=False)),
            key=("a_id", "b_id"),
            uniques=(Unique(columns=("a_id", "b_id")),),
            foreign_keys=(key("a", "a_id"), key("b", "b_id")),
        ),
    }
    pairs = {(row["a_id"], row["b_id"]) for row in rows_of(schema, a=9, b=9, ab=81)["ab"]}
    assert len(pairs) == 81
    with pytest.raises(InputError, match="ab: no more than 4 rows have different values of a_id, b_id"):
        rows_of(schema, a=2, b=2, ab=5)


def test_every_small_number_is_found_when_all_are_needed() -> None:
    schema = {
        "a": table(
            "a",
            Column(name="n", kind="integer", nullable=False),
            Column(name="flag", kind="boolean", nullable=False),
            rules=(
                Rule(column="n", test="min", value=1),
                Rule(column="n", test="max", value=40),
                Rule(column="n", test="not", value=7),
            ),
            uniques=(Unique(columns=("n", "flag")),),
        )
    }
    assert len(rows_of(schema, a=78)["a"]) == 78
    with pytest.raises(InputError, match="no more than 78 rows have different values of n, flag"):
        rows_of(schema, a=79)


def test_columns_that_two_keys_share_agree() -> None:
    """A tenant in every key: an order's customer and its product are the same tenant's."""
    tenant = Column(name="tenant", kind="integer", nullable=False)
    number = Column(name="number", kind="integer", nullable=False)
    rules = (Rule(column="tenant", test="in", value=[1, 2, 3]),)
    part = {
        "columns": (tenant, number),
        "key": ("tenant", "number"),
        "uniques": (Unique(columns=("tenant", "number")),),
        "rules": rules,
    }
    schema: Schema = {
        "customer": Table(name="customer", **part),  # type: ignore[arg-type]
        "product": Table(name="product", **part),  # type: ignore[arg-type]
        "order": Table(
            name="order",
            columns=(ID, tenant, ref("customer"), ref("product")),
            foreign_keys=tuple(
                ForeignKey(columns=("tenant", name), table=name, remote=("tenant", "number"))
                for name in ("customer", "product")
            ),
        ),
    }
    assert len(rows_of(schema, customer=30, product=30, order=50)["order"]) == 50


def test_given_values_are_taken_and_dealt_out() -> None:
    schema = {"a": table("a", Column(name="name", kind="text"), Column(name="other", kind="other"))}
    made = rows_of({**schema}, a=Rows(rows=4, values={"name": ["x", "y"], "other": 7, "id": [5, 6, 7, 8]}))
    found = [(row["id"], row["name"], row["other"]) for row in made["a"]]
    assert found == [(5, "x", 7), (6, "y", 7), (7, "x", 7), (8, "y", 7)]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"b": 1}, "table 'b'"),
        ({"a": Rows(rows=1, values={"nme": 1})}, "nme"),
        ({"a": Rows(each={"b": 1})}, "'b'"),
        ({"a": Rows(each={"a": 1})}, "'a' must be a table of the scenario itself"),
    ],
)
def test_what_does_not_exist_is_named(tables: dict[str, Rows | int], message: str) -> None:
    schema = {"a": table("a", Column(name="name", kind="text"))}
    with pytest.raises(UsageError, match=message):
        generate(schema, Scenario(tables=tables), Nothing())


@pytest.mark.parametrize(
    ("column", "rules", "message"),
    [
        (Column(name="x", kind="other", nullable=False), (), "a.x: values of its type cannot be made up"),
        (
            Column(name="x", kind="integer", nullable=False),
            (Rule(column="x", test="min", value=5), Rule(column="x", test="max", value=4)),
            "a.x: its CHECK constraints leave no value",
        ),
        (
            Column(name="x", kind="integer", nullable=False),
            (
                Rule(column="x", test="min", value=5),
                Rule(column="x", test="max", value=5),
                Rule(column="x", test="not", value=5),
            ),
            "a.x: no value was found",
        ),
        (
            Column(name="x", kind="text", nullable=False),
            (Rule(column="x", test="like", value="a%"), Rule(column="x", test="like", value="b%")),
            "a.x: no value was found",
        ),
    ],
)
def test_what_cannot_be_is_said(column: Column, rules: tuple[Rule, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows_of({"a": table("a", column, rules=rules)}, a=3)


def test_nobody_to_refer_to_is_an_error() -> None:
    schema = {"a": table("a"), "b": table("b", ref(), foreign_keys=(key("a"),))}
    with pytest.raises(InputError, match=r"b\.parent: there is no row of a to refer to"):
        rows_of(schema, a=0, b=1)


def test_columns_are_realistic_by_name() -> None:
    """Addresses that nobody has (RFC 2606, RFC 5737), plausible numbers, hashes as long as hashes are."""
    names = ("email", "phone", "first_name", "city", "isbn", "website", "ip", "title", "password_hash")
    columns = [Column(name=name, kind="text", nullable=False) for name in names]
    numbers = [
        Column(name=name, kind="integer", nullable=False) for name in ("age", "quantity", "price_cents")
    ]
    born = Column(name="birth_date", kind="date", nullable=False)
    due = Column(name="due_date", kind="date", nullable=False)
    for row in rows_of({"users": table("users", *columns, *numbers, born, due)}, users=30)["users"]:
        assert re.fullmatch(r"[a-z0-9]+@example\.(com|org|net)", row["email"])
        assert row["phone"].startswith("+1-555-")
        assert re.fullmatch(r"978\d{10}", row["isbn"])
        assert row["website"].split("/")[2].endswith(".example.com")
        assert row["ip"].startswith("192.0.2.")
        assert re.fullmatch(r"[0-9a-f]{64}", row["password_hash"])
        assert 18 <= row["age"] <= 90
        assert 1 <= row["quantity"] <= 10
        assert 100 <= row["price_cents"] <= 50_000
        assert row["birth_date"].year < 2008
        assert row["due_date"].year >= 2026


def test_other_languages_and_unknown_ones() -> None:
    schema = {"users": table("users", Column(name="last_name", kind="text", nullable=False))}
    english, german = (
        generate(schema, Scenario(locale=locale, tables={"users": 5}), Nothing()).tables[0].rows
        for locale in ("en", "de")
    )
    assert english != german
    with pytest.raises(UsageError, match="locale 'xx': expected one of"):
        generate(schema, Scenario(locale="xx", tables={"users": 1}), Nothing())


def test_numbers_make_texts_differ() -> None:
    assert [with_number(text, 7) for text in ("a@b", "a")] == ["a7@b", "a 7"]
    assert with_number("a", 0) == "a"
