"""A schema comes from SQL files, Alembic, SQLAlchemy or a command, and is known by its fingerprint."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtimes import Servers
from toolkit.config import parse_config
from toolkit.databases import sources
from toolkit.databases.clones import make_clone
from toolkit.databases.owners import DatabaseOwner
from toolkit.databases.server import Server, connect
from toolkit.databases.sources import Source, find_source
from toolkit.databases.templates import ensure_template
from toolkit.errors import ConfigError, EnvironmentFailed, InputError, MissingExtra

pytestmark = pytest.mark.slow  # what it shows does not depend on the Python

Find = Callable[..., Source]


@pytest.fixture
def postgres_url(real_servers: Servers) -> str:
    """One runtime is enough here: what differs is where the schema comes from."""
    return real_servers.urls("embedded")["DATABASE_URL"]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Find the source that a table names, in a project of this test."""

    def found(**table: object) -> Source:
        config = parse_config({"tool": {"toolkit": {"databases": table}}}, root=tmp_path, environ={})
        return find_source(config.databases, tmp_path)

    return found


@pytest.fixture
def columns(server: Server, owner: DatabaseOwner) -> Callable[[Source], list[str]]:
    """Build the template of a source and tell what a clone of it has."""

    def read(source: Source) -> list[str]:
        clone = make_clone(server, owner, ensure_template(owner, source), source)
        query = (
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1"
        )
        with connect(clone.url) as connection:
            return [name for (name,) in connection.execute(query)]

    return read


Columns = Callable[[Source], list[str]]

ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

VERSION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = {revision!r}, {before!r}

def upgrade():
    {upgrade}

def downgrade():
    raise NotImplementedError
"""


def write_alembic(root: Path) -> None:
    """Write a project with two migrations in a folder of another name."""
    (root / "db" / "versions").mkdir(parents=True)
    (root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/db\n", encoding="utf-8")
    (root / "db" / "env.py").write_text(ENV, encoding="utf-8")
    book = "op.create_table('book', sa.Column('id', sa.Integer, primary_key=True))"
    price = "op.add_column('book', sa.Column('price', sa.Numeric))"
    for revision, before, upgrade in (("a1", None, book), ("b2", "a1", price)):
        text = VERSION.format(revision=revision, before=before, upgrade=upgrade)
        (root / "db" / "versions" / f"{revision}.py").write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_alembic_upgrades_to_its_head(tmp_path: Path, find: Find, columns: Columns) -> None:
    """The fingerprint is that of the migrations: other files of the project do not change it."""
    write_alembic(tmp_path)
    source = find(alembic="alembic.ini")
    assert columns(source) == ["alembic_version.version_num", "book.id", "book.price"]
    (tmp_path / "app.py").write_text("x = 1", encoding="utf-8")
    (tmp_path / "db" / ".hidden").mkdir()
    (tmp_path / "db" / ".hidden" / "x.py").touch()
    assert find(alembic="alembic.ini").key == source.key
    with (tmp_path / "db" / "versions" / "b2.py").open("a") as file:
        file.write("# changed")
    assert find(alembic="alembic.ini").key != source.key


def test_alembic_fails_with_its_own_words(tmp_path: Path, find: Find, owner: DatabaseOwner) -> None:
    """The end of its output is shown, without the password; no template is left."""
    write_alembic(tmp_path)
    broken = VERSION.format(revision="c3", before="b2", upgrade="op.execute('nonsense at ' + URL)")
    broken = "import os\nURL = os.environ['DATABASE_URL']\n" + broken
    (tmp_path / "db" / "versions" / "c3.py").write_text(broken, encoding="utf-8")
    with pytest.raises(EnvironmentFailed, match="the migrations failed") as error:
        ensure_template(owner, find(alembic="alembic.ini"))
    assert "syntax error" in str(error.value)
    assert owner.server.url.split("@")[0].rsplit(":", 1)[1] not in str(error.value)


def test_alembic_without_a_place_of_its_scripts_takes_all(tmp_path: Path, find: Find) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = package:db\n", encoding="utf-8")
    before = find(alembic="alembic.ini").key
    (tmp_path / "x.py").touch()
    assert find(alembic="alembic.ini").key != before
    (tmp_path / "alembic.ini").write_text("nonsense", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"alembic\.ini"):
        find(alembic="alembic.ini")


@pytest.mark.parametrize(
    "locations",
    ["%(here)s/db/versions %(here)s/../more", "db/versions, more", "db/versions\n  more", "db/versions:more"],
)
def test_alembic_with_several_folders_of_versions_takes_them_all(
    tmp_path: Path, find: Find, locations: str
) -> None:
    """However they are parted; also beside the folder of the configuration. Hidden ones are left out."""
    write_alembic(tmp_path)
    (tmp_path / "more").mkdir()
    folder = tmp_path / "ini" if ".." in locations else tmp_path
    folder.mkdir(exist_ok=True)
    text = f"[alembic]\nscript_location = db\nversion_locations = {locations}\n"
    (folder / "alembic.ini").write_text(text, encoding="utf-8")
    name = (folder / "alembic.ini").relative_to(tmp_path).as_posix()
    before = find(alembic=name).key
    (tmp_path / "more" / "c3.py").touch()
    assert find(alembic=name).key != before


def test_alembic_with_a_folder_of_versions_that_cannot_be_told_takes_all(tmp_path: Path, find: Find) -> None:
    write_alembic(tmp_path)
    text = "[alembic]\nscript_location = db\nversion_locations = C:\\db package:more\n"
    (tmp_path / "alembic.ini").write_text(text, encoding="utf-8")
    before = find(alembic="alembic.ini").key
    (tmp_path / "x.py").touch()
    assert find(alembic="alembic.ini").key != before


MODELS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    sequel: Mapped[int | None] = mapped_column(ForeignKey("book.id"))
"""


def test_sqlalchemy_makes_its_metadata(
    tmp_path: Path, find: Find, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declarative base or a MetaData, from the root or from src; the fingerprint is that of the DDL."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "src").mkdir()
    for number, path in enumerate((tmp_path, tmp_path / "src")):
        name = f"models_of_{tmp_path.name}_{number}"
        (path / f"{name}.py").write_text(MODELS, encoding="utf-8")
        source = find(metadata=f"{name}:Base")
        assert columns(source) == ["book.id", "book.sequel"]
        changed = MODELS.replace("sequel", "prequel")
        (path / f"{name}_more.py").write_text(changed, encoding="utf-8")
        assert find(metadata=f"{name}_more:Base.metadata").key != source.key


@pytest.mark.parametrize(
    ("name", "message"), [("no_such_module_x:Base", "No module named"), ("json:Base", "no attribute 'Base'")]
)
def test_metadata_that_is_not_there_is_named(
    find: Find, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(ConfigError, match=f"metadata = '{name}': .*{message}"):
        find(metadata=name)


def test_sqlalchemy_is_an_extra(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtra, match="sqlalchemy"):
        sources._sqlalchemy()


MIGRATE = """
import os, sys, psycopg
assert os.environ["DATABASE_URL"] not in sys.argv
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute(open("schema.txt").read())
"""


def test_a_command_migrates(tmp_path: Path, find: Find, columns: Columns) -> None:
    """It finds the database in its environment; what it reads is named by ``inputs``."""
    (tmp_path / "migrate.py").write_text(MIGRATE, encoding="utf-8")
    (tmp_path / "schema.txt").write_text(f"CREATE TABLE book (id int); -- {tmp_path}", encoding="utf-8")
    table = {"command": ["{python}", "migrate.py"], "inputs": ["*.txt"]}
    source = find(**table)
    assert columns(source) == ["book.id"]
    (tmp_path / "schema.txt").write_text("CREATE TABLE book (id int, price int)", encoding="utf-8")
    assert find(**table).key != source.key


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["{python}", "-c", "import sys; sys.exit('the reason')"], r"ended with 1\nthe reason"),
        (["no-such-program-x"], "no-such-program-x: cannot be started: No such file"),
    ],
)
def test_a_command_that_fails_is_explained(
    find: Find, owner: DatabaseOwner, command: list[str], message: str
) -> None:
    with pytest.raises(EnvironmentFailed, match=message):
        ensure_template(owner, find(command=command))


def test_sql_files_in_folders_run_in_natural_order_and_undo_files_do_not(
    tmp_path: Path, find: Find, columns: Columns
) -> None:
    for name, text in {
        "1/1.sql": "CREATE TABLE book (id int)",
        "2/1.sql": "ALTER TABLE book ADD price int",
        "2/1.down.sql": "DROP TABLE book",
        "10/1.sql": "ALTER TABLE book RENAME price TO cost",
    }.items():
        (tmp_path / "sql" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sql" / name).write_text(text, encoding="utf-8")
    assert columns(find(migrations="sql")) == ["book.cost", "book.id"]


def test_without_a_source_databases_are_empty(find: Find, columns: Columns) -> None:
    assert columns(find()) == []


@pytest.mark.parametrize("key", ["migrations", "alembic"])
def test_what_does_not_exist_is_named(find: Find, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"tool\.toolkit\.databases\.{key}: .*nowhere does not exist"):
        find(**{key: "nowhere"})


def test_a_broken_sql_file_is_named(tmp_path: Path, find: Find, owner: DatabaseOwner) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "1.sql").write_text("CREATE TABEL x ()", encoding="utf-8")
    with pytest.raises(InputError, match=r"1\.sql: syntax error"):
        ensure_template(owner, find(migrations="sql"))
